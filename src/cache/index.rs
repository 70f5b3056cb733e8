//! File format of a layer index.
//!
//! | bytes | contents |
//! |---|---|
//! | 0 to 15 | `imgkit layers`, zeros, and the format version in the last byte |
//! | 16 to 47 | BLAKE3 hash of the following bytes up to the windows |
//! | 48 to 55 | length of the index |
//! | from 56 | the index: diff ID, stored digest, compressed and uncompressed size, pieces, the listing with its anomalies |
//! | to the end | windows of the pieces, each verified only by the bytes it decodes to |
//!
//! Numbers have eight bytes, little-endian; texts are preceded by their length.

use std::io::{self, Write};
use std::ops::Range;

use crate::blob::{Piece, PieceStart};
use crate::spec::Digest;

const MAGIC: &[u8; 16] = b"imgkit layers\0\0\x03";
/// Suffix of index files.
pub(super) const SUFFIX: &str = "layer";
/// Size of the header in bytes.
const HEADER: usize = 56;
/// Size of a piece in the index in bytes.
const PIECE: usize = 6 * 8 + 2 + 32;
/// Maximum size of a compressed window in bytes: zstd hardly expands incompressible bytes.
const MAX_WINDOW: u64 = 64 << 10;

/// Identity of a layer in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CacheKey {
    pub(super) diff_id: Digest,
    /// Digest of the compressed bytes, where a manifest states it.
    pub(super) stored: Option<Digest>,
    /// Number of compressed bytes.
    pub(super) size: u64,
}

/// Index of a layer.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) uncompressed_size: u64,
    pieces: Vec<Piece>,
    /// Position of each piece's window in the file, if the index was read from one.
    windows: Vec<Range<usize>>,
}

impl CacheKey {
    /// Name of a file with that suffix.
    pub(super) fn name(&self, suffix: &str) -> String {
        let stored = self.stored.as_ref().map_or("-", |digest| {
            digest.encoded().get(..16).unwrap_or(digest.encoded())
        });
        format!("{}.{stored}.{}.{suffix}", self.diff_id.encoded(), self.size)
    }

    /// Appends the identity in the form of the file.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_text(out, self.diff_id.as_str().as_bytes());
        let stored = self.stored.as_ref().map_or("", Digest::as_str);
        put_text(out, stored.as_bytes());
        put(out, self.size);
    }
}

impl Index {
    pub(super) fn new(pieces: Vec<Piece>) -> Self {
        let uncompressed_size = pieces.iter().map(|piece| piece.length).sum();
        Index {
            uncompressed_size,
            pieces,
            windows: Vec::new(),
        }
    }

    /// Number of pieces.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Numbers of the pieces that cover a range of uncompressed bytes.
    pub(super) fn covering(&self, offset: u64, length: u64) -> std::ops::Range<usize> {
        let end = offset.saturating_add(length);
        let from = self
            .pieces
            .partition_point(|piece| piece.offset + piece.length <= offset);
        let to = self.pieces.partition_point(|piece| piece.offset < end);
        from..to.max(from)
    }

    /// Offset and length of a piece's uncompressed bytes.
    pub(super) fn piece_range(&self, at: usize) -> Option<(u64, u64)> {
        let piece = self.pieces.get(at)?;
        Some((piece.offset, piece.length))
    }

    /// Returns a piece with its window, which is copied from the bytes of the file.
    pub(super) fn piece(&self, file: &[u8], at: usize) -> Option<Piece> {
        let mut piece = self.pieces.get(at)?.clone();
        if let PieceStart::Block { window, .. } = &mut piece.start {
            let position = self.windows.get(at)?.clone();
            window.extend_from_slice(file.get(position)?);
        }
        Some(piece)
    }

    /// Writes the index of a layer with its listing, which is serialised with digests.
    pub(super) fn write(
        &self,
        key: &CacheKey,
        listing: &[u8],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut index = Vec::new();
        key.put(&mut index);
        put(&mut index, self.uncompressed_size);
        put(&mut index, self.pieces.len() as u64);
        let mut at = 0;
        for piece in &self.pieces {
            let (bits, byte, length) = match &piece.start {
                // Marks a header: blocks have 0 to 7 bits.
                PieceStart::Header => (u8::MAX, 0, 0),
                PieceStart::Block { bits, byte, window } => (*bits, *byte, window.len() as u64),
            };
            for number in [
                piece.offset,
                piece.length,
                piece.compressed_offset,
                at,
                length,
            ] {
                put(&mut index, number);
            }
            put(&mut index, u64::from(bits));
            index.extend_from_slice(&[byte, 0]);
            index.extend_from_slice(&piece.hash);
            at += length;
        }
        index.extend_from_slice(listing);
        let length = (index.len() as u64).to_le_bytes();
        let hash = *blake3::Hasher::new()
            .update(&length)
            .update(&index)
            .finalize()
            .as_bytes();
        out.write_all(MAGIC)?;
        out.write_all(&hash)?;
        out.write_all(&length)?;
        out.write_all(&index)?;
        for piece in &self.pieces {
            if let PieceStart::Block { window, .. } = &piece.start {
                out.write_all(window)?;
            }
        }
        Ok(())
    }

    /// Reads an index and its serialised listing from the bytes of a file. `None` if it is damaged, of another version,
    /// or of another layer.
    pub(super) fn read<'a>(file: &'a [u8], key: &CacheKey) -> Option<(Self, &'a [u8])> {
        let (head, rest) = file.split_at_checked(HEADER)?;
        let (magic, head) = head.split_at_checked(16)?;
        let (hash, length) = head.split_at_checked(32)?;
        let length = u64::from_le_bytes(length.try_into().ok()?);
        let (bytes, windows) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        if magic != MAGIC {
            return None;
        }
        let found = blake3::Hasher::new()
            .update(&length.to_le_bytes())
            .update(bytes)
            .finalize();
        if found.as_bytes() != hash {
            return None;
        }
        let windows_at = file.len() - windows.len();
        let mut own = Vec::new();
        key.put(&mut own);
        let from = &mut bytes.strip_prefix(&own[..])?;
        let uncompressed_size = take(from)?;
        let count = usize::try_from(take(from)?).ok()?;
        let (pieces, listing) = from.split_at_checked(count.checked_mul(PIECE)?)?;
        let mut index = Index {
            uncompressed_size,
            pieces: Vec::with_capacity(count),
            windows: Vec::with_capacity(count),
        };
        let mut next = 0_u64;
        for mut piece in pieces.chunks_exact(PIECE) {
            let from = &mut piece;
            let (offset, length, compressed_offset) = (take(from)?, take(from)?, take(from)?);
            let (at, window) = (take(from)?, take(from)?);
            let bits = take(from)?;
            let ([byte, _], hash) = from.split_first_chunk()?;
            let start = match u8::try_from(bits).ok()? {
                u8::MAX => PieceStart::Header,
                bits => PieceStart::Block {
                    bits: (bits < 8).then_some(bits)?,
                    byte: *byte,
                    window: Vec::new(),
                },
            };
            // Pieces follow one another without gaps.
            let follows = offset == next && compressed_offset <= key.size && window <= MAX_WINDOW;
            next = offset.checked_add(length).filter(|_| follows)?;
            let at = windows_at.checked_add(usize::try_from(at).ok()?)?;
            let end = at.checked_add(usize::try_from(window).ok()?)?;
            index.windows.push((end <= file.len()).then_some(at..end)?);
            index.pieces.push(Piece {
                offset,
                length,
                compressed_offset,
                start,
                hash: hash.try_into().ok()?,
            });
        }
        (next == uncompressed_size).then_some((index, listing))
    }
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put(out, text.len() as u64);
    out.extend_from_slice(text);
}

fn take(from: &mut &[u8]) -> Option<u64> {
    let (number, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CacheKey {
        CacheKey {
            diff_id: crate::blob::sha256(b"uncompressed"),
            stored: Some(crate::blob::sha256(b"stored")),
            size: 1000,
        }
    }

    fn index() -> Index {
        let piece = |offset, start| Piece {
            offset,
            length: 50,
            compressed_offset: offset / 2,
            start,
            hash: [offset as u8; 32],
        };
        let block = PieceStart::Block {
            bits: 3,
            byte: 0xe5,
            window: vec![7; 99],
        };
        Index::new(vec![
            piece(0, PieceStart::Header),
            piece(50, block),
            piece(100, PieceStart::Header),
        ])
    }

    fn file() -> Vec<u8> {
        let mut bytes = Vec::new();
        let written = index().write(&key(), b"a listing", &mut bytes);
        written.expect("memory");
        bytes
    }

    #[test]
    fn an_index_is_read_as_written() {
        let file = file();
        let (read, listing) = Index::read(&file, &key()).expect("read");
        assert_eq!((read.uncompressed_size, listing), (150, &b"a listing"[..]));
        for at in 0..3 {
            assert_eq!(read.piece(&file, at).as_ref(), index().pieces.get(at));
        }
        assert_eq!(read.piece(&file, 3), None);
        assert_eq!(read.covering(0, 1), 0..1);
        assert_eq!(read.covering(49, 2), 0..2);
        assert_eq!(read.covering(50, 50), 1..2);
        assert_eq!(read.covering(99, 1000), 1..3);
        assert_eq!(read.covering(150, 1), 3..3);
        let others = [
            CacheKey {
                size: 1001,
                ..key()
            },
            CacheKey {
                stored: None,
                ..key()
            },
            CacheKey {
                diff_id: crate::blob::sha256(b"other"),
                ..key()
            },
        ];
        for other in others {
            assert!(Index::read(&file, &other).is_none());
            assert_ne!(other.name(SUFFIX), key().name(SUFFIX));
        }
    }

    #[test]
    fn a_damaged_index_is_not_read() {
        let bytes = file();
        let windows = bytes.len() - 99;
        for end in 0..bytes.len() {
            assert!(Index::read(&bytes[..end], &key()).is_none(), "{end}");
        }
        for at in 0..windows {
            let mut other = bytes.clone();
            other[at] ^= 0x20;
            assert!(Index::read(&other, &key()).is_none(), "{at}");
        }
    }
}
