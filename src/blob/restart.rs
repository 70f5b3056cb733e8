//! Places inside compressed bytes from which decoding can begin, found while they are decoded once.
//!
//! Between two such places lies a [`Piece`]: it is decoded by itself, and proven by the hash that its bytes had the
//! first time. So one file of a layer of gigabytes costs the decoding of a piece or two, and many pieces are decoded on
//! all cores at once.
//!
//! Where a gzip member or a zstd frame begins nothing else is needed. Inside a gzip member the 32 KiB before the place
//! are kept, and how many bits of the byte before it belong to what follows (RFC 1951, section 3.2.3: blocks of deflate
//! end at any bit). The decoder says when it has come to the end of a block, but not at which bit; the bit is found by
//! trying all eight and comparing what comes out with what came out. Inside a zstd frame, and in bzip2 and xz, there is
//! no such place: a layer of one zstd frame is one piece.
//!
//! Nothing here is believed: a place that was noted wrongly, or bytes that are not those of the first time, show as a
//! decoder's error or as another hash, both of which are [`PieceMismatch`].

use std::io::{self, BufRead, Read};
use std::sync::{Arc, Mutex, PoisonError};

use zlib_rs::{Inflate, InflateFlush, Status};
use zstd::stream::raw::{InBuffer, Operation, OutBuffer};

use super::decode::{Compression, DecodeLimits, Decoder, trailing};
use super::zstd_pool::PooledZstd;

/// What deflate looks back to.
pub(super) const WINDOW: usize = 32 << 10;
/// How many bytes after a place are compared to find its bit.
const COMPARED: usize = 1 << 10;
/// How many stored bytes are kept for that; compressed bytes are hardly ever longer than plain ones.
const KEPT: usize = 4 << 10;
/// The fewest plain bytes of a piece but the last.
const LEAST: u64 = 1 << 20;
/// About how many pieces there may be for the stored bytes of a layer, so that what is kept of them stays small.
const MOST: u64 = 256;

/// A run of plain bytes that is decoded by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where its plain bytes begin, counted from the start of the layer.
    pub plain: u64,
    /// How many there are.
    pub length: u64,
    /// Where in the stored bytes decoding begins.
    pub stored: u64,
    /// What is needed to begin there.
    pub start: Start,
    /// BLAKE3 of the plain bytes.
    pub hash: [u8; 32],
}

/// How decoding begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With a header: of a gzip member or a zstd frame.
    Header,
    /// Inside a gzip member, after a block of deflate.
    Block {
        /// How many bits of the byte before belong to what follows, 0 to 7: its highest ones.
        bits: u8,
        /// That byte.
        byte: u8,
        /// The plain bytes before, 32 KiB or all there are, in zstd.
        window: Vec<u8>,
    },
}

/// The bytes are not those that were noted down, or were noted down wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceMismatch;

/// The pieces of a stream that is being decoded, in order; all of them once it was read to its end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PieceLog {
    pieces: Arc<Mutex<Vec<Piece>>>,
    /// Known only to who makes a log, so that a program that keeps none has no encoder in it.
    pack: fn(&[u8]) -> io::Result<Vec<u8>>,
}

impl PieceLog {
    /// A log without pieces.
    #[expect(clippy::new_without_default, reason = "a log is made to be filled")]
    pub fn new() -> Self {
        PieceLog {
            pieces: Arc::default(),
            pack: |window| zstd::bulk::compress(window, 1),
        }
    }

    /// Takes what was noted so far.
    pub fn take(&self) -> Vec<Piece> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *pieces)
    }

    fn add(&self, piece: Piece) {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.push(piece);
    }
}

/// Whether pieces can be found in what is packed like this.
pub(super) fn has_pieces(compression: Compression) -> bool {
    matches!(compression, Compression::Gzip | Compression::Zstd)
}

/// Decodes gzip or zstd, and notes its pieces.
pub(super) struct Watched<R> {
    source: R,
    coder: Coder,
    /// Stored bytes taken, plain bytes given.
    stored: u64,
    plain: u64,
    /// The byte taken last.
    last: u8,
    /// The plain bytes given last, at least [`WINDOW`] of them once there were so many.
    recent: Vec<u8>,
    /// What the piece in work begins with, and the hash of its bytes so far.
    begun: (u64, u64, Start),
    hash: blake3::Hasher,
    least: u64,
    candidate: Option<Candidate>,
    log: PieceLog,
    padding: u64,
    ended: bool,
}

enum Coder {
    Gzip(Box<Inflate>),
    Zstd(PooledZstd),
}

/// The end of a block that may become a place to begin at, once its bit is known.
struct Candidate {
    stored: u64,
    plain: u64,
    byte: u8,
    window: Vec<u8>,
    /// Stored bytes that follow.
    input: Vec<u8>,
    /// Plain bytes that follow, as far as they have come out.
    output: Vec<u8>,
    /// The hash of the piece before, and that of the bytes since.
    before: blake3::Hash,
    since: blake3::Hasher,
}

impl<R: BufRead> Watched<R> {
    /// `size` is how many stored bytes there are, about: it decides how long pieces are.
    pub(super) fn new(
        source: R,
        compression: Compression,
        limits: &DecodeLimits,
        size: u64,
        log: PieceLog,
    ) -> io::Result<Self> {
        let coder = if compression == Compression::Zstd {
            Coder::Zstd(PooledZstd::new(limits.window_log)?)
        } else {
            Coder::Gzip(Box::new(gzip()))
        };
        Ok(Watched {
            source,
            coder,
            stored: 0,
            plain: 0,
            last: 0,
            recent: Vec::new(),
            begun: (0, 0, Start::Header),
            hash: blake3::Hasher::new(),
            least: LEAST.max(size / MOST),
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

    pub(super) fn padding(&self) -> u64 {
        self.padding
    }

    /// Ends the piece in work where another one begins.
    fn begin(&mut self, stored: u64, plain: u64, start: Start, hash: blake3::Hash) {
        let (was_stored, was_plain, was_start) =
            std::mem::replace(&mut self.begun, (stored, plain, start));
        self.log.add(Piece {
            plain: was_plain,
            length: plain - was_plain,
            stored: was_stored,
            start: was_start,
            hash: hash.into(),
        });
    }

    /// A header comes next.
    fn at_header(&mut self) {
        self.candidate = None;
        if self.plain - self.begun.1 >= self.least {
            let hash = self.hash.finalize();
            self.hash.reset();
            self.begin(self.stored, self.plain, Start::Header, hash);
        }
    }

    fn end(&mut self) {
        self.ended = true;
        let hash = self.hash.finalize();
        self.begin(self.stored, self.plain, Start::Header, hash);
    }

    /// Takes note of plain bytes.
    fn gave(&mut self, bytes: &[u8]) {
        self.plain += bytes.len() as u64;
        self.hash.update(bytes);
        if matches!(self.coder, Coder::Zstd(_)) {
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
        let Ok(window) = (self.log.pack)(&candidate.window) else {
            return;
        };
        let start = Start::Block {
            bits,
            byte: candidate.byte,
            window,
        };
        self.hash = candidate.since;
        self.begin(candidate.stored, candidate.plain, start, candidate.before);
    }

    fn inflate(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Coder::Gzip(inflate) = &mut self.coder else {
                return Ok(0);
            };
            let input = self.source.fill_buf()?;
            let looking = self.candidate.is_none() && self.plain - self.begun.1 >= self.least;
            let flush = match looking {
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
            // It stops early nowhere but after a block.
            let after_block =
                looking && status == Status::Ok && rest.len() >= KEPT && given < buf.len();
            let kept = after_block.then(|| rest.get(..KEPT).unwrap_or_default().to_vec());
            self.source.consume(taken);
            self.stored += taken as u64;
            self.gave(buf.get(..given).unwrap_or_default());
            if let Some(input) = kept {
                let from = self.recent.len().saturating_sub(WINDOW);
                self.candidate = Some(Candidate {
                    stored: self.stored,
                    plain: self.plain,
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

    /// After a member another member may follow, or zeros, or nothing.
    fn next_member(&mut self) -> io::Result<()> {
        match self.source.fill_buf()?.first() {
            None => self.end(),
            Some(0x1f) => {
                self.at_header();
                self.coder = Coder::Gzip(Box::new(gzip()));
            }
            Some(0) => {
                self.padding += super::decode::skip_zeros(&mut self.source)?;
                self.end();
            }
            Some(_) => return Err(trailing()),
        }
        Ok(())
    }

    fn unzstd(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Coder::Zstd(decoder) = &mut self.coder else {
                return Ok(0);
            };
            let input = self.source.fill_buf()?;
            let is_over = input.is_empty();
            let mut from = InBuffer::around(input);
            let mut to = OutBuffer::around(&mut *buf);
            let hint = decoder.run(&mut from, &mut to)?;
            let (taken, given) = (from.pos(), to.pos());
            self.source.consume(taken);
            self.stored += taken as u64;
            self.gave(buf.get(..given).unwrap_or_default());
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

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.ended || buf.is_empty() {
            return Ok(0);
        }
        match self.coder {
            Coder::Gzip(_) => self.inflate(buf),
            Coder::Zstd(_) => self.unzstd(buf),
        }
    }
}

impl Candidate {
    /// How many bits of the byte before belong to what follows. Several numbers fit where a stored block follows, which
    /// begins at a whole byte: the lowest is as good as any.
    fn bits(&self) -> Option<u8> {
        (0..8).find(|&bits| self.fits(bits))
    }

    fn fits(&self, bits: u8) -> bool {
        let Ok(mut inflate) = resumed(bits, self.byte, &self.window) else {
            return false;
        };
        let mut out = vec![0; self.output.len()];
        let result = inflate.decompress(&self.input, &mut out, InflateFlush::NoFlush);
        result.is_ok() && out == self.output
    }
}

fn gzip() -> Inflate {
    // 16 more than the base-2 logarithm of the largest window: with gzip's header and checksum.
    Inflate::new(true, 16 + 15)
}

/// A decoder that has come to a bit of a byte.
fn resumed(bits: u8, byte: u8, window: &[u8]) -> Result<Inflate, PieceMismatch> {
    let mut inflate = Inflate::new(false, 15);
    let mut none = [0; 1];
    // Blocks of nothing that end at that bit, and of the byte what follows.
    let before = lead_in(bits, byte);
    let fed = inflate.decompress(&before, &mut none, InflateFlush::NoFlush);
    if fed.is_err() || inflate.total_in() != before.len() as u64 || inflate.total_out() > 0 {
        return Err(PieceMismatch);
    }
    if !window.is_empty() {
        inflate.set_dictionary(window).map_err(|_| PieceMismatch)?;
    }
    Ok(inflate)
}

/// Deflate blocks without contents that end `bits` before the end of a byte, and that byte's own bits after them.
///
/// A block of fixed codes and nothing has 10 bits: a few of them end at every even bit. One of dynamic codes and
/// nothing has 91 here, for the odd ones.
fn lead_in(bits: u8, byte: u8) -> Vec<u8> {
    if bits == 0 || bits > 7 {
        return Vec::new();
    }
    let mut out = Bits::default();
    if bits % 2 == 1 {
        // Not the last block; dynamic codes; 257 literals, 1 distance, 18 lengths of code lengths.
        out.put(0b100, 3);
        out.put(0, 5);
        out.put(0, 5);
        out.put(14, 4);
        // In the order 16, 17, 18, 0, 8, …, 1: one bit for 18 and one for 1, which 1 comes first in.
        for at in 0..18 {
            out.put(u32::from(at == 2 || at == 17), 3);
        }
        // 255 lengths of 0 as 138 and 117; one bit for literal 255, for the end, and for the distance.
        out.put(1 | (138 - 11) << 1, 8);
        out.put(1 | (117 - 11) << 1, 8);
        out.put(0, 3);
        // The end of the block.
        out.put(1, 1);
    }
    while (out.length + u64::from(bits)) % 8 != 0 {
        // Not the last block; fixed codes; the end of the block.
        out.put(0b010, 10);
    }
    out.put(u32::from(byte >> (8 - bits)), bits.into());
    out.bytes
}

/// Bits in deflate's order, the lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    length: u64,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for at in 0..count {
            let place = (self.length % 8) as u32;
            if place == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= (((value >> at) & 1) << place) as u8;
            }
            self.length += 1;
        }
    }
}

impl Piece {
    /// Decodes the piece and hands out its plain bytes in order; `source` stands at [`Piece::stored`].
    ///
    /// What was handed out is proven when this returns `Ok`, and not before.
    ///
    /// # Errors
    /// `PieceMismatch` if the bytes do not decode or have another hash; the first error of `take`, which ends it.
    pub fn decode<E: From<PieceMismatch>>(
        &self,
        source: impl BufRead,
        compression: Compression,
        limits: DecodeLimits,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = match &self.start {
            Start::Header => Resumed::Whole(
                Decoder::new(source, compression, limits).map_err(|_| PieceMismatch)?,
            ),
            Start::Block { bits, byte, window } => {
                let window = zstd::bulk::decompress(window, WINDOW).map_err(|_| PieceMismatch)?;
                let inflate = resumed(*bits, *byte, &window)?;
                Resumed::Part(Some(source), Box::new(inflate), limits)
            }
        };
        let mut hash = blake3::Hasher::new();
        let most = usize::try_from(self.length).map_or(super::CHUNK, |most| most.min(super::CHUNK));
        let mut buf = vec![0; most];
        let mut done = 0;
        while done < self.length {
            let wanted = usize::try_from(self.length - done).map_or(most, |left| left.min(most));
            let n = match reader.read(buf.get_mut(..wanted).unwrap_or_default()) {
                Ok(0) => return Err(PieceMismatch.into()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(PieceMismatch.into()),
            };
            let bytes = buf.get(..n).unwrap_or_default();
            hash.update(bytes);
            take(self.plain + done, bytes)?;
            done += n as u64;
        }
        match hash.finalize() == self.hash {
            true => Ok(()),
            false => Err(PieceMismatch.into()),
        }
    }
}

/// What decodes a piece: from inside a member to its end, then whole members.
enum Resumed<R: BufRead> {
    Part(Option<R>, Box<Inflate>, DecodeLimits),
    Whole(Decoder<R>),
}

impl<R: BufRead> Read for Resumed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let (slot, inflate, limits) = match self {
                Resumed::Whole(decoder) => return decoder.read(buf),
                Resumed::Part(slot, inflate, limits) => (slot, inflate, *limits),
            };
            let Some(source) = slot else { return Ok(0) };
            let input = source.fill_buf()?;
            let is_over = input.is_empty();
            let (total_in, total_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate
                .decompress(input, buf, InflateFlush::NoFlush)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.as_str()))?;
            let taken = usize::try_from(inflate.total_in() - total_in).unwrap_or(usize::MAX);
            let given = usize::try_from(inflate.total_out() - total_out).unwrap_or(usize::MAX);
            source.consume(taken);
            if status == Status::StreamEnd
                && let Some(mut source) = slot.take()
            {
                // Of the member the checksum and the length are left, which say nothing of a part.
                source.read_exact(&mut [0; 8])?;
                let decoder = Decoder::new(source, Compression::Gzip, limits);
                *self = Resumed::Whole(decoder.map_err(crate::error::Error::into_io)?);
            } else if given == 0 && is_over {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if given > 0 {
                return Ok(given);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Text that packs about as real files do, and some that does not pack at all.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut out = Vec::with_capacity(length + 64);
        while out.len() < length {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let n = state >> 33;
            match n % 97 {
                0 => out.extend((0..5000).map(|i| (state.rotate_left(i) >> 7) as u8)),
                _ => out.extend_from_slice(format!("{n:x} {}, ", n % 31).as_bytes()),
            }
        }
        out.truncate(length);
        out
    }

    fn watched(stored: &[u8]) -> (Vec<u8>, Vec<Piece>) {
        let log = PieceLog::new();
        let compression = Compression::sniff(stored);
        let limits = DecodeLimits::default();
        let mut decoder = Decoder::indexing(
            stored,
            compression,
            limits,
            stored.len() as u64,
            log.clone(),
        )
        .expect("a decoder");
        // Places are looked for once in a read, so as long ones as programs make.
        let (mut out, mut buf) = (Vec::new(), vec![0; crate::blob::CHUNK]);
        loop {
            match decoder.read(&mut buf).expect("decoded") {
                0 => return (out, log.take()),
                n => out.extend_from_slice(&buf[..n]),
            }
        }
    }

    fn decoded(piece: &Piece, stored: &[u8]) -> Result<Vec<u8>, PieceMismatch> {
        let mut out = Vec::new();
        let from = stored.get(piece.stored as usize..).unwrap_or_default();
        piece.decode(
            from,
            Compression::sniff(stored),
            DecodeLimits::default(),
            |at, bytes| {
                assert_eq!(at, piece.plain + out.len() as u64);
                out.extend_from_slice(bytes);
                Ok::<(), PieceMismatch>(())
            },
        )?;
        Ok(out)
    }

    fn check(plain: &[u8], stored: &[u8], least: usize) {
        let (out, pieces) = watched(stored);
        assert!(out == plain);
        assert!(pieces.len() >= least, "{} pieces", pieces.len());
        let mut at = 0;
        for piece in &pieces {
            assert_eq!(piece.plain, at);
            let end = at + piece.length;
            let expected = &plain[at as usize..end as usize];
            assert!(
                decoded(piece, stored).expect("proven") == expected,
                "piece at {at}"
            );
            at = end;
        }
        assert_eq!(at, plain.len() as u64);
    }

    fn gzipped(plain: &[u8], level: u32) -> Vec<u8> {
        let mut encoder =
            flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
        encoder.write_all(plain).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn pieces_of_one_member_are_its_bytes() {
        let plain = sample(9 << 20);
        // Level 0 has stored blocks, which begin at whole bytes wherever the one before ended; level 1 is one block.
        for (level, least) in [(0, 7), (1, 1), (6, 7), (9, 7)] {
            check(&plain, &gzipped(&plain, level), least);
        }
    }

    #[test]
    fn every_bit_is_found() {
        let plain = sample(40 << 20);
        let stored = gzipped(&plain, 6);
        let (_, pieces) = watched(&stored);
        let mut seen = [false; 8];
        for piece in &pieces {
            if let Start::Block { bits, .. } = piece.start {
                seen[usize::from(bits)] = true;
            }
        }
        assert!(seen.iter().filter(|seen| **seen).count() >= 6, "{seen:?}");
        check(&plain, &stored, 30);
    }

    #[test]
    fn members_and_frames_are_places_to_begin_at() {
        let plain = sample(6 << 20);
        let halves = plain.split_at(plain.len() / 2 + 77);
        let members = [gzipped(halves.0, 6), gzipped(halves.1, 1), gzipped(b"", 6)].concat();
        check(&plain, &members, 4);
        let small: Vec<u8> = plain
            .chunks(300_000)
            .flat_map(|part| gzipped(part, 6))
            .collect();
        check(&plain, &small, 4);
        let padded = [&members[..], &[0; 512]].concat();
        check(&plain, &padded, 4);
        let frames: Vec<u8> = plain
            .chunks(300_000)
            .flat_map(|part| zstd::encode_all(part, 3).expect("memory"))
            .collect();
        check(&plain, &frames, 4);
        // One frame is one piece.
        let frame = zstd::encode_all(&plain[..], 3).expect("memory");
        assert_eq!(watched(&frame).1.len(), 1);
        check(&plain, &frame, 1);
    }

    #[test]
    fn other_bytes_are_not_proven() {
        let plain = sample(4 << 20);
        let stored = gzipped(&plain, 6);
        let (_, pieces) = watched(&stored);
        for piece in &pieces {
            let mut other = stored.clone();
            let at = piece.stored as usize + 50_000;
            other[at] ^= 0x10;
            assert_eq!(decoded(piece, &other), Err(PieceMismatch));
            assert_eq!(decoded(piece, &stored[..at]), Err(PieceMismatch));
            let mut wrong = piece.clone();
            if let Start::Block { bits, .. } = &mut wrong.start {
                *bits = (*bits + 1) % 8;
                assert_eq!(decoded(&wrong, &stored), Err(PieceMismatch));
            }
        }
    }

    #[test]
    fn damage_is_an_error_while_pieces_are_noted() {
        let plain = sample(300_000);
        for stored in [
            gzipped(&plain, 6),
            zstd::encode_all(&plain[..], 3).expect("memory"),
        ] {
            for end in [stored.len() - 1, stored.len() / 2, 9] {
                let compression = Compression::sniff(&stored);
                let log = PieceLog::new();
                let limits = DecodeLimits::default();
                let mut decoder = Decoder::indexing(&stored[..end], compression, limits, 0, log)
                    .expect("a decoder");
                assert!(io::copy(&mut decoder, &mut io::sink()).is_err(), "{end}");
            }
        }
    }
}
