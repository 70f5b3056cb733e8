//! Members of zip archives, jars and wheels among them: APPNOTE.TXT 6.3, "Overall .ZIP file format".
//!
//! Readers that follow the directory at the end and readers that follow the members from the start can see different
//! files. Members are those of the directory, as most programs read them; each lies in bytes of its own.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::source::Source;
use super::walk::{BUFFER, Level, Walk};
use crate::blob::{Compression, Decoder, each_chunk, read_full};
use crate::error::{Error, Result, within};

/// Bytes of a zip that are kept in memory.
const IN_MEMORY: usize = 4 << 20;
/// Sizes in bytes of the end of the directory, of that of ZIP64 and the pointer to it, of a directory entry, and of a
/// member's header; of the latter two without names and extra fields.
const END: usize = 22;
const END_64: usize = 56;
const POINTER_64: usize = 20;
const ENTRY: usize = 46;
const HEADER: usize = 30;
/// The longest comment, which stands behind the end of the directory.
const COMMENT: u64 = 0xffff;
/// Bit of a member's flags: its contents are encrypted.
const ENCRYPTED: u64 = 1;

type File = tempfile::SpooledTempFile;

/// A member as the directory states it.
struct Entry {
    name: Vec<u8>,
    flags: u64,
    method: u64,
    crc: u32,
    compressed: u64,
    size: u64,
    offset: u64,
}

/// Reader that compares size and checksum at the end.
struct Checked<R> {
    inner: R,
    crc: Crc,
    read: u64,
    size: u64,
    expected: u32,
}

impl Walk<'_, '_> {
    pub(super) fn zip(&mut self, source: &mut Source<'_>, level: Level) -> Result<()> {
        let directory = &self.nesting.directory;
        let mut file = tempfile::spooled_tempfile_in(IN_MEMORY, directory);
        let mut kept = Ok(());
        each_chunk(&mut *source, |chunk| {
            kept = self.budget.add(chunk.len() as u64);
            match kept {
                Ok(()) => (file.write_all(chunk))
                    .map_err(|error| Error::io("write", error).at(directory.display().to_string())),
                Err(_) => Ok(()),
            }
        })?;
        let entries = kept.and_then(|()| self.entries(&mut file));
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.ended(source, Some(error));
                return Ok(());
            }
        };
        let mut places: Vec<(u64, u64)> = entries.iter().map(Entry::place).collect();
        places.sort_unstable();
        for entry in &entries {
            if let Err(error) = self.budget.add_member() {
                self.note(error);
            }
            if self.budget.is_over() {
                break;
            }
            if entry.name.ends_with(b"/") {
                continue;
            }
            let at = places.partition_point(|place| *place < entry.place());
            let behind = places.get(at + 1).map_or(u64::MAX, |next| next.0);
            let mut none = io::empty();
            let opened = match entry.place().1 > behind {
                true => Err(damaged("members overlap")),
                false => entry.open(&mut file, self.budget.decode()),
            };
            let (mut reader, error) = match opened {
                Ok(reader) => (reader, None),
                Err(error) => (Box::new(&mut none) as Box<dyn Read>, Some(error)),
            };
            let mut inner = Source::new(&mut *reader, Some(self.budget));
            inner.error = error;
            let size = Some(entry.size);
            self.member(&entry.name, &mut inner, size, level.below())?;
        }
        Ok(())
    }

    /// Reads the directory.
    fn entries(&self, file: &mut File) -> Result<Vec<Entry>> {
        let limits = self.nesting.limits;
        let (count, size, offset) = directory(file)?;
        within("members", limits.entries, count)?;
        within("bytes of members' names", limits.member_text, size)?;
        file.seek(SeekFrom::Start(offset)).map_err(read)?;
        let mut reader = BufReader::with_capacity(BUFFER, file.take(size));
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(Entry::read(&mut reader)?);
        }
        Ok(entries)
    }
}

/// Finds the directory: number of entries, size and offset in bytes.
fn directory(file: &mut File) -> Result<(u64, u64, u64)> {
    let end = file.seek(SeekFrom::End(0)).map_err(read)?;
    let start = end.saturating_sub(COMMENT + (END + POINTER_64) as u64);
    let tail = bytes_at(file, start, usize::try_from(end - start).unwrap_or(0))?;
    let mut records = tail.windows(END);
    let found = records.rposition(|record| record.starts_with(b"PK\x05\x06"));
    let (before, record) = found
        .and_then(|at| tail.split_at_checked(at))
        .ok_or_else(|| damaged("missing directory"))?;
    let field = |at, size| number(record, at, size).unwrap_or_default();
    let (mut count, mut size, mut offset) = (field(10, 2), field(12, 4), field(16, 4));
    let pointer = before.last_chunk::<POINTER_64>();
    if let Some(pointer) = pointer.filter(|pointer| pointer.starts_with(b"PK\x06\x07")) {
        let at = number(pointer, 8, 8).unwrap_or_default();
        let record = bytes_at(file, at, END_64)?;
        if !record.starts_with(b"PK\x06\x06") {
            return Err(damaged("missing ZIP64 directory"));
        }
        let field = |at| number(&record, at, 8).unwrap_or_default();
        (count, size, offset) = (field(32), field(40), field(48));
    }
    let is_inside = offset.checked_add(size).is_some_and(|last| last <= end);
    match is_inside {
        true => Ok((count, size, offset)),
        false => Err(damaged("directory exceeds the file")),
    }
}

impl Entry {
    fn read(reader: &mut impl Read) -> Result<Self> {
        let mut head = [0; ENTRY];
        let read = read_full(&mut *reader, &mut head)?;
        if read < ENTRY || !head.starts_with(b"PK\x01\x02") {
            return Err(damaged("damaged directory"));
        }
        let field = |at, size| number(&head, at, size).unwrap_or_default();
        let mut name = Vec::new();
        let mut extra = Vec::new();
        let mut comment = Vec::new();
        for (text, at) in [(&mut name, 28), (&mut extra, 30), (&mut comment, 32)] {
            text.resize(usize::try_from(field(at, 2)).unwrap_or(0), 0);
            if read_full(&mut *reader, text)? < text.len() {
                return Err(damaged("damaged directory"));
            }
        }
        let mut entry = Entry {
            name,
            flags: field(8, 2),
            method: field(10, 2),
            crc: u32::try_from(field(16, 4)).unwrap_or_default(),
            compressed: field(20, 4),
            size: field(24, 4),
            offset: field(42, 4),
        };
        let mut large = zip64(&extra);
        for own in [&mut entry.size, &mut entry.compressed, &mut entry.offset] {
            if *own == u64::from(u32::MAX)
                && let Some((value, rest)) = large.split_first_chunk()
            {
                (*own, large) = (u64::from_le_bytes(*value), rest);
            }
        }
        Ok(entry)
    }

    /// Start and end of its header and contents, at least.
    fn place(&self) -> (u64, u64) {
        let header = (HEADER + self.name.len()) as u64;
        let end = self.offset.saturating_add(header);
        (self.offset, end.saturating_add(self.compressed))
    }

    fn open<'f>(
        &self,
        file: &'f mut File,
        limits: crate::limits::DecodeLimits,
    ) -> Result<Box<dyn Read + 'f>> {
        let head = bytes_at(file, self.offset, HEADER)?;
        if !head.starts_with(b"PK\x03\x04") {
            return Err(damaged("damaged header"));
        }
        if self.flags & ENCRYPTED != 0 {
            return Err(Error::unsupported("encrypted member"));
        }
        let field = |at| number(&head, at, 2).unwrap_or_default();
        let behind = i64::try_from(field(26) + field(28)).unwrap_or_default();
        file.seek(SeekFrom::Current(behind)).map_err(read)?;
        let stored = BufReader::with_capacity(BUFFER, file.take(self.compressed));
        let decoder = |stored, compression| Decoder::new(stored, compression, limits);
        let inner: Box<dyn Read + 'f> = match self.method {
            0 => Box::new(stored),
            8 => Box::new(DeflateDecoder::new(stored)),
            12 => Box::new(decoder(stored, Compression::Bzip2)?),
            93 => Box::new(decoder(stored, Compression::Zstd)?),
            95 => Box::new(decoder(stored, Compression::Xz)?),
            method => {
                return Err(Error::unsupported(format!(
                    "compression method {method} of zip"
                )));
            }
        };
        Ok(Box::new(Checked {
            inner,
            crc: Crc::new(),
            read: 0,
            size: self.size,
            expected: self.crc,
        }))
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let broken = |error: io::Error| match error.downcast::<Error>() {
            Ok(error) => error.into_io(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => error,
            Err(error) => damaged(error.to_string()).into_io(),
        };
        let read = self.inner.read(buf).map_err(broken)?;
        self.crc.update(buf.get(..read).unwrap_or_default());
        self.read += read as u64;
        if read == 0 && !buf.is_empty() {
            crate::error::same_size(self.size, self.read).map_err(Error::into_io)?;
            if self.crc.sum() != self.expected {
                return Err(damaged("wrong checksum").into_io());
            }
        }
        Ok(read)
    }
}

/// The values of the ZIP64 field among extra fields; empty if there is none.
fn zip64(mut extra: &[u8]) -> &[u8] {
    while let (Some(id), Some(size)) = (number(extra, 0, 2), number(extra, 2, 2)) {
        let rest = extra.get(4..).unwrap_or_default();
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let (own, behind) = rest.split_at(size.min(rest.len()));
        if id == 1 {
            return own;
        }
        extra = behind;
    }
    &[]
}

/// A number of up to eight bytes at an offset.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + size)?.iter().rev();
    Some(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Bytes at an offset.
fn bytes_at(file: &mut File, offset: u64, length: usize) -> Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset)).map_err(read)?;
    let mut bytes = vec![0; length];
    match read_full(file, &mut bytes)? == length {
        true => Ok(bytes),
        false => Err(damaged("offset behind the end of the file")),
    }
}

fn damaged(why: impl Into<String>) -> Error {
    Error::codec("zip", why)
}

fn read(error: io::Error) -> Error {
    Error::io("read", error)
}
