//! Concatenated compressed streams of different formats, as the Linux kernel reads them in an initramfs.
//!
//! [`Decoder`] continues after the end of a stream only in the same format. Here every stream is decoded separately,
//! within limits that count for all of them. Zeros between streams are dropped; from the first bytes that are not
//! compressed, the rest passes unchanged.

use std::io::{self, BufRead, Read};

use super::compression::Compression;
use super::decode::{DecodeLimits, Decoder};

/// Number of bytes needed to detect a compression.
const HEAD: usize = 6;

/// Decoder of concatenated compressed streams.
pub struct ConcatenatedStreams<R: BufRead> {
    state: Option<State<R>>,
    limits: DecodeLimits,
}

enum State<R: BufRead> {
    Compressed(Box<Decoder<Peekable<R>>>),
    Uncompressed(Peekable<R>),
}

impl<R: BufRead> ConcatenatedStreams<R> {
    /// Reads `head`, which was taken from the source before, and then `source`.
    ///
    /// # Errors
    /// Errors of the source; `Codec` if a decoder cannot be set up.
    pub fn new(head: &[u8], source: R, limits: DecodeLimits) -> io::Result<Self> {
        let source = Peekable {
            head: head.to_vec(),
            at: 0,
            inner: source,
        };
        let mut streams = ConcatenatedStreams {
            state: None,
            limits,
        };
        streams.begin(source, (0, 0))?;
        Ok(streams)
    }

    fn begin(&mut self, mut source: Peekable<R>, so_far: (u64, u64)) -> io::Result<()> {
        let head = source.peek(HEAD)?;
        self.state = Some(match Compression::sniff(head) {
            Compression::None => State::Uncompressed(source),
            compression => {
                let decoder = Decoder::single_member(source, compression, self.limits, so_far)
                    .map_err(crate::Error::into_io)?;
                State::Compressed(Box::new(decoder))
            }
        });
        Ok(())
    }
}

impl<R: BufRead> Read for ConcatenatedStreams<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.state {
                None => return Ok(0),
                Some(State::Uncompressed(source)) => return source.read(buf),
                Some(State::Compressed(decoder)) => {
                    let n = decoder.read(buf)?;
                    if n > 0 || buf.is_empty() {
                        return Ok(n);
                    }
                }
            }
            if let Some(State::Compressed(decoder)) = self.state.take() {
                let so_far = decoder.so_far();
                if let Some(mut source) = decoder.into_inner() {
                    source.skip_zeros()?;
                    self.begin(source, so_far)?;
                }
            }
        }
    }
}

/// A reader with bytes put back in front of it.
struct Peekable<R> {
    head: Vec<u8>,
    at: usize,
    inner: R,
}

impl<R: BufRead> Peekable<R> {
    /// Returns the next `n` bytes without consuming them; fewer at the end.
    fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        while self.head.len() - self.at < n {
            let missing = n - (self.head.len() - self.at);
            let next = match self.inner.fill_buf() {
                Ok(next) => next,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if next.is_empty() {
                break;
            }
            let next = next.get(..missing).unwrap_or(next);
            self.head.extend_from_slice(next);
            let taken = next.len();
            self.inner.consume(taken);
        }
        Ok(self.head.get(self.at..).unwrap_or_default())
    }

    fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let next = match self.fill_buf() {
                Ok(next) => next,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let zeros = next.iter().take_while(|byte| **byte == 0).count();
            let is_last = zeros < next.len() || next.is_empty();
            self.consume(zeros);
            if is_last {
                return Ok(());
            }
        }
    }
}

impl<R: BufRead> Read for Peekable<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        super::buffer::read_buffered(self, buf)
    }
}

impl<R: BufRead> BufRead for Peekable<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.at < self.head.len() {
            true => Ok(self.head.get(self.at..).unwrap_or_default()),
            false => self.inner.fill_buf(),
        }
    }

    fn consume(&mut self, n: usize) {
        let own = n.min(self.head.len() - self.at);
        self.at += own;
        if self.at == self.head.len() {
            self.head.clear();
            self.at = 0;
        }
        self.inner.consume(n - own);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn streams(bytes: &[u8]) -> [Vec<u8>; 4] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        gzip.write_all(bytes).expect("memory");
        let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
        bz.write_all(bytes).expect("memory");
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(bytes).expect("memory");
        [
            gzip.finish().expect("memory"),
            bz.finish().expect("memory"),
            xz.finish().expect("memory"),
            zstd::encode_all(bytes, 3).expect("memory"),
        ]
    }

    fn read(bytes: &[u8], capacity: usize, limits: DecodeLimits) -> io::Result<Vec<u8>> {
        // Short reads, and some bytes put back.
        let (head, rest) = bytes.split_at(bytes.len().min(6));
        let source = io::BufReader::with_capacity(capacity, rest);
        let mut out = Vec::new();
        ConcatenatedStreams::new(head, source, limits)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn every_codec_may_follow_every_other() {
        let (first, second) = (streams(b"first "), streams(b"second "));
        for (i, a) in first.iter().enumerate() {
            for (j, b) in second.iter().enumerate() {
                for zeros in [0, 3, 500] {
                    let bytes = [&**a, &vec![0; zeros], b, a, b"tail\0\0"].concat();
                    for capacity in [1, 7, 4096] {
                        let out = read(&bytes, capacity, DecodeLimits::default());
                        let expected = b"first second first tail\0\0";
                        assert_eq!(
                            out.expect("decoded"),
                            expected,
                            "{i} {j} {zeros} {capacity}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn truncation_is_an_error_and_limits_count_for_all_streams() {
        for stream in streams(&[b'a'; 3000]) {
            let cut = &stream[..stream.len() - 3];
            assert!(read(cut, 100, DecodeLimits::default()).is_err());
            let limits = DecodeLimits {
                size: 5000,
                ..DecodeLimits::default()
            };
            assert!(read(&stream, 100, limits).is_ok());
            assert!(read(&[&*stream, &stream].concat(), 100, limits).is_err());
        }
    }
}
