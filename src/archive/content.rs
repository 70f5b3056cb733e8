//! Bytes of one member or blob, wherever they are stored.

use std::io::{Cursor, Read};
use std::sync::Arc;

use super::directory_file::DirectoryFile;
use crate::blob::{Compression, FileRange, Hasher, Meter, NewFile};
use crate::error::{During, Error, Fault, Result, within};
use crate::layer::{Limits, Scan};
use crate::limits::Bound;
use crate::spec::Digest;

/// Bytes of one member or blob. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Content {
    /// Part of a file that can be read by position, any number of times.
    Range(FileRange),
    /// A file of a directory, opened when it is read.
    File(Arc<DirectoryFile>),
    /// In memory: a small document from a stream, or inline data.
    Memory(Arc<[u8]>),
    /// Read from a stream and kept in an anonymous temporary file, with the scan of that pass.
    Kept(Arc<Kept>),
    /// Read from a stream and not kept; only the scan of that pass remains.
    Passed(Arc<Scan>),
}

/// Member of a stream that was kept.
#[derive(Debug)]
pub struct Kept {
    /// The temporary file, which is deleted unless it is linked to a name.
    pub file: Arc<NewFile>,
    /// Its bytes.
    pub range: FileRange,
    /// Scan of the pass over them.
    pub scan: Arc<Scan>,
}

impl Content {
    /// Stored bytes.
    pub fn len(&self) -> u64 {
        match self {
            Content::Range(range) => range.len(),
            Content::File(file) => file.len(),
            Content::Memory(bytes) => bytes.len() as u64,
            Content::Kept(kept) => kept.scan.size,
            Content::Passed(scan) => scan.size,
        }
    }

    /// Path of the file in its directory; `None` for what is no file of one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Content::File(file) => Some(file.path()),
            _ => None,
        }
    }

    /// Path of a blob for errors: of its file, or in a layout.
    pub(crate) fn place(&self, digest: &Digest) -> String {
        let path = self.path();
        path.map_or_else(|| digest.blob_path(), str::to_owned)
    }

    /// Tests if there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns numbers that are equal for the same stored bytes; `None` where the position is unknown or the bytes may
    /// be replaced.
    pub(super) fn position(&self) -> Option<(u64, u64, u64)> {
        match self {
            Content::Range(range) => {
                let (file, start) = range.parts();
                Some((Arc::as_ptr(file) as usize as u64, start, range.len()))
            }
            Content::File(file) => file.position(),
            Content::Memory(_) | Content::Kept(_) | Content::Passed(_) => None,
        }
    }

    /// Reads all bytes of a document within a bound.
    ///
    /// # Errors
    /// `Limit` if there are more; `StreamConsumed` for a stream's; `Io`.
    pub fn bytes(&self, bound: Bound) -> Result<Arc<[u8]>> {
        let Bound { what, most } = bound;
        within(what, most, self.len())?;
        match self {
            Content::Range(range) => Ok(range.bytes(most)?.into()),
            Content::File(file) => Ok(file.open()?.bytes(most)?.into()),
            Content::Kept(kept) => Ok(kept.range.bytes(most)?.into()),
            Content::Memory(bytes) => Ok(Arc::clone(bytes)),
            Content::Passed(_) => Err(Fault::StreamConsumed.into()),
        }
    }

    /// Returns the bytes as part of a file that can be read by position; `None` if they are not in one.
    ///
    /// # Errors
    /// `Io` from opening it.
    pub fn range(&self) -> Result<Option<FileRange>> {
        match self {
            Content::Range(range) => Ok(Some(range.clone())),
            Content::File(file) => file.open().map(Some),
            Content::Kept(kept) => Ok(Some(kept.range.clone())),
            Content::Memory(_) | Content::Passed(_) => Ok(None),
        }
    }

    /// Reads the stored bytes from the start.
    ///
    /// # Errors
    /// `StreamConsumed` for the bytes of a stream that were not kept.
    pub fn reader(&self) -> Result<Box<dyn Read + Send>> {
        match self {
            Content::Range(range) => Ok(Box::new(range.reader())),
            Content::File(file) => Ok(Box::new(file.open()?.reader())),
            Content::Kept(kept) => Ok(Box::new(kept.range.reader())),
            Content::Memory(bytes) => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
            Content::Passed(_) => Err(Fault::StreamConsumed.into()),
        }
    }

    /// Reads up to `buf.len()` bytes from the start; none of a stream that was not kept.
    pub fn head(&self, buf: &mut [u8]) -> Result<usize> {
        match self {
            Content::Range(range) => range.head(buf),
            Content::File(file) => file.open()?.head(buf),
            Content::Kept(kept) => kept.range.head(buf),
            Content::Memory(bytes) => {
                let n = bytes.len().min(buf.len());
                buf[..n].copy_from_slice(&bytes[..n]);
                Ok(n)
            }
            Content::Passed(_) => Ok(0),
        }
    }

    /// Detects the compression from the first bytes.
    ///
    /// # Errors
    /// `Io`.
    pub fn compression(&self) -> Result<Compression> {
        if let Some(scan) = self.known() {
            return Ok(scan.compression);
        }
        let mut head = [0; 8];
        let n = self.head(&mut head)?;
        Ok(Compression::sniff(&head[..n]))
    }

    /// Reads everything once and returns digest and size, and those of the uncompressed tar if there is one.
    ///
    /// `expected` names the digest algorithm; SHA-256 without it. `meter` counts the stored bytes. Costs a pass over
    /// the stored bytes, except for a stream, whose scan is returned.
    ///
    /// # Errors
    /// `UnsupportedDigest` for the algorithm, `Io` from the file. Damage of the bytes is in the result.
    pub fn scan(
        &self,
        expected: Option<&Digest>,
        limits: &Limits,
        meter: &Meter,
    ) -> Result<Arc<Scan>> {
        if let Some(scan) = self.known() {
            return match expected {
                Some(digest) if digest.algorithm() != scan.digest.algorithm() => {
                    Err(Error::new(Fault::StreamConsumed))
                }
                _ => Ok(Arc::clone(scan)),
            };
        }
        let hasher = expected.map_or_else(|| Ok(Hasher::default()), Hasher::like)?;
        let stored = crate::layer::sniffable(self.reader()?);
        let meter = match expected {
            Some(digest) => meter.part(digest.short(), self.len()),
            None => meter.clone(),
        };
        crate::layer::scan(stored, hasher, limits, &meter).map(Arc::new)
    }

    /// Returns the scan of a stream's pass.
    pub(crate) fn known(&self) -> Option<&Arc<Scan>> {
        match self {
            Content::Passed(scan) => Some(scan),
            Content::Kept(kept) => Some(&kept.scan),
            Content::Range(_) | Content::File(_) | Content::Memory(_) => None,
        }
    }

    /// Returns the digest of the stored bytes, by the algorithm of `like`.
    pub fn digest(&self, like: &Digest) -> Result<Digest> {
        let mut hasher = Hasher::like(like)?;
        if let Some(scan) = self.known() {
            return match scan.digest.algorithm() == like.algorithm() {
                true => Ok(scan.digest.clone()),
                false => Err(Fault::StreamConsumed.into()),
            };
        }
        let mut reader = self.reader()?;
        let mut buf = vec![0; crate::blob::CHUNK];
        loop {
            match reader.read(&mut buf).during("read")? {
                0 => return Ok(hasher.finish()),
                n => hasher.update(&buf[..n]),
            }
        }
    }

    /// Offset of the bytes in the file they are stored in, which is the archive unless this is a file of a directory or
    /// was kept from a stream; `None` for these.
    pub(super) fn stored_at(&self) -> Option<u64> {
        let Content::Range(range) = self else {
            return None;
        };
        let (file, start) = range.parts();
        file.file().map(|_| start)
    }

    /// Returns numbers that no other bytes of this run have.
    pub(crate) fn address(&self) -> (u64, u64) {
        let of = |pointer: *const ()| pointer.addr() as u64;
        match self {
            Content::Range(range) => {
                let (file, start) = range.parts();
                (of(Arc::as_ptr(file).cast()), start)
            }
            Content::File(file) => file.identity(),
            Content::Memory(bytes) => (of(Arc::as_ptr(bytes).cast()), u64::MAX),
            Content::Kept(kept) => (of(Arc::as_ptr(kept).cast()), u64::MAX),
            Content::Passed(scan) => (of(Arc::as_ptr(scan).cast()), u64::MAX),
        }
    }

    /// Tests if both hold the same bytes.
    pub(crate) fn same_as(&self, other: &Content) -> Result<bool> {
        if self.len() != other.len() {
            return Ok(false);
        }
        let like = crate::blob::sha256(b"");
        Ok(self.digest(&like)? == other.digest(&like)?)
    }
}
