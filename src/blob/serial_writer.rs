//! One file that several threads write, and that begins to reach the disk while they do.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

/// A file whose writers take turns.
///
/// A file system lets one in at a time anyway (the inode's lock), and those who wait for it there keep a core busy:
/// measured on ext4 with two threads, half of the system time of writing 1.1 GB. Here they sleep, and the core is free
/// for hashing, decoding and reading.
#[derive(Debug)]
pub struct SerialWriter<'a> {
    file: &'a File,
    turn: Mutex<Early>,
}

impl<'a> SerialWriter<'a> {
    /// A file that nobody else writes.
    pub fn new(file: &'a File) -> Self {
        SerialWriter {
            file,
            turn: Mutex::default(),
        }
    }

    /// Writes at a place.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.take(
            at,
            |file| file.write_all_at(bytes, at),
            |()| bytes.len() as u64,
        )
    }

    /// Does one thing with the file that writes to it from `at` on, `length` bytes by what it says itself.
    ///
    /// # Errors
    /// What it gives.
    pub fn take<T, E>(
        &self,
        at: u64,
        write: impl FnOnce(&File) -> Result<T, E>,
        length: impl FnOnce(&T) -> u64,
    ) -> Result<T, E> {
        let mut early = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let result = write(self.file)?;
        early.wrote(self.file, at, length(&result));
        Ok(result)
    }
}

/// Has what was written put on the disk while more is made, so that the sync at the end has little left to wait for.
#[derive(Debug, Default)]
struct Early {
    /// What was written since: where, and how much.
    ranges: Vec<(u64, u64)>,
    waiting: u64,
}

impl Early {
    /// How many bytes are put on their way together: many enough that the disk writes long runs.
    const ENOUGH: u64 = 8 << 20;

    /// Notes that a part was written.
    fn wrote(&mut self, file: &File, at: u64, length: u64) {
        let next = |&mut (start, long): &mut (u64, u64)| start + long == at;
        match self
            .ranges
            .iter_mut()
            .find_map(|range| next(range).then_some(range))
        {
            Some(range) => range.1 += length,
            None => self.ranges.push((at, length)),
        }
        self.waiting += length;
        if self.waiting >= Self::ENOUGH {
            self.waiting = 0;
            for (at, length) in self.ranges.drain(..) {
                // Linux starts to write what is said not to be needed, and keeps what it has not written yet. Anything
                // else it may do, or fail to do, does no harm: the sync comes all the same.
                let length = std::num::NonZeroU64::new(length);
                let _ = rustix::fs::fadvise(file, at, length, rustix::fs::Advice::DontNeed);
            }
        }
    }
}
