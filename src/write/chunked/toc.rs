//! The documents behind the frames: the table of contents, the tar-split, and the footer that leads to both.
//!
//! The table of contents repeats what the tar's headers say as Go's `archive/tar` reads them, since that is what its
//! readers compare it with. The tar-split (vbatts/tar-split) holds every byte of the tar that is no file's contents.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{Annotations, Chunk};
use crate::blob::sha256;
use crate::error::{Error, Fault, Result};
use crate::layer::{Entry, EntryKind, HeaderDetails, Mtime, Xattr};
use crate::spec::{Digest, Timestamp};

/// Readers refuse tables of contents of more bytes, packed or not (containers/storage, `maxTocSize`).
pub(crate) const MOST: u64 = 150 << 20;
/// About what a chunk takes in the table of contents, apart from its file's name.
const CHUNK_ROW: u64 = 200;
/// What zstd readers skip begins so.
const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
/// The blob ends so.
pub(crate) const MAGIC: [u8; 8] = *b"GNUlInUx";
/// Bytes of the footer, without the frame around it.
pub(crate) const FOOTER: usize = 64;
/// The digest of the table of contents as it is packed.
pub(crate) const CHECKSUM: &str = "io.github.containers.zstd-chunked.manifest-checksum";
/// Where it is: `offset:length:plain length:1`.
pub(crate) const POSITION: &str = "io.github.containers.zstd-chunked.manifest-position";
/// Where the tar-split is: `offset:length:plain length`.
pub(crate) const SPLIT_POSITION: &str = "io.github.containers.zstd-chunked.tarsplit-position";

/// An item of the table of contents; keys are left out where they say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Row {
    /// `reg`, `hardlink`, `symlink`, `char`, `block`, `dir`, `fifo`, or `chunk`: one more chunk of the file before.
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
    /// Of the contents, if there are any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Where the first frame of the contents, or of the chunk, starts in the blob.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// Where the last frame of the contents ends.
    #[serde(skip_serializing_if = "is_zero")]
    pub end_offset: u64,
    /// The chunk's own; nothing in a file of one chunk.
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
    /// What a table of contents says of an entry, without its contents; `None` if it cannot say it.
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
        // Access control lists in words are no attributes: a table has no place for them.
        let is_attribute = |xattr: &&Xattr| !xattr.name.starts_with(crate::layer::acl::PREFIX);
        for xattr in entry.xattrs.iter().filter(is_attribute) {
            xattrs.insert(text(&xattr.name)?, STANDARD.encode(&xattr.value));
        }
        let optional = |at: Option<Mtime>| at.map_or(Some(None), time);
        Some(Row {
            kind: kind.to_owned(),
            name: text(&entry.path)?,
            link_name: text(&entry.link_target)?,
            mode: stated.mode,
            size: entry.size,
            uid: entry.uid,
            gid: entry.gid,
            mod_time: time(entry.mtime)?,
            access_time: optional(stated.atime)?,
            change_time: optional(stated.ctime)?,
            dev_major: entry.device.0,
            dev_minor: entry.device.1,
            xattrs,
            ..Row::default()
        })
    }
}

/// RFC 3339, which has the years 0 to 9999; `Some(None)` for Go's zero time, which is left out.
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

/// A document in the making, packed as it comes.
pub(super) struct Packing {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    plain: u64,
}

/// A packed document.
pub(super) struct Packed {
    pub bytes: Vec<u8>,
    plain: u64,
}

impl Packing {
    fn new(level: i32) -> Result<Self> {
        let encoder = zstd::stream::write::Encoder::new(Vec::new(), level).map_err(failed)?;
        Ok(Packing { encoder, plain: 0 })
    }

    fn text(&mut self, text: &str) -> Result<()> {
        self.plain += text.len() as u64;
        self.encoder.write_all(text.as_bytes()).map_err(failed)
    }

    fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let text =
            serde_json::to_string(value).map_err(|error| Error::io("write", error.into()))?;
        self.text(&text)
    }

    fn finish(self) -> Result<Packed> {
        let bytes = self.encoder.finish().map_err(failed)?;
        let plain = self.plain;
        Ok(Packed { bytes, plain })
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::io("write", error)
}

/// The table of contents in the making.
pub(super) struct Toc {
    out: Packing,
    rows: u64,
    /// Bytes that chunks of the current file will take at least.
    coming: u64,
}

impl Toc {
    pub fn new(level: i32) -> Result<Self> {
        let mut out = Packing::new(level)?;
        out.text(r#"{"version":1,"entries":["#)?;
        Ok(Toc {
            out,
            rows: 0,
            coming: 0,
        })
    }

    /// Counts a chunk that an entry will have.
    pub fn chunk(&mut self) {
        self.coming += CHUNK_ROW;
    }

    /// Whether it is longer than readers take.
    pub fn is_too_long(&self) -> bool {
        self.out.plain.saturating_add(self.coming) > MOST
    }

    /// Adds an entry. `span` is where its frames are, `digest` that of its contents, where it has any.
    pub fn entry(
        &mut self,
        mut row: Row,
        content: Option<(Digest, [u64; 2])>,
        chunks: &[Chunk],
    ) -> Result<()> {
        self.coming = 0;
        if let Some((digest, [start, end])) = content {
            row.digest = digest.to_string();
            row.offset = start;
            row.end_offset = end;
        }
        if let [_, _, ..] = chunks {
            let mut chunk_offset = 0;
            let name = row.name.clone();
            for chunk in chunks {
                row.offset = chunk.offset;
                row.chunk_offset = chunk_offset;
                row.chunk_size = chunk.size;
                row.chunk_digest = chunk.digest.to_string();
                row.chunk_type = if chunk.zeros { "zeros" } else { "" }.to_owned();
                self.row(&row)?;
                chunk_offset += chunk.size;
                row = Row {
                    kind: "chunk".to_owned(),
                    name: name.clone(),
                    ..Row::default()
                };
            }
            return Ok(());
        }
        self.row(&row)
    }

    fn row(&mut self, row: &Row) -> Result<()> {
        if self.rows > 0 {
            self.out.text(",")?;
        }
        self.rows += 1;
        self.out.json(row)
    }

    pub fn finish(mut self, split: &Packed) -> Result<Packed> {
        let digest = sha256(&split.bytes);
        self.out
            .text(&format!(r#"],"tarSplitDigest":"{digest}"}}"#))?;
        self.out.finish()
    }
}

/// A line of the tar-split.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Line {
    /// 1 for contents, 2 for bytes as they are.
    #[serde(rename = "type")]
    pub kind: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The name in base64, where it is no text.
    #[serde(skip_serializing)]
    pub name_raw: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub size: u64,
    /// In base64: the bytes, or the checksum of the contents.
    pub payload: Option<String>,
    pub position: u64,
}

/// The tar-split in the making.
pub(super) struct Split {
    out: Packing,
    lines: u64,
    /// Digests of the names that were: no name may come twice.
    names: HashSet<[u8; 16]>,
}

impl Split {
    pub fn new(level: i32) -> Result<Self> {
        Ok(Split {
            out: Packing::new(level)?,
            lines: 0,
            names: HashSet::new(),
        })
    }

    /// Whether the name is new.
    pub fn is_new(&mut self, clean: &[u8]) -> bool {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(clean).as_bytes()[..16]);
        self.names.insert(digest)
    }

    fn line(&mut self, mut line: Line) -> Result<()> {
        line.position = self.lines;
        self.lines += 1;
        self.out.json(&line)?;
        self.out.text("\n")
    }

    /// Adds bytes as they are.
    pub fn segment(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.line(Line {
            kind: 2,
            payload: Some(STANDARD.encode(bytes)),
            ..Line::default()
        })
    }

    /// Adds an entry; `checksum` is that of its contents, where it has any.
    pub fn entry(&mut self, name: &str, size: u64, checksum: u64) -> Result<()> {
        self.line(Line {
            kind: 1,
            name: name.to_owned(),
            size,
            payload: (size > 0).then(|| STANDARD.encode(checksum.to_be_bytes())),
            ..Line::default()
        })
    }

    pub fn finish(self) -> Result<Packed> {
        self.out.finish()
    }
}

/// What goes behind the frames, which end at `offset`, and what the layer's descriptor says of it; `None` if it is
/// more than readers take.
pub(super) fn trailer(offset: u64, toc: &Packed, split: &Packed) -> Option<(Vec<u8>, Annotations)> {
    const HEAD: u64 = 8;
    if toc.plain > MOST || toc.bytes.len() as u64 > MOST {
        return None;
    }
    let toc_length = toc.bytes.len() as u64;
    let split_length = split.bytes.len() as u64;
    let toc_at = offset + HEAD;
    let split_at = toc_at + toc_length + HEAD;
    let numbers = [
        toc_at,
        toc_length,
        toc.plain,
        1,
        split_at,
        split_length,
        split.plain,
    ];
    let mut footer: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    footer.extend(MAGIC);
    let mut out = Vec::with_capacity(toc.bytes.len() + split.bytes.len() + FOOTER + 24);
    for frame in [&toc.bytes, &split.bytes, &footer] {
        out.extend(SKIPPABLE);
        out.extend(u32::try_from(frame.len()).ok()?.to_le_bytes());
        out.extend(frame);
    }
    let annotations = vec![
        (CHECKSUM, sha256(&toc.bytes).to_string()),
        (POSITION, format!("{toc_at}:{toc_length}:{}:1", toc.plain)),
        (
            SPLIT_POSITION,
            format!("{split_at}:{split_length}:{}", split.plain),
        ),
    ];
    Some((out, annotations))
}

/// Where the documents are, as a blob's last bytes say; `None` if they are no footer that is known here.
pub(crate) fn footer(last: &[u8]) -> Option<[u64; 7]> {
    let numbers = last.get(last.len().checked_sub(FOOTER)?..)?;
    let numbers = numbers.strip_suffix(&MAGIC)?;
    let mut found = [0; 7];
    for (number, bytes) in found.iter_mut().zip(numbers.chunks_exact(8)) {
        *number = u64::from_le_bytes(bytes.try_into().ok()?);
    }
    Some(found)
}

/// A fault of the codec.
pub(super) fn codec(why: impl ToString) -> Error {
    Fault::Codec {
        codec: "zstd",
        why: why.to_string(),
    }
    .into()
}
