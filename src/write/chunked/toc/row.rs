//! Rows of the table of contents and lines of the tar-split.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::layer::{Entry, EntryKind, HeaderDetails, Mtime, Xattr};
use crate::spec::Timestamp;

/// A row of the table of contents. Keys with empty values are omitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Row {
    /// `reg`, `hardlink`, `symlink`, `char`, `block`, `dir`, `fifo`, or `chunk` for a further chunk of the preceding
    /// file.
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub link_name: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub mode: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub uid: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub gid: u64,
    #[serde(rename = "modtime", skip_serializing_if = "Option::is_none")]
    pub mod_time: Option<String>,
    #[serde(rename = "accesstime", skip_serializing_if = "Option::is_none")]
    pub access_time: Option<String>,
    #[serde(rename = "changetime", skip_serializing_if = "Option::is_none")]
    pub change_time: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub dev_major: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub dev_minor: u64,
    /// Values in base64.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
    /// Digest of the contents; empty without contents.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Offset in the blob of the first frame of the contents or of the chunk.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// Offset of the end of the contents' last frame.
    #[serde(skip_serializing_if = "is_zero")]
    pub end_offset: u64,
    /// Size of the chunk; 0 for a file of one chunk.
    #[serde(skip_serializing_if = "is_zero")]
    pub chunk_size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub chunk_offset: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chunk_digest: String,
    /// `zeros` for a hole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chunk_type: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Row {
    /// The row of an entry, without its contents; `None` if a table of contents cannot describe it.
    pub fn of(entry: &Entry, stated: Option<HeaderDetails>) -> Option<Row> {
        let kind = match entry.kind {
            EntryKind::File => "reg",
            EntryKind::HardLink => "hardlink",
            EntryKind::Symlink => "symlink",
            EntryKind::CharDevice => "char",
            EntryKind::BlockDevice => "block",
            EntryKind::Directory => "dir",
            EntryKind::Fifo => "fifo",
            EntryKind::Other(_) => return None,
        };
        if entry.sparse.is_some() || entry.path.is_empty() || entry.climbs() {
            return None;
        }
        let stated = stated?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let mut xattrs = BTreeMap::new();
        // Access control lists in text form are no attributes: a table has no field for them.
        let is_attribute = |xattr: &&Xattr| !xattr.name.starts_with(crate::layer::acl::PREFIX);
        for xattr in entry.metadata.xattrs.iter().filter(is_attribute) {
            xattrs.insert(text(&xattr.name)?, STANDARD.encode(&xattr.value));
        }
        let optional = |at: Option<Mtime>| at.map_or(Some(None), time);
        Some(Row {
            kind: kind.to_owned(),
            name: text(&entry.path)?,
            link_name: text(&entry.link_target)?,
            mode: stated.mode,
            size: entry.size,
            uid: entry.metadata.uid,
            gid: entry.metadata.gid,
            mod_time: time(entry.metadata.mtime)?,
            access_time: optional(stated.atime)?,
            change_time: optional(stated.ctime)?,
            dev_major: entry.device.0,
            dev_minor: entry.device.1,
            xattrs,
            ..Row::default()
        })
    }
}

/// Formats a time as RFC 3339, which has the years 0 to 9999. `Some(None)` for Go's zero time, which is omitted.
#[expect(
    clippy::option_option,
    reason = "left out is not the same as impossible"
)]
fn time(at: Mtime) -> Option<Option<String>> {
    const ZERO: Mtime = Mtime {
        seconds: -62_135_596_800,
        nanos: 0,
    };
    let years = -62_167_219_200..=253_402_300_799;
    let text = || Timestamp::from_unix(at.seconds, at.nanos).rfc3339_nano();
    years.contains(&at.seconds).then(|| (at != ZERO).then(text))
}

/// A line of the tar-split.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Line {
    /// 1 for contents, 2 for other bytes.
    #[serde(rename = "type")]
    pub kind: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Name in base64, if it is not UTF-8.
    #[serde(skip_serializing)]
    pub name_raw: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub size: u64,
    /// The bytes, or the checksum of the contents, in base64.
    pub payload: Option<String>,
    pub position: u64,
}
