//! A stream cut into files, each complete and synced before the next one begins.
//!
//! Digests of a volume and its bytes are made and written on threads of their own; a few chunks are in memory.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::plan::Cut;
use crate::archive::volumes::{ChunkDigest, chunk_digest};
use crate::blob::{Chunk, Hasher, NewFile, WriteBehind};
use crate::error::{At, During, Error, Result};

/// Chunks that wait to be hashed.
const WAITING: usize = 4;

/// Digests of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sums {
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    pub chunks: Vec<ChunkDigest>,
}

/// Hashes chunks on a thread.
pub(super) struct Summing {
    sender: Option<SyncSender<Chunk>>,
    thread: JoinHandle<Sums>,
}

impl Summing {
    pub fn start() -> Self {
        let (sender, received) = sync_channel::<Chunk>(WAITING);
        let thread = std::thread::spawn(move || {
            let mut hasher = Hasher::default();
            let mut chunks = Vec::new();
            for chunk in received {
                hasher.update(&chunk);
                chunks.push(chunk_digest(&chunk));
            }
            Sums {
                sha256: hasher.finish().encoded().to_owned(),
                chunks,
            }
        });
        Summing {
            sender: Some(sender),
            thread,
        }
    }

    /// Adds a chunk; only the last one may be shorter than the others.
    pub fn add(&mut self, chunk: Chunk) -> io::Result<()> {
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|sender| sender.send(chunk).is_ok());
        match sent {
            true => Ok(()),
            false => Err(io::Error::other("the hashing thread ended")),
        }
    }

    pub fn finish(mut self) -> io::Result<Sums> {
        self.sender = None;
        let joined = self.thread.join();
        joined.map_err(|_| io::Error::other("the hashing thread ended"))
    }
}

/// A volume that is being written, or compared with one that is there.
struct Current {
    sums: Summing,
    out: Option<(Arc<NewFile>, WriteBehind)>,
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
    buffer: Vec<u8>,
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
            buffer: Vec::new(),
        }
    }

    /// Takes a part of the bytes and returns its length.
    fn take(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.current.is_none() {
            let Some(cut) = self.cuts.get(self.index) else {
                return Err(Error::limit("bytes of the archive", 0, bytes.len() as u64));
            };
            let file = self.keeper.begin(self.index)?.map(Arc::new);
            let out = file.map(|file| (Arc::clone(&file), WriteBehind::new(file)));
            self.left = cut.size;
            let sums = Summing::start();
            self.current = Some(Current { sums, out });
        }
        let room = self
            .chunk
            .saturating_sub(self.buffer.len() as u64)
            .min(self.left);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(self.chunk as usize);
        }
        self.buffer
            .extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.left -= room as u64;
        if self.buffer.len() as u64 == self.chunk || self.left == 0 {
            self.flush_chunk()?;
        }
        if self.left == 0 {
            self.close()?;
        }
        Ok(room)
    }

    fn flush_chunk(&mut self) -> Result<()> {
        let chunk: Chunk = std::mem::take(&mut self.buffer).into();
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        if let Some((_, out)) = &mut current.out {
            out.write(chunk.clone()).during("write")?;
        }
        current.sums.add(chunk).during("write")
    }

    fn close(&mut self) -> Result<()> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
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

impl Write for Cutter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match bytes.is_empty() {
            true => Ok(0),
            false => self.take(bytes).map_err(Error::into_io),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
pub(crate) fn sums_in(mut file: &File, chunk: u64) -> Result<Sums> {
    file.rewind().during("read")?;
    let mut summing = Summing::start();
    loop {
        let mut bytes = Vec::with_capacity(chunk as usize);
        if file.take(chunk).read_to_end(&mut bytes).during("read")? == 0 {
            return summing.finish().during("read");
        }
        summing.add(bytes.into()).during("read")?;
    }
}
