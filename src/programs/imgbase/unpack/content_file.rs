//! Where the files of packages are until layers are made: one file without a name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::blob::{FileRange, NewFile};
use crate::error::{Error, Result};

/// How much is written at a time, and how much is set apart for one package's small files.
const BLOCK: usize = 1 << 20;

/// A file that several threads write into, each into parts of its own. Gone when nobody reads it any more.
pub(super) struct ContentFile {
    file: NewFile,
    /// Where the next part begins.
    end: AtomicU64,
}

/// One thread's part.
pub(super) struct ContentWriter<'s> {
    file: &'s ContentFile,
    block: Vec<u8>,
    start: u64,
}

impl ContentFile {
    /// Makes one in a directory.
    pub(super) fn new(directory: &Path) -> Result<Self> {
        Ok(ContentFile {
            file: NewFile::in_directory(directory, 0o600)?,
            end: AtomicU64::new(0),
        })
    }

    /// A part for one thread.
    pub(super) fn writer(&self) -> ContentWriter<'_> {
        ContentWriter {
            file: self,
            block: Vec::new(),
            start: 0,
        }
    }

    /// All of it, to be read once everything has been written.
    pub(super) fn finish(self) -> Result<FileRange> {
        let failed = |error| Error::io("write", self.file.write_error(error));
        // A part may be set apart and not be filled.
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
    /// Copies a file of so many bytes out of `read`, which gives 0 at its end, and says where it is.
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

    /// Writes what is not written yet.
    pub(super) fn flush(&mut self) -> Result<()> {
        let written = self.file.write(&self.block, self.start);
        self.block.clear();
        written.map_err(|error| Error::io("write", error))
    }
}

/// Reads until a buffer is full. The walk has said how much there is, and fails itself where there is less.
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
