//! Files of an export as text: BSD's mtree, and JSON.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::programs::imgexport::export::{Item, ItemKind, NodeKind};
use crate::render::json as lossless;
use crate::spec::Timestamp;

/// The first line of an mtree.
pub const MTREE: &str = "#mtree";

/// One row as a line of an mtree, by the keywords that mtree(5) and libarchive have in common.
pub fn mtree(item: &Item<'_>) -> String {
    let mut line = String::from(".");
    let name = item.name();
    if !name.is_empty() {
        line.push('/');
        vis(&name, &mut line);
    }
    let meta = &item.meta;
    let kind = match item.kind {
        ItemKind::Node(NodeKind::Folder) => "dir",
        ItemKind::Node(NodeKind::Symlink) => "link",
        ItemKind::Node(NodeKind::CharDevice) => "char",
        ItemKind::Node(NodeKind::BlockDevice) => "block",
        ItemKind::Node(NodeKind::Fifo) => "fifo",
        ItemKind::Node(NodeKind::File) | ItemKind::Whiteout | ItemKind::Opaque => "file",
    };
    // Writing to a string does not fail.
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

/// Bytes as vis(3) writes them for mtree: what is not plain is a `\` and three octal digits.
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

/// One row as JSON, see the man page for its keys.
///
/// # Errors
/// As [`lossless::line`].
pub fn json(item: &Item<'_>, more: Map<String, Value>) -> Result<String> {
    let kind = match item.kind {
        ItemKind::Node(NodeKind::Folder) => "directory",
        ItemKind::Node(NodeKind::File) => "file",
        ItemKind::Node(NodeKind::Symlink) => "symlink",
        ItemKind::Node(NodeKind::CharDevice) => "char",
        ItemKind::Node(NodeKind::BlockDevice) => "block",
        ItemKind::Node(NodeKind::Fifo) => "fifo",
        ItemKind::Whiteout => "whiteout",
        ItemKind::Opaque => "opaque",
    };
    let mut row = Map::new();
    let mut bytes = |key: &str, bytes: &[u8]| {
        let (text, raw) = lossless::bytes_lossless(bytes);
        row.insert(key.to_owned(), text.into());
        if let Some(raw) = raw {
            row.insert(format!("{key}Bytes"), raw.into());
        }
    };
    bytes("Path", &item.path);
    if kind == "symlink" {
        bytes("LinkTarget", item.link_target);
    }
    if let Some(first) = &item.first_name {
        bytes("HardLinkTo", first);
    }
    let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
    put("Type", kind.into());
    if let ItemKind::Node(node) = item.kind {
        let meta = &item.meta;
        let time = Timestamp::from_unix(meta.mtime.seconds, meta.mtime.nanos);
        put("Mode", format!("{:04o}", meta.mode).into());
        put("UID", meta.owner.uid.into());
        put("GID", meta.owner.gid.into());
        put("Size", item.size.into());
        put("ModTime", time.rfc3339_nano().into());
        put("ModTimeSeconds", meta.mtime.seconds.into());
        put("Links", item.link_count.into());
        if matches!(node, NodeKind::CharDevice | NodeKind::BlockDevice) {
            put("Device", json!([item.device.0, item.device.1]));
        }
        if !meta.xattrs.is_empty() {
            let mut xattrs = Map::new();
            for xattr in &meta.xattrs {
                let name = String::from_utf8_lossy(&xattr.name).into_owned();
                xattrs.insert(name, STANDARD.encode(&xattr.value).into());
            }
            put("Xattrs", xattrs.into());
        }
        put("Layer", (item.layer + 1).into());
        if let Some(digest) = item.digest() {
            put("Digest", format!("sha256:{}", hex::encode(digest)).into());
        }
    }
    row.extend(more);
    lossless::line(&Value::Object(row))
}
