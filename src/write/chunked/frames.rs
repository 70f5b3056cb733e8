//! Frames compressed side by side, and written in their order.

use std::io::Write;
use std::sync::mpsc::Receiver;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::toc::{Annotations, Chunk, Packed, Toc, codec, trailer};
use super::walk::Item;
use crate::blob::sha256;
use crate::error::{Error, Result};

/// Packing frames side by side, and writing them in their order.
pub(super) struct Pack<'a> {
    out: &'a mut dyn Write,
    level: i32,
    /// Bytes written.
    at: u64,
    toc: Option<Toc>,
    /// Where the current chunk starts, and the current file's contents.
    chunk_start: u64,
    start: Option<u64>,
    chunks: Vec<Chunk>,
}

impl<'a> Pack<'a> {
    pub(super) fn new(out: &'a mut dyn Write, level: i32) -> Result<Self> {
        Ok(Pack {
            out,
            level,
            at: 0,
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
        let offset = self.at;
        self.out
            .write_all(frame)
            .map_err(|error| Error::io("write", error))?;
        self.at += frame.len() as u64;
        match item {
            Item::Raw(_) => {}
            Item::Ordinary => self.toc = None,
            Item::Piece(part) => {
                self.start.get_or_insert(offset);
                if part.opens {
                    self.chunk_start = offset;
                }
                if let (Some(toc), Some(end)) = (&mut self.toc, part.closes) {
                    toc.chunk();
                    self.chunks.push(Chunk {
                        offset: self.chunk_start,
                        size: end.size,
                        digest: end
                            .digest
                            .ok_or_else(|| codec("a chunk without a digest"))?,
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
                    .map(|(start, digest)| (digest, [start, self.at]));
                if let Some(toc) = &mut self.toc {
                    toc.entry(*row, content, &chunks)?;
                }
            }
        }
        if self.toc.as_ref().is_some_and(Toc::is_too_long) {
            self.toc = None;
            self.chunks = Vec::new();
        }
        Ok(())
    }

    /// Writes what goes behind the frames.
    pub(super) fn finish(self, split: Option<Packed>) -> Result<Annotations> {
        let write = |out: &mut dyn Write, bytes: &[u8]| {
            out.write_all(bytes)
                .map_err(|error| Error::io("write", error))
        };
        if self.at == 0 {
            // Nothing at all still has to be known as zstd.
            let (_, empty) = frame(&mut None, self.level, Item::Raw(Vec::new()))?;
            write(self.out, &empty)?;
        }
        let (Some(toc), Some(split)) = (self.toc, split) else {
            return Ok(Vec::new());
        };
        let toc = toc.finish(&split)?;
        let Some((bytes, annotations)) = trailer(self.at, &toc, &split) else {
            return Ok(Vec::new());
        };
        write(self.out, &bytes)?;
        Ok(annotations)
    }
}

type Compressor = zstd::bulk::Compressor<'static>;

/// Packs an item's bytes, and hashes the piece that is a whole chunk.
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
        Item::Entry(..) | Item::Ordinary => return Ok((item, Vec::new())),
    };
    let compressor = match compressor {
        Some(compressor) => compressor,
        None => {
            let mut new = Compressor::new(level).map_err(codec)?;
            new.include_checksum(true).map_err(codec)?;
            compressor.insert(new)
        }
    };
    let packed = compressor.compress(&bytes).map_err(codec)?;
    Ok((item, packed))
}
