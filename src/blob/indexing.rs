//! Decoding of gzip and zstd that records the points from which decoding can start again.
//!
//! Between two such points lies a [`Piece`]: it is decoded independently, and verified by the hash that its bytes had
//! the first time. One file of a layer of gigabytes then costs the decoding of a piece or two, and many pieces are
//! decoded on all cores at once.
//!
//! At the start of a gzip member or a zstd frame no other state is needed. Inside a gzip member the previous 32 KiB are
//! kept, and the number of bits of the previous byte that belong to the next block (RFC 1951, section 3.2.3: deflate
//! blocks end at any bit). The decoder reports the end of a block, but not its bit; the bit is found by trying all eight
//! and comparing the output. Inside a zstd frame, and in bzip2 and xz, there is no such point: a layer of one zstd frame
//! is one piece.
//!
//! Recorded points are not trusted: a wrong point, or bytes other than the first time, show as a decoder error or as
//! another hash, both of which are [`PieceMismatch`](super::PieceMismatch).

use std::io::{self, BufRead, Read};

use zlib_rs::{Inflate, InflateFlush, Status};
use zstd::stream::raw::{InBuffer, Operation, OutBuffer};

use super::compression::Compression;
use super::deflate::{WINDOW, gzip_inflate, resume_inflate};
use super::piece::{Piece, PieceLog, PieceStart};
use super::trailer::{skip_zero_padding, trailing_data};
use super::zstd_pool::PooledZstd;
use crate::limits::DecodeLimits;

/// Uncompressed bytes after a block boundary that are compared to find its bit.
const COMPARED: usize = 1 << 10;
/// Compressed bytes kept for that comparison; compressed bytes are hardly ever longer than uncompressed ones.
const KEPT: usize = 4 << 10;
/// Minimum number of uncompressed bytes in a piece, except the last.
const MIN_PIECE: u64 = 1 << 20;
/// Approximate maximum number of pieces of one layer, which bounds the size of its index.
const MAX_PIECES: u64 = 256;

/// Decoder for gzip and zstd that records the pieces of the stream in a [`PieceLog`].
pub(super) struct IndexingDecoder<R> {
    source: R,
    codec: Codec,
    /// Compressed bytes consumed and uncompressed bytes returned so far.
    at: Position,
    /// Last compressed byte that was consumed.
    last: u8,
    /// Most recent uncompressed bytes, at least [`WINDOW`] of them once there were as many.
    recent: Vec<u8>,
    /// Start of the current piece, and the hash of its bytes so far.
    start: (Position, PieceStart),
    hash: blake3::Hasher,
    /// Minimum number of uncompressed bytes in a piece.
    min_piece: u64,
    candidate: Option<Candidate>,
    log: PieceLog,
    padding: u64,
    ended: bool,
}

/// A position in a compressed stream, in bytes from its start.
#[derive(Clone, Copy, Default)]
struct Position {
    compressed: u64,
    uncompressed: u64,
}

enum Codec {
    Gzip(Box<Inflate>),
    Zstd(PooledZstd),
}

/// A block boundary that becomes the start of a piece once its bit is known.
struct Candidate {
    at: Position,
    /// The byte before the boundary.
    byte: u8,
    /// Uncompressed bytes before the boundary.
    window: Vec<u8>,
    /// Compressed bytes after it.
    input: Vec<u8>,
    /// Uncompressed bytes after it, as far as they are decoded.
    output: Vec<u8>,
    /// Hash of the piece before the boundary, and of the bytes since.
    before: blake3::Hash,
    since: blake3::Hasher,
}

impl<R: BufRead> IndexingDecoder<R> {
    /// Creates a decoder; `size` is the approximate number of compressed bytes, which decides the length of pieces.
    ///
    /// # Errors
    /// Errors of zstd when a decoder cannot be set up.
    pub(super) fn new(
        source: R,
        compression: Compression,
        limits: &DecodeLimits,
        size: u64,
        log: PieceLog,
    ) -> io::Result<Self> {
        let codec = if compression == Compression::Zstd {
            Codec::Zstd(PooledZstd::new(limits.window_log)?)
        } else {
            Codec::Gzip(Box::new(gzip_inflate()))
        };
        Ok(IndexingDecoder {
            source,
            codec,
            at: Position::default(),
            last: 0,
            recent: Vec::new(),
            start: (Position::default(), PieceStart::Header),
            hash: blake3::Hasher::new(),
            min_piece: MIN_PIECE.max(size / MAX_PIECES),
            candidate: None,
            log,
            padding: 0,
            ended: false,
        })
    }

    pub(super) fn source(&self) -> &R {
        &self.source
    }

    pub(super) fn into_source(self) -> R {
        self.source
    }

    /// Zero bytes after the last gzip member; known at the end.
    pub(super) fn padding(&self) -> u64 {
        self.padding
    }

    /// Reports whether the current piece has its minimum length.
    fn is_long_enough(&self) -> bool {
        self.at.uncompressed - self.start.0.uncompressed >= self.min_piece
    }

    /// Ends the current piece, whose hash is `hash`, at the start of the next one.
    fn start_piece(&mut self, at: Position, start: PieceStart, hash: blake3::Hash) {
        let (was_at, was_start) = std::mem::replace(&mut self.start, (at, start));
        self.log.add(Piece {
            offset: was_at.uncompressed,
            length: at.uncompressed - was_at.uncompressed,
            compressed_offset: was_at.compressed,
            start: was_start,
            hash: hash.into(),
        });
    }

    /// Handles the start of a gzip member or zstd frame.
    fn at_header(&mut self) {
        self.candidate = None;
        if self.is_long_enough() {
            let hash = self.hash.finalize();
            self.hash.reset();
            self.start_piece(self.at, PieceStart::Header, hash);
        }
    }

    fn end(&mut self) {
        self.ended = true;
        let hash = self.hash.finalize();
        self.start_piece(self.at, PieceStart::Header, hash);
    }

    /// Records uncompressed bytes that are about to be returned.
    fn record(&mut self, bytes: &[u8]) {
        self.at.uncompressed += bytes.len() as u64;
        self.hash.update(bytes);
        if matches!(self.codec, Codec::Zstd(_)) {
            return;
        }
        if bytes.len() >= WINDOW {
            self.recent.clear();
            let from = bytes.len() - WINDOW;
            self.recent
                .extend_from_slice(bytes.get(from..).unwrap_or_default());
        } else {
            if self.recent.len() > 4 * WINDOW {
                self.recent.drain(..self.recent.len() - WINDOW);
            }
            self.recent.extend_from_slice(bytes);
        }
        let Some(candidate) = &mut self.candidate else {
            return;
        };
        candidate.since.update(bytes);
        let missing = COMPARED.saturating_sub(candidate.output.len());
        let some = bytes.get(..missing).unwrap_or(bytes);
        candidate.output.extend_from_slice(some);
        if candidate.output.len() < COMPARED {
            return;
        }
        let Some(candidate) = self.candidate.take() else {
            return;
        };
        let Some(bits) = candidate.bits() else { return };
        let Ok(window) = self.log.compress(&candidate.window) else {
            return;
        };
        let start = PieceStart::Block {
            bits,
            byte: candidate.byte,
            window,
        };
        self.hash = candidate.since;
        self.start_piece(candidate.at, start, candidate.before);
    }

    fn inflate(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let searching = self.candidate.is_none() && self.is_long_enough();
            let Codec::Gzip(inflate) = &mut self.codec else {
                return Ok(0);
            };
            let input = self.source.fill_buf()?;
            let flush = match searching {
                true => InflateFlush::Block,
                false => InflateFlush::NoFlush,
            };
            let (total_in, total_out) = (inflate.total_in(), inflate.total_out());
            let result = inflate.decompress(input, buf, flush);
            let taken = usize::try_from(inflate.total_in() - total_in).unwrap_or(usize::MAX);
            let given = usize::try_from(inflate.total_out() - total_out).unwrap_or(usize::MAX);
            let status = result
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.as_str()))?;
            let is_over = input.is_empty();
            if let Some(at) = taken.checked_sub(1) {
                self.last = input.get(at).copied().unwrap_or_default();
            }
            let rest = input.get(taken..).unwrap_or_default();
            // The decoder stops early only after a block.
            let after_block =
                searching && status == Status::Ok && rest.len() >= KEPT && given < buf.len();
            let kept = after_block.then(|| rest.get(..KEPT).unwrap_or_default().to_vec());
            self.source.consume(taken);
            self.at.compressed += taken as u64;
            self.record(buf.get(..given).unwrap_or_default());
            if let Some(input) = kept {
                let from = self.recent.len().saturating_sub(WINDOW);
                self.candidate = Some(Candidate {
                    at: self.at,
                    byte: self.last,
                    window: self.recent.get(from..).unwrap_or_default().to_vec(),
                    input,
                    output: Vec::new(),
                    before: self.hash.finalize(),
                    since: blake3::Hasher::new(),
                });
            }
            if status == Status::StreamEnd {
                self.next_member()?;
            }
            if given > 0 || self.ended {
                return Ok(given);
            }
            if is_over {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Handles the end of a gzip member: another member, zero padding or nothing may follow.
    fn next_member(&mut self) -> io::Result<()> {
        match self.source.fill_buf()?.first() {
            None => self.end(),
            Some(0x1f) => {
                self.at_header();
                self.codec = Codec::Gzip(Box::new(gzip_inflate()));
            }
            Some(0) => {
                self.padding += skip_zero_padding(&mut self.source)?;
                self.end();
            }
            Some(_) => return Err(trailing_data()),
        }
        Ok(())
    }

    fn decode_zstd(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Codec::Zstd(decoder) = &mut self.codec else {
                return Ok(0);
            };
            let input = self.source.fill_buf()?;
            let is_over = input.is_empty();
            let mut from = InBuffer::around(input);
            let mut to = OutBuffer::around(&mut *buf);
            let hint = decoder.run(&mut from, &mut to)?;
            let (taken, given) = (from.pos(), to.pos());
            self.source.consume(taken);
            self.at.compressed += taken as u64;
            self.record(buf.get(..given).unwrap_or_default());
            if hint == 0 {
                match self.source.fill_buf()?.is_empty() {
                    true => self.end(),
                    false => self.at_header(),
                }
            }
            if given > 0 || self.ended {
                return Ok(given);
            }
            if is_over {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl<R: BufRead> Read for IndexingDecoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.ended || buf.is_empty() {
            return Ok(0);
        }
        match self.codec {
            Codec::Gzip(_) => self.inflate(buf),
            Codec::Zstd(_) => self.decode_zstd(buf),
        }
    }
}

impl Candidate {
    /// Number of bits of the previous byte that belong to the next block. Several numbers fit before a stored block,
    /// which begins at a whole byte; the lowest is returned.
    fn bits(&self) -> Option<u8> {
        (0..8).find(|&bits| self.fits(bits))
    }

    fn fits(&self, bits: u8) -> bool {
        let Ok(mut inflate) = resume_inflate(bits, self.byte, &self.window) else {
            return false;
        };
        let mut out = vec![0; self.output.len()];
        let result = inflate.decompress(&self.input, &mut out, InflateFlush::NoFlush);
        result.is_ok() && out == self.output
    }
}
