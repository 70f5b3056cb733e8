//! Tar headers: single blocks of 512 bytes.
//!
//! The dialect is determined for each header: one archive may mix them. Invalid numbers are refused and not guessed,
//! because a wrong size would hide entries, or reveal some that other readers do not have.

use std::ffi::CStr;

/// Size of a block in bytes, the unit of a tar.
pub(crate) const BLOCK: usize = 512;

/// One block.
pub(crate) type Block = [u8; BLOCK];

/// Dialect of a header: the layout of the fields after the link name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// No fields after the link name; also headers with a broken magic.
    V7,
    /// `ustar` NUL with any version: POSIX, and pax on top of it.
    Ustar,
    /// `ustar  ` NUL: sparse maps instead of a prefix.
    Gnu,
    /// `ustar` NUL and `tar` NUL at the end: a shorter prefix.
    Star,
}

/// A block with a valid checksum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    block: &'a Block,
    pub(crate) dialect: Dialect,
}

/// Tests if bytes begin with the header of an entry.
pub(crate) fn is_header(bytes: &[u8]) -> bool {
    let block = bytes.first_chunk();
    block.is_some_and(|block| Header::parse(block).is_some())
}

/// Zeros, as many as the longest text field has bytes.
const ZEROS: [u8; 155] = [0; 155];

/// Name of a field, for errors.
pub(crate) type Field = &'static str;

impl<'a> Header<'a> {
    /// Parses a block; `None` unless the checksum matches, over unsigned bytes or, as in some old writers, signed ones.
    pub(crate) fn parse(block: &'a Block) -> Option<Self> {
        let stated = number(part(block, 148, 8))?;
        let all = sum(block);
        let field: u32 = part(block, 148, 8)
            .iter()
            .map(|&byte| u32::from(byte))
            .sum();
        // The checksum counts its own field as eight blanks.
        let unsigned = i64::from(all) - i64::from(field) + 8 * 32;
        if stated != unsigned && stated != signed_sum(block) {
            return None;
        }
        let dialect = if part(block, 257, 6) == b"ustar\0" {
            match part(block, 508, 4) {
                b"tar\0" => Dialect::Star,
                _ => Dialect::Ustar,
            }
        } else if part(block, 257, 8) == b"ustar  \0" {
            Dialect::Gnu
        } else {
            Dialect::V7
        };
        Some(Header { block, dialect })
    }

    pub(crate) fn type_flag(&self) -> u8 {
        self.block.get(156).copied().unwrap_or_default()
    }

    /// Name without its prefix.
    pub(crate) fn name(&self) -> &'a [u8] {
        text(part(self.block, 0, 100))
    }

    /// Prefix of the name, without the `/` between them; empty if there is none.
    pub(crate) fn prefix(&self) -> &'a [u8] {
        match self.dialect {
            Dialect::Ustar => text(part(self.block, 345, 155)),
            Dialect::Star => text(part(self.block, 345, 131)),
            Dialect::Gnu | Dialect::V7 => b"",
        }
    }

    pub(crate) fn link_name(&self) -> &'a [u8] {
        text(part(self.block, 157, 100))
    }

    pub(crate) fn user_name(&self) -> &'a [u8] {
        self.owner_text(265)
    }

    pub(crate) fn group_name(&self) -> &'a [u8] {
        self.owner_text(297)
    }

    fn owner_text(&self, at: usize) -> &'a [u8] {
        match self.dialect {
            Dialect::V7 => b"",
            _ => text(part(self.block, at, 32)),
        }
    }

    /// Permission bits with setuid, setgid and sticky; file type bits that some writers add are dropped.
    pub(crate) fn mode(&self) -> Result<u16, Field> {
        let mode = self.positive(100, 8, "mode")?;
        u16::try_from(mode & 0o7777).map_err(|_| "mode")
    }

    /// Mode as stated, with the file type bits.
    pub(crate) fn stated_mode(&self) -> Result<u64, Field> {
        self.positive(100, 8, "mode")
    }

    /// Times of the last access and of the last change of attributes, in seconds since 1970, in dialects that have them.
    pub(crate) fn other_times(&self) -> Result<[Option<i64>; 2], Field> {
        let time = |at, is: bool| match is {
            true => number(part(self.block, at, 12)).map(Some).ok_or("time"),
            false => Ok(None),
        };
        let filled = |at: usize| self.block.get(at).is_some_and(|&byte| byte != 0);
        match self.dialect {
            Dialect::Gnu => Ok([time(345, filled(345))?, time(357, filled(357))?]),
            Dialect::Star => Ok([time(476, true)?, time(488, true)?]),
            Dialect::Ustar | Dialect::V7 => Ok([None, None]),
        }
    }

    pub(crate) fn uid(&self) -> Result<u64, Field> {
        self.positive(108, 8, "uid")
    }

    pub(crate) fn gid(&self) -> Result<u64, Field> {
        self.positive(116, 8, "gid")
    }

    pub(crate) fn size(&self) -> Result<u64, Field> {
        self.positive(124, 12, "size")
    }

    /// Seconds since 1970, negative before.
    pub(crate) fn mtime(&self) -> Result<i64, Field> {
        number(part(self.block, 136, 12)).ok_or("mtime")
    }

    /// Device numbers, valid for devices only.
    pub(crate) fn device(&self) -> Result<(u64, u64), Field> {
        match self.dialect {
            Dialect::V7 => Ok((0, 0)),
            _ => Ok((
                self.positive(329, 8, "devmajor")?,
                self.positive(337, 8, "devminor")?,
            )),
        }
    }

    /// Reports whether the field for the size with holes is set.
    pub(crate) fn has_gnu_real_size(&self) -> bool {
        self.dialect == Dialect::Gnu && self.block.get(483).is_some_and(|&byte| byte != 0)
    }

    /// Size of the file with its holes in bytes, in a GNU sparse header.
    pub(crate) fn gnu_real_size(&self) -> Result<u64, Field> {
        self.positive(483, 12, "realsize")
    }

    /// First four segments of a GNU sparse map, and whether blocks with more follow.
    pub(crate) fn gnu_sparse(&self) -> (&'a [u8], bool) {
        let more = self.block.get(482).is_some_and(|&flag| flag != 0);
        (part(self.block, 386, 4 * 24), more)
    }

    /// Reports whether all readers accept the format of every number, including unused fields: libarchive checks all of
    /// these fields to detect a tar.
    pub(crate) fn has_standard_numbers(&self) -> bool {
        [
            (100, 8),
            (108, 8),
            (116, 8),
            (124, 12),
            (136, 12),
            (148, 8),
            (329, 8),
            (337, 8),
        ]
        .into_iter()
        .all(|(at, length)| {
            let field = part(self.block, at, length);
            // GNU tar refuses blanks for required numbers.
            let is_blank = at < 329 && field.iter().all(|&byte| byte == b' ');
            is_standard_number(field) && !is_blank
        })
    }

    /// Reports whether other readers find a prefix that this dialect does not have.
    pub(crate) fn has_prefix_in_doubt(&self) -> bool {
        text(part(self.block, 345, 155)) != self.prefix()
    }

    /// Reports whether there are bytes after the end of a text, or after the last field.
    pub(crate) fn has_hidden_bytes(&self) -> bool {
        let fields: &[(usize, usize)] = match self.dialect {
            Dialect::V7 => &[(0, 100), (157, 100)],
            Dialect::Gnu => &[(0, 100), (157, 100), (265, 32), (297, 32)],
            Dialect::Star => &[(0, 100), (157, 100), (265, 32), (297, 32), (345, 131)],
            Dialect::Ustar => &[(0, 100), (157, 100), (265, 32), (297, 32), (345, 155)],
        };
        let hidden = |&(at, length): &(usize, usize)| {
            let field = part(self.block, at, length);
            let rest = field.get(text(field).len()..).unwrap_or_default();
            !ZEROS.starts_with(rest)
        };
        let last = self.dialect == Dialect::Ustar && part(self.block, 500, 12) != [0; 12];
        last || fields.iter().any(hidden)
    }

    fn positive(&self, at: usize, length: usize, field: Field) -> Result<u64, Field> {
        number(part(self.block, at, length))
            .and_then(|number| u64::try_from(number).ok())
            .ok_or(field)
    }
}

/// Returns a field of a block; all constant ranges in this file are inside.
pub(crate) fn part(block: &Block, at: usize, length: usize) -> &[u8] {
    block.get(at..at + length).unwrap_or_default()
}

/// Text up to the first NUL, or the whole field without one.
fn text(field: &[u8]) -> &[u8] {
    CStr::from_bytes_until_nul(field).map_or(field, CStr::to_bytes)
}

/// Reports whether a field holds octal digits between blanks, or is empty, or holds a base-256 number.
fn is_standard_number(field: &[u8]) -> bool {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    match field.first() {
        Some(0x80 | 0xff) => true,
        Some(0) => field.iter().all(blank),
        _ => {
            let digits = field.iter().skip_while(|&&byte| byte == b' ');
            let mut rest = digits.skip_while(|&&byte| matches!(byte, b'0'..=b'7'));
            rest.all(blank)
        }
    }
}

/// Sum of all bytes, eight at a time: it is computed for every header, by a compiler that optimises for size.
fn sum(block: &Block) -> u32 {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let (words, _) = block.as_chunks::<8>();
    // Four parallel sums; over 64 words each is less than 2^16.
    let sums = words.iter().fold(0u64, |sums, word| {
        let word = u64::from_le_bytes(*word);
        sums + (word & EVEN) + (word >> 8 & EVEN)
    });
    (0..4)
        .map(|lane| (sums >> (16 * lane) & 0xffff) as u32)
        .sum()
}

fn signed_sum(block: &Block) -> i64 {
    block
        .iter()
        .enumerate()
        .map(|(at, &byte)| match at {
            148..156 => 32,
            _ => i64::from(byte.cast_signed()),
        })
        .sum()
}

/// Parses a number: octal digits between blanks, ended by a NUL or the field, or base 256. An empty field is 0.
///
/// `None` for fields on which the common readers disagree: digits after a first NUL, two groups of digits.
pub(crate) fn number(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(0x80 | 0xff) => return base_256(field),
        Some(0x81..=0xfe) | None => return None,
        Some(_) => {}
    }
    let mut value: u64 = 0;
    let mut rest = field.iter();
    let mut last = rest.by_ref().find(|&&byte| byte != b' ');
    let digits = matches!(last, Some(b'0'..=b'7'));
    while let Some(digit @ b'0'..=b'7') = last {
        if value >> 60 != 0 {
            return None;
        }
        value = value << 3 | u64::from(digit - b'0');
        last = rest.next();
    }
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let ended = match last {
        None => true,
        // Any bytes may follow the closing NUL: every reader stops there.
        Some(0) => digits || rest.all(blank),
        Some(b' ') => rest
            .take_while(|&&byte| byte != 0)
            .all(|&byte| byte == b' '),
        Some(_) => false,
    };
    if !ended {
        return None;
    }
    i64::try_from(value).ok()
}

/// Parses a base-256 number: two's complement, big-endian, marked by the top bit of the first byte.
fn base_256(field: &[u8]) -> Option<i64> {
    let (mark, bytes) = field.split_first()?;
    let negative = *mark == 0xff;
    let filler = if negative { 0xff } else { 0 };
    let (front, low) = bytes.split_at(bytes.len().saturating_sub(8));
    if front.iter().any(|&byte| byte != filler) {
        return None;
    }
    let start: i64 = if negative { -1 } else { 0 };
    let value = low
        .iter()
        .fold(start, |value, &byte| value << 8 | i64::from(byte));
    // Eight full bytes leave no bit for the sign, so it must agree with the mark.
    (value.is_negative() == negative).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Head;
    use super::*;

    #[test]
    fn numbers_of_all_readers_are_parsed() {
        for (field, expected) in [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"644\0\0\0\0\0", 0o644),
            (b"00000644", 0o644),
            (b"0000644 ", 0o644),
            (b"644\0junk", 0o644),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"        ", 0),
            (b"   \0    ", 0),
            (b"777777777777", 0o777_777_777_777),
            (b"\x80\0\0\0\0\0\x01\x02", 258),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MAX),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
            (b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", i64::MIN),
        ] {
            assert_eq!(number(field), Some(expected), "{field:?}");
        }
    }

    #[test]
    fn ambiguous_numbers_are_refused() {
        for field in [
            &b"0000648\0"[..],
            b"-0000001",
            b"+0000001",
            b"64 4\0   ",
            b"\x00000644\0",
            b" \0 644 \0",
            b"0x1ff\0\0\0",
            b"\x81\0\0\0\0\0\0\0",
            b"\x80\0\0\x01\0\0\0\0\0\0\0\0",
            b"\x80\0\0\0\x80\0\0\0\0\0\0\0",
            b"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"",
        ] {
            assert_eq!(number(field), None, "{field:?}");
        }
    }

    #[test]
    fn the_checksum_covers_all_bytes() {
        assert_eq!(sum(&[255; BLOCK]), 512 * 255);
        for at in 0..BLOCK {
            let mut block = [0; BLOCK];
            block[at] = 200;
            assert_eq!(sum(&block), 200, "{at}");
        }
    }

    #[test]
    fn the_checksum_may_count_signed_bytes() {
        let block = Head::new("caf\u{e9}", b'0', 0).done();
        assert!(Header::parse(&block).is_some());
        let sum = signed_sum(&block);
        let mut signed = block;
        signed[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert_ne!(signed, block);
        assert!(Header::parse(&signed).is_some());
        signed[0] ^= 1;
        assert!(Header::parse(&signed).is_none());
    }

    #[test]
    fn each_dialect_has_its_own_prefix() {
        let prefix = |head: Head| {
            let block = head.put(345, &[b'p'; 155]).done();
            Header::parse(&block).map(|header| (header.dialect, header.prefix().len()))
        };
        let head = Head::new("name", b'0', 0);
        let star = head.clone().put(508, b"tar\0");
        assert_eq!(prefix(head.clone()), Some((Dialect::Ustar, 155)));
        assert_eq!(prefix(head.clone().gnu()), Some((Dialect::Gnu, 0)));
        // A broken version field does not matter, a broken magic does.
        let version = head.clone().put(263, b"??");
        assert_eq!(prefix(version), Some((Dialect::Ustar, 155)));
        let magic = head.put(257, b"ustar!");
        assert_eq!(prefix(magic), Some((Dialect::V7, 0)));
        let block = star.put(345, &[b'p'; 131]).done();
        let header = Header::parse(&block).map(|header| (header.dialect, header.prefix().len()));
        assert_eq!(header, Some((Dialect::Star, 131)));
    }
}
