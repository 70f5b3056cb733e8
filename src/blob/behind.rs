//! Writing on a thread of its own, so that what is done with the bytes and writing them overlap.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::{Chunk, NewFile};

/// How many chunks may wait to be written.
const WAITING: usize = 4;

/// Writes chunks into a file from its beginning, one after the other, while the caller goes on.
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
                file.file().write_all_at(&chunk, position)?;
                position += chunk.len() as u64;
            }
            Ok(())
        });
        WriteBehind {
            sender: Some(sender),
            thread: Some(thread),
        }
    }

    /// Puts a chunk behind those before it. Waits only when the writing is far behind.
    ///
    /// # Errors
    /// What writing an earlier chunk gave: a full disk.
    pub fn write(&mut self, chunk: Chunk) -> io::Result<()> {
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|sender| sender.send(chunk).is_ok());
        if sent {
            return Ok(());
        }
        // The other thread stopped; it knows why.
        self.sender = None;
        self.join()?;
        Err(io::Error::other("the writing thread ended"))
    }

    /// Waits until everything is in the file.
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
