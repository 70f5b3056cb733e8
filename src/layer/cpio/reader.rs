//! Reader of cpio archives.

use super::header::{Format, Header, damaged, is_old_binary, truncated};
use crate::blob::{Compression, ConcatenatedStreams, ReadAhead};
use crate::error::{During, Error, Result, within};
use crate::layer::Limits;
use crate::layer::input::{StreamInput, TarInput};
use crate::layer::metadata::{EntryKind, Metadata, Mtime};

/// One entry as the archive states it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpioEntry {
    /// Name as written.
    pub path: Vec<u8>,
    /// Kind of file; `None` for a socket.
    pub kind: Option<EntryKind>,
    /// Mode, owner and time; cpio has no extended attributes.
    pub metadata: Metadata,
    /// Size of the contents in bytes.
    pub size: u64,
    /// Target of a symbolic link; empty otherwise.
    pub link_target: Vec<u8>,
    /// Major and minor number of a device; 0 otherwise.
    pub device: (u64, u64),
    /// Device and inode number, which all names of a file share.
    pub inode: (u64, u64),
    /// Number of names of the file.
    pub links: u64,
}

/// Reader of cpio archives, entry by entry.
pub struct Cpio {
    input: StreamInput<ReadAhead>,
    entry: CpioEntry,
    /// Contents of the current entry that are not read yet, and the padding after them, in bytes.
    left: u64,
    padding: u64,
    /// Stated sum of the contents and the sum so far, in formats with sums.
    check: Option<(u32, u32)>,
    entries: u64,
    /// Number of archives that have ended; inode numbers are valid within one archive.
    archives: u64,
    /// True if the position is between two archives.
    between: bool,
    /// Number of compressed archives after uncompressed ones.
    compressed: u32,
    limits: Limits,
}

/// Maximum number of compressed archives after uncompressed ones: each needs a thread and its buffers.
const MAX_COMPRESSED: u32 = 16;

/// Length of the magic number in bytes.
const MAGIC: u64 = 6;

const TRAILING: &str = "trailing data after the archive";
const OLD_BINARY: &str = "the old binary format is not read: cpio -o -H newc writes another";

impl Cpio {
    /// Reads concatenated archives from the current position of `inner`; the first is uncompressed.
    pub fn new(inner: ReadAhead) -> Self {
        Cpio {
            input: StreamInput::new(inner),
            entry: CpioEntry::default(),
            left: 0,
            padding: 0,
            check: None,
            entries: 0,
            archives: 0,
            between: false,
            compressed: 0,
            limits: Limits::default(),
        }
    }

    /// Sets the limits.
    #[must_use]
    pub fn within(mut self, limits: &Limits) -> Self {
        self.limits = *limits;
        self
    }

    /// Returns the next entry, or `None` at the end. Skips unread contents of the previous one.
    ///
    /// # Errors
    /// `Cpio` if the input is damaged or no cpio archive, `Limit`, and errors of the input.
    pub fn next_entry(&mut self) -> Result<Option<&CpioEntry>> {
        let mut buf = [0; 4096];
        while self.read_data(&mut buf)? > 0 {}
        loop {
            // Archives are padded with zeros, to a record of 512 bytes or up to the next archive.
            if self.between && !self.input.skip_zeros().during("read")? {
                return Ok(None);
            }
            let at = self.input.position();
            let mut magic = [0; 6];
            if self.fill(&mut magic)? < magic.len() {
                return match self.between {
                    false => Err(truncated(at)),
                    true => Err(damaged(at, TRAILING)),
                };
            }
            if self.between && Compression::sniff(&magic) != Compression::None {
                self.compressed += 1;
                let what = "compressed archives that follow uncompressed ones";
                within(what, MAX_COMPRESSED.into(), self.compressed.into())?;
                let decode = self.limits.decode;
                self.input
                    .continue_with(|rest| {
                        Ok(ReadAhead::new(ConcatenatedStreams::new(
                            &magic, rest, decode,
                        )?))
                    })
                    .during("read")?;
                continue;
            }
            let Some(format) = Format::of(&magic) else {
                let why = match self.archives {
                    0 if is_old_binary(&magic) => OLD_BINARY,
                    _ if self.between => TRAILING,
                    _ => "not a cpio header",
                };
                return Err(damaged(at, why));
            };
            let is_trailer = self.header(format, at)?;
            self.between = is_trailer;
            if is_trailer {
                self.archives += 1;
                continue;
            }
            self.entries += 1;
            within("entries", self.limits.entries, self.entries)?;
            return Ok(Some(&self.entry));
        }
    }

    /// Number of the entry's archive among concatenated ones, from 0.
    pub fn archive(&self) -> u64 {
        self.archives
    }

    /// Fills `buf` with contents of the current entry and returns the number of bytes; 0 at their end.
    ///
    /// # Errors
    /// `Cpio` if the archive ends first or the sum does not match.
    pub fn read_data(&mut self, buf: &mut [u8]) -> Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buf.len(), |left| left.min(buf.len()));
        let Some(buf) = buf.get_mut(..wanted).filter(|buf| !buf.is_empty()) else {
            if self.left == 0 && self.padding > 0 {
                let padding = std::mem::take(&mut self.padding);
                if self.input.skip(padding).during("read")? < padding {
                    return Err(truncated(self.input.position()));
                }
            }
            return Ok(0);
        };
        let read = self.input.read_full(buf).during("read")?;
        if read < wanted {
            return Err(truncated(self.input.position()));
        }
        self.left -= read as u64;
        if let Some((expected, found)) = &mut self.check {
            *found = buf
                .iter()
                .fold(*found, |sum, byte| sum.wrapping_add(u32::from(*byte)));
            if self.left == 0 && expected != found {
                return Err(damaged(
                    self.input.position(),
                    "checksum mismatch of the contents",
                ));
            }
        }
        Ok(read)
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.input.read_full(buf).during("read")
    }

    /// Reads the rest of a header and the name. Returns whether it is the trailer.
    fn header(&mut self, format: Format, at: u64) -> Result<bool> {
        let mut fields = [0; 104];
        let fields = &mut fields[..format.header_length()];
        if self.fill(fields)? < fields.len() {
            return Err(truncated(at));
        }
        let header = Header::parse(format, fields, at)?;
        let name = self.name(format, header.name_size, at)?;
        self.left = header.size;
        self.padding = format.padding(header.size);
        self.check = header.sum.map(|sum| (sum, 0));
        if name == b"TRAILER!!!" {
            (self.left, self.padding, self.check) = (0, 0, None);
            return match header.size {
                0 => Ok(true),
                _ => Err(damaged(at, "trailer with contents")),
            };
        }
        let kind = kind(header.mode, at)?;
        // GNU cpio states a sum of 0 for the targets of links.
        if kind != Some(EntryKind::File) {
            self.check = None;
        }
        let is_link = kind == Some(EntryKind::Symlink);
        let link_target = match is_link {
            true => self.link_target(at)?,
            false => Vec::new(),
        };
        self.entry = CpioEntry {
            path: name,
            kind,
            metadata: Metadata {
                mode: (header.mode & 0o7777) as u16,
                uid: header.uid,
                gid: header.gid,
                mtime: Mtime::from_seconds(i64::try_from(header.mtime).unwrap_or_default()),
                xattrs: Vec::new(),
            },
            size: if is_link { 0 } else { header.size },
            link_target,
            device: match kind.is_some_and(EntryKind::is_device) {
                true => header.device,
                false => (0, 0),
            },
            inode: header.inode,
            links: header.links,
        };
        Ok(false)
    }

    /// Reads a name of `size` bytes and the padding after it.
    fn name(&mut self, format: Format, size: u64, at: u64) -> Result<Vec<u8>> {
        if size == 0 || size > self.limits.entry.name {
            return Err(Error::limit("name", self.limits.entry.name, size));
        }
        let mut name = vec![0; usize::try_from(size).unwrap_or_default()];
        if self.fill(&mut name)? < name.len() {
            return Err(truncated(at));
        }
        if name.pop() != Some(0) || name.contains(&0) {
            return Err(damaged(at, "the name does not end at its NUL"));
        }
        // Positions count from the start of the header, which is aligned.
        let padding = format.padding(MAGIC + format.header_length() as u64 + size);
        if self.input.skip(padding).during("read")? < padding {
            return Err(truncated(at));
        }
        Ok(name)
    }

    /// Reads the contents of a symbolic link.
    fn link_target(&mut self, at: u64) -> Result<Vec<u8>> {
        if self.left == 0 || self.left > self.limits.entry.name {
            return Err(damaged(at, "the target of a link is empty or too long"));
        }
        let mut target = vec![0; usize::try_from(self.left).unwrap_or_default()];
        if self.read_data(&mut target)? < target.len() {
            return Err(truncated(at));
        }
        if target.contains(&0) {
            return Err(damaged(at, "the target of a link holds a NUL"));
        }
        Ok(target)
    }
}

/// Kind of file for a mode; `None` for a socket.
fn kind(mode: u64, at: u64) -> Result<Option<EntryKind>> {
    match mode & 0o170_000 {
        0o100_000 | 0 => Ok(Some(EntryKind::File)),
        0o040_000 => Ok(Some(EntryKind::Directory)),
        0o120_000 => Ok(Some(EntryKind::Symlink)),
        0o020_000 => Ok(Some(EntryKind::CharDevice)),
        0o060_000 => Ok(Some(EntryKind::BlockDevice)),
        0o010_000 => Ok(Some(EntryKind::Fifo)),
        0o140_000 => Ok(None),
        _ => Err(damaged(at, "unknown file type in the mode")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newc(magic: &str, entries: &[(&str, u32, u32, u32, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        let trailer = [("TRAILER!!!", 0, 0, 1, &b""[..])];
        for (name, ino, mode, links, data) in entries.iter().chain(&trailer) {
            let sum: u32 = match magic {
                "070702" => data.iter().map(|byte| u32::from(*byte)).sum(),
                _ => 0,
            };
            let fields = [
                *ino,
                *mode,
                1000,
                100,
                *links,
                1_700_000_000,
                data.len() as u32,
                8,
                1,
                5,
                1,
                name.len() as u32 + 1,
                sum,
            ];
            out.extend(magic.bytes());
            for field in fields {
                out.extend(format!("{field:08x}").bytes());
            }
            out.extend(name.bytes());
            out.push(0);
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend(*data);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    fn names(bytes: &[u8]) -> Result<Vec<String>> {
        let bytes = std::io::Cursor::new(bytes.to_vec());
        let mut cpio = Cpio::new(ReadAhead::new(bytes));
        let mut names = Vec::new();
        while let Some(entry) = cpio.next_entry()? {
            names.push(format!(
                "{} {:?} {:o} {}",
                String::from_utf8_lossy(&entry.path),
                entry.kind,
                entry.metadata.mode,
                entry.size
            ));
        }
        Ok(names)
    }

    const ALL: [(&str, u32, u32, u32, &[u8]); 4] = [
        (".", 1, 0o040_755, 2, b""),
        ("a", 2, 0o100_644, 1, b"hello"),
        ("l", 3, 0o120_777, 1, b"a"),
        ("n", 4, 0o020_600, 1, b""),
    ];

    #[test]
    fn concatenated_archives_are_read_in_order() {
        let expected = [
            ". Some(Directory) 755 0",
            "a Some(File) 644 5",
            "l Some(Symlink) 777 0",
            "n Some(CharDevice) 600 0",
        ];
        for magic in ["070701", "070702"] {
            let mut bytes = newc(magic, &ALL);
            assert_eq!(names(&bytes).expect("entries"), expected);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
            assert_eq!(names(&bytes).expect("entries"), expected);
            bytes.extend(newc("070701", &ALL[1..2]));
            let both = names(&bytes).expect("entries");
            assert_eq!((both.len(), &*both[4]), (5, expected[1]));
        }
    }

    #[test]
    fn damage_is_an_error() {
        let good = newc("070702", &ALL);
        // Truncated anywhere before the end of the trailer.
        for end in 0..good.len() - 4 {
            assert!(names(&good[..end]).is_err(), "{end}");
        }
        let mut sum = good.clone();
        let at = sum
            .windows(5)
            .position(|part| part == b"hello")
            .expect("contents");
        sum[at] = b'j';
        assert!(names(&sum).is_err());
        let mut digit = good.clone();
        digit[7] = b'+';
        assert!(names(&digit).is_err());
        let mut after = good;
        after.extend(b"garbage!");
        assert!(names(&after).is_err());
        assert!(names(b"\xc7\x71rest").is_err());
    }
}
