//! Copying a stream to a file while it is read.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use super::behind::Behind;
use super::buffer::read_buffered;
use super::new_file::NewFile;
use super::read_ahead::{Chunk, ReadAhead};

/// A reader that copies all bytes it reads to a file.
pub struct TeeReader {
    inner: ReadAhead,
    chunk: Chunk,
    position: usize,
    behind: Behind<()>,
}

impl TeeReader {
    /// Starts at the beginning of the file.
    pub fn new(inner: ReadAhead, file: Arc<NewFile>) -> Self {
        TeeReader {
            inner,
            chunk: Vec::new().into(),
            position: 0,
            behind: Behind::writing(file),
        }
    }

    /// Waits until all bytes that were read are written.
    ///
    /// # Errors
    /// The first error of writing.
    pub fn finish(self) -> io::Result<()> {
        self.behind.finish()
    }
}

impl BufRead for TeeReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.chunk.len() {
            self.chunk = self.inner.take_chunk(u64::MAX)?;
            self.position = 0;
            if !self.chunk.is_empty() {
                self.behind.add(self.chunk.clone())?;
            }
        }
        Ok(&self.chunk[self.position..])
    }

    fn consume(&mut self, n: usize) {
        self.position = (self.position + n).min(self.chunk.len());
    }
}

impl Read for TeeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buf)
    }
}
