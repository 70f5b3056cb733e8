//! Backing of ranges: one file, or other bytes that are read by position.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that are read by position.
pub trait ReadAt: Debug + Send + Sync {
    /// Reads up to `buf.len()` bytes from `offset` on and returns their number; 0 only at the end.
    ///
    /// # Errors
    /// Errors of the system, or of what makes the bytes.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Length in bytes.
    fn length(&self) -> u64;
}

/// Backing of a [`FileRange`](super::FileRange).
#[derive(Debug)]
pub enum Backing {
    /// A file.
    File(File),
    /// Several files that are read as one.
    Joined(Box<dyn ReadAt>),
}

impl Backing {
    /// Reads up to `buf.len()` bytes from `offset` on; 0 only at the end.
    ///
    /// # Errors
    /// As [`ReadAt::read_at`].
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Backing::File(file) => file.read_at(buf, offset),
            Backing::Joined(joined) => joined.read_at(buf, offset),
        }
    }

    /// Fills `buf` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if there are fewer bytes; as [`ReadAt::read_at`].
    pub fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset.saturating_add(done as u64)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Length in bytes; 0 if it cannot be determined.
    pub fn length(&self) -> u64 {
        match self {
            Backing::File(file) => file.metadata().map_or(0, |metadata| metadata.len()),
            Backing::Joined(joined) => joined.length(),
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&File> {
        match self {
            Backing::File(file) => Some(file),
            Backing::Joined(_) => None,
        }
    }
}
