//! The table of contents and the tar-split written row by row, and their frames behind the layer.

use std::collections::HashSet;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::format::{
    Annotations, CHECKSUM, Extent, FOOTER, Footer, MAX_SIZE, POSITION, SKIPPABLE, SPLIT_POSITION,
};
use super::row::{Line, Row};
use crate::blob::sha256;
use crate::error::{Error, Fault, Result};
use crate::spec::Digest;

/// About what a chunk takes in the table of contents, apart from its file's name.
const CHUNK_ROW: u64 = 200;
/// A chunk of a file, as the table of contents has it.
pub(crate) struct Chunk {
    pub offset: u64,
    pub size: u64,
    pub digest: Digest,
    pub zeros: bool,
}

/// A document in the making, packed as it comes.
pub(crate) struct Packing {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    plain: u64,
}

/// A packed document.
pub(crate) struct Packed {
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
pub(crate) struct Toc {
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
        self.out.plain.saturating_add(self.coming) > MAX_SIZE
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

/// The tar-split in the making.
pub(crate) struct Split {
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

/// Returns the frames behind those of the layer, which end at `offset`, and the annotations of the layer's descriptor;
/// `None` if readers would refuse the table of contents for its size.
pub(crate) fn trailer(offset: u64, toc: &Packed, split: &Packed) -> Option<(Vec<u8>, Annotations)> {
    const HEAD: u64 = 8;
    if toc.plain > MAX_SIZE || toc.bytes.len() as u64 > MAX_SIZE {
        return None;
    }
    let extent = |offset: u64, document: &Packed| Extent {
        offset,
        compressed_size: document.bytes.len() as u64,
        size: document.plain,
    };
    let toc_at = extent(offset + HEAD, toc);
    let footer = Footer {
        kind: 1,
        split: extent(toc_at.offset + toc_at.compressed_size + HEAD, split),
        toc: toc_at,
    };
    let footer_bytes = footer.bytes();
    let mut out = Vec::with_capacity(toc.bytes.len() + split.bytes.len() + FOOTER + 24);
    for frame in [&toc.bytes, &split.bytes, &footer_bytes] {
        out.extend(SKIPPABLE);
        out.extend(u32::try_from(frame.len()).ok()?.to_le_bytes());
        out.extend(frame);
    }
    let annotations = vec![
        (CHECKSUM, sha256(&toc.bytes).to_string()),
        (POSITION, footer.position()),
        (SPLIT_POSITION, footer.split.text()),
    ];
    Some((out, annotations))
}

/// A fault of the codec.
pub(crate) fn codec(why: impl ToString) -> Error {
    Fault::Codec {
        codec: "zstd",
        why: why.to_string(),
    }
    .into()
}
