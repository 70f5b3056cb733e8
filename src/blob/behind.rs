//! Writing on a thread of its own, so that what is done with the bytes and writing them overlap.

use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::NewFile;

/// How many chunks may wait to be written.
const WAITING: usize = 4;

/// A reader that leaves a copy of all it reads in a file.
pub struct Keeping<R> {
    inner: R,
    sender: Option<SyncSender<Vec<u8>>>,
    spare: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl<R: Read> Keeping<R> {
    /// Starts at the beginning of the file.
    pub fn new(inner: R, file: Arc<NewFile>) -> Self {
        let (sender, chunks) = sync_channel::<Vec<u8>>(WAITING);
        let (used, spare) = sync_channel(WAITING + 1);
        let thread = std::thread::spawn(move || {
            let mut position = 0;
            for chunk in chunks {
                file.file().write_all_at(&chunk, position)?;
                position += chunk.len() as u64;
                let _ = used.try_send(chunk);
            }
            Ok(())
        });
        Keeping {
            inner,
            sender: Some(sender),
            spare,
            thread: Some(thread),
        }
    }

    /// Waits until everything that was read is in the file.
    ///
    /// # Errors
    /// The first error of writing: a full disk.
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

impl<R: Read> Read for Keeping<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        if n > 0 {
            let mut chunk = self.spare.try_recv().unwrap_or_default();
            chunk.clear();
            chunk.extend_from_slice(&buf[..n]);
            let sent = self
                .sender
                .as_ref()
                .is_some_and(|sender| sender.send(chunk).is_ok());
            if !sent {
                // The other thread stopped; it knows why.
                self.sender = None;
                self.join()?;
                return Err(io::Error::other("the writing thread ended"));
            }
        }
        Ok(n)
    }
}
