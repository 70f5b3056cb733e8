//! Several files read as one, with checks of their chunks and repair from parity.
//!
//! A chunk with a digest is read as a whole before its first byte is passed on, and its verdict is kept: a byte that was
//! read was right when it was checked. Memory does not grow with the length of the files, but by 17 bytes for each MiB.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::table::{CHUNK_LENGTH, ChunkDigest, chunk_digest};
use crate::blob::{ReadAt, open_regular};
use crate::error::{During, Error, Fault, Result, VolumeFault};

/// Part of a joined file.
#[derive(Debug)]
pub struct Piece {
    /// Files with its bytes, each with its offset in the piece and in the file, and its length.
    extents: Vec<Extent>,
    /// Offset in bytes in the joined file.
    offset: u64,
    length: u64,
    /// File name for errors.
    name: String,
    /// Length of a chunk in bytes.
    chunk: u64,
    /// Digests of the chunks; empty if they are not known.
    digests: Vec<ChunkDigest>,
    /// Verdict on each chunk.
    states: Vec<AtomicU8>,
}

/// Run of bytes of a file.
#[derive(Debug, Clone)]
pub struct Extent {
    /// Offset of the first byte in the piece.
    pub at: u64,
    /// Number of bytes.
    pub length: u64,
    /// The file.
    pub file: ExtentFile,
    /// Offset of the first byte in the file.
    pub offset: u64,
}

/// File of an extent.
#[derive(Debug, Clone)]
pub enum ExtentFile {
    /// An open file.
    Open(Arc<File>),
    /// One of many, which is opened for each read.
    Path(PathBuf),
}

impl ExtentFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            ExtentFile::Open(file) => file.read_at(buf, offset),
            ExtentFile::Path(path) => {
                let file = open_regular(path, false).map_err(Error::into_io)?;
                file.read_at(buf, offset)
            }
        }
    }
}

const UNKNOWN: u8 = 0;
const GOOD: u8 = 1;
const BAD: u8 = 2;

impl Piece {
    /// A whole file without digests.
    ///
    /// # Errors
    /// `Io` if the length cannot be determined.
    pub fn plain(file: File, offset: u64) -> Result<Self> {
        let length = file.metadata().during("read")?.len();
        let extent = Extent {
            at: 0,
            length,
            file: ExtentFile::Open(Arc::new(file)),
            offset: 0,
        };
        Ok(Piece::new(
            vec![extent],
            offset,
            length,
            String::new(),
            (CHUNK_LENGTH, Vec::new()),
        ))
    }

    /// A piece of `length` bytes of which these extents, in their order, are known, with the length and the digests of its
    /// chunks.
    pub fn new(
        extents: Vec<Extent>,
        offset: u64,
        length: u64,
        name: String,
        (chunk, digests): (u64, Vec<ChunkDigest>),
    ) -> Self {
        Piece {
            states: digests.iter().map(|_| AtomicU8::new(UNKNOWN)).collect(),
            extents,
            offset,
            length,
            name,
            chunk,
            digests,
        }
    }

    /// Offset in bytes of the piece in the joined file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Offset in bytes after the piece.
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }

    /// File name for errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of chunks with digests.
    pub fn chunks(&self) -> u64 {
        self.digests.len() as u64
    }

    /// Reads from `at` of the piece on; 0 at the end of what is there.
    fn read(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let next = self.extents.partition_point(|extent| extent.at <= at);
        let extent = next.checked_sub(1).and_then(|last| self.extents.get(last));
        let Some(extent) = extent.filter(|extent| at - extent.at < extent.length) else {
            return Ok(0);
        };
        let left = extent.length - (at - extent.at);
        let wanted = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        let from = extent.offset + (at - extent.at);
        extent
            .file
            .read_at(buf.get_mut(..wanted).unwrap_or_default(), from)
    }

    /// Fills a buffer from `at` of the piece on; false if there are fewer bytes, or the disc cannot be read there.
    pub(super) fn fill(&self, buf: &mut [u8], at: u64) -> bool {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read(rest, at + done as u64) {
                Ok(0) => return false,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Tests if a chunk has its digest; reads it the first time. A piece without digests is taken as good.
    pub fn is_good(&self, chunk: u64) -> bool {
        let index = usize::try_from(chunk).unwrap_or(usize::MAX);
        let (Some(digest), Some(state)) = (self.digests.get(index), self.states.get(index)) else {
            return self.digests.is_empty();
        };
        match state.load(Ordering::Acquire) {
            GOOD => return true,
            BAD => return false,
            _ => {}
        }
        let at = chunk * self.chunk;
        let length = self.length.saturating_sub(at).min(self.chunk);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        let is_good = self.fill(&mut bytes, at) && chunk_digest(&bytes) == *digest;
        let verdict = if is_good { GOOD } else { BAD };
        state.store(verdict, Ordering::Release);
        is_good
    }

    /// Tests if all chunks of a range of the piece are good.
    pub(super) fn is_range_good(&self, from: u64, length: u64) -> bool {
        if length == 0 {
            return true;
        }
        if self.digests.is_empty() {
            return from + length <= self.present();
        }
        let last = (from + length - 1) / self.chunk;
        (from / self.chunk..=last).all(|chunk| self.is_good(chunk))
    }

    fn present(&self) -> u64 {
        self.extents.iter().map(|extent| extent.length).sum()
    }

    /// Returns the numbers of all damaged chunks. Reads the whole piece.
    pub fn bad_chunks(&self) -> Vec<u64> {
        (0..self.chunks())
            .filter(|chunk| !self.is_good(*chunk))
            .collect()
    }

    /// Length of a chunk in bytes.
    pub fn chunk(&self) -> u64 {
        self.chunk
    }

    fn damage(&self, chunk: u64) -> Error {
        Fault::Volumes(VolumeFault::Damaged {
            volume: self.name.clone(),
            ranges: ranges(self.chunk, &[chunk]),
        })
        .into()
    }
}

/// Returns ascending numbers as runs, each with its first and last number.
pub fn runs(numbers: &[u64]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

/// Returns chunks of a length as ranges of MiB, or of smaller units if the chunks are smaller: `MiB 17-18, 40`.
pub fn ranges(chunk: u64, chunks: &[u64]) -> String {
    let (unit, name) = match chunk {
        CHUNK_LENGTH => (CHUNK_LENGTH, "MiB"),
        1024.. => (1 << 10, "KiB"),
        _ => (1, "byte"),
    };
    let each = chunk / unit;
    let runs = runs(chunks).into_iter();
    let text = runs.map(
        |(first, last)| match (first * each, (last + 1) * each - 1) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        },
    );
    format!("{name} {}", text.collect::<Vec<_>>().join(", "))
}

/// Several files read as one.
#[derive(Debug)]
pub struct Joined {
    pieces: Vec<Piece>,
    length: u64,
    /// Error for bytes that no piece has.
    pub(super) missing: Option<Error>,
}

impl Joined {
    /// Joins pieces in the order of their offsets, which do not overlap.
    pub fn new(pieces: Vec<Piece>, length: u64) -> Self {
        Joined {
            pieces,
            length,
            missing: None,
        }
    }

    /// The pieces, in their order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Returns the piece with the byte at an offset.
    fn piece(&self, offset: u64) -> Option<&Piece> {
        let next = self.pieces.partition_point(|piece| piece.offset <= offset);
        let piece = self.pieces.get(next.checked_sub(1)?)?;
        (offset < piece.end()).then_some(piece)
    }

    /// Fills a buffer with intact bytes; false if any of them is damaged or missing. Bytes past the end are zeros.
    pub(super) fn fill_intact(&self, buf: &mut [u8], offset: u64) -> bool {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset + done as u64;
            if at >= self.length {
                rest.fill(0);
                return true;
            }
            let Some(piece) = self.piece(at) else {
                return false;
            };
            let left = usize::try_from(piece.end() - at).unwrap_or(usize::MAX);
            let wanted = rest.len().min(left);
            let inside = at - piece.offset;
            let part = rest.get_mut(..wanted).unwrap_or_default();
            if !piece.is_range_good(inside, wanted as u64) || !piece.fill(part, inside) {
                return false;
            }
            done += wanted;
        }
        true
    }

    /// Returns the part of a range around an offset that is intact or damaged as a whole. It may be narrower than that.
    pub(super) fn alike(&self, offset: u64, from: u64, to: u64) -> (u64, u64) {
        if offset >= self.length {
            return (from.max(self.length), to);
        }
        let Some(piece) = self.piece(offset) else {
            let next = self.pieces.partition_point(|piece| piece.offset <= offset);
            let before = next.checked_sub(1).and_then(|last| self.pieces.get(last));
            let after = self.pieces.get(next).map_or(self.length, Piece::offset);
            return (from.max(before.map_or(0, Piece::end)), to.min(after));
        };
        let start = from.max(piece.offset);
        let end = to.min(piece.end());
        if piece.is_range_good(start - piece.offset, end - start) {
            return (start, end);
        }
        let chunk = (offset - piece.offset) / piece.chunk * piece.chunk + piece.offset;
        (start.max(chunk), end.min(chunk + piece.chunk))
    }
}

impl ReadAt for Joined {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buf.len().min(left);
        let buf = buf.get_mut(..wanted).unwrap_or_default();
        if buf.is_empty() {
            return Ok(0);
        }
        let Some(piece) = self.piece(offset) else {
            let missing = self.missing.clone();
            let missing =
                missing.unwrap_or_else(|| Error::truncated("the volumes", self.length, offset));
            return Err(missing.into_io());
        };
        let inside = offset - piece.offset;
        let chunk = inside / piece.chunk;
        let end = match piece.digests.is_empty() {
            true => piece.length,
            false => piece.length.min((chunk + 1) * piece.chunk),
        };
        let here = usize::try_from(end - inside)
            .unwrap_or(usize::MAX)
            .min(buf.len());
        let buf = buf.get_mut(..here).unwrap_or_default();
        if piece.is_good(chunk) {
            return piece.read(buf, inside);
        }
        Err(piece.damage(chunk).into_io())
    }

    fn length(&self) -> u64 {
        self.length
    }
}
