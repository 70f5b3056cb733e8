//! Reading ahead on a separate thread, so that reading overlaps with processing.

use std::io::{self, BufRead, Read, Write};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::buffer::{CHUNK, read_buffered};
use crate::error::Error;

/// Maximum number of chunks read ahead. Memory is this plus two chunks, whatever the length of the stream.
const WAITING: usize = 4;

/// Maximum number of empty buffers kept: more than the consumers of chunks hold at the same time.
const SPARE: usize = 4 * WAITING;

/// A shared run of bytes of a stream. Cheap to clone.
#[derive(Clone)]
pub struct Chunk {
    buffer: Arc<Buffer>,
    start: usize,
    end: usize,
}

/// A buffer that returns to its [`Feeder`] when the last chunk that shares it is dropped.
struct Buffer {
    bytes: Vec<u8>,
    home: Option<SyncSender<Vec<u8>>>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let _ = home.try_send(std::mem::take(&mut self.bytes));
        }
    }
}

impl Chunk {
    fn new(bytes: Vec<u8>, home: Option<SyncSender<Vec<u8>>>) -> Self {
        Chunk {
            start: 0,
            end: bytes.len(),
            buffer: Arc::new(Buffer { bytes, home }),
        }
    }

    /// Splits off the first bytes, at most as many as there are.
    #[must_use]
    pub fn split_to(&mut self, length: u64) -> Self {
        let length = self
            .len()
            .min(usize::try_from(length).unwrap_or(usize::MAX));
        let first = Chunk {
            end: self.start + length,
            ..self.clone()
        };
        self.start = first.end;
        first
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Self {
        Chunk::new(bytes, None)
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer
            .bytes
            .get(self.start..self.end)
            .unwrap_or_default()
    }
}

/// A buffered reader whose source is read ahead by another thread, in chunks of [`CHUNK`] bytes.
///
/// An error of the source comes after the bytes before it, and again with every further read.
/// Every chunk but the last is full, so the buffered bytes are enough to detect their format. The thread ends with the
/// source, or with the first read after the `ReadAhead` is dropped.
pub struct ReadAhead {
    chunks: Receiver<io::Result<Chunk>>,
    chunk: Chunk,
    ended: bool,
    /// The error that ended reading, to be returned again: a reader in between may have swallowed it once.
    failed: Option<Error>,
}

/// The writing end of a [`ReadAhead`].
pub struct Feeder {
    sender: SyncSender<io::Result<Chunk>>,
    spares: Receiver<Vec<u8>>,
    home: SyncSender<Vec<u8>>,
}

impl Feeder {
    /// Returns a writer that feeds the `ReadAhead`.
    pub fn writer(self) -> FeedingWriter {
        FeedingWriter {
            feeder: self,
            bytes: Vec::with_capacity(CHUNK),
        }
    }

    /// Reads a source to its end, or until the `ReadAhead` is dropped.
    pub fn run(self, mut source: impl Read) {
        loop {
            let mut bytes = self.spares.try_recv().unwrap_or_default();
            bytes.resize(CHUNK, 0);
            let mut filled = 0;
            let error = loop {
                match source.read(&mut bytes[filled..]) {
                    Ok(0) => break None,
                    Ok(n) => filled += n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => break Some(error),
                }
                if filled == bytes.len() {
                    break None;
                }
            };
            let last = filled < bytes.len();
            bytes.truncate(filled);
            let chunk = Chunk::new(bytes, Some(self.home.clone()));
            if filled > 0 && self.sender.send(Ok(chunk)).is_err() {
                return;
            }
            if let Some(error) = error {
                let _ = self.sender.send(Err(error));
            }
            if last {
                return;
            }
        }
    }
}

/// Writer whose bytes come out of a [`ReadAhead`].
pub struct FeedingWriter {
    feeder: Feeder,
    bytes: Vec<u8>,
}

impl FeedingWriter {
    /// Ends the stream, with an error if writing failed.
    pub fn finish(mut self, result: io::Result<()>) {
        let sent = self.flush();
        if let (Err(error), Ok(())) = (result, sent) {
            let _ = self.feeder.sender.send(Err(error));
        }
    }
}

impl Write for FeedingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(CHUNK - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..n]);
        if self.bytes.len() == CHUNK {
            self.flush()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let mut empty = self.feeder.spares.try_recv().unwrap_or_default();
        empty.clear();
        let full = std::mem::replace(&mut self.bytes, empty);
        let chunk = Chunk::new(full, Some(self.feeder.home.clone()));
        let closed = || io::Error::new(io::ErrorKind::BrokenPipe, "the reader was closed");
        self.feeder.sender.send(Ok(chunk)).map_err(|_| closed())
    }
}

impl ReadAhead {
    /// Starts reading a source on a new thread.
    pub fn new(source: impl Read + Send + 'static) -> Self {
        let (feeder, ahead) = ReadAhead::pair();
        std::thread::spawn(move || feeder.run(source));
        ahead
    }

    /// Creates a reader and the feeder that fills it from another thread.
    pub fn pair() -> (Feeder, Self) {
        let (sender, chunks) = sync_channel(WAITING);
        let (home, spares) = sync_channel(SPARE);
        let feeder = Feeder {
            sender,
            spares,
            home,
        };
        let ahead = ReadAhead {
            chunks,
            chunk: Vec::new().into(),
            ended: false,
            failed: None,
        };
        (feeder, ahead)
    }

    /// Returns the next bytes without copying them, at most `most`; none only at the end.
    ///
    /// # Errors
    /// Errors of the source.
    pub fn take_chunk(&mut self, most: u64) -> io::Result<Chunk> {
        self.fill_buf()?;
        Ok(self.chunk.split_to(most))
    }
}

impl BufRead for ReadAhead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty()
            && let Some(error) = &self.failed
        {
            return Err(error.clone().into_io());
        }
        if self.chunk.is_empty() && !self.ended {
            match self.chunks.recv() {
                Ok(Ok(chunk)) => self.chunk = chunk,
                Ok(Err(error)) => {
                    let error = Error::io("read", error);
                    self.failed = Some(error.clone());
                    return Err(error.into_io());
                }
                Err(_) => self.ended = true,
            }
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, n: usize) {
        self.chunk.start = (self.chunk.start + n).min(self.chunk.end);
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_arrive_unchanged() {
        let bytes: Vec<u8> = (0..CHUNK * 7 + 13).map(|i| (i % 251) as u8).collect();
        let mut out = Vec::new();
        ReadAhead::new(io::Cursor::new(bytes.clone()))
            .read_to_end(&mut out)
            .expect("memory");
        assert!(out == bytes);
    }

    #[test]
    fn chunks_that_are_kept_do_not_change() {
        let bytes: Vec<u8> = (0..CHUNK * 20 + 13).map(|i| (i % 251) as u8).collect();
        let mut ahead = ReadAhead::new(io::Cursor::new(bytes.clone()));
        let mut chunks = Vec::new();
        loop {
            let chunk = ahead.take_chunk(100_000).expect("memory");
            if chunk.is_empty() {
                break;
            }
            chunks.push(chunk);
        }
        assert!(chunks.iter().all(|chunk| chunk.len() <= 100_000));
        let out: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.to_vec()).collect();
        assert!(out == bytes);
    }

    #[test]
    fn an_error_comes_after_the_bytes_before_it_and_stays() {
        struct Failing(u8);
        impl Read for Failing {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                if self.0 > 3 {
                    return Err(io::Error::other("broken"));
                }
                buf[0] = self.0;
                Ok(1)
            }
        }
        let mut ahead = ReadAhead::new(Failing(0));
        let mut out = [0; 3];
        ahead.read_exact(&mut out).expect("three bytes");
        assert_eq!(out, [1, 2, 3]);
        assert!(ahead.read(&mut out).is_err());
        assert!(ahead.read(&mut out).is_err());
    }
}
