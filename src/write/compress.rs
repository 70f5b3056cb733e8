//! Uncompressed bytes written to a file, compressed or not, and hashed on the way.

use std::io::Read;
use std::sync::Arc;

use crate::blob::encode::encode;
use crate::blob::{Behind, Compression, Hasher, NewFile, ReadAhead};
use crate::error::{During, Result};
use crate::spec::Digest;

/// Writes bytes into a file and hashes them. Returns their digest and size.
pub(super) fn copy_into(
    file: &Arc<NewFile>,
    mut bytes: ReadAhead,
    mut hasher: Hasher,
) -> Result<(Digest, u64)> {
    let mut behind = Behind::writing(Arc::clone(file));
    let mut size = 0;
    loop {
        let chunk = bytes.take_chunk(u64::MAX).during("read")?;
        if chunk.is_empty() {
            behind.finish().during("write")?;
            return Ok((hasher.finish(), size));
        }
        behind.add(chunk.clone()).during("write")?;
        hasher.update(&chunk);
        size += chunk.len() as u64;
    }
}

/// Compresses bytes into an empty file, on all cores. Returns digest and size of the file.
///
/// # Errors
/// As [`encode`]; `Io` for a full disk.
pub(super) fn compress_into(
    file: &NewFile,
    bytes: impl Read,
    to: Compression,
    level: Option<i32>,
) -> Result<(Digest, u64)> {
    let mut out = HashingWriter::new(file);
    encode(bytes, &mut out, to, level)?;
    Ok(out.finish())
}

/// Writer that hashes the bytes it writes to a file. Its errors name the file's directory.
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
