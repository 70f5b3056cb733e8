//! One layer's index as a file.
//!
//! | bytes | what |
//! |---|---|
//! | 0 to 15 | `imgkit layers`, zeros, and the version in the last one |
//! | 16 to 47 | BLAKE3 of all that follows up to the windows |
//! | 48 to 55 | the length of the index |
//! | from 56 | the index: diff ID, stored digest, stored and plain size, pieces, the listing |
//! | to the end | windows of the pieces, each proven only by what it decodes to |
//!
//! Numbers have eight bytes, the lowest first; texts come after their length.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::blob::{Piece, PieceStart};
use crate::spec::Digest;

const MAGIC: &[u8; 16] = b"imgkit layers\0\0\x02";
/// How names of indexes end.
pub(super) const SUFFIX: &str = "layer";
/// Bytes before the index.
const BEFORE: u64 = 56;
/// Bytes of a piece.
const PIECE: usize = 6 * 8 + 2 + 32;
/// No window is longer: zstd makes bytes that do not pack hardly longer.
const WINDOW: u64 = 64 << 10;

/// What a layer is kept under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) diff_id: Digest,
    /// The digest of the stored bytes, where a manifest states it.
    pub(super) stored: Option<Digest>,
    /// Stored bytes.
    pub(super) size: u64,
}

/// What is kept of a layer.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) plain_size: u64,
    pieces: Vec<Piece>,
    /// Where in the file the window of each piece is, and how long; of an index that was read.
    windows: Vec<(u64, u64)>,
    /// A frozen listing, with digests.
    pub(super) listing: Vec<u8>,
}

impl Key {
    /// The name of the file.
    pub(super) fn name(&self) -> String {
        let stored = self.stored.as_ref().map_or("-", |digest| {
            digest.encoded().get(..16).unwrap_or(digest.encoded())
        });
        format!("{}.{stored}.{}.{SUFFIX}", self.diff_id.encoded(), self.size)
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_text(out, self.diff_id.as_str().as_bytes());
        let stored = self.stored.as_ref().map_or("", Digest::as_str);
        put_text(out, stored.as_bytes());
        put(out, self.size);
    }
}

impl Index {
    pub(super) fn new(pieces: Vec<Piece>, listing: Vec<u8>) -> Self {
        let plain_size = pieces.iter().map(|piece| piece.length).sum();
        Index {
            plain_size,
            pieces,
            windows: Vec::new(),
            listing,
        }
    }

    /// How many pieces the layer has; none where none could be found.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The pieces that a run of plain bytes is in.
    pub(super) fn covering(&self, offset: u64, length: u64) -> std::ops::Range<usize> {
        let end = offset.saturating_add(length);
        let from = self
            .pieces
            .partition_point(|piece| piece.offset + piece.length <= offset);
        let to = self.pieces.partition_point(|piece| piece.offset < end);
        from..to.max(from)
    }

    /// A piece with its window, which is read from the file.
    pub(super) fn piece(&self, file: &File, at: usize) -> Option<Piece> {
        let mut piece = self.pieces.get(at)?.clone();
        if let PieceStart::Block { window, .. } = &mut piece.start {
            let &(offset, length) = self.windows.get(at)?;
            window.resize(usize::try_from(length).ok()?, 0);
            file.read_exact_at(window, offset).ok()?;
        }
        Some(piece)
    }

    pub(super) fn write(&self, key: &Key, out: &mut dyn Write) -> io::Result<()> {
        let mut index = Vec::new();
        key.put(&mut index);
        put(&mut index, self.plain_size);
        put(&mut index, self.pieces.len() as u64);
        let mut at = 0;
        for piece in &self.pieces {
            let (bits, byte, length) = match &piece.start {
                // No block has so many bits.
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
        index.extend_from_slice(&self.listing);
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

    /// Reads an index of that length. `None` if it is not whole, of another version, or of another layer.
    pub(super) fn read(file: &File, size: u64, key: &Key) -> Option<Self> {
        let mut head = [0; BEFORE as usize];
        file.read_exact_at(&mut head, 0).ok()?;
        let (magic, rest) = head.split_at_checked(16)?;
        let (hash, length) = rest.split_at_checked(32)?;
        let length = u64::from_le_bytes(length.try_into().ok()?);
        let windows_at = BEFORE.checked_add(length).filter(|&end| end <= size)?;
        if magic != MAGIC {
            return None;
        }
        // No longer than the file is.
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut bytes, BEFORE).ok()?;
        let found = blake3::Hasher::new()
            .update(&length.to_le_bytes())
            .update(&bytes)
            .finalize();
        if found.as_bytes() != hash {
            return None;
        }
        let mut own = Vec::new();
        key.put(&mut own);
        let from = &mut bytes.strip_prefix(&own[..])?;
        let plain_size = take(from)?;
        let count = usize::try_from(take(from)?).ok()?;
        let (pieces, listing) = from.split_at_checked(count.checked_mul(PIECE)?)?;
        let mut index = Index {
            plain_size,
            pieces: Vec::with_capacity(count),
            windows: Vec::with_capacity(count),
            listing: listing.to_vec(),
        };
        let mut next = 0_u64;
        for mut piece in pieces.chunks_exact(PIECE) {
            let from = &mut piece;
            let (plain, length, stored) = (take(from)?, take(from)?, take(from)?);
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
            // They follow one another without a gap, or they are no pieces.
            let follows = plain == next && stored <= key.size && window <= WINDOW;
            next = plain.checked_add(length).filter(|_| follows)?;
            let at = windows_at.checked_add(at)?;
            at.checked_add(window).filter(|&end| end <= size)?;
            index.windows.push((at, window));
            index.pieces.push(Piece {
                offset: plain,
                length,
                compressed_offset: stored,
                start,
                hash: hash.try_into().ok()?,
            });
        }
        (next == plain_size).then_some(index)
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

    fn key() -> Key {
        Key {
            diff_id: crate::blob::sha256(b"plain"),
            stored: Some(crate::blob::sha256(b"stored")),
            size: 1000,
        }
    }

    fn index() -> Index {
        let piece = |plain, start| Piece {
            offset: plain,
            length: 50,
            compressed_offset: plain / 2,
            start,
            hash: [plain as u8; 32],
        };
        let block = PieceStart::Block {
            bits: 3,
            byte: 0xe5,
            window: vec![7; 99],
        };
        Index::new(
            vec![
                piece(0, PieceStart::Header),
                piece(50, block),
                piece(100, PieceStart::Header),
            ],
            b"a listing".to_vec(),
        )
    }

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(bytes, 0).expect("written");
        file
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let mut bytes = Vec::new();
        index().write(&key(), &mut bytes).expect("memory");
        let size = bytes.len() as u64;
        let file = file(&bytes);
        let read = Index::read(&file, size, &key()).expect("read");
        assert_eq!(
            (read.plain_size, &read.listing[..]),
            (150, &b"a listing"[..])
        );
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
            Key {
                size: 1001,
                ..key()
            },
            Key {
                stored: None,
                ..key()
            },
            Key {
                diff_id: crate::blob::sha256(b"other"),
                ..key()
            },
        ];
        for other in others {
            assert!(Index::read(&file, size, &other).is_none());
            assert_ne!(other.name(), key().name());
        }
    }

    #[test]
    fn what_is_damaged_is_not_read() {
        let mut bytes = Vec::new();
        index().write(&key(), &mut bytes).expect("memory");
        let windows = bytes.len() - 99;
        for end in 0..bytes.len() {
            assert!(
                Index::read(&file(&bytes[..end]), end as u64, &key()).is_none(),
                "{end}"
            );
        }
        for at in 0..windows {
            let mut other = bytes.clone();
            other[at] ^= 0x20;
            assert!(
                Index::read(&file(&other), bytes.len() as u64, &key()).is_none(),
                "{at}"
            );
        }
    }
}
