//! Regular files, opened safely and read by position.
//!
//! Ranges are read with positional reads and not mapped. If another program truncates a mapped file, this one ends with
//! a bus error, which no check of lengths can prevent; a read ends with an error line. Mapping would not be faster:
//! walking the 30,000 headers of a gigabyte of layers costs the same either way.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use super::backing::{Backing, ReadAt};
use super::buffer::read_full;
use super::hash::{Hasher, HashingReader};
use crate::error::{During, Error, Result, within};
use crate::spec::Digest;

/// Opens a regular file for reading; never blocks and never opens anything else.
///
/// With `follow` false a symbolic link is refused too: for paths in an OCI layout, which a hostile layout could point
/// anywhere.
///
/// # Errors
/// `NotAFile` for directories, FIFOs, devices, sockets and (unless followed) links; `Io` from the system.
pub fn open_regular(path: &Path, follow: bool) -> Result<File> {
    // O_NONBLOCK: opening a FIFO without a writer must not block. It has no effect on regular files.
    let mut flags =
        rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC | rustix::fs::OFlags::NOCTTY;
    if !follow {
        flags |= rustix::fs::OFlags::NOFOLLOW;
    }
    let file = open_unmarked(path, flags).map_err(|error| {
        if !follow && error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            return Error::not_a_file("a symbolic link");
        }
        // A socket cannot be opened at all; its kind says more than the system's error.
        match std::fs::metadata(path)
            .ok()
            .and_then(|metadata| special_kind(metadata.file_type()))
        {
            Some(kind) => Error::not_a_file(kind),
            None => Error::io("open", error),
        }
    })?;
    let kind = file.metadata().during("open")?.file_type();
    if kind.is_dir() {
        return Err(Error::not_a_file("a directory"));
    }
    match special_kind(kind) {
        Some(kind) => Err(Error::not_a_file(kind)),
        None => Ok(file),
    }
}

/// Opens a file for reading and, where that is allowed, without a mark in its access time: what is read may be evidence.
fn open_unmarked(path: &Path, flags: rustix::fs::OFlags) -> io::Result<File> {
    let open = |flags: rustix::fs::OFlags| {
        let flags = flags.bits().cast_signed();
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    };
    let opened = open(flags | rustix::fs::OFlags::NOATIME);
    // Only for the owner and root.
    let is_refused =
        |error: &io::Error| error.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error());
    match opened {
        Err(error) if is_refused(&error) => open(flags),
        opened => opened,
    }
}

/// Opens a FIFO for reading without waiting for a writer. Reading then waits for writers.
///
/// # Errors
/// `Io` from the system.
pub fn open_fifo(path: &Path) -> Result<File> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path);
    let file = opened.during("open")?;
    rustix::fs::fcntl_getfl(&file)
        .and_then(|flags| rustix::fs::fcntl_setfl(&file, flags - rustix::fs::OFlags::NONBLOCK))
        .during("open")?;
    Ok(file)
}

fn special_kind(kind: std::fs::FileType) -> Option<&'static str> {
    if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_char_device() || kind.is_block_device() {
        Some("a device")
    } else {
        None
    }
}

/// A range of bytes in a regular file, or in several that are joined. Cheap to clone; several may be read at the same time.
#[derive(Debug, Clone)]
pub struct FileRange {
    file: Arc<Backing>,
    offset: u64,
    len: u64,
}

impl FileRange {
    /// Range of the whole file.
    ///
    /// # Errors
    /// `Io` if the length cannot be determined.
    pub fn whole(file: File) -> Result<Self> {
        let len = file.metadata().during("read")?.len();
        Ok(FileRange {
            file: Arc::new(Backing::File(file)),
            offset: 0,
            len,
        })
    }

    /// Range of all bytes of several files that are joined.
    pub fn joined(joined: Box<dyn ReadAt>) -> Self {
        FileRange {
            offset: 0,
            len: joined.length(),
            file: Arc::new(Backing::Joined(joined)),
        }
    }

    /// Range of all bytes of a file that others are read from, too.
    pub(crate) fn of(file: Arc<Backing>) -> Self {
        FileRange {
            offset: 0,
            len: file.length(),
            file,
        }
    }

    /// Returns a range within this one, cut at its end. `offset` counts from its start.
    #[must_use]
    pub fn slice(&self, offset: u64, len: u64) -> Self {
        let offset = offset.min(self.len);
        FileRange {
            file: Arc::clone(&self.file),
            offset: self.offset + offset,
            len: len.min(self.len - offset),
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Reports whether the range has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file, and the offset of the range in it.
    pub fn parts(&self) -> (&Arc<Backing>, u64) {
        (&self.file, self.offset)
    }

    /// Returns a reader from the start of the range.
    pub fn reader(&self) -> RangeReader {
        RangeReader {
            range: self.clone(),
            position: 0,
        }
    }

    /// Reads up to `buf.len()` bytes from the start and returns their number; fewer only at the end.
    ///
    /// # Errors
    /// `Io`.
    pub fn head(&self, buf: &mut [u8]) -> Result<usize> {
        read_full(self.reader(), buf)
    }

    /// Digest of the range, with the algorithm of `like`. Reads it once.
    ///
    /// # Errors
    /// `UnsupportedDigest`; `Io`, also if the file has become shorter.
    pub fn digest(&self, like: &Digest) -> Result<Digest> {
        let mut hashing = HashingReader::new(self.reader(), Hasher::like(like)?);
        let copied = io::copy(&mut hashing, &mut io::sink());
        copied.during("read")?;
        Ok(hashing.finish().0)
    }

    /// Reads the range into memory if it is no longer than `limit`.
    ///
    /// # Errors
    /// `Limit` if it is longer; `Truncated` if the file has become shorter; `Io`.
    pub fn bytes(&self, limit: u64) -> Result<Vec<u8>> {
        within("size in bytes", limit, self.len)?;
        // A short range is allocated at once, a long one as it is read: a claimed length takes no memory.
        let capacity = usize::try_from(self.len.min(1 << 16)).unwrap_or_default();
        let mut bytes = Vec::with_capacity(capacity);
        self.reader().read_to_end(&mut bytes).during("read")?;
        Ok(bytes)
    }
}

/// Reader of a [`FileRange`]. Fails if the file has become shorter meanwhile.
pub struct RangeReader {
    range: FileRange,
    position: u64,
}

impl Seek for RangeReader {
    /// Seeks within the range; a position past its end is its end.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.range.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.position = position.min(self.range.len);
        Ok(self.position)
    }
}

impl Read for RangeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.range.len - self.position;
        let want = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        if want == 0 {
            return Ok(0);
        }
        loop {
            match self
                .range
                .file
                .read_at(&mut buf[..want], self.range.offset + self.position)
            {
                Ok(0) => {
                    return Err(
                        Error::truncated("the file", self.range.len, self.position).into_io()
                    );
                }
                Ok(n) => {
                    self.position += n as u64;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
