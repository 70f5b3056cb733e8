//! A stream cut into files, each complete and synced before the next one begins.
//!
//! Digests of a volume and its bytes are made and written on threads of their own; a few chunks are in memory.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::plan::Cut;
use crate::archive::volumes::{ChunkDigest, ChunkHasher};
use crate::blob::{Behind, Chunk, FileRange, Hasher, NewFile, ReadAhead};
use crate::error::{At, During, Error, Result};
use crate::write::copy::Sink;

/// Digests of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sums {
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    pub chunks: Vec<ChunkDigest>,
}

/// Makes the digests of a volume, with those of its chunks of that length in bytes.
fn summing(chunk_length: u64) -> Behind<Sums> {
    Behind::start(move |received| {
        let mut hasher = Hasher::default();
        let mut of_chunk = ChunkHasher::default();
        let mut left = chunk_length;
        let mut chunks = Vec::new();
        for mut bytes in received {
            hasher.update(&bytes);
            while !bytes.is_empty() {
                let part = bytes.split_to(left);
                of_chunk.update(&part);
                left -= part.len() as u64;
                if left == 0 {
                    chunks.push(std::mem::take(&mut of_chunk).finish());
                    left = chunk_length;
                }
            }
        }
        if left < chunk_length {
            chunks.push(of_chunk.finish());
        }
        Ok(Sums {
            sha256: hasher.finish().encoded().to_owned(),
            chunks,
        })
    })
}

/// A volume that is being written, or compared with one that is there.
struct Current {
    sums: Behind<Sums>,
    out: Option<(Arc<NewFile>, Behind<()>)>,
}

/// Decides about volumes before and after they are written.
pub(super) trait Keeper {
    /// Returns the file to write; `None` for a volume that is there already.
    fn begin(&mut self, index: usize) -> Result<Option<NewFile>>;

    /// Takes a complete volume; `file` is to be given its name.
    fn end(&mut self, index: usize, sums: Sums, file: Option<NewFile>) -> Result<()>;
}

/// Writer that cuts what is written to it.
pub(super) struct Cutter<'a> {
    cuts: &'a [Cut],
    /// Length of a chunk in bytes.
    chunk: u64,
    keeper: &'a mut dyn Keeper,
    index: usize,
    /// Bytes of the current volume that are still to come.
    left: u64,
    current: Option<Current>,
}

impl<'a> Cutter<'a> {
    pub fn new(cuts: &'a [Cut], chunk: u64, keeper: &'a mut dyn Keeper) -> Self {
        Cutter {
            cuts,
            chunk,
            keeper,
            index: 0,
            left: 0,
            current: None,
        }
    }

    /// Takes the next bytes of the archive.
    fn take(&mut self, mut bytes: Chunk) -> Result<()> {
        while !bytes.is_empty() {
            let mut current = match self.current.take() {
                Some(current) => current,
                None => self.open(bytes.len())?,
            };
            let part = bytes.split_to(self.left);
            self.left -= part.len() as u64;
            if let Some((_, out)) = &mut current.out {
                out.add(part.clone()).during("write")?;
            }
            current.sums.add(part).during("write")?;
            match self.left {
                0 => self.close(current)?,
                _ => self.current = Some(current),
            }
        }
        Ok(())
    }

    /// Begins the next volume; `more` is the number of bytes that are at hand for it.
    fn open(&mut self, more: usize) -> Result<Current> {
        let Some(cut) = self.cuts.get(self.index) else {
            return Err(Error::limit("bytes of the archive", 0, more as u64));
        };
        self.left = cut.size;
        let file = self.keeper.begin(self.index)?.map(Arc::new);
        Ok(Current {
            sums: summing(self.chunk),
            out: file.map(|file| (Arc::clone(&file), Behind::writing(file))),
        })
    }

    fn close(&mut self, current: Current) -> Result<()> {
        let file = match current.out {
            Some((file, out)) => {
                out.finish().during("write")?;
                Arc::into_inner(file)
            }
            None => None,
        };
        let sums = current.sums.finish().during("write")?;
        self.keeper.end(self.index, sums, file)?;
        self.index += 1;
        Ok(())
    }
}

impl Sink for Cutter<'_> {
    fn put(&mut self, chunk: Chunk) -> io::Result<()> {
        self.take(chunk).map_err(Error::into_io)
    }
}

/// Returns the digests of a file, in chunks of that length.
///
/// # Errors
/// `NotAFile`; `Io`.
pub(crate) fn sums_of(path: &Path, chunk: u64) -> Result<Sums> {
    let file = crate::blob::open_regular(path, true);
    let sums = file.and_then(|file| sums_in(&file, chunk));
    sums.at(|| path.to_string_lossy().into_owned())
}

/// Returns the digests of an open file from its start, in chunks of that length.
///
/// # Errors
/// `Io`.
pub(crate) fn sums_in(file: &File, chunk: u64) -> Result<Sums> {
    let file = file.try_clone().during("read")?;
    let mut bytes = ReadAhead::new(FileRange::whole(file)?.reader());
    let mut summing = summing(chunk);
    loop {
        let chunk = bytes.take_chunk(u64::MAX).during("read")?;
        if chunk.is_empty() {
            return summing.finish().during("read");
        }
        summing.add(chunk).during("read")?;
    }
}
