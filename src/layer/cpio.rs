//! cpio archives as entries: the portable formats of POSIX (`odc`) and SVR4 (`newc`, `crc`), as initramfs images are.
//!
//! In comes a stream, out go entries with their contents, in archive order; links between names of one file are told by
//! device and inode numbers and are left to [`CpioLinks`]. Archives in a row are read as one, compressed or not, with
//! zeros between them, as the Linux kernel reads them. The old binary format, whose byte order depends on the machine that wrote it, is refused by name.
//!
//! What a hostile archive could try here: numbers are digits or an error, names are limited like those of a tar, sizes
//! are never used to allocate, and an archive without its trailer is cut short.

use std::collections::HashMap;

use super::Limits;
use super::input::{StreamInput, TarInput};
use super::metadata::{EntryKind, Metadata, Mtime};
use crate::blob::{Compression, ConcatenatedStreams, ReadAhead};
use crate::error::{Error, Fault, Result};

/// One entry as the archive states it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpioEntry {
    /// The name as written.
    pub path: Vec<u8>,
    /// What it makes; `None` for a socket.
    pub kind: Option<EntryKind>,
    /// Mode, owner and time; cpio has no extended attributes.
    pub metadata: Metadata,
    /// Size of the contents.
    pub size: u64,
    /// Target of a symbolic link.
    pub link_target: Vec<u8>,
    /// Major and minor number of a device.
    pub device: (u64, u64),
    /// Device and inode number, which all names of a file have in common.
    pub inode: (u64, u64),
    /// How many names the file had.
    pub links: u64,
}

/// Reads a cpio archive entry by entry.
pub struct Cpio {
    input: StreamInput<ReadAhead>,
    entry: CpioEntry,
    left: u64,
    padding: u64,
    /// The sum of all bytes that the header states, and the one found so far, where the format has one.
    check: Option<(u32, u32)>,
    entries: u64,
    /// Archives that have ended, after each of which inode numbers mean other files.
    archives: u64,
    /// Whether an archive has ended and no other has begun.
    between: bool,
    /// How often a compressed archive followed an uncompressed one.
    turns: u32,
    limits: Limits,
}

/// How often a compressed archive may follow an uncompressed one: each time costs a thread and its buffers.
const MOST_TURNS: u32 = 16;

const AFTER: &str = "bytes follow the end that are no archive";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Odc,
    Newc { sums: bool },
}

impl Form {
    fn of(magic: &[u8]) -> Option<Self> {
        match magic.get(..6)? {
            b"070707" => Some(Form::Odc),
            b"070701" => Some(Form::Newc { sums: false }),
            b"070702" => Some(Form::Newc { sums: true }),
            _ => None,
        }
    }
}

/// Whether bytes begin a cpio archive of any format.
pub fn is_cpio(head: &[u8]) -> bool {
    Form::of(head).is_some() || matches!(head, [0xc7, 0x71, ..] | [0x71, 0xc7, ..])
}

impl Cpio {
    /// Reads the archives in a row that start where `inner` stands, of which the first is uncompressed.
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
            turns: 0,
            limits: Limits::default(),
        }
    }

    /// Accepts as much as these say.
    #[must_use]
    pub fn within(mut self, limits: &Limits) -> Self {
        self.limits = *limits;
        self
    }

    /// The next entry, or `None` at the end. What was not read of the one before is read and dropped.
    ///
    /// # Errors
    /// `Cpio` for what is no cpio archive or damaged, `Limit`, and whatever reading gives.
    pub fn next_entry(&mut self) -> Result<Option<&CpioEntry>> {
        let mut buf = [0; 4096];
        while self.read_data(&mut buf)? > 0 {}
        loop {
            // Zeros up to a record of 512 bytes, or to the next archive.
            if self.between && !self.input.skip_zeros().map_err(read_error)? {
                return Ok(None);
            }
            let at = self.input.position();
            let mut magic = [0; 6];
            if self.fill(&mut magic)? < magic.len() {
                return match self.between {
                    false => Err(cut(at)),
                    true => Err(wrong(at, AFTER)),
                };
            }
            if self.between && Compression::sniff(&magic) != Compression::None {
                self.turns += 1;
                if self.turns > MOST_TURNS {
                    let what = "compressed archives that follow uncompressed ones";
                    return Err(Error::new(Fault::Limit {
                        what,
                        limit: MOST_TURNS.into(),
                        found: self.turns.into(),
                    }));
                }
                let decode = self.limits.decode;
                self.input
                    .continue_with(|rest| {
                        Ok(ReadAhead::new(ConcatenatedStreams::new(
                            &magic, rest, decode,
                        )?))
                    })
                    .map_err(read_error)?;
                continue;
            }
            let Some(form) = Form::of(&magic) else {
                return Err(wrong(
                    at,
                    match (magic, self.archives) {
                        ([0xc7, 0x71, ..] | [0x71, 0xc7, ..], 0) => {
                            "the old binary format is not read: cpio -o -H newc writes another"
                        }
                        _ if self.between => AFTER,
                        _ => "not a cpio header",
                    },
                ));
            };
            let is_trailer = self.header(form, at)?;
            self.between = is_trailer;
            if is_trailer {
                self.archives += 1;
                continue;
            }
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(Error::new(Fault::Limit {
                    what: "entries",
                    limit: self.limits.entries,
                    found: self.entries,
                }));
            }
            return Ok(Some(&self.entry));
        }
    }

    /// Which of several archives in a row the entry is in.
    pub fn archive(&self) -> u64 {
        self.archives
    }

    /// Reads contents of the current entry; 0 at their end.
    ///
    /// # Errors
    /// `Cpio` where the archive ends first or the sum is wrong.
    pub fn read_data(&mut self, buf: &mut [u8]) -> Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buf.len(), |left| left.min(buf.len()));
        let Some(buf) = buf.get_mut(..wanted).filter(|buf| !buf.is_empty()) else {
            if self.left == 0 && self.padding > 0 {
                let padding = std::mem::take(&mut self.padding);
                if self.input.skip(padding).map_err(read_error)? < padding {
                    return Err(cut(self.input.position()));
                }
            }
            return Ok(0);
        };
        let read = self.input.read_full(buf).map_err(read_error)?;
        if read < wanted {
            return Err(cut(self.input.position()));
        }
        self.left -= read as u64;
        if let Some((expected, found)) = &mut self.check {
            *found = buf
                .iter()
                .fold(*found, |sum, byte| sum.wrapping_add(u32::from(*byte)));
            if self.left == 0 && expected != found {
                return Err(wrong(
                    self.input.position(),
                    "the sum of the contents is wrong",
                ));
            }
        }
        Ok(read)
    }

    fn fill(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.input.read_full(buf).map_err(read_error)
    }

    /// Reads the rest of a header and the name; whether it is the trailer.
    fn header(&mut self, form: Form, at: u64) -> Result<bool> {
        let mut fields = [0; 104];
        let length = match form {
            Form::Odc => 70,
            Form::Newc { .. } => 104,
        };
        let fields = &mut fields[..length];
        if self.fill(fields)? < length {
            return Err(cut(at));
        }
        let bad = || wrong(at, "a field holds no number");
        let number = |start: usize, width: usize, radix: u32| {
            let text = fields.get(start..start + width).unwrap_or_default();
            let text = std::str::from_utf8(text).map_err(|_| bad())?;
            match text.bytes().all(|byte| char::from(byte).is_digit(radix)) {
                true => u64::from_str_radix(text, radix).map_err(|_| bad()),
                false => Err(bad()),
            }
        };
        let entry = &mut self.entry;
        let (mode, rdev, name_size, seconds);
        match form {
            Form::Odc => {
                let octal = |start, width| number(start, width, 8);
                entry.inode = (octal(0, 6)?, octal(6, 6)?);
                (mode, entry.metadata.uid, entry.metadata.gid) =
                    (octal(12, 6)?, octal(18, 6)?, octal(24, 6)?);
                (entry.links, rdev) = (octal(30, 6)?, octal(36, 6)?);
                (seconds, name_size, entry.size) = (octal(42, 11)?, octal(53, 6)?, octal(59, 11)?);
                // The old way to put two numbers into one.
                entry.device = (rdev >> 8, rdev & 0xff);
                self.check = None;
            }
            Form::Newc { sums } => {
                let hex = |field: usize| number(8 * field, 8, 16);
                (mode, entry.metadata.uid, entry.metadata.gid) = (hex(1)?, hex(2)?, hex(3)?);
                (entry.links, seconds, entry.size) = (hex(4)?, hex(5)?, hex(6)?);
                entry.inode = ((hex(7)? << 32) | hex(8)?, hex(0)?);
                entry.device = (hex(9)?, hex(10)?);
                name_size = hex(11)?;
                let sum = u32::try_from(hex(12)?).unwrap_or_default();
                self.check = sums.then_some((sum, 0));
            }
        }
        entry.metadata.mtime = Mtime {
            seconds: i64::try_from(seconds).unwrap_or_default(),
            nanos: 0,
        };
        if name_size == 0 || name_size > self.limits.entry.name {
            return Err(Error::new(Fault::Limit {
                what: "name",
                limit: self.limits.entry.name,
                found: name_size,
            }));
        }
        let mut name = vec![0; usize::try_from(name_size).unwrap_or_default()];
        if self.input.read_full(&mut name).map_err(read_error)? < name.len() {
            return Err(cut(at));
        }
        if name.pop() != Some(0) || name.contains(&0) {
            return Err(wrong(at, "the name does not end where it should"));
        }
        let align = |position: u64| match form {
            Form::Odc => 0,
            Form::Newc { .. } => (4 - position % 4) % 4,
        };
        // Counted from the header, which itself is aligned.
        let head = 6 + length as u64 + name_size;
        let gap = align(head);
        if self.input.skip(gap).map_err(read_error)? < gap {
            return Err(cut(at));
        }
        self.left = self.entry.size;
        self.padding = align(self.entry.size);
        if name == b"TRAILER!!!" {
            self.left = 0;
            self.padding = 0;
            self.check = None;
            return match self.entry.size {
                0 => Ok(true),
                _ => Err(wrong(at, "the trailer has contents")),
            };
        }
        self.entry.path = name;
        self.entry.metadata.mode = (mode & 0o7777) as u16;
        self.entry.kind = match mode & 0o170_000 {
            0o100_000 | 0 => Some(EntryKind::File),
            0o040_000 => Some(EntryKind::Directory),
            0o120_000 => Some(EntryKind::Symlink),
            0o020_000 => Some(EntryKind::CharDevice),
            0o060_000 => Some(EntryKind::BlockDevice),
            0o010_000 => Some(EntryKind::Fifo),
            0o140_000 => None,
            _ => return Err(wrong(at, "the mode is of no kind of file")),
        };
        self.entry.link_target.clear();
        // GNU cpio states 0 for the targets of links.
        if self.entry.kind != Some(EntryKind::File) {
            self.check = None;
        }
        if self.entry.kind == Some(EntryKind::Symlink) {
            if self.left == 0 || self.left > self.limits.entry.name {
                return Err(wrong(at, "the target of a link is empty or too long"));
            }
            let mut target = vec![0; usize::try_from(self.left).unwrap_or_default()];
            if self.read_data(&mut target)? < target.len() {
                return Err(cut(at));
            }
            if target.contains(&0) {
                return Err(wrong(at, "the target of a link holds a NUL"));
            }
            self.entry.link_target = target;
            self.entry.size = 0;
        }
        if !matches!(
            self.entry.kind,
            Some(EntryKind::CharDevice | EntryKind::BlockDevice)
        ) {
            self.entry.device = (0, 0);
        }
        Ok(false)
    }
}

/// Names of one file: which entry writes it, and which come as links.
///
/// `newc` archives carry the contents with the last name only, so names without contents wait; `odc` archives carry
/// them with each.
#[derive(Debug, Default)]
pub struct CpioLinks {
    /// The name that has been written, or entries that wait for contents.
    files: HashMap<(u64, (u64, u64)), Names>,
    /// In which order files that wait came, so that the same archive gives the same layer.
    order: Vec<(u64, (u64, u64))>,
    held: usize,
    limits: Limits,
}

#[derive(Debug)]
enum Names {
    Written(Vec<u8>),
    Waiting(Vec<CpioEntry>),
}

/// What to do with an entry.
#[derive(Debug, PartialEq, Eq)]
pub enum CpioName {
    /// Write it, then these as links to it.
    File(Vec<CpioEntry>),
    /// Write it as a link to this path; its contents, if it has some, are the same.
    Link(Vec<u8>),
    /// Nothing yet.
    Waits,
}

impl CpioLinks {
    /// Links that accept as much as these say.
    pub fn within(limits: &Limits) -> Self {
        CpioLinks {
            limits: *limits,
            ..CpioLinks::default()
        }
    }

    /// Says what becomes of an entry of the `archive`th archive.
    ///
    /// # Errors
    /// `Limit` for more names that wait than are kept.
    pub fn name(&mut self, entry: &CpioEntry, archive: u64) -> Result<CpioName> {
        if entry.links < 2 || entry.kind == Some(EntryKind::Directory) {
            return Ok(CpioName::File(Vec::new()));
        }
        self.held += entry.path.len() + size_of::<CpioEntry>();
        if self.held as u64 > self.limits.path_text {
            return Err(Error::new(Fault::Limit {
                what: "bytes of names",
                limit: self.limits.path_text,
                found: self.held as u64,
            }));
        }
        let key = (archive, entry.inode);
        let waits = entry.kind == Some(EntryKind::File) && entry.size == 0;
        match self.files.get_mut(&key) {
            Some(Names::Written(first)) => Ok(CpioName::Link(first.clone())),
            Some(Names::Waiting(names)) if waits => {
                names.push(entry.clone());
                Ok(CpioName::Waits)
            }
            None if waits => {
                self.files.insert(key, Names::Waiting(vec![entry.clone()]));
                self.order.push(key);
                Ok(CpioName::Waits)
            }
            _ => {
                let written = Names::Written(entry.path.clone());
                Ok(CpioName::File(match self.files.insert(key, written) {
                    Some(Names::Waiting(names)) => names,
                    _ => Vec::new(),
                }))
            }
        }
    }

    /// The files whose contents never came, which are empty: each with all its names.
    pub fn rest(mut self) -> Vec<Vec<CpioEntry>> {
        let order = std::mem::take(&mut self.order);
        let waiting = order
            .iter()
            .filter_map(|key| match self.files.remove(key)? {
                Names::Waiting(names) => Some(names),
                Names::Written(_) => None,
            });
        waiting.collect()
    }
}

fn wrong(offset: u64, why: &'static str) -> Error {
    Fault::Cpio { offset, why }.into()
}

fn cut(offset: u64) -> Error {
    wrong(offset, "unexpected end")
}

fn read_error(error: std::io::Error) -> Error {
    Error::io("read", error)
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
    fn entries_come_in_order_and_archives_in_a_row_are_one() {
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
        // The end comes anywhere before the trailer's own.
        for end in 0..good.len() - 4 {
            assert!(names(&good[..end]).is_err(), "{end}");
        }
        let mut sum = good.clone();
        let at = sum
            .windows(5)
            .position(|part| part == b"hello")
            .expect("it");
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

    #[test]
    fn names_wait_for_their_contents() {
        let entry = |path: &str, size| CpioEntry {
            path: path.into(),
            kind: Some(EntryKind::File),
            inode: (1, 7),
            links: 3,
            size,
            ..CpioEntry::default()
        };
        let mut links = CpioLinks::default();
        let mut name = |path, size| links.name(&entry(path, size), 0).expect("few");
        assert_eq!(name("a", 0), CpioName::Waits);
        assert_eq!(name("b", 5), CpioName::File(vec![entry("a", 0)]));
        assert_eq!(name("c", 5), CpioName::Link(b"b".to_vec()));
        let mut links = CpioLinks::default();
        links.name(&entry("a", 0), 0).expect("few");
        links.name(&entry("b", 0), 0).expect("few");
        assert_eq!(links.rest(), [[entry("a", 0), entry("b", 0)]]);
    }
}
