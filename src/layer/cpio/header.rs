//! Headers of cpio archives.

use crate::error::{Error, Fault, Result};

/// Format of a cpio archive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// POSIX, with octal numbers.
    Odc,
    /// SVR4, with hexadecimal numbers and, in `crc` archives, a checksum of the contents.
    Newc { sums: bool },
}

impl Format {
    /// Detects the format from the magic number.
    pub(super) fn of(magic: &[u8]) -> Option<Self> {
        match magic.get(..6)? {
            b"070707" => Some(Format::Odc),
            b"070701" => Some(Format::Newc { sums: false }),
            b"070702" => Some(Format::Newc { sums: true }),
            _ => None,
        }
    }

    /// Length in bytes of a header after the magic number.
    pub(super) fn header_length(self) -> usize {
        match self {
            Format::Odc => 70,
            Format::Newc { .. } => 104,
        }
    }

    /// Number of padding bytes at a position that counts from the header.
    pub(super) fn padding(self, position: u64) -> u64 {
        match self {
            Format::Odc => 0,
            Format::Newc { .. } => (4 - position % 4) % 4,
        }
    }
}

/// Reports whether bytes start with a cpio archive of any format.
pub fn is_cpio(head: &[u8]) -> bool {
    Format::of(head).is_some() || is_old_binary(head)
}

/// Reports whether bytes start with an archive of the old binary format, in either byte order.
pub(super) fn is_old_binary(head: &[u8]) -> bool {
    matches!(head, [0xc7, 0x71, ..] | [0x71, 0xc7, ..])
}

/// Numbers of a header.
pub(super) struct Header {
    /// Device and inode number.
    pub(super) inode: (u64, u64),
    /// Permission bits and file type.
    pub(super) mode: u64,
    pub(super) uid: u64,
    pub(super) gid: u64,
    /// Number of names of the file.
    pub(super) links: u64,
    /// Seconds since 1970.
    pub(super) mtime: u64,
    /// Size of the contents in bytes.
    pub(super) size: u64,
    /// Major and minor number.
    pub(super) device: (u64, u64),
    /// Size of the name in bytes, with its closing NUL.
    pub(super) name_size: u64,
    /// Sum of all bytes of the contents, in `crc` archives.
    pub(super) sum: Option<u32>,
}

impl Header {
    /// Parses the bytes after the magic number of the header at offset `at`.
    ///
    /// # Errors
    /// `Cpio` if a field holds other characters than digits.
    pub(super) fn parse(format: Format, fields: &[u8], at: u64) -> Result<Self> {
        let invalid = || damaged(at, "invalid number in a field");
        let number = |start: usize, width: usize, radix: u32| {
            let text = fields.get(start..start + width).unwrap_or_default();
            let text = std::str::from_utf8(text).map_err(|_| invalid())?;
            match text.bytes().all(|byte| char::from(byte).is_digit(radix)) {
                true => u64::from_str_radix(text, radix).map_err(|_| invalid()),
                false => Err(invalid()),
            }
        };
        match format {
            Format::Odc => {
                let octal = |start, width| number(start, width, 8);
                let device = octal(36, 6)?;
                Ok(Header {
                    inode: (octal(0, 6)?, octal(6, 6)?),
                    mode: octal(12, 6)?,
                    uid: octal(18, 6)?,
                    gid: octal(24, 6)?,
                    links: octal(30, 6)?,
                    mtime: octal(42, 11)?,
                    size: octal(59, 11)?,
                    // Both numbers are in one field.
                    device: (device >> 8, device & 0xff),
                    name_size: octal(53, 6)?,
                    sum: None,
                })
            }
            Format::Newc { sums } => {
                let hex = |field: usize| number(8 * field, 8, 16);
                let sum = u32::try_from(hex(12)?).unwrap_or_default();
                Ok(Header {
                    inode: ((hex(7)? << 32) | hex(8)?, hex(0)?),
                    mode: hex(1)?,
                    uid: hex(2)?,
                    gid: hex(3)?,
                    links: hex(4)?,
                    mtime: hex(5)?,
                    size: hex(6)?,
                    device: (hex(9)?, hex(10)?),
                    name_size: hex(11)?,
                    sum: sums.then_some(sum),
                })
            }
        }
    }
}

/// Error for a damaged archive, noticed at `offset`.
pub(super) fn damaged(offset: u64, why: &'static str) -> Error {
    Fault::Cpio { offset, why }.into()
}

/// Error for an archive that ends early.
pub(super) fn truncated(offset: u64) -> Error {
    damaged(offset, "unexpected end")
}
