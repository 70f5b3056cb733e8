//! Changes that the layers of one image made to a path, or to all paths below a directory.

use std::io::Read;

use serde_json::{Map, Value};

use crate::archive::Image;
use crate::blob::FileRange;
use crate::cli::{LifeLayer, has_made, life_row};
use crate::error::{During, Error, Fault, Result};
use crate::layer::Expanded;
use crate::render::{is_binary, unified};
use crate::spec::{History as Command, Timestamp};
use crate::tree::{History, Location, NodeKind, Step};

/// The life of a path in one image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Life {
    /// The path from the root, without a leading `/`.
    pub(super) path: Vec<u8>,
    /// True if it was a directory and its contents are told, too.
    pub(super) is_directory: bool,
    /// The newest first; of one layer by path.
    pub(super) events: Vec<Happened>,
}

/// Change that one layer made to one path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Happened {
    pub(super) path: Vec<u8>,
    /// Number of the layer, from 0.
    pub(super) layer: usize,
    /// True if the file is there afterwards.
    pub(super) is_made: bool,
    /// True if it was there before.
    pub(super) was_there: bool,
    /// Keys of the row.
    pub(super) row: Map<String, Value>,
    /// Bytes of its own that came, and those that went.
    pub(super) sizes: (u64, u64),
    /// The contents, and those of the version before.
    pair: Option<(Contents, Contents)>,
    pub(super) patch: Option<Patch>,
}

/// Contents of a version.
#[derive(Debug, Clone, PartialEq)]
struct Contents {
    /// Number of the version's layer, from 0; a hard link's contents may be in a lower one.
    layer: usize,
    place: Location,
    size: u64,
    digest: Option<[u8; 32]>,
}

/// Difference of the contents of two versions.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Patch {
    /// A unified diff without names, and the layer of the older version, from 0.
    Text(String, usize),
    /// One of them is no text; sizes in bytes, and that layer.
    Binary(u64, u64, usize),
    /// One of them exceeds the limit; sizes in bytes, and that layer.
    Large(u64, u64, usize),
}

impl Life {
    /// Collects the life of a path; with `is_below`, of all paths below it, if it ever was a directory.
    pub(super) fn of(past: &History<'_>, is_below: bool, image: &Image) -> Self {
        let path = past.path();
        let mut commands: Vec<Option<&Command>> = vec![None; image.layers.len()];
        for step in image.steps() {
            if let Some(command) = step.layer.and_then(|layer| commands.get_mut(layer)) {
                *command = step.history;
            }
        }
        let is_directory = is_below
            && past
                .steps()
                .iter()
                .any(|step| step.kind() == NodeKind::Directory);
        let mut events = Vec::new();
        let mut add = |past: &History<'_>| {
            let steps = past.steps();
            for (at, step) in steps.iter().enumerate() {
                let before = steps.get(..at).unwrap_or_default();
                events.push(happened(past, step, before, image, &commands));
            }
        };
        match is_directory {
            false => add(past),
            true => past.at_or_below().for_each(|past| add(&past)),
        }
        // The steps of one path stay in the order of time within their layer.
        events.reverse();
        events.sort_by(|a, b| b.layer.cmp(&a.layer).then_with(|| a.path.cmp(&b.path)));
        Life {
            path,
            is_directory,
            events,
        }
    }

    /// Adds the differences of consecutive contents. `bytes` are the uncompressed layers, `limit` is the largest size of a
    /// text in bytes.
    ///
    /// # Errors
    /// `Truncated` if a layer became shorter; `Io`.
    pub(super) fn add_patches(&mut self, bytes: &[Option<FileRange>], limit: u64) -> Result<()> {
        for event in &mut self.events {
            let Some((now, before)) = event.pair.take() else {
                continue;
            };
            let (old, new) = (before.size, now.size);
            let patch = match old.max(new) > limit {
                true => Patch::Large(old, new, before.layer),
                false => {
                    let (was, is) = (before.read(bytes)?, now.read(bytes)?);
                    match is_binary(&was) || is_binary(&is) {
                        true => Patch::Binary(old, new, before.layer),
                        false => {
                            let mut text = Vec::new();
                            unified(&mut text, &was, &is)?;
                            let text = String::from_utf8_lossy(&text).into_owned();
                            Patch::Text(text, before.layer)
                        }
                    }
                }
            };
            event.patch = Some(patch);
        }
        Ok(())
    }
}

fn happened(
    past: &History<'_>,
    step: &Step<'_>,
    before: &[Step<'_>],
    image: &Image,
    commands: &[Option<&Command>],
) -> Happened {
    let layer = image.layers.get(step.layer);
    let command = commands.get(step.layer).copied().flatten();
    let mut row = life_row(
        past,
        step,
        LifeLayer {
            number: step.layer + 1,
            diff_id: layer.and_then(|layer| layer.diff_id.as_ref()),
            created_by: command.map_or("", |command| &command.created_by),
        },
    );
    let is_made = has_made(step);
    let meta = step.meta();
    let last = before.last().filter(|last| has_made(last));
    let digest = step.digest().filter(|_| is_made);
    let digest = digest.map(|digest| format!("sha256:{}", hex::encode(digest)));
    let time = Timestamp::from_unix(meta.mtime.seconds, meta.mtime.nanos).rfc3339_nano();
    let fields = last.filter(|_| is_made).map(|last| fields(last, step));
    let created = command.and_then(|command| command.created.as_deref());
    for (key, value) in [
        ("Digest", digest.into()),
        ("ModTime", is_made.then_some(time).into()),
        ("Fields", fields.unwrap_or_default().into()),
        ("Created", created.into()),
    ] {
        row.insert(key.to_owned(), value);
    }
    let own = |step: &Step<'_>| match step.is_hard_link() || step.kind() != NodeKind::File {
        true => 0,
        false => step.size(),
    };
    let older = before.iter().rev().find(|step| has_made(step));
    let pair = older.filter(|_| is_made).and_then(|older| {
        let (now, then) = (contents(step)?, contents(older)?);
        let is_same = now.digest.is_some() && now.digest == then.digest;
        (!is_same).then_some((now, then))
    });
    Happened {
        path: past.path(),
        layer: step.layer,
        is_made,
        was_there: last.is_some(),
        row,
        sizes: (if is_made { own(step) } else { 0 }, last.map_or(0, own)),
        pair,
        patch: None,
    }
}

fn contents(step: &Step<'_>) -> Option<Contents> {
    let place = step.location().filter(|_| step.kind() == NodeKind::File)?;
    Some(Contents {
        layer: step.layer,
        place,
        size: step.size(),
        digest: step.digest(),
    })
}

impl Contents {
    fn read(&self, bytes: &[Option<FileRange>]) -> Result<Vec<u8>> {
        let layer = bytes.get(self.place.layer).and_then(Option::as_ref);
        let layer = layer.ok_or(Fault::StreamConsumed)?;
        let stored = layer.slice(self.place.offset, self.place.stored);
        if stored.len() != self.place.stored {
            return Err(Error::truncated(
                "the layer",
                self.place.stored,
                stored.len(),
            ));
        }
        let mut found = Vec::new();
        let read = match &self.place.segments {
            None => stored.reader().read_to_end(&mut found),
            Some(segments) => {
                let mut whole = Expanded::new(stored.reader(), segments.clone(), self.size);
                whole.read_to_end(&mut found)
            }
        };
        read.during("read")?;
        Ok(found)
    }
}

/// Returns the names of the fields in which two versions differ, as imgdiff has them.
fn fields(was: &Step<'_>, is: &Step<'_>) -> Vec<&'static str> {
    let (old, new) = (was.meta(), is.meta());
    let is_type = was.kind() != is.kind();
    let is_file = !is_type && is.kind() == NodeKind::File;
    let all = [
        ("type", is_type),
        (
            "mode",
            old.mode != new.mode && is.kind() != NodeKind::Symlink,
        ),
        ("uid", old.owner.uid != new.owner.uid),
        ("gid", old.owner.gid != new.owner.gid),
        ("size", is_file && was.size() != is.size()),
        ("content", is_file && was.digest() != is.digest()),
        ("target", !is_type && was.link_target() != is.link_target()),
        ("device", !is_type && was.device() != is.device()),
        ("xattrs", old.xattrs != new.xattrs),
        ("mtime", old.mtime != new.mtime),
    ];
    let differing = all.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(name, _)| name).collect()
}
