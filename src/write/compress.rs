//! Uncompressed bytes written to a file, compressed or not, and hashed on the way.

use std::io::Read;
use std::sync::Arc;

use crate::blob::encode::encode;
use crate::blob::{Compression, Hasher, NewFile, ReadAhead, WriteBehind};
use crate::error::{Error, Result};
use crate::spec::Digest;

/// Writes plain bytes into a file while they are hashed.
pub(super) fn copy_into(
    file: &Arc<NewFile>,
    mut plain: ReadAhead,
    mut hasher: Hasher,
) -> Result<(Digest, u64)> {
    let failed = |error| Error::io("write", error);
    let mut behind = WriteBehind::new(Arc::clone(file));
    let mut size = 0;
    loop {
        let chunk = plain
            .take_chunk(u64::MAX)
            .map_err(|error| Error::io("read", error))?;
        if chunk.is_empty() {
            behind.finish().map_err(failed)?;
            return Ok((hasher.finish(), size));
        }
        behind.write(chunk.clone()).map_err(failed)?;
        hasher.update(&chunk);
        size += chunk.len() as u64;
    }
}

/// Packs plain bytes into an empty file, on all cores; digest and size of what was written.
///
/// # Errors
/// As [`encode`]; `Io` for a full disk.
pub(super) fn compress_into(
    file: &NewFile,
    plain: impl Read,
    to: Compression,
    level: Option<i32>,
) -> Result<(Digest, u64)> {
    let mut out = HashingWriter::new(file);
    encode(plain, &mut out, to, level)?;
    Ok(out.finish())
}

/// Writes a file and hashes what it writes. An error names the folder that has no room.
pub(super) struct HashingWriter<'a> {
    file: &'a NewFile,
    hasher: Hasher,
    count: u64,
}

impl<'a> HashingWriter<'a> {
    pub(super) fn new(file: &'a NewFile) -> Self {
        HashingWriter {
            file,
            hasher: Hasher::default(),
            count: 0,
        }
    }

    pub(super) fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.count)
    }
}

impl std::io::Write for HashingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.file().write(bytes);
        let n = written.map_err(|error| self.file.write_error(error))?;
        self.hasher.update(&bytes[..n]);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
