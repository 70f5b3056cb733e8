//! File contents: in memory or on disk until a layer is written.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use md5::{Digest as _, Md5};

use crate::blob::{CHUNK, FileRange, RangeReader, open_regular};
use crate::error::{At, During, Error, Fault, Result, within};

/// Contents of a regular file.
#[derive(Debug, Clone)]
pub enum Contents {
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// Range of an open file: unpacked package data, or an archive.
    Range(FileRange),
    /// File of the host, opened for each read.
    Path(PathBuf, Snapshot),
}

/// Identity of a file of the host, to detect changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    size: u64,
    inode: (u64, u64),
    changed: (i64, i64),
}

impl Contents {
    /// Refers to a file of the host, to be read later. A symbolic link as the last component is not followed.
    ///
    /// # Errors
    /// `NotAFile`, and `Io` for a file that cannot be opened.
    pub fn of_path(path: &Path) -> Result<Self> {
        let file = open_regular(path, false)?;
        let metadata = file.metadata().during("read")?;
        Ok(Contents::Path(path.to_owned(), Snapshot::of(&metadata)))
    }

    /// Returns the size in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Contents::Bytes(bytes) => bytes.len() as u64,
            Contents::Range(range) => range.len(),
            Contents::Path(_, seen) => seen.size,
        }
    }

    /// Returns whether the size is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a reader at the start.
    ///
    /// # Errors
    /// `Changed` for a file of the host that has changed; `Io`. The context is its path.
    pub fn reader(&self) -> Result<Reader> {
        Ok(match self {
            Contents::Bytes(bytes) => Reader::Bytes(Cursor::new(Arc::clone(bytes))),
            Contents::Range(range) => Reader::Range(range.reader()),
            Contents::Path(path, seen) => {
                let open = || {
                    let file = open_regular(path, false)?;
                    let now = file.metadata().during("read")?;
                    match Snapshot::of(&now) == *seen {
                        true => FileRange::whole(file),
                        false => Err(Fault::Changed.into()),
                    }
                };
                let range = open().at(|| path.to_string_lossy().into_owned())?;
                Reader::Range(range.reader())
            }
        })
    }

    /// Returns the MD5 sum in hexadecimal digits, as packages state it.
    ///
    /// # Errors
    /// As [`Contents::reader`].
    pub fn md5(&self) -> Result<String> {
        let mut hash = Md5::new();
        let mut reader = self.reader()?;
        let mut buf = vec![0; CHUNK.min(usize::try_from(self.len()).unwrap_or(CHUNK).max(1))];
        loop {
            match reader.read(&mut buf) {
                Ok(0) => return Ok(hex::encode(hash.finalize())),
                Ok(n) => hash.update(&buf[..n]),
                Err(error) => return Err(Error::io("read", error)),
            }
        }
    }

    /// Reads all bytes.
    ///
    /// # Errors
    /// As [`Contents::reader`]; `Limit` for more than `limit` bytes.
    pub fn bytes(&self, limit: u64) -> Result<Vec<u8>> {
        within("file size in bytes", limit, self.len())?;
        let mut bytes = Vec::new();
        let mut reader = self.reader()?;
        reader.read_to_end(&mut bytes).during("read")?;
        Ok(bytes)
    }
}

impl Snapshot {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Snapshot {
            size: metadata.len(),
            inode: (metadata.dev(), metadata.ino()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl From<Vec<u8>> for Contents {
    fn from(bytes: Vec<u8>) -> Self {
        Contents::Bytes(bytes.into())
    }
}

impl PartialEq for Contents {
    /// Compares bytes in memory by content, and files by identity and range.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Contents::Bytes(a), Contents::Bytes(b)) => a == b,
            (Contents::Range(a), Contents::Range(b)) => {
                let ((file, offset), (other, at)) = (a.parts(), b.parts());
                Arc::ptr_eq(file, other) && offset == at && a.len() == b.len()
            }
            (Contents::Path(a, seen), Contents::Path(b, other)) => a == b && seen == other,
            _ => false,
        }
    }
}

impl Eq for Contents {}

/// Reader of [`Contents`].
pub enum Reader {
    /// Reader of bytes in memory.
    Bytes(Cursor<Arc<[u8]>>),
    /// Reader of a file range.
    Range(RangeReader),
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Reader::Bytes(bytes) => bytes.read(buf),
            Reader::Range(range) => range.read(buf),
        }
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match self {
            Reader::Bytes(bytes) => bytes.seek(to),
            Reader::Range(range) => range.seek(to),
        }
    }
}
