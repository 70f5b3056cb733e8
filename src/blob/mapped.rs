//! Files as memory.

use std::fs::File;
use std::io;
use std::ops::Deref;

/// The bytes of a file that nobody changes, mapped into memory. Pages are read when they are first used.
#[derive(Debug)]
pub struct MappedFile(memmap2::Mmap);

impl MappedFile {
    /// Maps a file that is complete under its name: programs of this crate write such files under a temporary name and
    /// never change them afterwards. Files of others are read by position, since a mapping of a file that is truncated
    /// meanwhile ends the program.
    ///
    /// # Errors
    /// The errors of mmap(2).
    #[expect(
        unsafe_code,
        reason = "the callers map files in directories that only the user writes to, which are never changed in place"
    )]
    pub fn map(file: &File) -> io::Result<Self> {
        // SAFETY: see the reason above; bytes that changed all the same would be found by the hash in the file.
        Ok(MappedFile(unsafe { memmap2::Mmap::map(file)? }))
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
