//! The life of a path as JSON: the keys that programs share.

use serde_json::{Map, Value};

use crate::render::json as lossless;
use crate::spec::Digest;
use crate::tree::{Event, History, NodeKind, Step};

/// The layer of a step, as programs tell it.
#[derive(Debug, Clone, Copy)]
pub struct LifeLayer<'a> {
    /// Its number in the image, from 1.
    pub number: usize,
    /// Its diff ID.
    pub diff_id: Option<&'a Digest>,
    /// The command that made it; empty if the history has none.
    pub created_by: &'a str,
}

/// Tests if a step made a file, and did not remove one.
pub fn has_made(step: &Step<'_>) -> bool {
    matches!(step.event, Event::Added | Event::Replaced)
}

/// Returns what a layer did to a path, in words.
pub fn did(event: Event) -> &'static str {
    match event {
        Event::Added => "added",
        Event::Replaced => "replaced",
        Event::Removed => "removed",
        Event::Hidden => "removed with its parent directory",
    }
}

/// Returns the word for a kind of file.
pub fn kind_name(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Directory => "directory",
        NodeKind::File => "file",
        NodeKind::Symlink => "symlink",
        NodeKind::CharDevice => "character device",
        NodeKind::BlockDevice => "block device",
        NodeKind::Fifo => "fifo",
    }
}

/// Returns one step in the life of a path: `Type` (life), `Path`, `Layer`, `Did`, `Kind`, `Size` in bytes, `Mode`, `Uid`,
/// `Gid` (null after a removal), `HardLink`, `DiffID` and `CreatedBy`.
pub fn life_row(past: &History<'_>, step: &Step<'_>, layer: LifeLayer<'_>) -> Map<String, Value> {
    let path = [b"/", &past.path()[..]].concat();
    let (text, raw) = lossless::bytes_lossless(&path);
    let meta = step.meta();
    let made = |value: Value| if has_made(step) { value } else { Value::Null };
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
    put("Type", "life".into());
    put("Path", text.into());
    if let Some(raw) = raw {
        put("PathBytes", raw.into());
    }
    put("Layer", layer.number.into());
    put("Did", did(step.event).into());
    put("Kind", kind_name(step.kind()).into());
    put("Size", made(step.size().into()));
    put("Mode", made(format!("{:04o}", meta.mode).into()));
    put("Uid", made(meta.owner.uid.into()));
    put("Gid", made(meta.owner.gid.into()));
    put("HardLink", step.is_hard_link().into());
    put("DiffID", layer.diff_id.map(ToString::to_string).into());
    put("CreatedBy", layer.created_by.into());
    row
}
