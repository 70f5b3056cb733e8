//! Frames compressed side by side, and written in their order.

use std::io::Write;
use std::sync::mpsc::Receiver;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::toc::{Annotations, Chunk, CompressedDocument, Toc, codec_error, trailer};
use super::walk::Item;
use crate::blob::sha256;
use crate::error::{During, Result};

/// Compresses frames side by side and writes them in their order.
pub(super) struct FrameWriter<'a> {
    out: &'a mut dyn Write,
    level: i32,
    /// Number of bytes written.
    offset: u64,
    toc: Option<Toc>,
    /// Offsets of the current chunk and of the current file's contents.
    chunk_start: u64,
    start: Option<u64>,
    chunks: Vec<Chunk>,
}

impl<'a> FrameWriter<'a> {
    pub(super) fn new(out: &'a mut dyn Write, level: i32) -> Result<Self> {
        Ok(FrameWriter {
            out,
            level,
            offset: 0,
            toc: Some(Toc::new(level)?),
            chunk_start: 0,
            start: None,
            chunks: Vec::new(),
        })
    }

    pub(super) fn run(&mut self, batches: Receiver<Vec<Item>>) -> Result<()> {
        let level = self.level;
        for batch in batches {
            let packed: Vec<Result<(Item, Vec<u8>)>> = batch
                .into_par_iter()
                .map_init(|| None, |codec, item| frame(codec, level, item))
                .collect();
            for item in packed {
                let (item, frame) = item?;
                self.item(item, &frame)?;
            }
        }
        Ok(())
    }

    fn item(&mut self, item: Item, frame: &[u8]) -> Result<()> {
        let offset = self.offset;
        self.out.write_all(frame).during("write")?;
        self.offset += frame.len() as u64;
        match item {
            Item::Raw(_) => {}
            Item::NoToc => self.toc = None,
            Item::Piece(part) => {
                self.start.get_or_insert(offset);
                if part.opens {
                    self.chunk_start = offset;
                }
                if let (Some(toc), Some(end)) = (&mut self.toc, part.closes) {
                    toc.count_chunk();
                    self.chunks.push(Chunk {
                        offset: self.chunk_start,
                        size: end.size,
                        digest: end
                            .digest
                            .ok_or_else(|| codec_error("a chunk without a digest"))?,
                        zeros: end.zeros,
                    });
                }
            }
            Item::Entry(row, digest) => {
                let chunks = std::mem::take(&mut self.chunks);
                let start = self.start.take();
                let only = chunks.first().map(|chunk| chunk.digest.clone());
                let content = start
                    .zip(digest.or(only))
                    .map(|(start, digest)| (digest, [start, self.offset]));
                if let Some(toc) = &mut self.toc {
                    toc.entry(*row, content, &chunks)?;
                }
            }
        }
        if self.toc.as_ref().is_some_and(Toc::is_too_large) {
            self.toc = None;
            self.chunks = Vec::new();
        }
        Ok(())
    }

    /// Writes the frames after the layer: table of contents, tar-split and footer.
    pub(super) fn finish(self, split: Option<CompressedDocument>) -> Result<Annotations> {
        let write = |out: &mut dyn Write, bytes: &[u8]| out.write_all(bytes).during("write");
        if self.offset == 0 {
            // An empty output must still be recognized as zstd.
            let (_, empty) = frame(&mut None, self.level, Item::Raw(Vec::new()))?;
            write(self.out, &empty)?;
        }
        let (Some(toc), Some(split)) = (self.toc, split) else {
            return Ok(Vec::new());
        };
        let toc = toc.finish(&split)?;
        let Some((bytes, annotations)) = trailer(self.offset, &toc, &split) else {
            return Ok(Vec::new());
        };
        write(self.out, &bytes)?;
        Ok(annotations)
    }
}

type Compressor = zstd::bulk::Compressor<'static>;

/// Compresses the bytes of an item, and hashes a piece that is a whole chunk.
pub(super) fn frame(
    compressor: &mut Option<Compressor>,
    level: i32,
    mut item: Item,
) -> Result<(Item, Vec<u8>)> {
    let bytes = match &mut item {
        Item::Raw(bytes) => std::mem::take(bytes),
        Item::Piece(part) => {
            if let Some(end) = &mut part.closes {
                end.digest.get_or_insert_with(|| sha256(&part.bytes));
            }
            std::mem::take(&mut part.bytes)
        }
        Item::Entry(..) | Item::NoToc => return Ok((item, Vec::new())),
    };
    let compressor = match compressor {
        Some(compressor) => compressor,
        None => {
            let mut new = Compressor::new(level).map_err(codec_error)?;
            new.include_checksum(true).map_err(codec_error)?;
            compressor.insert(new)
        }
    };
    let packed = compressor.compress(&bytes).map_err(codec_error)?;
    Ok((item, packed))
}
