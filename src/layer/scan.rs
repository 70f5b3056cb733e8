//! One pass over a blob that finds out everything at once: digest, size, packing, diff ID, entries.

use std::io::{self, BufRead, BufReader, Read};

use super::Limits;
use super::anomaly::Anomalies;
use super::input::StreamInput;
use super::summary::LayerSummary;
use super::walk::{Tail, Walker};
use super::watch::{Notes, Trace, Watch};
use crate::blob::{
    CHUNK, Compression, DecodeLimits, Decoder, Hasher, HashingBuf, Meter, ReadAhead,
};
use crate::error::{Error, Fault, Result};
use crate::spec::Digest;

/// What the header of a gzip stream's first member says besides what it must.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GzipHeader {
    /// The name of a file; as much as the first look shows.
    pub name: Option<Vec<u8>>,
    /// A comment; as much as the first look shows.
    pub comment: Option<Vec<u8>>,
    /// Bytes of extra fields.
    pub extra: usize,
}

impl GzipHeader {
    /// Reads it off the first bytes of a blob (RFC 1952, section 2.3); `None` where it says nothing.
    fn read(head: &[u8]) -> Option<Self> {
        let (fixed, mut rest) = head.split_at_checked(10)?;
        let flags = *fixed
            .get(3)
            .filter(|_| fixed.starts_with(b"\x1f\x8b\x08"))?;
        let mut header = GzipHeader::default();
        if flags & 4 != 0 {
            let (length, after) = rest.split_first_chunk()?;
            header.extra = usize::from(u16::from_le_bytes(*length));
            rest = after.get(header.extra..).unwrap_or_default();
        }
        let mut text = |is: bool| {
            let text = rest
                .split(|&byte| byte == 0)
                .next()
                .filter(|_| is)?
                .to_vec();
            rest = rest.get(text.len() + 1..).unwrap_or_default();
            Some(text)
        };
        header.name = text(flags & 8 != 0);
        header.comment = text(flags & 16 != 0);
        (flags & (4 | 8 | 16) != 0).then_some(header)
    }
}

/// What one complete pass over a blob's bytes found out. Nothing is compared with anything yet.
#[derive(Debug)]
pub struct Scan {
    /// Stored bytes.
    pub size: u64,
    /// The digest of the stored bytes.
    pub digest: Digest,
    /// How they are packed, told by the bytes.
    pub compression: Compression,
    /// The SHA-256 digest of the decoded bytes, to the very end of the stream; `None` if they do not decode.
    pub diff_id: Option<Digest>,
    /// Decoded bytes; as far as they decode.
    pub uncompressed_size: u64,
    /// Zero bytes behind the last gzip member, which some readers refuse.
    pub padding: u64,
    /// What the entries amount to; as far as they could be walked.
    pub summary: LayerSummary,
    /// What is odd about the tar.
    pub anomalies: Anomalies,
    /// What follows the tar's end marker, if it has one.
    pub tail: Option<Tail>,
    /// What a gzip header says besides what it must.
    pub gzip: Option<GzipHeader>,
    /// What is worth a note, if that was asked for.
    pub notes: Notes,
    /// The entries, if they were asked for and do not take more bytes than allowed.
    pub trace: Option<Trace>,
    /// What stopped decoding or the walk, if anything: then the bytes are no sound layer.
    pub fault: Option<Error>,
}

impl Scan {
    /// What is known of a layer that was packed here: its entries were not looked at.
    pub(crate) fn made(
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
            notes: Notes::default(),
            trace: None,
            fault: None,
        }
    }
}

/// Reads a blob to its end: hashes it, decodes it, hashes that, and walks it as a tar.
///
/// What `stored` shows first is enough to tell the packing by: 512 bytes, or all there are ([`sniffable`] sees to
/// that). Reading, hashing and decoding go on here while another thread walks what comes out, and hashes what was decoded;
/// one chunk of plain bytes is walked here. Memory: six chunks of [`CHUNK`] bytes and the decoder's window. A blob that is no tar is read all the same; its `fault` says so.
///
/// # Errors
/// `Io` and whatever else the reader gives; damage of the bytes themselves is in the result.
pub fn scan(stored: impl BufRead, hasher: Hasher, limits: &Limits, meter: &Meter) -> Result<Scan> {
    let mut stored = HashingBuf::new(stored, hasher.clone(), meter);
    let read_error = |error| Error::io("read", error);
    let head = stored.fill_buf().map_err(read_error)?;
    let compression = Compression::sniff(head);
    let gzip = GzipHeader::read(head);
    let one_hash = compression == Compression::None && hasher.is_sha256();
    let is_short = head.len() < CHUNK;
    let mut walked = if one_hash && is_short {
        walk(&mut stored, limits)
    } else if one_hash {
        // Many small files take as long to walk as to hash.
        walk_beside(&mut stored, |mut plain| walk(&mut plain, limits))
    } else {
        match Decoder::new(&mut stored, compression, limits.decode) {
            Err(error) => Walked::failed(error),
            Ok(mut decoder) => {
                let mut walked = walk_beside(&mut decoder, |plain| {
                    let mut plain = HashingBuf::new(plain, Hasher::default(), &Meter::default());
                    let mut walked = walk(&mut plain, limits);
                    walked.plain = Some(plain.finish());
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
    // A walk or decoder that stopped leaves bytes behind, and they count too.
    io::copy(&mut stored, &mut io::sink()).map_err(read_error)?;
    let (digest, size) = stored.finish();
    let (diff_id, uncompressed_size) = match (one_hash, walked.plain) {
        (true, _) => (digest.clone(), size),
        (false, Some(plain)) => plain,
        (false, None) => (digest.clone(), 0),
    };
    if size == 0 && walked.fault.is_none() {
        walked.fault = Some(
            Fault::Truncated {
                what: "the layer",
                expected: 1024,
                found: 0,
            }
            .into(),
        );
    }
    Ok(Scan {
        size,
        digest,
        compression,
        diff_id: walked.decoded.then_some(diff_id),
        uncompressed_size,
        padding: walked.padding,
        summary: walked.summary,
        anomalies: walked.anomalies,
        tail: walked.tail,
        gzip,
        notes: walked.watch.notes,
        trace: walked.watch.trace.filter(|_| walked.fault.is_none()),
        fault: walked.fault,
    })
}

struct Walked {
    summary: LayerSummary,
    watch: Watch,
    anomalies: Anomalies,
    tail: Option<Tail>,
    /// What is wrong with the bytes.
    fault: Option<Error>,
    /// What is wrong with where they come from.
    source: Option<Error>,
    /// Whether all bytes could be decoded.
    decoded: bool,
    plain: Option<(Digest, u64)>,
    padding: u64,
}

impl Walked {
    fn new() -> Self {
        Walked {
            summary: LayerSummary::default(),
            watch: Watch::default(),
            anomalies: Anomalies::default(),
            tail: None,
            fault: None,
            source: None,
            decoded: true,
            plain: None,
            padding: 0,
        }
    }

    fn failed(error: Error) -> Self {
        Walked {
            fault: Some(error),
            decoded: false,
            ..Walked::new()
        }
    }

    fn broke(&mut self, error: Error) {
        match error.fault() {
            Fault::Limit { what, .. } => {
                // What the walk does not accept still decodes.
                self.decoded = !DecodeLimits::NAMES.contains(what);
                self.fault.get_or_insert(error);
            }
            Fault::Codec { .. } => {
                self.decoded = false;
                self.fault.get_or_insert(error);
            }
            _ => self.source = Some(error),
        }
    }
}

/// Reads a source here while another thread walks what comes out of it.
fn walk_beside(source: &mut dyn io::Read, walk: impl FnOnce(ReadAhead) -> Walked + Send) -> Walked {
    let (feeder, plain) = ReadAhead::pair();
    std::thread::scope(|scope| {
        let walking = scope.spawn(move || walk(plain));
        feeder.run(source);
        walking.join().unwrap_or_else(|_| {
            let gone = io::Error::other("the walking thread ended");
            Walked::failed(Error::io("read", gone))
        })
    })
}

/// Walks plain bytes as a tar and reads them to the end, whatever they are.
fn walk(plain: &mut impl BufRead, limits: &Limits) -> Walked {
    let mut walked = Walked::new();
    walked.watch = Watch::new(limits.trace);
    let mut walker = Walker::new(StreamInput::new(&mut *plain)).within(limits);
    let end = match LayerSummary::watched(&mut walker, &mut walked.watch) {
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
            walked.broke(error);
            // Entries past the limit are not walked, but their bytes decode.
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
            walked.decoded = true;
        }
    }
    if let Err(error) = io::copy(plain, &mut io::sink()) {
        walked.broke(Error::io("read", error));
    }
    walked
}

/// Buffers a reader so that the first look at it shows enough to tell what it is.
pub fn sniffable(reader: impl Read) -> impl BufRead {
    BufReader::with_capacity(CHUNK, Full(reader))
}

/// Fills every buffer it is given.
struct Full<R>(R);

impl<R: Read> Read for Full<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.0.read(&mut buf[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Bytes already read are not lost; the error comes again with the next read.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}
