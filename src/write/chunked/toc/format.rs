//! Positions of the documents in a blob, as the descriptor's annotations and the footer state them.

use crate::spec::Descriptor;

/// Maximum size in bytes of a table of contents, compressed or not, that readers accept (containers/storage,
/// `maxTocSize`).
pub(crate) const MAX_SIZE: u64 = 150 << 20;
/// Magic number of a skippable zstd frame.
pub(super) const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
/// Last bytes of the footer.
pub(crate) const MAGIC: [u8; 8] = *b"GNUlInUx";
/// Last bytes of the older footer, which has no tar-split.
pub(crate) const OLD_MAGIC: [u8; 8] = *b"GnUlInUx";
/// Size in bytes of the footer, without its frame header.
pub(crate) const FOOTER: usize = 64;
/// Annotation with the digest of the compressed table of contents.
pub(crate) const CHECKSUM: &str = "io.github.containers.zstd-chunked.manifest-checksum";
/// Annotation with the position of the table of contents: `offset:compressed size:size:1`.
pub(crate) const POSITION: &str = "io.github.containers.zstd-chunked.manifest-position";
/// Annotation with the position of the tar-split: `offset:compressed size:size`.
pub(crate) const SPLIT_POSITION: &str = "io.github.containers.zstd-chunked.tarsplit-position";

/// Checksum of a file's contents in the tar-split.
pub(crate) static CRC: crc::Crc<u64, crc::Table<16>> =
    crc::Crc::<u64, crc::Table<16>>::new(&crc::CRC_64_GO_ISO);

/// Annotations of a layer's descriptor, by key.
pub(crate) type Annotations = Vec<(&'static str, String)>;

/// Position of a compressed document in a blob, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub offset: u64,
    pub compressed_size: u64,
    pub size: u64,
}

impl Extent {
    /// Parses `offset:compressed size:size`; further parts are ignored.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':').map(|part| part.parse().ok());
        let mut next = || parts.next().flatten();
        Some(Extent {
            offset: next()?,
            compressed_size: next()?,
            size: next()?,
        })
    }

    /// The text of an annotation.
    pub(super) fn text(&self) -> String {
        format!("{}:{}:{}", self.offset, self.compressed_size, self.size)
    }
}

/// The footer of a blob.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub toc: Extent,
    /// The version of the table of contents, 1.
    pub kind: u64,
    pub split: Extent,
}

impl Footer {
    /// Parses the last bytes of a blob; `None` if they are no footer of this format.
    pub(crate) fn parse(last: &[u8]) -> Option<Self> {
        let numbers = last.get(last.len().checked_sub(FOOTER)?..)?;
        let numbers = numbers.strip_suffix(&MAGIC)?;
        let mut found = [0; 7];
        for (number, bytes) in found.iter_mut().zip(numbers.chunks_exact(8)) {
            *number = u64::from_le_bytes(bytes.try_into().ok()?);
        }
        let extent = |[offset, compressed_size, size]: [u64; 3]| Extent {
            offset,
            compressed_size,
            size,
        };
        let [a, b, c, kind, d, e, f] = found;
        Some(Footer {
            toc: extent([a, b, c]),
            kind,
            split: extent([d, e, f]),
        })
    }

    /// The bytes of the footer.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let numbers = |extent: &Extent| [extent.offset, extent.compressed_size, extent.size];
        let [a, b, c] = numbers(&self.toc);
        let [d, e, f] = numbers(&self.split);
        let numbers = [a, b, c, self.kind, d, e, f];
        let mut footer: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        footer.extend(MAGIC);
        footer
    }

    /// The value of [`POSITION`].
    pub(crate) fn position(&self) -> String {
        format!("{}:{}", self.toc.text(), self.kind)
    }
}

/// Positions of the documents of a blob, and the digest of its compressed table of contents.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Positions {
    pub toc: Extent,
    pub split: Option<Extent>,
    /// Missing in a footer.
    pub checksum: Option<String>,
}

impl Positions {
    /// Parses the annotations of a descriptor, under the keys of today or of before 2023; `None` without them.
    ///
    /// # Errors
    /// The text that is not a position.
    pub(crate) fn from_annotations(descriptor: &Descriptor) -> Option<Result<Self, String>> {
        let value = |key: &str| {
            ["io.github.containers.", "io.containers."]
                .iter()
                .find_map(|prefix| descriptor.annotation(&format!("{prefix}zstd-chunked.{key}")))
        };
        let extent = |text: &str| Extent::parse(text).ok_or_else(|| text.to_owned());
        let position = value("manifest-position")?;
        let positions = || {
            Ok(Positions {
                toc: extent(position)?,
                split: value("tarsplit-position").map(extent).transpose()?,
                checksum: value("manifest-checksum").map(str::to_owned),
            })
        };
        Some(positions())
    }
}

impl From<Footer> for Positions {
    fn from(footer: Footer) -> Self {
        Positions {
            toc: footer.toc,
            split: Some(footer.split),
            checksum: None,
        }
    }
}
