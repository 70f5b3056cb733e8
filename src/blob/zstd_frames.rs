//! Skippable frames of a zstd stream, found in its bytes as they pass. Nothing is decoded (RFC 8878, section 3.1).

use std::io::{self, BufRead, Read};

use super::buffer::read_buffered;

/// Start of an ordinary frame.
const FRAME: u32 = 0xfd2f_b528;
/// Start of a skippable frame, without its last four bits.
const SKIPPABLE: u32 = 0x184d_2a50;
/// Bytes of a skippable frame's contents that are kept.
const KEPT: u64 = 64;
/// Most frames that are kept.
const MOST: usize = 100;

/// A skippable frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippableFrame {
    /// Offset of its magic number in bytes.
    pub offset: u64,
    /// Size of its contents in bytes.
    pub size: u64,
    /// The first 64 bytes of its contents.
    pub head: Vec<u8>,
}

/// Skippable frames of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkippableFrames {
    /// The first 100 of them, and the last one.
    pub frames: Vec<SkippableFrame>,
    /// Number of all.
    pub count: u64,
    /// Sum of the sizes of their contents in bytes.
    pub bytes: u64,
    state: State,
    /// Bytes that were passed.
    position: u64,
    /// Offset of the current frame.
    start: u64,
    /// The header that is being read.
    header: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// At the magic number of a frame.
    #[default]
    Magic,
    /// In the size of a skippable frame.
    Size,
    /// In the contents of a skippable frame, with this many bytes left.
    Skipped(u64),
    /// At the first byte of a frame's header.
    Descriptor,
    /// In the rest of a frame's header; true if a checksum ends the frame.
    Header(u64, bool),
    /// At the header of a block.
    Block(bool),
    /// In a block; true for the last one of its frame.
    Contents(u64, bool, bool),
    /// In a checksum.
    Checksum(u64),
    /// The bytes are no zstd: they are not looked at.
    Over,
}

impl SkippableFrames {
    /// Passes the next bytes of the stream.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.state != State::Over {
            let used = self.step(bytes).min(bytes.len());
            self.position += used as u64;
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// Returns true if the bytes so far are whole frames.
    pub fn is_at_end_of_frame(&self) -> bool {
        self.state == State::Magic && self.header.is_empty()
    }

    /// Uses some of the bytes, and returns their number.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match self.state {
            State::Magic => {
                if self.header.is_empty() {
                    self.start = self.position;
                }
                self.field(bytes, 4, |_, value| match value {
                    FRAME => State::Descriptor,
                    value if value & !0xf == SKIPPABLE => State::Size,
                    _ => State::Over,
                })
            }
            State::Size => self.field(bytes, 4, |frames, size| {
                let size = u64::from(size);
                frames.begin(size);
                if size == 0 {
                    State::Magic
                } else {
                    State::Skipped(size)
                }
            }),
            State::Skipped(left) => {
                let used = within(left, bytes);
                if let Some(frame) = self.frames.last_mut() {
                    let wanted = within(KEPT.saturating_sub(frame.head.len() as u64), bytes);
                    frame
                        .head
                        .extend(bytes.get(..wanted.min(used)).unwrap_or_default());
                }
                self.state = match left - used as u64 {
                    0 => State::Magic,
                    left => State::Skipped(left),
                };
                used
            }
            State::Descriptor => self.field(bytes, 1, |_, flags| {
                let is_single = flags & 0x20 != 0;
                let window = u64::from(!is_single);
                let dictionary = [0, 1, 2, 4][(flags & 3) as usize];
                let size = match flags >> 6 {
                    0 => u64::from(is_single),
                    exponent => 1 << exponent,
                };
                let has_checksum = flags & 4 != 0;
                match window + dictionary + size {
                    0 => State::Block(has_checksum),
                    left => State::Header(left, has_checksum),
                }
            }),
            State::Header(left, has_checksum) => {
                let used = within(left, bytes);
                self.state = match left - used as u64 {
                    0 => State::Block(has_checksum),
                    left => State::Header(left, has_checksum),
                };
                used
            }
            State::Block(has_checksum) => self.field(bytes, 3, |_, block| {
                let is_last = block & 1 != 0;
                let size = match (block >> 1) & 3 {
                    // One byte that is repeated.
                    1 => 1,
                    3 => return State::Over,
                    _ => u64::from(block >> 3),
                };
                after_block(size, is_last, has_checksum)
            }),
            State::Contents(left, is_last, has_checksum) => {
                let used = within(left, bytes);
                self.state = after_block(left - used as u64, is_last, has_checksum);
                used
            }
            State::Checksum(left) => {
                let used = within(left, bytes);
                self.state = match left - used as u64 {
                    0 => State::Magic,
                    left => State::Checksum(left),
                };
                used
            }
            State::Over => bytes.len(),
        }
    }

    /// Reads a number of up to four bytes, little-endian, and enters the state that follows from it.
    fn field(
        &mut self,
        bytes: &[u8],
        length: usize,
        next: impl FnOnce(&mut Self, u32) -> State,
    ) -> usize {
        let wanted = length.saturating_sub(self.header.len()).min(bytes.len());
        self.header.extend(bytes.get(..wanted).unwrap_or_default());
        if self.header.len() == length {
            let value = self
                .header
                .iter()
                .rev()
                .fold(0, |value, byte| value << 8 | u32::from(*byte));
            self.header.clear();
            self.state = next(self, value);
        }
        wanted
    }

    fn begin(&mut self, size: u64) {
        if self.frames.len() > MOST {
            self.frames.pop();
        }
        self.count += 1;
        self.bytes = self.bytes.saturating_add(size);
        self.frames.push(SkippableFrame {
            offset: self.start,
            size,
            head: Vec::new(),
        });
    }
}

fn within(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())
}

fn after_block(left: u64, is_last: bool, has_checksum: bool) -> State {
    match (left, is_last) {
        (1.., _) => State::Contents(left, is_last, has_checksum),
        (0, false) => State::Block(has_checksum),
        (0, true) if has_checksum => State::Checksum(4),
        (0, true) => State::Magic,
    }
}

/// A reader whose bytes are passed to [`SkippableFrames`], if there are any.
pub struct FrameWatch<'f, R> {
    inner: R,
    frames: Option<&'f mut SkippableFrames>,
}

impl<'f, R: BufRead> FrameWatch<'f, R> {
    /// Wraps a reader.
    pub fn new(inner: R, frames: Option<&'f mut SkippableFrames>) -> Self {
        FrameWatch { inner, frames }
    }
}

impl<R: BufRead> BufRead for FrameWatch<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        if let Some(frames) = &mut self.frames
            && n > 0
            // They are in the buffer already.
            && let Ok(bytes) = self.inner.fill_buf()
        {
            frames.pass(bytes.get(..n).unwrap_or(bytes));
        }
        self.inner.consume(n);
    }
}

impl<R: BufRead> Read for FrameWatch<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skippable(number: u8, contents: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x50 + number, 0x2a, 0x4d, 0x18];
        frame.extend((contents.len() as u32).to_le_bytes());
        frame.extend(contents);
        frame
    }

    fn compressed(bytes: &[u8], level: i32, checksum: bool, single: bool) -> Vec<u8> {
        use std::io::Write;
        let mut encoder = zstd::Encoder::new(Vec::new(), level).expect("an encoder");
        encoder.include_checksum(checksum).expect("a flag");
        if single {
            encoder
                .set_pledged_src_size(Some(bytes.len() as u64))
                .expect("a size");
            encoder.include_contentsize(true).expect("a flag");
        }
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn frames_are_found_between_all_others() {
        let noise: Vec<u8> = (0..300_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let zeros = vec![0; 500_000];
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (number, bytes) in [&noise[..], &zeros, b"", &noise[..1], &noise[..200], b""]
            .into_iter()
            .enumerate()
        {
            for (checksum, single) in [(false, false), (true, false), (false, true), (true, true)] {
                expected.push((stream.len() as u64, number as u64 * 50));
                stream.extend(skippable(number as u8, &vec![b'x'; number * 50]));
                stream.extend(compressed(
                    bytes,
                    if number % 2 == 0 { 1 } else { 19 },
                    checksum,
                    single,
                ));
            }
        }
        for size in [1, 7, 4096, stream.len()] {
            let mut frames = SkippableFrames::default();
            stream.chunks(size).for_each(|chunk| frames.pass(chunk));
            let found: Vec<(u64, u64)> = frames
                .frames
                .iter()
                .map(|frame| (frame.offset, frame.size))
                .collect();
            assert_eq!(found, expected, "chunks of {size}");
            assert_eq!(frames.count, 24);
            assert!(frames.is_at_end_of_frame());
            assert!(
                frames
                    .frames
                    .iter()
                    .all(|frame| frame.head.len() as u64 == frame.size.min(64))
            );
        }
        // What follows is no frame.
        let mut frames = SkippableFrames::default();
        frames.pass(b"anything");
        frames.pass(&skippable(0, b"x"));
        assert_eq!(frames.count, 0);
    }
}
