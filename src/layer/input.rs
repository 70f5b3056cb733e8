//! Inputs of tars: forward-only streams, and ranges of files.

use std::io::{self, BufRead};
use std::sync::Arc;

use crate::blob::{Backing, Chunk, ReadAhead};

/// A forward-only input that can skip bytes.
pub trait TarInput {
    /// Fills `buf` and returns the number of bytes read; fewer than its length only at the end of the input.
    ///
    /// # Errors
    /// Errors of the system or of a decoder.
    fn read_full(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Skips `n` bytes and returns the number of bytes skipped; fewer only at the end of the input.
    ///
    /// # Errors
    /// Errors of the system or of a decoder.
    fn skip(&mut self, n: u64) -> io::Result<u64>;

    /// Number of bytes read and skipped so far.
    fn position(&self) -> u64;
}

impl<I: TarInput + ?Sized> TarInput for &mut I {
    fn read_full(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_full(buf)
    }

    fn skip(&mut self, n: u64) -> io::Result<u64> {
        (**self).skip(n)
    }

    fn position(&self) -> u64 {
        (**self).position()
    }
}

/// Input from a stream; skipped bytes are read and dropped. Also reads tars in memory, as `StreamInput::new(&bytes[..])`.
#[derive(Debug)]
pub struct StreamInput<R> {
    inner: R,
    position: u64,
}

impl<R: BufRead> StreamInput<R> {
    /// Creates an input at the current position of `inner`, which becomes position 0.
    pub fn new(inner: R) -> Self {
        StreamInput { inner, position: 0 }
    }

    /// Returns the reader, positioned after the last byte that was read or skipped.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// Skips zeros. Returns whether another byte follows.
    pub(super) fn skip_zeros(&mut self) -> io::Result<bool> {
        loop {
            let mut zeros = 0;
            let mut all = 0;
            // Only zeros are consumed.
            match self.inner.fill_buf() {
                Ok([]) => return Ok(false),
                Ok(bytes) => {
                    all = bytes.len();
                    zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.inner.consume(zeros);
            self.position = self.position.saturating_add(zeros as u64);
            if zeros < all {
                return Ok(true);
            }
        }
    }

    /// Consumes up to `n` bytes and passes them to `take`. Returns their number, 0 only at the end.
    fn step(&mut self, n: u64, take: impl FnOnce(&[u8])) -> io::Result<usize> {
        let bytes = loop {
            match self.inner.fill_buf() {
                // Not read again at the end: a signal could interrupt the second call.
                Ok([]) => {
                    take(&[]);
                    return Ok(0);
                }
                // Called again because the borrow cannot leave the loop.
                Ok(_) => break self.inner.fill_buf()?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        let length = bytes.len().min(usize::try_from(n).unwrap_or(usize::MAX));
        take(bytes.get(..length).unwrap_or_default());
        self.inner.consume(length);
        self.position = self.position.saturating_add(length as u64);
        Ok(length)
    }
}

impl StreamInput<ReadAhead> {
    /// Replaces the rest of the stream by the reader that `make` returns; positions continue.
    pub(super) fn continue_with(
        &mut self,
        make: impl FnOnce(ReadAhead) -> io::Result<ReadAhead>,
    ) -> io::Result<()> {
        let (_, nothing) = ReadAhead::pair();
        let rest = std::mem::replace(&mut self.inner, nothing);
        self.inner = make(rest)?;
        Ok(())
    }

    /// Returns the next bytes without copying them, at most `most`; none only at the end.
    pub(super) fn take_chunk(&mut self, most: u64) -> io::Result<Chunk> {
        let chunk = self.inner.take_chunk(most)?;
        self.position = self.position.saturating_add(chunk.len() as u64);
        Ok(chunk)
    }
}

impl<R: BufRead> TarInput for StreamInput<R> {
    fn read_full(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let copied = self.step(rest.len() as u64, |bytes| {
                if let Some(to) = rest.get_mut(..bytes.len()) {
                    to.copy_from_slice(bytes);
                }
            })?;
            if copied == 0 {
                break;
            }
            done += copied;
        }
        Ok(done)
    }

    fn skip(&mut self, n: u64) -> io::Result<u64> {
        let mut done = 0;
        while done < n {
            let skipped = self.step(n - done, |_| ())?;
            if skipped == 0 {
                break;
            }
            done += skipped as u64;
        }
        Ok(done)
    }

    fn position(&self) -> u64 {
        self.position
    }
}

/// Input that keeps a copy of all bytes read or skipped until the copy is cleared.
#[derive(Debug)]
pub(crate) struct Recorder<I> {
    inner: I,
    kept: Vec<u8>,
}

impl<I: TarInput> Recorder<I> {
    /// Starts recording at the current position of `inner`.
    pub(crate) fn new(inner: I) -> Self {
        let kept = Vec::new();
        Recorder { inner, kept }
    }

    /// Bytes since the copy was last cleared; the caller clears it often.
    pub(crate) fn kept(&mut self) -> &mut Vec<u8> {
        &mut self.kept
    }
}

impl<I: TarInput> TarInput for Recorder<I> {
    fn read_full(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read_full(buf)?;
        self.kept
            .extend_from_slice(buf.get(..read).unwrap_or_default());
        Ok(read)
    }

    fn skip(&mut self, n: u64) -> io::Result<u64> {
        let mut block = [0; 4096];
        let mut done = 0;
        while done < n {
            let wanted = usize::try_from(n - done).unwrap_or(usize::MAX);
            let part = block.len().min(wanted);
            let read = self.read_full(block.get_mut(..part).unwrap_or_default())?;
            done += read as u64;
            if read < part {
                break;
            }
        }
        Ok(done)
    }

    fn position(&self) -> u64 {
        self.inner.position()
    }
}

/// Input from a range of a file, read by position: skipping costs nothing, and other ranges can be read at the same time.
///
/// The file's own position is neither used nor changed. No bytes outside the range are read.
#[derive(Debug)]
pub struct FileInput {
    file: Arc<Backing>,
    start: u64,
    length: u64,
    position: u64,
    /// The bytes read last, `filled` of them, the first one at `window_at` of the range.
    window: Box<[u8]>,
    window_at: u64,
    filled: usize,
}

impl FileInput {
    /// Number of bytes per read when headers are walked.
    ///
    /// Measured on layers with 28,463 entries: one page is 10 % faster than a block, because it often holds the next header
    /// after a small file; more than a page gains nothing. Advising the system of random access trebles the time of a first
    /// walk from disk, so no advice is given.
    pub const WINDOW: usize = 4096;

    /// Reads `length` bytes of `file` from offset `start`; fewer if the file is shorter.
    pub fn new(file: Arc<Backing>, start: u64, length: u64) -> Self {
        Self::with_window(file, start, length, Self::WINDOW)
    }

    fn with_window(file: Arc<Backing>, start: u64, length: u64, window: usize) -> Self {
        FileInput {
            file,
            start,
            length,
            position: 0,
            window: vec![0; window].into_boxed_slice(),
            window_at: 0,
            filled: 0,
        }
    }

    /// Buffered bytes from the current position on.
    fn ready(&self) -> &[u8] {
        self.position
            .checked_sub(self.window_at)
            .and_then(|at| usize::try_from(at).ok())
            .and_then(|at| self.window.get(at..self.filled))
            .unwrap_or_default()
    }

    fn read_at(&self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let wanted = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(offset) = self.start.checked_add(self.position) else {
            return Ok(0);
        };
        loop {
            match self
                .file
                .read_at(buf.get_mut(..wanted).unwrap_or_default(), offset)
            {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl TarInput for FileInput {
    fn read_full(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let ready = self.ready();
            let copied = if !ready.is_empty() {
                let length = ready.len().min(rest.len());
                if let (Some(to), Some(from)) = (rest.get_mut(..length), ready.get(..length)) {
                    to.copy_from_slice(from);
                }
                length
            } else if rest.len() >= self.window.len() {
                self.read_at(rest)?
            } else {
                let mut window = std::mem::take(&mut self.window);
                let filled = self.read_at(&mut window);
                self.window = window;
                self.window_at = self.position;
                // Cleared first, so that a failed read leaves no stale bytes that look valid.
                self.filled = 0;
                self.filled = filled?;
                if self.filled == 0 {
                    break;
                }
                continue;
            };
            if copied == 0 {
                break;
            }
            self.position = self.position.saturating_add(copied as u64);
            done += copied;
        }
        Ok(done)
    }

    fn skip(&mut self, n: u64) -> io::Result<u64> {
        let skipped = n.min(self.length.saturating_sub(self.position));
        self.position = self.position.saturating_add(skipped);
        Ok(skipped)
    }

    fn position(&self) -> u64 {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Write};

    #[test]
    fn both_inputs_read_the_same() {
        let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&bytes).expect("written");
        let part = &bytes[100..19_000];
        let mut input = FileInput::new(Arc::new(Backing::File(file)), 100, part.len() as u64);
        let mut stream = StreamInput::new(BufReader::with_capacity(7, part));
        let mut at = 0;
        for step in [0, 1, 512, 511, 4096, 3, 5000, 512, 4095, 9000, 10] {
            let (mut a, mut b) = (vec![0; step], vec![0; step]);
            let read = input.read_full(&mut a).expect("read");
            assert_eq!(stream.read_full(&mut b).expect("read"), read);
            assert_eq!((&a, &a[..read]), (&b, &part[at..at + read]));
            let skip = step as u64 / 3;
            let skipped = input.skip(skip).expect("skipped");
            assert_eq!(stream.skip(skip).expect("skipped"), skipped);
            at += read + skipped as usize;
            assert_eq!(
                (input.position(), stream.position()),
                (at as u64, at as u64)
            );
        }
        assert_eq!(at, part.len());
    }

    #[test]
    fn a_range_past_the_end_of_the_file_ends_there() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&[1; 600]).expect("written");
        let mut input = FileInput::new(Arc::new(Backing::File(file)), 100, u64::MAX);
        let mut buf = [0; 512];
        assert_eq!(input.read_full(&mut buf).expect("read"), 500);
        assert_eq!(input.read_full(&mut buf).expect("read"), 0);
    }
}
