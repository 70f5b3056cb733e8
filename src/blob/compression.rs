//! Compression formats and their detection.

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Compression {
    /// Uncompressed.
    None,
    /// gzip, one or more members.
    Gzip,
    /// bzip2, one or more streams.
    Bzip2,
    /// xz, one or more streams.
    Xz,
    /// Zstandard, any number of frames, skippable ones included.
    Zstd,
}

impl Compression {
    /// Detects the compression from the first bytes; six are enough.
    pub fn sniff(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            // A skippable frame may come first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Compression::Bzip2,
            _ => Compression::None,
        }
    }

    /// Lower-case name of the format; `none` for uncompressed bytes.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Reports whether streams of this format can be indexed for random access (see [`Piece`](super::Piece)).
    pub(super) fn has_pieces(self) -> bool {
        matches!(self, Compression::Gzip | Compression::Zstd)
    }
}
