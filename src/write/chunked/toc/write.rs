//! The table of contents and the tar-split written item by item, and the frames that hold them.

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
use crate::error::{During, Error, Result};
use crate::spec::Digest;

/// Approximate size in bytes of a chunk's row, without the name of its file.
const CHUNK_ROW: u64 = 200;
/// A chunk of a file, as described in the table of contents.
pub(crate) struct Chunk {
    pub offset: u64,
    pub size: u64,
    pub digest: Digest,
    pub zeros: bool,
}

/// Writer that compresses a document.
pub(crate) struct DocumentWriter {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    size: u64,
}

/// A compressed document.
pub(crate) struct CompressedDocument {
    pub bytes: Vec<u8>,
    size: u64,
}

impl DocumentWriter {
    fn new(level: i32) -> Result<Self> {
        let encoder = zstd::stream::write::Encoder::new(Vec::new(), level).map_err(failed)?;
        Ok(DocumentWriter { encoder, size: 0 })
    }

    fn text(&mut self, text: &str) -> Result<()> {
        self.size += text.len() as u64;
        self.encoder.write_all(text.as_bytes()).map_err(failed)
    }

    fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value).during("write")?;
        self.text(&text)
    }

    fn finish(self) -> Result<CompressedDocument> {
        let bytes = self.encoder.finish().map_err(failed)?;
        let size = self.size;
        Ok(CompressedDocument { bytes, size })
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::io("write", error)
}

/// Writer of the table of contents.
pub(crate) struct Toc {
    out: DocumentWriter,
    rows: u64,
    /// Minimum size in bytes of the rows for the current file's chunks.
    pending: u64,
}

impl Toc {
    pub fn new(level: i32) -> Result<Self> {
        let mut out = DocumentWriter::new(level)?;
        out.text(r#"{"version":1,"entries":["#)?;
        Ok(Toc {
            out,
            rows: 0,
            pending: 0,
        })
    }

    /// Counts a chunk of the current file.
    pub fn count_chunk(&mut self) {
        self.pending += CHUNK_ROW;
    }

    /// Returns true if the table of contents is larger than readers accept.
    pub fn is_too_large(&self) -> bool {
        self.out.size.saturating_add(self.pending) > MAX_SIZE
    }

    /// Adds the rows of an entry. `content` has the digest of its contents, and the offsets of their frames.
    pub fn entry(
        &mut self,
        mut row: Row,
        content: Option<(Digest, [u64; 2])>,
        chunks: &[Chunk],
    ) -> Result<()> {
        self.pending = 0;
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

    pub fn finish(mut self, split: &CompressedDocument) -> Result<CompressedDocument> {
        let digest = sha256(&split.bytes);
        self.out
            .text(&format!(r#"],"tarSplitDigest":"{digest}"}}"#))?;
        self.out.finish()
    }
}

/// Writer of the tar-split.
pub(crate) struct Split {
    out: DocumentWriter,
    lines: u64,
    /// Digests of all names: none may be repeated.
    names: HashSet<[u8; 16]>,
}

impl Split {
    pub fn new(level: i32) -> Result<Self> {
        Ok(Split {
            out: DocumentWriter::new(level)?,
            lines: 0,
            names: HashSet::new(),
        })
    }

    /// Returns true for the first entry with a name.
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

    /// Adds bytes that are not contents.
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

    /// Adds an entry; `checksum` is that of its contents, if any.
    pub fn entry(&mut self, name: &str, size: u64, checksum: u64) -> Result<()> {
        self.line(Line {
            kind: 1,
            name: name.to_owned(),
            size,
            payload: (size > 0).then(|| STANDARD.encode(checksum.to_be_bytes())),
            ..Line::default()
        })
    }

    pub fn finish(self) -> Result<CompressedDocument> {
        self.out.finish()
    }
}

/// Returns the frames after those of the layer, which end at `offset`, and the annotations of the layer's descriptor;
/// `None` if readers would refuse the table of contents for its size.
pub(crate) fn trailer(
    offset: u64,
    toc: &CompressedDocument,
    split: &CompressedDocument,
) -> Option<(Vec<u8>, Annotations)> {
    const HEAD: u64 = 8;
    if toc.size > MAX_SIZE || toc.bytes.len() as u64 > MAX_SIZE {
        return None;
    }
    let extent = |offset: u64, document: &CompressedDocument| Extent {
        offset,
        compressed_size: document.bytes.len() as u64,
        size: document.size,
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

/// An error of the codec.
pub(crate) fn codec_error(why: impl ToString) -> Error {
    Error::codec("zstd", why.to_string())
}
