//! One pass over a blob for digest, size, compression, diff ID and entries.

use std::io::{self, BufRead, BufReader, Read};

use super::Limits;
use super::anomaly::Anomalies;
use super::input::StreamInput;
use super::notes::Notes;
use super::observer::EntryObserver;
use super::summary::LayerSummary;
use super::trace::Trace;
use super::walk::{Tail, Walker};
use crate::blob::{
    CHUNK, Compression, DecodeLimits, Decoder, FrameWatch, Hasher, HashingBuf, Meter, ReadAhead,
    SkippableFrames,
};
use crate::error::{During, Error, Fault, Result};
use crate::spec::Digest;

/// Optional fields in the header of a gzip stream's first member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GzipHeader {
    /// File name, as far as the first buffer shows it.
    pub name: Option<Vec<u8>>,
    /// Comment, as far as the first buffer shows it.
    pub comment: Option<Vec<u8>>,
    /// Extra fields, each with its ID, as far as the first buffer shows them.
    pub extra: Vec<([u8; 2], Vec<u8>)>,
}

impl GzipHeader {
    /// Reads the fields from the first bytes of a blob (RFC 1952, section 2.3); `None` if it has none.
    pub(crate) fn read(head: &[u8]) -> Option<Self> {
        let (fixed, mut rest) = head.split_at_checked(10)?;
        let flags = *fixed
            .get(3)
            .filter(|_| fixed.starts_with(b"\x1f\x8b\x08"))?;
        let mut header = GzipHeader::default();
        if flags & 4 != 0 {
            let (length, after) = rest.split_first_chunk()?;
            let length = usize::from(u16::from_le_bytes(*length));
            let (mut fields, after) = after.split_at_checked(length).unwrap_or((after, &[]));
            while let [a, b, low, high, more @ ..] = fields {
                let length = usize::from(u16::from_le_bytes([*low, *high]));
                let (field, others) = more.split_at_checked(length).unwrap_or((more, &[]));
                header.extra.push(([*a, *b], field.to_vec()));
                fields = others;
            }
            rest = after;
        }
        let mut text = |is_set: bool| {
            let text = rest
                .split(|&byte| byte == 0)
                .next()
                .filter(|_| is_set)?
                .to_vec();
            rest = rest.get(text.len() + 1..).unwrap_or_default();
            Some(text)
        };
        header.name = text(flags & 8 != 0);
        header.comment = text(flags & 16 != 0);
        (flags & (4 | 8 | 16) != 0).then_some(header)
    }
}

/// Result of one complete pass over a blob. Nothing is compared with its descriptor or config yet.
#[derive(Debug)]
pub struct Scan {
    /// Number of stored bytes.
    pub size: u64,
    /// Digest of the stored bytes.
    pub digest: Digest,
    /// Compression, detected by the bytes.
    pub compression: Compression,
    /// SHA-256 digest of the decoded bytes up to the end of the stream; `None` if they do not decode.
    pub diff_id: Option<Digest>,
    /// Number of decoded bytes, as far as they decode.
    pub uncompressed_size: u64,
    /// Number of zero bytes after the last gzip member, which some readers refuse.
    pub padding: u64,
    /// Counts and sizes of the entries, as far as they could be read.
    pub summary: LayerSummary,
    /// Anomalies of the tar.
    pub anomalies: Anomalies,
    /// Bytes after the tar's end marker, if it has one.
    pub tail: Option<Tail>,
    /// Optional fields of a gzip header.
    pub gzip: Option<GzipHeader>,
    /// Skippable frames of a zstd stream.
    pub frames: SkippableFrames,
    /// Notes on the entries, if requested.
    pub notes: Notes,
    /// Trace of the entries, if requested and within its limit.
    pub trace: Option<Trace>,
    /// Error that stopped decoding or the walk, if any: the layer is damaged.
    pub fault: Option<Error>,
}

impl Scan {
    /// Result for a layer that this program wrote, without its entries.
    pub(crate) fn written(
        digest: Digest,
        size: u64,
        compression: Compression,
        diff_id: Digest,
        uncompressed_size: u64,
    ) -> Self {
        Scan {
            size,
            digest,
            compression,
            diff_id: Some(diff_id),
            uncompressed_size,
            padding: 0,
            summary: LayerSummary::default(),
            anomalies: Anomalies::default(),
            tail: None,
            gzip: None,
            frames: SkippableFrames::default(),
            notes: Notes::default(),
            trace: None,
            fault: None,
        }
    }
}

/// Reads a blob to its end: hashes it, decodes it, hashes that, and walks it as a tar.
///
/// The first buffer of `stored` must suffice to detect the compression: 512 bytes, or the whole blob ([`sniffable`]
/// ensures it). Reading, hashing and decoding run on this thread, while another one hashes and walks the decoded bytes; a
/// single chunk of uncompressed bytes is walked on this thread. Memory: six chunks of [`CHUNK`] bytes and the decoder's
/// window. A blob that is no tar is read to its end as well.
///
/// # Errors
/// `Io` and other errors of the reader; damage of the bytes themselves is in [`Scan::fault`].
pub fn scan(stored: impl BufRead, hasher: Hasher, limits: &Limits, meter: &Meter) -> Result<Scan> {
    let mut stored = HashingBuf::new(stored, hasher.clone(), meter);
    let head = stored.fill_buf().during("read")?;
    let compression = Compression::sniff(head);
    let gzip = GzipHeader::read(head);
    let mut frames = SkippableFrames::default();
    let one_hash = compression == Compression::None && hasher.is_sha256();
    let is_short = head.len() < CHUNK;
    let mut walked = if one_hash && is_short {
        walk(&mut stored, limits)
    } else if one_hash {
        // Many small files take as long to walk as to hash.
        walk_beside(&mut stored, |mut tar| walk(&mut tar, limits))
    } else {
        let watched = (compression == Compression::Zstd).then_some(&mut frames);
        let watched = FrameWatch::new(&mut stored, watched);
        match Decoder::new(watched, compression, limits.decode) {
            Err(error) => Walked::failed(error),
            Ok(mut decoder) => {
                let mut walked = walk_beside(&mut decoder, |tar| {
                    let mut tar = HashingBuf::new(tar, Hasher::default(), &Meter::default());
                    let mut walked = walk(&mut tar, limits);
                    walked.decoded_digest = Some(tar.finish());
                    walked
                });
                walked.padding = decoder.padding();
                walked
            }
        }
    };
    if let Some(error) = walked.source {
        return Err(error);
    }
    // A walk or decoder that stopped early leaves bytes unread.
    io::copy(&mut stored, &mut io::sink()).during("read")?;
    let (digest, size) = stored.finish();
    let (diff_id, uncompressed_size) = match (one_hash, walked.decoded_digest) {
        (true, _) => (digest.clone(), size),
        (false, Some(decoded)) => decoded,
        (false, None) => (digest.clone(), 0),
    };
    if size == 0 && walked.fault.is_none() {
        walked.fault = Some(Error::truncated("the layer", 1024, 0));
    }
    Ok(Scan {
        size,
        digest,
        compression,
        diff_id: walked.is_decoded.then_some(diff_id),
        uncompressed_size,
        padding: walked.padding,
        summary: walked.summary,
        anomalies: walked.anomalies,
        tail: walked.tail,
        gzip,
        frames,
        notes: walked.observer.notes.notes,
        trace: walked
            .observer
            .trace
            .trace
            .filter(|_| walked.fault.is_none()),
        fault: walked.fault,
    })
}

/// Result of a walk.
struct Walked {
    summary: LayerSummary,
    observer: EntryObserver,
    anomalies: Anomalies,
    tail: Option<Tail>,
    /// Damage of the bytes.
    fault: Option<Error>,
    /// Error of their source.
    source: Option<Error>,
    /// True if all bytes could be decoded.
    is_decoded: bool,
    /// Digest and number of the decoded bytes.
    decoded_digest: Option<(Digest, u64)>,
    padding: u64,
}

impl Walked {
    fn new() -> Self {
        Walked {
            summary: LayerSummary::default(),
            observer: EntryObserver::default(),
            anomalies: Anomalies::default(),
            tail: None,
            fault: None,
            source: None,
            is_decoded: true,
            decoded_digest: None,
            padding: 0,
        }
    }

    fn failed(error: Error) -> Self {
        Walked {
            fault: Some(error),
            is_decoded: false,
            ..Walked::new()
        }
    }

    /// Records an error that ended the walk.
    fn fail(&mut self, error: Error) {
        match error.fault() {
            Fault::Limit { what, .. } => {
                // After other limits the bytes still decode.
                self.is_decoded = !DecodeLimits::NAMES.contains(what);
                self.fault.get_or_insert(error);
            }
            Fault::Codec { .. } => {
                self.is_decoded = false;
                self.fault.get_or_insert(error);
            }
            _ => self.source = Some(error),
        }
    }
}

/// Reads a source on this thread while another one walks its bytes.
fn walk_beside(source: &mut dyn io::Read, walk: impl FnOnce(ReadAhead) -> Walked + Send) -> Walked {
    let (feeder, tar) = ReadAhead::pair();
    std::thread::scope(|scope| {
        let walking = scope.spawn(move || walk(tar));
        feeder.run(source);
        walking.join().unwrap_or_else(|_| {
            let panicked = io::Error::other("the walking thread ended");
            Walked::failed(Error::io("read", panicked))
        })
    })
}

/// Walks uncompressed bytes as a tar and reads them to their end.
fn walk(tar: &mut impl BufRead, limits: &Limits) -> Walked {
    let mut walked = Walked::new();
    walked.observer = EntryObserver::new(limits.trace);
    let mut walker = Walker::new(StreamInput::new(&mut *tar)).within(limits);
    let end = match LayerSummary::observed(&mut walker, &mut walked.observer) {
        Ok(summary) => {
            walked.summary = summary;
            walker.check_tail().map(Some)
        }
        Err(error) if matches!(error.fault(), Fault::Tar { .. }) => {
            walked.fault = Some(error);
            Ok(None)
        }
        Err(error) => Err(error),
    };
    walked.anomalies = walker.into_parts().1;
    match end {
        Ok(tail) => walked.tail = tail,
        Err(error) => {
            walked.fail(error);
            // Entries after the limit are not walked, but their bytes are decoded.
            let too_many = |error: &Error| {
                matches!(
                    error.fault(),
                    Fault::Limit {
                        what: "entries",
                        ..
                    }
                )
            };
            if !walked.fault.as_ref().is_some_and(too_many) {
                return walked;
            }
            walked.is_decoded = true;
        }
    }
    if let Err(error) = io::copy(tar, &mut io::sink()) {
        walked.fail(Error::io("read", error));
    }
    walked
}

/// Buffers a reader so that its first buffer suffices to detect its format.
pub fn sniffable(reader: impl Read) -> impl BufRead {
    BufReader::with_capacity(CHUNK, FullReads(reader))
}

/// Reader that fills every buffer, except at the end.
struct FullReads<R>(R);

impl<R: Read> Read for FullReads<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.0.read(&mut buf[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Returns the bytes read so far; the error comes again with the next read.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}
