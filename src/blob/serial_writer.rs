//! Serialised writes of several threads to one file, with early writeback to the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

/// A file that one thread writes at a time.
///
/// File systems serialise writes to a file anyway (by the inode's lock), and threads that wait for that lock keep a core
/// busy: measured on ext4 with two threads, half of the system time of writing 1.1 GB. Here they sleep, and the core is
/// free for hashing, decoding and reading.
#[derive(Debug)]
pub struct SerialWriter<'a> {
    file: &'a File,
    writeback: Mutex<EarlyWriteback>,
}

impl<'a> SerialWriter<'a> {
    /// Wraps a file that is written only through this writer.
    pub fn new(file: &'a File) -> Self {
        SerialWriter {
            file,
            writeback: Mutex::default(),
        }
    }

    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.exclusive(
            at,
            |file| file.write_all_at(bytes, at),
            |()| bytes.len() as u64,
        )
    }

    /// Runs `write`, which writes to the file from offset `at`, while no other thread writes. `length` returns the number
    /// of bytes written from its result.
    ///
    /// # Errors
    /// Errors of `write`.
    pub fn exclusive<T, E>(
        &self,
        at: u64,
        write: impl FnOnce(&File) -> Result<T, E>,
        length: impl FnOnce(&T) -> u64,
    ) -> Result<T, E> {
        let mut writeback = self
            .writeback
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let result = write(self.file)?;
        writeback.written(self.file, at, length(&result));
        Ok(result)
    }
}

/// Starts the writeback of written ranges early, so that the final sync has little left to wait for.
#[derive(Debug, Default)]
struct EarlyWriteback {
    /// Offsets and lengths of the ranges written since the last writeback.
    ranges: Vec<(u64, u64)>,
    /// Their total length.
    waiting: u64,
}

impl EarlyWriteback {
    /// Bytes per writeback: enough that the disk writes long runs.
    const THRESHOLD: u64 = 8 << 20;

    /// Records a written range.
    fn written(&mut self, file: &File, at: u64, length: u64) {
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
        if self.waiting >= Self::THRESHOLD {
            self.waiting = 0;
            for (at, length) in self.ranges.drain(..) {
                // Linux starts writing pages that are not needed any more, and keeps them until they are written. The
                // result does not matter: the final sync follows anyway.
                let length = std::num::NonZeroU64::new(length);
                let _ = rustix::fs::fadvise(file, at, length, rustix::fs::Advice::DontNeed);
            }
        }
    }
}
