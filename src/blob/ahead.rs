//! Reading on a thread of its own, so that reading and what is done with the bytes overlap.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::CHUNK;
use crate::error::Error;

/// How many chunks may wait. Memory is this plus two chunks, whatever the length of the stream.
const WAITING: usize = 4;

/// A buffered reader whose source is read ahead by another thread, in chunks of [`CHUNK`] bytes.
///
/// An error of the source comes after the bytes before it, and again with every further read.
/// Every chunk but the last is full, so a look at the buffered bytes shows enough to tell what they are. The thread
/// ends when the source does, or with the first read after the `ReadAhead` is dropped.
pub struct ReadAhead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    spare: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
    position: usize,
    ended: bool,
    /// What reading ended with, to be said again: whoever reads through several layers may have swallowed it once.
    failed: Option<Error>,
}

impl ReadAhead {
    /// Starts reading.
    pub fn new(mut source: impl Read + Send + 'static) -> Self {
        let (sender, chunks) = sync_channel(WAITING);
        let (spare, spares) = sync_channel::<Vec<u8>>(WAITING + 2);
        std::thread::spawn(move || {
            loop {
                let mut chunk = spares.try_recv().unwrap_or_default();
                chunk.resize(CHUNK, 0);
                let mut filled = 0;
                let error = loop {
                    match source.read(&mut chunk[filled..]) {
                        Ok(0) => break None,
                        Ok(n) => filled += n,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => break Some(error),
                    }
                    if filled == chunk.len() {
                        break None;
                    }
                };
                let last = filled < chunk.len();
                chunk.truncate(filled);
                if filled > 0 && sender.send(Ok(chunk)).is_err() {
                    return;
                }
                if let Some(error) = error {
                    let _ = sender.send(Err(error));
                }
                if last {
                    return;
                }
            }
        });
        ReadAhead {
            chunks,
            spare,
            chunk: Vec::new(),
            position: 0,
            ended: false,
            failed: None,
        }
    }
}

impl BufRead for ReadAhead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.chunk.len()
            && let Some(error) = &self.failed
        {
            return Err(error.clone().into_io());
        }
        if self.position == self.chunk.len() && !self.ended {
            match self.chunks.recv() {
                Ok(Ok(chunk)) => {
                    let used = std::mem::replace(&mut self.chunk, chunk);
                    let _ = self.spare.try_send(used);
                    self.position = 0;
                }
                Ok(Err(error)) => {
                    let error = Error::io("read", error);
                    self.failed = Some(error.clone());
                    return Err(error.into_io());
                }
                Err(_) => self.ended = true,
            }
        }
        Ok(&self.chunk[self.position..])
    }

    fn consume(&mut self, n: usize) {
        self.position = (self.position + n).min(self.chunk.len());
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let n = available.len().min(buf.len());
        buf[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_or_added() {
        let bytes: Vec<u8> = (0..CHUNK * 7 + 13).map(|i| (i % 251) as u8).collect();
        let mut out = Vec::new();
        ReadAhead::new(io::Cursor::new(bytes.clone()))
            .read_to_end(&mut out)
            .expect("memory");
        assert!(out == bytes);
    }

    #[test]
    fn errors_come_after_the_bytes_before_them() {
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
        // An error is no end: it stays.
        assert!(ahead.read(&mut out).is_err());
    }
}
