//! Blobs from where they are to where they belong, verified on the way.

use std::io::{Read, Write};

use super::decoding::Decoding;
use super::output::{BlobOut, Source};
use crate::archive::Content;
use crate::blob::{CHUNK, Hasher, Meter, SerialWriter};
use crate::error::{At, Error, Fault, Result};

/// Writes a blob to a file from `offset` on.
///
/// # Errors
/// `SizeMismatch` and `DigestMismatch` if the source is not what the bundle says, placed at the blob; `Io`.
pub(super) fn to_file(
    blob: &BlobOut,
    file: &SerialWriter<'_>,
    offset: u64,
    meter: &Meter,
) -> Result<()> {
    let mut position = offset;
    pour(blob, meter, |bytes| {
        file.write_all_at(bytes, position)?;
        position += bytes.len() as u64;
        Ok(())
    })
}

/// Compares a blob with its digest and size without writing it, for who has the blob already: what was read here is
/// verified all the same. What was hashed in this run is not read again.
///
/// # Errors
/// `SizeMismatch` and `DigestMismatch`, placed at the blob.
pub(super) fn check(blob: &BlobOut, meter: &Meter) -> Result<()> {
    match &blob.source {
        // Its digest was compared when it was read.
        Source::Document(_) => {
            meter.skip(blob.size);
            Ok(())
        }
        Source::Stored(_) if is_hashed(blob) => {
            meter.skip(blob.size);
            Ok(())
        }
        _ => pour(blob, meter, |_| Ok(())),
    }
}

/// Writes a blob to a stream.
///
/// # Errors
/// As [`to_file`].
pub(super) fn to_stream(blob: &BlobOut, out: &mut dyn Write, meter: &Meter) -> Result<()> {
    pour(blob, meter, |bytes| out.write_all(bytes))
}

/// Whether the bytes were hashed when they were put into a file that has no name, and nobody can have changed since.
fn is_hashed(blob: &BlobOut) -> bool {
    let Source::Stored(Content::Kept(kept)) = &blob.source else {
        return false;
    };
    kept.scan.digest == blob.digest && kept.scan.size == blob.size && kept.file.is_unnamed()
}

/// Hands a blob over in chunks, hashing each that was not hashed here before, and compares digest and size at the end.
fn pour(
    blob: &BlobOut,
    meter: &Meter,
    mut put: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<()> {
    let place = || blob.digest.blob_path();
    let meter = &meter.part(blob.digest.short(), blob.size);
    let mut hasher = match is_hashed(blob) {
        true => None,
        false => Some(Hasher::like(&blob.digest)?),
    };
    let mut decoding = Decoding::of(blob).at(place)?;
    let mut written = 0;
    let mut take = |bytes: &[u8]| -> Result<()> {
        written += bytes.len() as u64;
        // One byte too many is enough: nothing is written past the room that was made for it.
        if written > blob.size {
            return Err(Fault::SizeMismatch {
                expected: blob.size,
                found: written,
            }
            .into());
        }
        if let Some(hasher) = &mut hasher {
            hasher.update(bytes);
        }
        if let Some(decoding) = &mut decoding {
            decoding.feed(bytes);
        }
        put(bytes).map_err(|error| Error::io("write", error))?;
        meter.add(bytes.len() as u64);
        Ok(())
    };
    match &blob.source {
        Source::Document(bytes) => take(bytes).at(place)?,
        Source::Stored(content) => each_chunk(content.reader()?, &mut take).at(place)?,
        Source::Decoded(stored) => {
            let place = || stored.digest.blob_path();
            let (plain, check) = stored.decode(&Meter::default()).at(place)?;
            each_chunk(plain, &mut take).at(place)?;
            check.finish().at(place)?;
        }
    }
    if written != blob.size {
        return Err(Error::new(Fault::SizeMismatch {
            expected: blob.size,
            found: written,
        })
        .at(place()));
    }
    if let Some(found) = hasher.map(Hasher::finish)
        && found != blob.digest
    {
        let fault = Fault::DigestMismatch {
            expected: blob.digest.to_string(),
            found: found.to_string(),
        };
        return Err(Error::new(fault).at(place()));
    }
    // After the digest: bytes that are not those stated need not decode.
    decoding.map_or(Ok(()), Decoding::finish).at(place)
}

fn each_chunk(mut reader: impl Read, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buf = vec![0; CHUNK];
    loop {
        match reader.read(&mut buf) {
            Ok(0) => return Ok(()),
            Ok(n) => take(&buf[..n])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", error)),
        }
    }
}
