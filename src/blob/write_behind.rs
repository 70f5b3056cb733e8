//! Writing on a separate thread, so that writing overlaps with processing.

use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::buffer::read_buffered;
use super::new_file::NewFile;
use super::read_ahead::{Chunk, ReadAhead};

/// Maximum number of chunks that wait to be written.
const WAITING: usize = 4;

/// Writes consecutive chunks to a file on its own thread.
pub struct WriteBehind {
    sender: Option<SyncSender<Chunk>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl WriteBehind {
    /// Starts at the beginning of the file.
    pub fn new(file: Arc<NewFile>) -> Self {
        let (sender, chunks) = sync_channel::<Chunk>(WAITING);
        let thread = std::thread::spawn(move || {
            let mut position = 0;
            for chunk in chunks {
                let written = file.file().write_all_at(&chunk, position);
                written.map_err(|error| file.write_error(error))?;
                position += chunk.len() as u64;
            }
            Ok(())
        });
        WriteBehind {
            sender: Some(sender),
            thread: Some(thread),
        }
    }

    /// Appends a chunk. Blocks only when writing is several chunks behind.
    ///
    /// # Errors
    /// The error of writing an earlier chunk, such as a full disk.
    pub fn write(&mut self, chunk: Chunk) -> io::Result<()> {
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|sender| sender.send(chunk).is_ok());
        if sent {
            return Ok(());
        }
        // The thread stopped; joining it returns the reason.
        self.sender = None;
        self.join()?;
        Err(io::Error::other("the writing thread ended"))
    }

    /// Waits until all chunks are written.
    ///
    /// # Errors
    /// The first error of writing.
    pub fn finish(mut self) -> io::Result<()> {
        self.sender = None;
        self.join()
    }

    fn join(&mut self) -> io::Result<()> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the writing thread ended")),
            None => Ok(()),
        }
    }
}

/// A reader that copies all bytes it reads to a file.
pub struct TeeReader {
    inner: ReadAhead,
    chunk: Chunk,
    position: usize,
    behind: WriteBehind,
}

impl TeeReader {
    /// Starts at the beginning of the file.
    pub fn new(inner: ReadAhead, file: Arc<NewFile>) -> Self {
        TeeReader {
            inner,
            chunk: Vec::new().into(),
            position: 0,
            behind: WriteBehind::new(file),
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
                self.behind.write(self.chunk.clone())?;
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
