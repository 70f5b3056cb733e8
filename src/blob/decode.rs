//! Decompression within limits.
//!
//! A hostile blob could try to expand without end, to ask for a huge window, or to hide bytes after the compressed
//! stream. [`Decoder`] stops at a ratio and at a size, caps windows, and refuses bytes after the last member unless
//! they are zero padding, which it counts.

use std::io::{self, BufRead, Read};

use super::compression::Compression;
use super::indexing::IndexingDecoder;
use super::piece::PieceLog;
use super::trailer::{skip_zero_padding, trailing_data};
use super::window;
use super::zstd_pool::PooledZstd;
use crate::error::{Error, within};

pub use crate::limits::DecodeLimits;

const SIZE: &str = DecodeLimits::NAMES[0];
const RATIO: &str = DecodeLimits::NAMES[1];
const WINDOW: &str = DecodeLimits::NAMES[2];

/// Decoder of a compressed stream, one member after another, within limits.
pub struct Decoder<R: BufRead> {
    inner: Inner<R>,
    compression: Compression,
    limits: DecodeLimits,
    /// Window that an xz header asks for, in bytes, where the first buffer shows it.
    window: Option<u64>,
    decoded: u64,
    padding: u64,
    /// True if decoding ends after one member.
    is_single: bool,
}

enum Inner<R: BufRead> {
    Uncompressed(Counted<R>),
    Gzip(Option<Box<flate2::bufread::GzDecoder<Counted<R>>>>),
    Bzip2(bzip2::bufread::MultiBzDecoder<Counted<R>>),
    SingleBzip2(bzip2::bufread::BzDecoder<Counted<R>>),
    Xz(liblzma::bufread::XzDecoder<Counted<R>>),
    Zstd(zstd::stream::zio::Reader<Counted<R>, PooledZstd>),
    Indexing(Box<IndexingDecoder<Counted<R>>>),
}

impl<R: BufRead> Decoder<R> {
    /// Creates a decoder for the given compression.
    ///
    /// # Errors
    /// `Codec` if the decoder cannot be set up.
    pub fn new(source: R, compression: Compression, limits: DecodeLimits) -> Result<Self, Error> {
        let mut source = Counted::new(source);
        let broken = |error: io::Error| codec_error(compression, limits, None, error);
        let mut window_asked = None;
        let inner = match compression {
            Compression::None => Inner::Uncompressed(source),
            Compression::Gzip => {
                Inner::Gzip(Some(Box::new(flate2::bufread::GzDecoder::new(source))))
            }
            Compression::Bzip2 => Inner::Bzip2(bzip2::bufread::MultiBzDecoder::new(source)),
            Compression::Xz => {
                // A read error is reported again by the first read of the decoder.
                window_asked = source.fill_buf().ok().and_then(window::of_xz);
                let stream = xz_stream(limits, liblzma::stream::CONCATENATED);
                let stream = stream.map_err(|error| broken(error.into()))?;
                Inner::Xz(liblzma::bufread::XzDecoder::new_stream(source, stream))
            }
            Compression::Zstd => {
                let decoder = PooledZstd::new(limits.window_log).map_err(broken)?;
                Inner::Zstd(zstd::stream::zio::Reader::new(source, decoder))
            }
        };
        let mut decoder = Decoder::with(inner, compression, limits);
        decoder.window = window_asked;
        Ok(decoder)
    }

    fn with(inner: Inner<R>, compression: Compression, limits: DecodeLimits) -> Self {
        Decoder {
            inner,
            compression,
            limits,
            window: None,
            decoded: 0,
            padding: 0,
            is_single: false,
        }
    }

    /// Creates a decoder for a single member, after which the source stands. `so_far` are the decoded and the stored
    /// bytes that count towards the limits already.
    ///
    /// # Errors
    /// `Codec` if the decoder cannot be set up.
    pub(super) fn single_member(
        source: R,
        compression: Compression,
        limits: DecodeLimits,
        so_far: (u64, u64),
    ) -> Result<Self, Error> {
        let mut decoder = Decoder::new(source, compression, limits)?;
        let broken = |error: io::Error| codec_error(compression, limits, None, error);
        decoder.is_single = true;
        decoder.decoded = so_far.0;
        decoder.inner = match decoder.inner {
            Inner::Bzip2(bzip2) => {
                Inner::SingleBzip2(bzip2::bufread::BzDecoder::new(bzip2.into_inner()))
            }
            Inner::Xz(xz) => {
                let stream = xz_stream(limits, 0).map_err(|error| broken(error.into()))?;
                Inner::Xz(liblzma::bufread::XzDecoder::new_stream(
                    xz.into_inner(),
                    stream,
                ))
            }
            Inner::Zstd(mut zstd) => {
                zstd.set_single_frame();
                Inner::Zstd(zstd)
            }
            inner => inner,
        };
        if let Some(source) = decoder.source_mut() {
            source.count = so_far.1;
        }
        Ok(decoder)
    }

    /// Decoded and stored bytes, including those passed to [`Decoder::single_member`].
    pub(super) fn so_far(&self) -> (u64, u64) {
        (self.decoded, self.stored())
    }

    fn source_mut(&mut self) -> Option<&mut Counted<R>> {
        match &mut self.inner {
            Inner::Uncompressed(source) => Some(source),
            Inner::Gzip(decoder) => decoder.as_mut().map(|decoder| decoder.get_mut()),
            Inner::Bzip2(decoder) => Some(decoder.get_mut()),
            Inner::SingleBzip2(decoder) => Some(decoder.get_mut()),
            Inner::Xz(decoder) => Some(decoder.get_mut()),
            Inner::Zstd(decoder) => Some(decoder.reader_mut()),
            Inner::Indexing(_) => None,
        }
    }

    /// Creates a decoder that records in `log` the pieces of gzip and zstd streams. `size` is the approximate number of
    /// stored bytes.
    ///
    /// # Errors
    /// `Codec` if the decoder cannot be set up.
    pub fn indexing(
        source: R,
        compression: Compression,
        limits: DecodeLimits,
        size: u64,
        log: PieceLog,
    ) -> Result<Self, Error> {
        if !compression.has_pieces() {
            return Decoder::new(source, compression, limits);
        }
        let decoder = IndexingDecoder::new(Counted::new(source), compression, &limits, size, log)
            .map_err(|error| codec_error(compression, limits, None, error))?;
        let inner = Inner::Indexing(Box::new(decoder));
        Ok(Decoder::with(inner, compression, limits))
    }

    /// Creates a decoder for the legacy `.lzma` format, which cannot be detected by its bytes and has no checksum.
    ///
    /// # Errors
    /// `Codec` if the decoder cannot be set up.
    pub fn lzma(source: R, limits: DecodeLimits) -> Result<Self, Error> {
        let stream = liblzma::stream::Stream::new_lzma_decoder(xz_memory(limits));
        let stream =
            stream.map_err(|error| codec_error(Compression::Xz, limits, None, error.into()))?;
        let inner = liblzma::bufread::XzDecoder::new_stream(Counted::new(source), stream);
        Ok(Decoder::with(Inner::Xz(inner), Compression::Xz, limits))
    }

    /// Zero bytes after the last gzip member; known at the end. GNU gzip ignores them, Go's reader fails.
    pub fn padding(&self) -> u64 {
        match &self.inner {
            Inner::Indexing(decoder) => decoder.padding(),
            _ => self.padding,
        }
    }

    /// Returns the source at its current position.
    pub fn into_inner(self) -> Option<R> {
        match self.inner {
            Inner::Uncompressed(source) => Some(source.inner),
            Inner::Gzip(decoder) => decoder.map(|decoder| decoder.into_inner().inner),
            Inner::Bzip2(decoder) => Some(decoder.into_inner().inner),
            Inner::SingleBzip2(decoder) => Some(decoder.into_inner().inner),
            Inner::Xz(decoder) => Some(decoder.into_inner().inner),
            Inner::Zstd(decoder) => Some(decoder.into_inner().inner),
            Inner::Indexing(decoder) => Some(decoder.into_source().inner),
        }
    }

    fn stored(&self) -> u64 {
        match &self.inner {
            Inner::Uncompressed(source) => source.count,
            Inner::Gzip(decoder) => decoder
                .as_ref()
                .map_or(0, |decoder| decoder.get_ref().count),
            Inner::Bzip2(decoder) => decoder.get_ref().count,
            Inner::SingleBzip2(decoder) => decoder.get_ref().count,
            Inner::Xz(decoder) => decoder.get_ref().count,
            Inner::Zstd(decoder) => decoder.reader().count,
            Inner::Indexing(decoder) => decoder.source().count,
        }
    }

    fn read_raw(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Uncompressed(source) => source.read(buf),
            Inner::Bzip2(decoder) => decoder.read(buf),
            Inner::SingleBzip2(decoder) => decoder.read(buf),
            Inner::Xz(decoder) => decoder.read(buf),
            Inner::Zstd(decoder) => decoder.read(buf),
            Inner::Indexing(decoder) => decoder.read(buf),
            Inner::Gzip(slot) => loop {
                let Some(decoder) = slot else { return Ok(0) };
                let n = decoder.read(buf)?;
                if n > 0 || self.is_single {
                    return Ok(n);
                }
                // End of a member: another member, zero padding, or nothing may follow.
                let source = decoder.get_mut();
                let next = source.fill_buf()?.first().copied();
                match next {
                    None => return Ok(0),
                    Some(0x1f) => {
                        let Some(decoder) = slot.take() else {
                            return Ok(0);
                        };
                        *slot = Some(Box::new(flate2::bufread::GzDecoder::new(
                            decoder.into_inner(),
                        )));
                    }
                    Some(0) => {
                        self.padding += skip_zero_padding(source)?;
                        return Ok(0);
                    }
                    Some(_) => return Err(trailing_data()),
                }
            },
        }
    }

    fn check_limits(&self) -> io::Result<()> {
        let DecodeLimits {
            size, ratio, grace, ..
        } = self.limits;
        within(SIZE, size, self.decoded).map_err(Error::into_io)?;
        if self.decoded > grace && self.decoded / ratio > self.stored() {
            let found = self.decoded / self.stored().max(1);
            return Err(Error::limit(RATIO, ratio, found).into_io());
        }
        Ok(())
    }
}

/// Memory limit of an xz decoder in bytes: the dictionary plus the decoder's own state.
fn xz_memory(limits: DecodeLimits) -> u64 {
    (1 << limits.window_log) + (16 << 20)
}

fn xz_stream(
    limits: DecodeLimits,
    flags: u32,
) -> Result<liblzma::stream::Stream, liblzma::stream::Error> {
    liblzma::stream::Stream::new_stream_decoder(xz_memory(limits), flags)
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let n = match self.read_raw(buf) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) if self.compression == Compression::None => return Err(error),
            Err(error) => {
                let error = codec_error(self.compression, self.limits, self.window, error);
                return Err(error.into_io());
            }
        };
        self.decoded += n as u64;
        if self.compression != Compression::None {
            self.check_limits()?;
        }
        Ok(n)
    }
}

fn codec_error(
    compression: Compression,
    limits: DecodeLimits,
    window: Option<u64>,
    error: io::Error,
) -> Error {
    // An error of the source travels through the decoder unchanged.
    let error = match error.downcast::<Error>() {
        Ok(ours) => return ours,
        Err(error) => error,
    };
    if error.raw_os_error().is_some() {
        return Error::io("read", error);
    }
    // Neither library reports the memory it would have needed; both refuse before they allocate it. For zstd, the error
    // already holds the size that the header states.
    let is_window = match compression {
        Compression::Zstd => error.to_string().contains("too much memory"),
        Compression::Xz => error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<liblzma::stream::Error>())
            .is_some_and(|inner| *inner == liblzma::stream::Error::MemLimit),
        _ => false,
    };
    if is_window {
        let limit = 1u64 << limits.window_log;
        return Error::limit(
            WINDOW,
            limit,
            window.filter(|window| *window > limit).unwrap_or(limit + 1),
        );
    }
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof => "unexpected end".to_owned(),
        _ => error.to_string(),
    };
    Error::codec(compression.name(), why)
}

/// Counts the stored bytes that a decoder has consumed.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R> Counted<R> {
    fn new(inner: R) -> Self {
        Counted { inner, count: 0 }
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.count += n as u64;
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.count += n as u64;
        self.inner.consume(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn decode(bytes: &[u8], limits: DecodeLimits) -> Result<(Vec<u8>, u64), Error> {
        let mut decoder = Decoder::new(bytes, Compression::sniff(bytes), limits)?;
        let mut out = Vec::new();
        decoder
            .read_to_end(&mut out)
            .map_err(|error| Error::io("read", error))?;
        Ok((out, decoder.padding()))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn all_codecs(bytes: &[u8]) -> Vec<(Compression, Vec<u8>)> {
        let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
        bz.write_all(bytes).expect("memory");
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(bytes).expect("memory");
        vec![
            (Compression::Gzip, gzip(bytes)),
            (Compression::Bzip2, bz.finish().expect("memory")),
            (Compression::Xz, xz.finish().expect("memory")),
            (
                Compression::Zstd,
                zstd::encode_all(bytes, 3).expect("memory"),
            ),
        ]
    }

    #[test]
    fn concatenated_members_are_one_stream() {
        for ((compression, one), (_, two)) in
            all_codecs(b"one, ").into_iter().zip(all_codecs(b"two"))
        {
            let both = [one, two].concat();
            assert_eq!(Compression::sniff(&both), compression);
            let (out, _) = decode(&both, DecodeLimits::default()).expect("two members");
            assert_eq!(out, b"one, two", "{}", compression.name());
        }
    }

    #[test]
    fn truncated_and_trailing_bytes_are_errors() {
        for (compression, whole) in
            all_codecs(&b"some text that repeats, some text that repeats".repeat(20))
        {
            for end in 8..whole.len() {
                let cut = decode(&whole[..end], DecodeLimits::default());
                assert!(
                    cut.is_err(),
                    "{} cut at {end} of {}",
                    compression.name(),
                    whole.len()
                );
            }
            let trailing = [&whole[..], b"trailing"].concat();
            assert!(
                decode(&trailing, DecodeLimits::default()).is_err(),
                "{} trailing",
                compression.name()
            );
        }
    }

    #[test]
    fn zero_padding_after_gzip_is_counted() {
        let padded = [gzip(b"x"), vec![0; 700]].concat();
        assert_eq!(
            decode(&padded, DecodeLimits::default()).expect("padding"),
            (b"x".to_vec(), 700)
        );
        let not_only_zeros = [padded, b"!".to_vec()].concat();
        assert!(decode(&not_only_zeros, DecodeLimits::default()).is_err());
    }

    #[test]
    fn skippable_zstd_frames_are_skipped_anywhere() {
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"toc!"].concat();
        let frame = zstd::encode_all(&b"data"[..], 3).expect("memory");
        let stream = [&skippable[..], &frame, &skippable, &frame, &skippable].concat();
        assert_eq!(Compression::sniff(&stream), Compression::Zstd);
        assert_eq!(
            decode(&stream, DecodeLimits::default()).expect("frames").0,
            b"datadata"
        );
    }

    #[test]
    fn bombs_stop_at_the_limits() {
        let bomb = gzip(&vec![0; 4 << 20]);
        let by_ratio = DecodeLimits {
            ratio: 100,
            grace: 1 << 20,
            ..DecodeLimits::default()
        };
        let error = decode(&bomb, by_ratio).expect_err("a bomb").to_string();
        assert!(error.contains("expansion ratio"), "{error}");
        let by_size = DecodeLimits {
            size: 1 << 20,
            ..DecodeLimits::default()
        };
        let error = decode(&bomb, by_size).expect_err("a bomb").to_string();
        assert!(error.contains("decoded size"), "{error}");
    }
}
