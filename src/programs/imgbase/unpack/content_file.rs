//! Anonymous temporary file with the contents of packages, until layers are written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::blob::{FileRange, NewFile};
use crate::error::{Error, Result};

/// Size of a write, and of a block for the small files of one package, in bytes.
const BLOCK: usize = 1 << 20;

/// A file that several threads write to, each in blocks of its own. It is deleted when its last reader is dropped.
pub(super) struct ContentFile {
    file: NewFile,
    /// Offset of the next block.
    end: AtomicU64,
}

/// Writer of one thread.
pub(super) struct ContentWriter<'s> {
    file: &'s ContentFile,
    block: Vec<u8>,
    start: u64,
}

impl ContentFile {
    /// Creates a file in a directory.
    pub(super) fn new(directory: &Path) -> Result<Self> {
        Ok(ContentFile {
            file: NewFile::in_directory(directory, 0o600)?,
            end: AtomicU64::new(0),
        })
    }

    /// Returns a writer for one thread.
    pub(super) fn writer(&self) -> ContentWriter<'_> {
        ContentWriter {
            file: self,
            block: Vec::new(),
            start: 0,
        }
    }

    /// Returns the file for reading, after all writers are done.
    pub(super) fn finish(self) -> Result<FileRange> {
        let failed = |error| Error::io("write", self.file.write_error(error));
        // The last block may be incomplete.
        let end = self.end.into_inner();
        self.file.file().set_len(end).map_err(failed)?;
        let file: File = self.file.file().try_clone().map_err(failed)?;
        FileRange::whole(file)
    }

    fn take(&self, bytes: u64) -> u64 {
        self.end.fetch_add(bytes, Ordering::Relaxed)
    }

    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let written = self.file.file().write_all_at(bytes, at);
        written.map_err(|error| self.file.write_error(error))
    }
}

impl ContentWriter<'_> {
    /// Copies `size` bytes from `read`, which returns 0 at its end. Returns the offset of the copy.
    pub(super) fn copy(
        &mut self,
        size: u64,
        mut read: impl FnMut(&mut [u8]) -> Result<usize>,
    ) -> Result<u64> {
        let failed = |error| Error::io("write", error);
        match usize::try_from(size) {
            Ok(0) => Ok(0),
            Ok(small) if small <= BLOCK / 8 => {
                if self.block.len() + small > BLOCK || self.block.is_empty() {
                    self.flush()?;
                    self.start = self.file.take(BLOCK as u64);
                }
                let before = self.block.len();
                self.block.resize(before + small, 0);
                fill(&mut self.block[before..], &mut read)?;
                Ok(self.start + before as u64)
            }
            _ => {
                let start = self.file.take(size);
                let mut bytes = vec![0; BLOCK / 4];
                let mut done = 0;
                while done < size {
                    let left = usize::try_from(size - done).unwrap_or(usize::MAX);
                    let part = left.min(bytes.len());
                    let part = &mut bytes[..part];
                    fill(part, &mut read)?;
                    self.file.write(part, start + done).map_err(failed)?;
                    done += part.len() as u64;
                }
                Ok(start)
            }
        }
    }

    /// Writes the buffered bytes.
    pub(super) fn flush(&mut self) -> Result<()> {
        let written = self.file.write(&self.block, self.start);
        self.block.clear();
        written.map_err(|error| Error::io("write", error))
    }
}

/// Reads until a buffer is full. The walker knows the size, and fails itself if there are fewer bytes.
fn fill(buf: &mut [u8], read: &mut impl FnMut(&mut [u8]) -> Result<usize>) -> Result<()> {
    let mut done = 0;
    while done < buf.len() {
        match read(&mut buf[done..])? {
            0 => break,
            n => done += n,
        }
    }
    Ok(())
}
