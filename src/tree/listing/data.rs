//! Contents of the files of a tar, while it is listed.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use crate::error::{During, Error, Result};
use crate::layer::{EntryData, TarInput, Walker};
use crate::limits::HOLES;

/// Receives the contents of files: the number of the entry, from 1, the size in bytes, and the contents with their holes
/// as zeros, or the error that refuses them for too many holes. What it leaves unread is skipped.
pub(crate) type Visit<'v> =
    dyn FnMut(u64, u64, std::result::Result<&mut dyn Read, Error>) -> Result<()> + 'v;

/// Contents of the current entry of a walker with their holes, hashed if requested.
pub(super) struct FileData<'w, I: TarInput> {
    contents: EntryData<'w, I>,
    size: u64,
    hasher: Option<Sha256>,
    /// The sparse file has too many holes to read them.
    refused: Option<Error>,
}

impl<'w, I: TarInput> FileData<'w, I> {
    /// Opens the contents of the current entry, a file. `holes` is the number of bytes in holes that may still be read
    /// in this layer.
    pub(super) fn new(walker: &'w mut Walker<I>, hashed: bool, holes: &mut u64) -> Self {
        let entry = walker.entry();
        let (size, stored) = (entry.size, entry.stored_size);
        let own = size.saturating_sub(stored);
        let refused = match holes.checked_sub(own) {
            Some(rest) => {
                *holes = rest;
                None
            }
            None => Some(Error::limit("holes of sparse files in bytes", HOLES, own)),
        };
        FileData {
            contents: EntryData::new(walker),
            size,
            hasher: (hashed && refused.is_none()).then(Sha256::new),
            refused,
        }
    }

    /// Passes the contents to `visit`.
    pub(super) fn visit(&mut self, number: u64, visit: &mut Visit<'_>) -> Result<()> {
        match self.refused.take() {
            Some(refused) => visit(number, self.size, Err(refused)),
            None => visit(number, self.size, Ok(self)),
        }
    }

    /// Reads the rest if it has to be hashed, and returns the SHA-256 digest; zeros without one.
    pub(super) fn finish(mut self, buf: &mut [u8]) -> Result<[u8; 32]> {
        if self.hasher.is_some() {
            while self.read(buf).during("read")? > 0 {}
        }
        Ok(self
            .hasher
            .map_or([0; 32], |hasher| hasher.finalize().into()))
    }
}

impl<I: TarInput> Read for FileData<'_, I> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.contents.read(buf)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buf.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}
