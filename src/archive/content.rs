//! The bytes of one member or blob, wherever they are.

use std::io::{Cursor, Read};
use std::sync::Arc;

use super::folder::FolderFile;
use crate::blob::{Compression, FileRange, Hasher, Meter, NewFile};
use crate::error::{Error, Fault, Result};
use crate::layer::{Limits, Scan};
use crate::limits::Bound;
use crate::spec::Digest;

/// The bytes of one member or blob. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Content {
    /// In a file that can be read at any place, any number of times.
    Range(FileRange),
    /// A file of a folder, opened when it is read.
    File(Arc<FolderFile>),
    /// In memory: a small document that came by on a stream, or inline data.
    Memory(Arc<[u8]>),
    /// Come by on a stream and kept in a file without a name; what the pass found out is here too.
    Kept(Arc<Kept>),
    /// Gone by on a stream; what one pass over them found out is here.
    Passed(Arc<Scan>),
}

/// A member of a stream that was kept.
#[derive(Debug)]
pub struct Kept {
    /// The file, which vanishes unless it is given a name.
    pub file: Arc<NewFile>,
    /// Its bytes.
    pub range: FileRange,
    /// What the pass over them found out.
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

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position of the bytes as numbers that are equal for the same bytes; `None` where it is unknown, or where the bytes
    /// may be replaced.
    pub(super) fn place(&self) -> Option<(u64, u64, u64)> {
        match self {
            Content::Range(range) => {
                let (file, start) = range.parts();
                Some((Arc::as_ptr(file) as usize as u64, start, range.len()))
            }
            Content::File(file) => file.place(),
            Content::Memory(_) | Content::Kept(_) | Content::Passed(_) => None,
        }
    }

    /// All bytes, for documents that are within a bound.
    ///
    /// # Errors
    /// `Limit` if there are more; `Gone` for a stream's; `Io`.
    pub fn bytes(&self, bound: Bound) -> Result<Arc<[u8]>> {
        let Bound { what, most } = bound;
        if self.len() > most {
            let (limit, found) = (most, self.len());
            return Err(Fault::Limit { what, limit, found }.into());
        }
        match self {
            Content::Range(range) => Ok(range.bytes(most)?.into()),
            Content::File(file) => Ok(file.open()?.bytes(most)?.into()),
            Content::Kept(kept) => Ok(kept.range.bytes(most)?.into()),
            Content::Memory(bytes) => Ok(Arc::clone(bytes)),
            Content::Passed(_) => Err(Fault::Gone.into()),
        }
    }

    /// The bytes as part of a file that can be read at any place, where they are in one.
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
    /// `Gone` for what went by on a stream.
    pub fn reader(&self) -> Result<Box<dyn Read + Send>> {
        match self {
            Content::Range(range) => Ok(Box::new(range.reader())),
            Content::File(file) => Ok(Box::new(file.open()?.reader())),
            Content::Kept(kept) => Ok(Box::new(kept.range.reader())),
            Content::Memory(bytes) => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
            Content::Passed(_) => Err(Fault::Gone.into()),
        }
    }

    /// The first bytes, as many as there are up to `buf.len()`; none for what went by on a stream.
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

    /// How the bytes are packed, told by their beginning.
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

    /// Reads everything once and says what it is: digest, size, and the plain tar's where there is one.
    ///
    /// `expected` names the algorithm to hash with; SHA-256 without it. `meter` counts the stored bytes.
    /// Costs a pass over the stored bytes, unless they went by on a stream, which was that pass.
    ///
    /// # Errors
    /// `UnsupportedDigest` for the algorithm, `Io` from the file. What is wrong with the bytes is in the result.
    pub fn scan(
        &self,
        expected: Option<&Digest>,
        limits: &Limits,
        meter: &Meter,
    ) -> Result<Arc<Scan>> {
        if let Some(scan) = self.known() {
            return match expected {
                Some(digest) if digest.algorithm() != scan.digest.algorithm() => {
                    Err(Error::new(Fault::Gone))
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

    /// What a pass over a stream found out already.
    pub(crate) fn known(&self) -> Option<&Arc<Scan>> {
        match self {
            Content::Passed(scan) => Some(scan),
            Content::Kept(kept) => Some(&kept.scan),
            Content::Range(_) | Content::File(_) | Content::Memory(_) => None,
        }
    }

    /// The digest of the stored bytes, by the algorithm of `like`.
    pub fn digest(&self, like: &Digest) -> Result<Digest> {
        let mut hasher = Hasher::like(like)?;
        if let Some(scan) = self.known() {
            return match scan.digest.algorithm() == like.algorithm() {
                true => Ok(scan.digest.clone()),
                false => Err(Fault::Gone.into()),
            };
        }
        let mut reader = self.reader()?;
        let mut buf = vec![0; crate::blob::CHUNK];
        loop {
            match reader
                .read(&mut buf)
                .map_err(|error| Error::io("read", error))?
            {
                0 => return Ok(hasher.finish()),
                n => hasher.update(&buf[..n]),
            }
        }
    }

    /// Position of the bytes as numbers that no other bytes of this run have.
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

    /// Whether both hold the same bytes.
    pub(crate) fn same_as(&self, other: &Content) -> Result<bool> {
        if self.len() != other.len() {
            return Ok(false);
        }
        let like = crate::blob::sha256(b"");
        Ok(self.digest(&like)? == other.digest(&like)?)
    }
}
