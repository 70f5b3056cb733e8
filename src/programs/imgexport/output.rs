//! Output of imgexport: listings in mtree and JSON, and the record of metadata that was not applied.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::export::{Export, Item, ItemKind, NotApplied, Recovery, Unpacked};
use crate::cli::{FileKeys, VersionRecords, type_name};
use crate::error::{During, Result};
use crate::escape;
use crate::layer::permissions;
use crate::render::json as lossless;
use crate::spec::Timestamp;
use crate::tree::NodeKind;

/// First line of an mtree.
pub(super) const MTREE: &str = "#mtree";

/// Returns an item as a line of an mtree, with the keywords that mtree(5) and libarchive share.
pub(super) fn mtree(item: &Item<'_>) -> String {
    let mut line = String::from(".");
    let name = item.name();
    if !name.is_empty() {
        line.push('/');
        vis(&name, &mut line);
    }
    let meta = &item.meta;
    let kind = match item.kind {
        ItemKind::Node(NodeKind::Directory) => "dir",
        ItemKind::Node(NodeKind::Symlink) => "link",
        ItemKind::Node(NodeKind::CharDevice) => "char",
        ItemKind::Node(NodeKind::BlockDevice) => "block",
        ItemKind::Node(NodeKind::Fifo) => "fifo",
        ItemKind::Node(NodeKind::File) | ItemKind::Whiteout | ItemKind::Opaque => "file",
    };
    // Writing to a string cannot fail.
    let _ = write!(
        line,
        " type={kind} mode={:04o} uid={} gid={}",
        meta.mode, meta.owner.uid, meta.owner.gid
    );
    for (key, value) in [
        ("uname", &meta.owner.user_name),
        ("gname", &meta.owner.group_name),
    ] {
        if !value.is_empty() {
            let _ = write!(line, " {key}=");
            vis(value, &mut line);
        }
    }
    let _ = write!(line, " time={}.{:09}", meta.mtime.seconds, meta.mtime.nanos);
    if kind == "file" {
        let _ = write!(line, " size={}", item.size);
    }
    if item.link_count > 1 {
        let _ = write!(line, " nlink={} inode={}", item.link_count, item.number());
    }
    if kind == "link" {
        line.push_str(" link=");
        vis(item.link_target, &mut line);
    }
    if matches!(kind, "char" | "block") {
        let _ = write!(line, " device=linux,{},{}", item.device.0, item.device.1);
    }
    if let Some(digest) = item.digest() {
        let _ = write!(line, " sha256digest={}", hex::encode(digest));
    }
    line
}

/// Appends bytes in the encoding of vis(3) for mtree: special bytes are a `\` and three octal digits.
fn vis(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        match byte {
            b'#' | b'\\' | b'*' | b'?' | b'[' | b'=' | 0..=b' ' | 0x7f.. => {
                let _ = write!(out, "\\{byte:03o}");
            }
            byte => out.push(char::from(byte)),
        }
    }
}

/// Returns an item as a line for people: mode, owner, size, time, layer and path.
pub(super) fn list(item: &Item<'_>) -> String {
    let meta = &item.meta;
    let kind = match item.kind {
        ItemKind::Node(NodeKind::Directory) => 'd',
        ItemKind::Node(NodeKind::Symlink) => 'l',
        ItemKind::Node(NodeKind::CharDevice) => 'c',
        ItemKind::Node(NodeKind::BlockDevice) => 'b',
        ItemKind::Node(NodeKind::Fifo) => 'p',
        ItemKind::Node(NodeKind::File) => '-',
        ItemKind::Whiteout | ItemKind::Opaque => 'w',
    };
    let mode = permissions(meta.mode);
    let time = Timestamp::from_unix(meta.mtime.seconds, 0).rfc3339();
    let time = time.get(..16).unwrap_or(&time).replace('T', " ");
    let size = match item.kind {
        ItemKind::Node(NodeKind::CharDevice | NodeKind::BlockDevice) => {
            format!("{},{}", item.device.0, item.device.1)
        }
        _ => item.size.to_string(),
    };
    let owner = format!("{}:{}", meta.owner.uid, meta.owner.gid);
    let layer = item.layer + 1;
    let mut line = format!("{kind}{mode} {owner:>9} {size:>10} {time} {layer:>3}  /");
    line.push_str(&escape::bytes(&item.name()));
    if kind == 'l' {
        let _ = write!(line, " -> {}", escape::bytes(item.link_target));
    }
    if let Some(first) = &item.first_name {
        let _ = write!(line, " link to /{}", escape::bytes(first));
    }
    if let Some(digest) = item.digest() {
        let _ = write!(line, " sha256:{}", hex::encode(digest));
    }
    line
}

/// Returns an item as a line of JSON, with the keys of the man page followed by those of `more`.
///
/// # Errors
/// As [`lossless::line`].
pub(super) fn json(item: &Item<'_>, more: Map<String, Value>) -> Result<String> {
    let kind = match item.kind {
        ItemKind::Node(kind) => type_name(kind),
        ItemKind::Whiteout => "whiteout",
        ItemKind::Opaque => "opaque",
    };
    let is_node = matches!(item.kind, ItemKind::Node(_));
    let is_device = matches!(
        item.kind,
        ItemKind::Node(NodeKind::CharDevice | NodeKind::BlockDevice)
    );
    let is_symlink = item.kind == ItemKind::Node(NodeKind::Symlink);
    let keys = FileKeys {
        path: &item.path,
        kind,
        link_target: is_symlink.then_some(item.link_target),
        hard_link_to: item.first_name.as_deref(),
        metadata: is_node.then_some((&item.meta, item.size)),
        links: Some(item.link_count.into()),
        device: is_device.then_some(item.device),
        layer: is_node.then_some(item.layer),
        digest: item.digest(),
    };
    let mut row = keys.into_map();
    row.extend(more);
    lossless::line(&Value::Object(row))
}

/// Tests one kind of metadata.
type IsMissing = fn(&NotApplied) -> bool;

/// Metadata that can be missing, with its name in the record.
const KINDS: [(&str, IsMissing); 4] = [
    ("owner", |missing| missing.owner),
    ("mode", |missing| missing.mode),
    ("device", |missing| missing.device),
    ("xattrs", |missing| missing.xattrs),
];

/// Returns the entries that were not applied in full, as lines of JSON.
///
/// # Errors
/// As [`json()`].
pub(super) fn record(export: &Export, unpacked: &Unpacked) -> Result<String> {
    let mut text = String::new();
    for (row, missing) in &unpacked.not_applied {
        let Some(item) = export.item(*row) else {
            continue;
        };
        let kinds = KINDS.iter().filter(|(_, is_missing)| is_missing(missing));
        let names: Vec<&str> = kinds.map(|(name, _)| *name).collect();
        let more = Map::from_iter([("NotApplied".to_owned(), json!(names))]);
        text.push_str(&json(&item, more)?);
        text.push('\n');
    }
    Ok(text)
}

/// Writes the record of recovered versions as lines of JSON: the layers that could not be read, then the versions.
///
/// # Errors
/// As [`json()`]; `Io`.
pub(super) fn recovered(
    recovery: &Recovery,
    records: &VersionRecords<'_>,
    out: &mut dyn std::io::Write,
) -> Result<()> {
    let mut line = |row: Map<String, Value>| -> Result<()> {
        let line = lossless::line(&Value::Object(row))?;
        writeln!(out, "{line}").during("write")
    };
    for (layer, error) in recovery.faults() {
        let mut row = records.of_layer(*layer);
        row.insert("Damaged".to_owned(), error.to_string().into());
        line(row)?;
    }
    for version in recovery.versions() {
        let mut row = records.record(&version.version);
        let name = version.recovered_as.as_deref();
        let (text, raw) = name.map(lossless::bytes_lossless).unzip();
        row.insert("RecoveredAs".to_owned(), text.into());
        if let Some(raw) = raw.flatten() {
            row.insert("RecoveredAsBytes".to_owned(), raw.into());
        }
        row.insert("Proven".to_owned(), version.is_proven.into());
        if let Some(error) = version.damage {
            row.insert("Damaged".to_owned(), error.to_string().into());
        }
        line(row)?;
    }
    Ok(())
}

/// Returns a summary of the metadata that was not applied; `None` if all was.
pub(super) fn not_applied(unpacked: &Unpacked) -> Option<String> {
    let counts = KINDS.iter().filter_map(|(name, is_missing)| {
        let all = unpacked.not_applied.iter();
        let count = all.filter(|(_, missing)| is_missing(missing)).count();
        (count > 0).then(|| format!("{name} of {count}"))
    });
    let counts: Vec<String> = counts.collect();
    let summary = format!("not applied: {}; --record lists them", counts.join(", "));
    (!counts.is_empty()).then_some(summary)
}
