//! Chunk boundaries that depend on the contents, so that the unchanged parts of two versions of a file give the same
//! chunks.
//!
//! The rule is that of podman, buildah and skopeo (containers/storage, "rollsum" with 16 bits, and holes). Readers find
//! known chunks by digest, so only with the same boundaries can they reuse chunks of images that those programs made.

/// Window of the rolling sum in bytes.
const WINDOW: usize = 64;
/// Number that is added to each byte, so that zeros count.
const OFFSET: u32 = 31;
/// A chunk ends where these bits of the sum are all set: every 64 KiB on average.
const MASK: u32 = (1 << 16) - 1;
/// Minimum number of zeros of a hole: a chunk that nobody has to fetch.
const HOLE: u64 = 1 << 10;
/// Maximum size of a piece in bytes. Chunks may have any length, and are written in pieces.
pub(super) const PIECE: usize = 1 << 20;

/// Part of a chunk, to be compressed as one frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub bytes: Vec<u8>,
    /// True for the first piece of a chunk.
    pub opens: bool,
    /// True for the last piece of a chunk.
    pub closes: bool,
    /// True in a hole.
    pub zeros: bool,
}

/// Splits the contents of one file into chunks.
#[derive(Debug)]
pub(super) struct Cutter {
    sum: Rolling,
    piece: Vec<u8>,
    /// True if the next piece is the first of its chunk.
    opens: bool,
    /// Zeros at the end, not in a piece yet: their number decides if they are a hole.
    zeros: u64,
}

impl Cutter {
    pub fn new() -> Self {
        Cutter {
            sum: Rolling::new(),
            piece: Vec::new(),
            opens: true,
            zeros: 0,
        }
    }

    /// Adds contents; `out` gets the complete pieces.
    pub fn feed<E>(
        &mut self,
        mut bytes: &[u8],
        out: &mut impl FnMut(Piece) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(&first) = bytes.first() {
            let other = |&byte: &u8| (byte == 0) != (first == 0);
            let (run, rest) = bytes.split_at(bytes.iter().position(other).unwrap_or(bytes.len()));
            if first == 0 {
                self.zeros += run.len() as u64;
            } else {
                self.settle(out)?;
                self.data(run, out)?;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Passes the rest of the contents to `out`, and starts again.
    pub fn finish<E>(&mut self, out: &mut impl FnMut(Piece) -> Result<(), E>) -> Result<(), E> {
        self.settle(out)?;
        if !self.piece.is_empty() {
            self.emit(true, out)?;
        }
        *self = Cutter::new();
        Ok(())
    }

    /// Decides if the zeros at the end are a hole.
    fn settle<E>(&mut self, out: &mut impl FnMut(Piece) -> Result<(), E>) -> Result<(), E> {
        let count = std::mem::take(&mut self.zeros);
        if count < HOLE {
            let zeros = [0; HOLE as usize];
            let length = usize::try_from(count).unwrap_or_default();
            return self.data(zeros.get(..length).unwrap_or_default(), out);
        }
        if !self.piece.is_empty() {
            self.emit(true, out)?;
        }
        let mut left = count;
        while left > 0 {
            let length = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
            out(Piece {
                bytes: vec![0; length],
                opens: left == count,
                closes: left == length as u64,
                zeros: true,
            })?;
            left -= length as u64;
        }
        // The initial sum is that of a window full of zeros.
        self.sum = Rolling::new();
        Ok(())
    }

    fn data<E>(
        &mut self,
        mut bytes: &[u8],
        out: &mut impl FnMut(Piece) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            // Emit only when more bytes follow: the last piece of a chunk has `closes` set.
            if self.piece.len() == PIECE {
                self.emit(false, out)?;
            }
            let room = bytes.len().min(PIECE - self.piece.len());
            let (part, _) = bytes.split_at(room);
            let cut = self.sum.roll(part);
            let (taken, rest) = bytes.split_at(cut.unwrap_or(room));
            self.piece.extend_from_slice(taken);
            if cut.is_some() {
                self.emit(true, out)?;
            }
            bytes = rest;
        }
        Ok(())
    }

    fn emit<E>(
        &mut self,
        closes: bool,
        out: &mut impl FnMut(Piece) -> Result<(), E>,
    ) -> Result<(), E> {
        let bytes = std::mem::take(&mut self.piece);
        let opens = std::mem::replace(&mut self.opens, closes);
        out(Piece {
            bytes,
            opens,
            closes,
            zeros: false,
        })
    }
}

/// Sum of the bytes in the window, and the sum of those sums.
#[derive(Debug)]
struct Rolling {
    first: u32,
    second: u32,
    window: [u8; WINDOW],
    at: usize,
}

impl Rolling {
    fn new() -> Self {
        let length = WINDOW as u32;
        Rolling {
            first: length * OFFSET,
            second: length * (length - 1) * OFFSET,
            window: [0; WINDOW],
            at: 0,
        }
    }

    /// Adds bytes until one ends a chunk. Returns their number then.
    fn roll(&mut self, bytes: &[u8]) -> Option<usize> {
        let Rolling {
            first,
            second,
            window,
            at,
        } = self;
        for (i, &byte) in bytes.iter().enumerate() {
            let slot = &mut window[*at % WINDOW];
            let gone = u32::from(std::mem::replace(slot, byte));
            *at = (*at + 1) % WINDOW;
            *first = first.wrapping_add(u32::from(byte)).wrapping_sub(gone);
            *second = second
                .wrapping_add(*first)
                .wrapping_sub(WINDOW as u32 * (gone + OFFSET));
            if *second & MASK == MASK {
                return Some(i + 1);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(contents: &[u8], step: usize) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut cutter = Cutter::new();
        let mut out = |piece| {
            pieces.push(piece);
            Ok::<(), ()>(())
        };
        for part in contents.chunks(step) {
            cutter.feed(part, &mut out).expect("no error");
        }
        cutter.finish(&mut out).expect("no error");
        pieces
    }

    /// Bytes that look like noise.
    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .take(length)
        .collect()
    }

    /// The rule as a direct computation, without a rolling sum.
    fn ends(contents: &[u8]) -> Vec<(usize, bool)> {
        let mut ends = Vec::new();
        let (mut i, mut start) = (0, 0);
        while i < contents.len() {
            let zeros = contents[i..].iter().take_while(|&&b| b == 0).count();
            let fresh = i == 0 || contents[i - 1] != 0;
            if fresh && zeros >= 1024 {
                if start < i {
                    ends.push((i, false));
                }
                i += zeros;
                ends.push((i, true));
                start = i;
                continue;
            }
            i += 1;
            // The last byte counts once, the one before it twice, and so on.
            let mut sum: u64 = 64 * 63 * 31;
            for k in 0..64_usize.min(i) {
                sum += (k as u64 + 1) * u64::from(contents[i - 1 - k]);
            }
            if sum % 65_536 == 65_535 {
                ends.push((i, false));
                start = i;
            }
        }
        if start < contents.len() {
            ends.push((contents.len(), false));
        }
        ends
    }

    #[test]
    fn boundaries_match_the_definition() {
        let mut contents = noise(400_000, 7);
        contents.extend(vec![0; 1023]);
        contents.extend(noise(50_000, 9));
        contents.extend(vec![0; 1024]);
        contents.extend(noise(3, 11).iter().map(|byte| byte | 1));
        contents.extend(vec![0; 5000]);
        for contents in [
            &contents[..],
            &contents[..451_000],
            &[0; 1024],
            &[0; 1023],
            b"x",
            b"",
        ] {
            let pieces = cut(contents, 4096);
            assert_eq!(cut(contents, 1), pieces);
            assert_eq!(cut(contents, usize::MAX), pieces);
            let mut at = 0;
            let found: Vec<(usize, bool)> = pieces
                .iter()
                .filter_map(|piece| {
                    at += piece.bytes.len();
                    piece.closes.then_some((at, piece.zeros))
                })
                .collect();
            assert_eq!(found, ends(contents));
            let all: Vec<u8> = pieces
                .iter()
                .flat_map(|piece| piece.bytes.clone())
                .collect();
            assert!(all == contents);
        }
        assert!(cut(&contents, 4096).len() > 5);
    }

    #[test]
    fn long_chunks_are_split_into_pieces() {
        let flags = |contents: &[u8]| -> Vec<(usize, bool, bool, bool)> {
            cut(contents, 100_000)
                .iter()
                .map(|p| (p.bytes.len(), p.opens, p.closes, p.zeros))
                .collect()
        };
        // A repeated byte never ends a chunk.
        assert_eq!(flags(&vec![7; PIECE]), [(PIECE, true, true, false)]);
        assert_eq!(
            flags(&vec![7; PIECE + 1]),
            [(PIECE, true, false, false), (1, false, true, false)]
        );
        assert_eq!(
            flags(&vec![0; 2 * PIECE]),
            [(PIECE, true, false, true), (PIECE, false, true, true)]
        );
        assert_eq!(flags(&vec![0; PIECE]), [(PIECE, true, true, true)]);
    }
}
