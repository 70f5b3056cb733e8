//! Work on the chunks of a stream on a separate thread, so that it overlaps with reading them.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::hash::Hasher;
use super::new_file::NewFile;
use super::read_ahead::Chunk;
use super::serial_writer::SerialWriter;
use crate::spec::Digest;

/// Maximum number of chunks that wait to be worked on.
const WAITING: usize = 4;

/// A thread that takes chunks in their order and has a result at their end.
pub struct Behind<T> {
    sender: Option<SyncSender<Chunk>>,
    thread: Option<JoinHandle<io::Result<T>>>,
}

impl<T: Send + 'static> Behind<T> {
    /// Starts a thread for `work`, which gets the chunks. It may end before the last chunk only with an error.
    pub fn start(work: impl FnOnce(Receiver<Chunk>) -> io::Result<T> + Send + 'static) -> Self {
        let (sender, chunks) = sync_channel(WAITING);
        Behind {
            sender: Some(sender),
            thread: Some(std::thread::spawn(move || work(chunks))),
        }
    }

    /// Adds a chunk. Blocks only when the thread is several chunks behind.
    ///
    /// # Errors
    /// The error of the work on an earlier chunk, such as a full disk.
    pub fn add(&mut self, chunk: Chunk) -> io::Result<()> {
        let sender = self.sender.as_ref();
        if sender.is_some_and(|sender| sender.send(chunk).is_ok()) {
            return Ok(());
        }
        // The thread stopped; joining it returns the reason.
        self.join()?;
        Err(ended())
    }

    /// Waits until all chunks are worked on, and returns the result.
    ///
    /// # Errors
    /// The first error of the work.
    pub fn finish(mut self) -> io::Result<T> {
        self.join()
    }

    fn join(&mut self) -> io::Result<T> {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Err(ended()),
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread ended")
}

impl Behind<()> {
    /// Writes the chunks to a file, from its beginning on.
    pub fn writing(file: Arc<NewFile>) -> Self {
        Behind::start(move |chunks| {
            let writer = SerialWriter::new(file.file());
            let mut position = 0;
            for chunk in chunks {
                let written = writer.write_all_at(&chunk, position);
                written.map_err(|error| file.write_error(error))?;
                position += chunk.len() as u64;
            }
            Ok(())
        })
    }
}

impl Behind<Digest> {
    /// Hashes the chunks.
    pub fn hashing(mut hasher: Hasher) -> Self {
        Behind::start(move |chunks| {
            for chunk in chunks {
                hasher.update(&chunk);
            }
            Ok(hasher.finish())
        })
    }
}
