//! What comes through decoders, whole layers, and cpio archives.

use std::io::{self, BufRead, Read};

use imgkit::blob::{
    Compression, ConcatenatedStreams, DecodeLimits, Decoder, Hasher, Meter, ReadAhead,
};
use imgkit::layer::cpio::{Cpio, CpioEntry, CpioLinks, is_cpio};
use imgkit::layer::{Limits, scan};

use super::{Short, sha256};

/// So little that a case takes no time.
pub fn limits() -> Limits {
    Limits {
        entries: 20_000,
        decode: DecodeLimits {
            size: 8 << 20,
            ratio: 1000,
            grace: 1 << 20,
            window_log: 23,
        },
        ..Limits::default()
    }
}

fn decoded(source: impl BufRead, compression: Compression) -> Result<(Vec<u8>, u64), String> {
    let limits = limits().decode;
    let mut decoder =
        Decoder::new(source, compression, limits).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let mut buf = [0; 4093];
    loop {
        match decoder.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&buf[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
        assert!(bytes.len() as u64 <= limits.size, "more than the limit");
    }
    Ok((bytes, decoder.padding()))
}

/// Each codec, whole and in short reads.
pub fn decode(data: &[u8]) {
    let known = [
        Compression::Gzip,
        Compression::Bzip2,
        Compression::Xz,
        Compression::Zstd,
    ];
    let sniffed = Compression::sniff(data);
    let forced = data.first().map(|byte| known[usize::from(byte % 4)]);
    for compression in [Some(sniffed), forced].into_iter().flatten() {
        let whole = decoded(data, compression);
        let short = decoded(Short::new(data), compression);
        match (&whole, &short) {
            (Ok(whole), Ok(short)) => assert!(whole == short, "{compression:?}: short reads"),
            (Err(_), Err(_)) => {}
            _ => panic!(
                "{compression:?}: whole {:?}, short {:?}",
                brief(&whole),
                brief(&short)
            ),
        }
    }
}

fn brief(result: &Result<(Vec<u8>, u64), String>) -> Result<usize, &str> {
    result
        .as_ref()
        .map(|(bytes, _)| bytes.len())
        .map_err(String::as_str)
}

/// A whole layer in one pass.
pub fn layer(data: &[u8]) {
    let meter = Meter::default();
    let whole = scan(data, Hasher::default(), &limits(), &meter).expect("bytes in memory");
    let short =
        scan(Short::new(data), Hasher::default(), &limits(), &meter).expect("bytes in memory");
    // How far a damaged one was read before that was seen depends on the reads.
    assert_eq!(whole.fault.is_some(), short.fault.is_some(), "short reads");
    assert_eq!(whole.digest, short.digest, "short reads");
    assert_eq!(whole.diff_id, short.diff_id, "short reads");
    if whole.fault.is_none() {
        assert_eq!(format!("{whole:?}"), format!("{short:?}"), "short reads");
        // The decoder came to the end of a frame, and so did the search for those that it skips.
        let is_zstd = whole.compression == Compression::Zstd;
        assert!(!is_zstd || whole.frames.is_at_end_of_frame());
    }
    assert_eq!(whole.size, data.len() as u64);
    assert_eq!(whole.digest.as_str(), sha256(data));
    if whole.compression == Compression::None && !data.is_empty() {
        let diff_id = whole.diff_id.expect("it is plain");
        assert_eq!(diff_id, whole.digest);
    }
}

/// An entry, its contents, and the number of the archive that it is in.
type Found = (CpioEntry, Vec<u8>, u64);

fn entries(data: &[u8]) -> (Vec<Found>, Option<String>) {
    let source = ReadAhead::new(std::io::Cursor::new(data.to_vec()));
    let mut cpio = Cpio::new(source).within(&limits());
    let mut found = Vec::new();
    loop {
        let entry = match cpio.next_entry() {
            Ok(Some(entry)) => entry.clone(),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error.to_string())),
        };
        let mut bytes = Vec::new();
        let mut buf = [0; 1021];
        let fault = loop {
            match cpio.read_data(&mut buf) {
                Ok(0) => break None,
                Ok(n) => bytes.extend_from_slice(&buf[..n]),
                Err(error) => break Some(error.to_string()),
            }
        };
        if fault.is_some() {
            return (found, fault);
        }
        assert_eq!(bytes.len() as u64, entry.size);
        found.push((entry, bytes, cpio.archive()));
    }
}

/// What streams in a row decode to; `None` for what is damaged.
fn segments(source: impl BufRead) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut segments = ConcatenatedStreams::new(&[], source, limits().decode).ok()?;
    segments.read_to_end(&mut out).ok()?;
    Some(out)
}

/// A cpio archive, and the same bytes as streams in a row, whole and in short reads.
pub fn cpio(data: &[u8]) {
    let whole = entries(data);
    // When a ratio is too large depends on the reads.
    if let (Some(whole), Some(short)) = (segments(data), segments(Short::new(data))) {
        assert!(whole == short, "short reads");
    }
    assert!(whole.0.is_empty() || is_cpio(data));
    let mut links = CpioLinks::default();
    let mut named = 0;
    for (entry, _, archive) in &whole.0 {
        if links.name(entry, *archive).is_err() {
            return;
        }
        named += 1;
    }
    let rest: usize = links.rest().iter().map(Vec::len).sum();
    assert!(rest <= named);
}
