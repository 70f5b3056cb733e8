//! Compression of layers and archives, by other means than imgkit's.
//!
//! Where a format allows several parts in a row (gzip members, zstd frames, bzip2 and xz streams) two are written,
//! and zstd gets a skippable frame between them, as tools do that allow random access.

use std::io::Write;

/// How bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pack {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Pack {
    /// Every way of packing.
    pub const ALL: [Pack; 4] = [Pack::Gzip, Pack::Zstd, Pack::Xz, Pack::Bzip2];

    /// The end of a file name. Nothing may depend on it.
    pub fn suffix(self) -> &'static str {
        match self {
            Pack::Plain => "",
            Pack::Gzip => ".gz",
            Pack::Zstd => ".zst",
            Pack::Xz => ".xz",
            Pack::Bzip2 => ".bz2",
        }
    }

    /// Packs bytes, in two parts.
    pub fn pack(self, bytes: &[u8]) -> Vec<u8> {
        if self == Pack::Plain {
            return bytes.to_vec();
        }
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let mut packed = self.part(first);
        if self == Pack::Zstd {
            packed.extend(skippable(b"imgkit"));
        }
        packed.extend(self.part(second));
        packed
    }

    fn part(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Pack::Plain => bytes.to_vec(),
            Pack::Gzip => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).expect("gzip");
                encoder.finish().expect("gzip")
            }
            Pack::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("zstd");
                encoder.include_checksum(true).expect("zstd");
                encoder.write_all(bytes).expect("zstd");
                encoder.finish().expect("zstd")
            }
            Pack::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
                encoder.write_all(bytes).expect("xz");
                encoder.finish().expect("xz")
            }
            Pack::Bzip2 => {
                let level = bzip2::Compression::fast();
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).expect("bzip2");
                encoder.finish().expect("bzip2")
            }
        }
    }
}

/// A zstd frame that decoders pass over.
fn skippable(content: &[u8]) -> Vec<u8> {
    let mut frame = 0x184d_2a50_u32.to_le_bytes().to_vec();
    frame.extend(u32::try_from(content.len()).expect("small").to_le_bytes());
    frame.extend(content);
    frame
}
