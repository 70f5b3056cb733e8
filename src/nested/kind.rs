//! Forms of files that hold others, by their first bytes.

use crate::blob::Compression;
use crate::layer::{ar, is_header};

/// Form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing that is opened.
    Plain,
    Compressed(Compression),
    #[cfg(feature = "base")]
    Lz4,
    Tar,
    Ar,
    Zip,
    /// A form that is recognised and cannot be read.
    Unsupported(&'static str),
}

/// Forms that cannot be read, and how they begin.
const UNSUPPORTED: &[(&[u8], &str)] = &[
    #[cfg(not(feature = "base"))]
    (LZ4, "lz4 file"),
    (b"LZIP\x01", "lzip file"),
    (b"\x89LZO\0\r\n\x1a\n", "lzop file"),
    (b"\x1f\x9d\x90", "file of compress"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"Rar!\x1a\x07", "RAR archive"),
    (b"MSCF\0\0\0\0", "cabinet"),
];

const LZ4: &[u8] = b"\x04\x22\x4d\x18";

impl Kind {
    /// Form of a file by its first 512 bytes, or all of it.
    pub(super) fn of(head: &[u8]) -> Self {
        let is_stream = match Compression::sniff(head) {
            Compression::None => false,
            // The method, and flags that are not reserved.
            Compression::Gzip => matches!(head, [_, _, 8, flags, ..] if flags & 0xe0 == 0),
            Compression::Bzip2 => head.get(4..10).is_some_and(|block| {
                block == b"1AY&SY" || block == [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]
            }),
            Compression::Xz | Compression::Zstd => true,
        };
        let starts = |magic: &[u8]| head.starts_with(magic);
        match head {
            _ if is_stream => Kind::Compressed(Compression::sniff(head)),
            #[cfg(feature = "base")]
            _ if starts(LZ4) => Kind::Lz4,
            _ if starts(ar::MAGIC) => Kind::Ar,
            _ if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") => Kind::Zip,
            _ if is_header(head) => Kind::Tar,
            _ => {
                let known = UNSUPPORTED.iter().find(|(magic, _)| starts(magic));
                known.map_or(Kind::Plain, |(_, name)| Kind::Unsupported(name))
            }
        }
    }
}

/// Name of the form of a file, by its first 512 bytes or all of it: that of an archive or a compression, `text`, or `data`.
pub fn form_of(head: &[u8]) -> &'static str {
    match Kind::of(head) {
        Kind::Compressed(compression) => compression.name(),
        #[cfg(feature = "base")]
        Kind::Lz4 => "lz4",
        Kind::Tar => "tar",
        Kind::Ar => "ar",
        Kind::Zip => "zip",
        Kind::Unsupported(what) => what,
        Kind::Plain => {
            let is_text = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace();
            match str::from_utf8(head) {
                // The last character may be cut.
                Err(error) if error.error_len().is_some() => "data",
                _ if head.iter().all(is_text) => "text",
                _ => "data",
            }
        }
    }
}
