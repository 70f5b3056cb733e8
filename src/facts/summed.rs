//! Digests of contents while they are read.

use std::io::{self, Read};

use md5::{Digest as _, Md5};
use sha1::Sha1;

use super::{Asked, Digests};

/// A reader that computes the digests that are asked for, but SHA-256, of what is read.
pub struct Summed<'r> {
    inner: &'r mut dyn Read,
    md5: Option<Md5>,
    sha1: Option<Sha1>,
}

impl<'r> Summed<'r> {
    /// Begins to read.
    pub fn new(inner: &'r mut dyn Read, asked: Asked) -> Self {
        Summed {
            inner,
            md5: asked.md5.then(Md5::new),
            sha1: asked.sha1.then(Sha1::new),
        }
    }

    /// Digests of what was read.
    pub fn digests(self) -> Digests {
        Digests {
            md5: self.md5.map(|md5| md5.finalize().into()),
            sha1: self.sha1.map(|sha1| sha1.finalize().into()),
            sha256: None,
        }
    }
}

impl Read for Summed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        Ok(read)
    }
}
