//! Digests, with any registered algorithm, computed while reading.

use std::io::{self, BufRead, Read};

use sha2::{Digest as _, Sha256, Sha512};

use super::buffer::read_buffered;
use super::meter::Meter;
use crate::error::{Fault, Result};
use crate::spec::Digest;

/// Computes a digest.
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
    /// Creates a hasher with the algorithm of `digest`.
    ///
    /// # Errors
    /// `UnsupportedDigest` for algorithms that are not registered in the image specification.
    pub fn like(digest: &Digest) -> Result<Self> {
        Ok(Hasher(match digest.algorithm() {
            "sha256" => Algorithm::Sha256(Sha256::new()),
            "sha512" => Algorithm::Sha512(Sha512::new()),
            "blake3" => Algorithm::Blake3(Box::new(blake3::Hasher::new())),
            other => {
                let algorithm = other.to_owned();
                return Err(Fault::UnsupportedDigest { algorithm }.into());
            }
        }))
    }

    /// Creates a SHA-512 hasher.
    pub fn sha512() -> Self {
        Hasher(Algorithm::Sha512(Sha512::new()))
    }

    /// Reports whether the algorithm is SHA-256, which diff IDs use.
    pub fn is_sha256(&self) -> bool {
        matches!(self.0, Algorithm::Sha256(_))
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Algorithm::Sha256(hash) => hash.update(bytes),
            Algorithm::Sha512(hash) => hash.update(bytes),
            Algorithm::Blake3(hash) => {
                hash.update(bytes);
            }
        }
    }

    /// Digest of all bytes added.
    pub fn finish(self) -> Digest {
        let (algorithm, hex) = match self.0 {
            Algorithm::Sha256(hash) => ("sha256", hex::encode(hash.finalize())),
            Algorithm::Sha512(hash) => ("sha512", hex::encode(hash.finalize())),
            Algorithm::Blake3(hash) => ("blake3", hex::encode(hash.finalize().as_bytes())),
        };
        Digest::known(algorithm, &hex)
    }
}

/// SHA-256 digest of bytes in memory.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// Reader that hashes and counts the bytes read through it.
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
    count: u64,
}

impl<R: Read> HashingReader<R> {
    /// Wraps a reader.
    pub fn new(inner: R, hasher: Hasher) -> Self {
        HashingReader {
            inner,
            hasher,
            count: 0,
        }
    }

    /// Digest and number of the bytes read so far. The caller reads to the end first.
    pub fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.count)
    }

    /// Hasher of the bytes read so far, to which bytes read elsewhere can be added.
    pub fn into_hasher(self) -> Hasher {
        self.hasher
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

/// Buffered reader that hashes and counts bytes as soon as its source buffers them.
///
/// The source may only refill its buffer when it is empty, as all readers of the standard library do.
pub struct HashingBuf<R> {
    inner: R,
    hasher: Hasher,
    count: u64,
    meter: Meter,
    /// Bytes of the buffer that are hashed and not yet consumed.
    ahead: usize,
}

impl<R: BufRead> HashingBuf<R> {
    /// Wraps a reader.
    pub fn new(inner: R, hasher: Hasher, meter: &Meter) -> Self {
        HashingBuf {
            inner,
            hasher,
            count: 0,
            meter: meter.clone(),
            ahead: 0,
        }
    }

    /// Digest and number of the bytes buffered so far. The caller reads to the end first.
    pub fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.count)
    }
}

impl<R: BufRead> BufRead for HashingBuf<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        if self.ahead == 0 {
            self.hasher.update(bytes);
            self.count += bytes.len() as u64;
            self.meter.add(bytes.len() as u64);
            self.ahead = bytes.len();
        }
        Ok(bytes)
    }

    fn consume(&mut self, n: usize) {
        self.ahead = self.ahead.saturating_sub(n);
        self.inner.consume(n);
    }
}

impl<R: BufRead> Read for HashingBuf<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.ahead > 0 {
            return read_buffered(self, buf);
        }
        // Bypasses the source's buffer where it is empty and `buf` is as large.
        let n = self.inner.read(buf)?;
        self.hasher.update(buf.get(..n).unwrap_or_default());
        self.count += n as u64;
        self.meter.add(n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_hashed_once() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|i| (i % 251) as u8).collect();
        for capacity in [1, 7, 512, 20_000] {
            let meter = Meter::default();
            let source = io::BufReader::with_capacity(capacity, &bytes[..]);
            let mut hashing = HashingBuf::new(source, Hasher::default(), &meter);
            let mut small = [0; 3];
            hashing.read_exact(&mut small).expect("memory");
            hashing.fill_buf().expect("memory");
            hashing.fill_buf().expect("memory");
            io::copy(&mut hashing, &mut io::sink()).expect("memory");
            assert_eq!(hashing.finish(), (sha256(&bytes), 10_000));
            assert_eq!(meter.done(), 10_000);
        }
    }
}
