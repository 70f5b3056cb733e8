//! Hashing, by any registered algorithm, while reading.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256, Sha512};

use crate::error::{Fault, Result};
use crate::spec::Digest;

/// A hash in the making.
#[derive(Clone)]
pub struct Hasher(Algorithm);

#[derive(Clone)]
enum Algorithm {
    Sha256(Sha256),
    Sha512(Sha512),
    Blake3(Box<blake3::Hasher>),
}

impl Default for Hasher {
    /// SHA-256, the algorithm of diff IDs, image IDs and nearly every blob.
    fn default() -> Self {
        Hasher(Algorithm::Sha256(Sha256::new()))
    }
}

impl Hasher {
    /// A hash by the algorithm that `digest` names.
    ///
    /// # Errors
    /// `UnsupportedDigest` for algorithms that are not registered in the image specification.
    pub fn like(digest: &Digest) -> Result<Self> {
        Ok(Hasher(match digest.algorithm() {
            "sha256" => Algorithm::Sha256(Sha256::new()),
            "sha512" => Algorithm::Sha512(Sha512::new()),
            "blake3" => Algorithm::Blake3(Box::new(blake3::Hasher::new())),
            other => {
                return Err(Fault::UnsupportedDigest {
                    algorithm: other.to_owned(),
                }
                .into());
            }
        }))
    }

    /// Whether the algorithm is SHA-256, which diff IDs use.
    pub fn is_sha256(&self) -> bool {
        matches!(self.0, Algorithm::Sha256(_))
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Algorithm::Sha256(hash) => hash.update(bytes),
            Algorithm::Sha512(hash) => hash.update(bytes),
            Algorithm::Blake3(hash) => {
                hash.update(bytes);
            }
        }
    }

    /// The digest of all bytes taken in.
    pub fn finish(self) -> Digest {
        let (algorithm, hex) = match self.0 {
            Algorithm::Sha256(hash) => ("sha256", hex::encode(hash.finalize())),
            Algorithm::Sha512(hash) => ("sha512", hex::encode(hash.finalize())),
            Algorithm::Blake3(hash) => ("blake3", hex::encode(hash.finalize().as_bytes())),
        };
        Digest::known(algorithm, &hex)
    }
}

/// The SHA-256 digest of bytes in memory.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// Hashes and counts what is read through it.
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
    count: u64,
}

impl<R: Read> HashingReader<R> {
    /// Starts with nothing read.
    pub fn new(inner: R, hasher: Hasher) -> Self {
        HashingReader {
            inner,
            hasher,
            count: 0,
        }
    }

    /// The reader with the digest and number of the bytes read so far.
    pub fn into_parts(self) -> (R, Digest, u64) {
        (self.inner, self.hasher.finish(), self.count)
    }

    /// The digest and number of the bytes read so far. Read to the end first: nothing is drained here.
    pub fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.count)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.hasher.update(&buf[..n]);
        self.count += n as u64;
        Ok(n)
    }
}
