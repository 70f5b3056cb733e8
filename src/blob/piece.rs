//! Pieces of compressed streams: points from which decoding can start.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// A run of uncompressed bytes that can be decoded independently of the bytes before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Offset of the first uncompressed byte, from the start of the layer.
    pub offset: u64,
    /// Number of uncompressed bytes.
    pub length: u64,
    /// Offset in the compressed bytes at which decoding starts.
    pub compressed_offset: u64,
    /// State that the decoder needs at that offset.
    pub start: PieceStart,
    /// BLAKE3 hash of the uncompressed bytes.
    pub hash: [u8; 32],
}

/// Decoder state at the start of a [`Piece`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PieceStart {
    /// The header of a gzip member or a zstd frame follows; no state is needed.
    Header,
    /// A deflate block inside a gzip member follows.
    Block {
        /// Number of bits (0 to 7) of the previous byte that belong to the block: its highest ones.
        bits: u8,
        /// The previous byte.
        byte: u8,
        /// The uncompressed bytes before the block, 32 KiB or all there are, compressed with zstd.
        window: Vec<u8>,
    },
}

/// The bytes of a [`Piece`] do not decode, or do not have the recorded hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceMismatch;

/// Pieces of a stream that is being decoded, in order; complete once the stream was read to its end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PieceLog {
    pieces: Arc<Mutex<Vec<Piece>>>,
    /// A function pointer, so that only programs that create a log link the encoder.
    compress: fn(&[u8]) -> io::Result<Vec<u8>>,
}

impl PieceLog {
    /// Creates an empty log.
    #[expect(
        clippy::new_without_default,
        reason = "a log is always created on purpose"
    )]
    pub fn new() -> Self {
        PieceLog {
            pieces: Arc::default(),
            compress: |window| zstd::bulk::compress(window, 1),
        }
    }

    /// Removes and returns the pieces recorded so far.
    pub fn take(&self) -> Vec<Piece> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *pieces)
    }

    pub(super) fn add(&self, piece: Piece) {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.push(piece);
    }

    /// Compresses the window of a [`PieceStart::Block`].
    pub(super) fn compress(&self, window: &[u8]) -> io::Result<Vec<u8>> {
        (self.compress)(window)
    }
}
