//! Blobs copied from their source to the output, and verified on the way.

use std::fs::File;
use std::io::{self, Read, Write};

use rustix::fs::ioctl_ficlone;

use super::decoding::DiffIdCheck;
use super::output::{BlobOut, Source};
use crate::archive::Content;
use crate::blob::{
    Behind, CHUNK, Chunk, FileRange, Hasher, Meter, NewFile, ReadAhead, SerialWriter,
};
use crate::error::{At, During, Error, Result};
use crate::spec::Digest;

/// Writes a blob to a file, from `offset` on.
///
/// # Errors
/// `SizeMismatch` and `DigestMismatch` if the source differs from the bundle, placed at the blob; `Io`.
pub(super) fn to_file(
    blob: &BlobOut,
    file: &SerialWriter<'_>,
    offset: u64,
    meter: &Meter,
) -> Result<()> {
    let mut position = offset;
    read_verified(blob, meter, |chunk| {
        file.write_all_at(&chunk, position)?;
        position += chunk.len() as u64;
        Ok(())
    })
}

/// Writes a blob to a new file. Where the file system can share the bytes of a whole file, they are not copied.
///
/// # Errors
/// As [`to_file`].
pub(super) fn to_new_file(blob: &BlobOut, file: &NewFile, meter: &Meter) -> Result<()> {
    let shared = match whole_file(blob)? {
        Some(source) => ioctl_ficlone(file.file(), &source).is_ok(),
        None => false,
    };
    if !shared {
        return to_file(blob, &SerialWriter::new(file.file()), 0, meter);
    }
    // What counts is what the new file has: the source may have changed since.
    let written = FileRange::whole(file.file().try_clone().during("read")?)?;
    let written = BlobOut {
        source: Source::Stored(Content::Range(written)),
        ..blob.clone()
    };
    read_verified(&written, meter, |_| Ok(()))
}

/// Returns the file whose bytes are exactly those of a blob, before they are verified; `None` if there is none.
///
/// # Errors
/// `Io`.
pub(super) fn whole_file(blob: &BlobOut) -> Result<Option<File>> {
    let range = match &blob.source {
        Source::Stored(content @ (Content::Range(_) | Content::File(_))) => {
            content.range().at(|| blob.place())?
        }
        _ => None,
    };
    let Some((backing, start)) = range.as_ref().map(FileRange::parts) else {
        return Ok(None);
    };
    let Some(file) = backing.file().filter(|_| start == 0) else {
        return Ok(None);
    };
    match file.metadata().during("read")?.len() == blob.size {
        true => file.try_clone().during("read").map(Some),
        false => Ok(None),
    }
}

/// Compares a blob with its digest and size without writing it, for outputs that have it already. A blob that was
/// hashed in this run is not read again.
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
        _ => read_verified(blob, meter, |_| Ok(())),
    }
}

/// Writes a blob to a stream.
///
/// # Errors
/// As [`to_file`].
pub(super) fn to_sink(blob: &BlobOut, out: &mut dyn Sink, meter: &Meter) -> Result<()> {
    read_verified(blob, meter, |chunk| out.put(chunk))
}

/// Output that takes its bytes in shared chunks.
pub(super) trait Sink {
    /// Appends the bytes of a chunk.
    ///
    /// # Errors
    /// Those of the output.
    fn put(&mut self, chunk: Chunk) -> io::Result<()>;
}

impl Sink for &mut dyn Write {
    fn put(&mut self, chunk: Chunk) -> io::Result<()> {
        self.write_all(&chunk)
    }
}

/// Returns true if the bytes were hashed on their way into an anonymous temporary file, which no other program can
/// change.
fn is_hashed(blob: &BlobOut) -> bool {
    let Source::Stored(Content::Kept(kept)) = &blob.source else {
        return false;
    };
    kept.scan.digest == blob.digest && kept.scan.size == blob.size && kept.file.is_unnamed()
}

/// Length in bytes from which a blob is read ahead and hashed by threads of their own.
const OVERLAPPED: u64 = 4 * CHUNK as u64;

/// Computes the digest of a blob while it is copied.
enum Hashing {
    /// By the thread that copies.
    Here(Hasher),
    /// By another one.
    Behind(Behind<Digest>),
}

impl Hashing {
    fn add(&mut self, chunk: &Chunk) -> io::Result<()> {
        match self {
            Hashing::Here(hasher) => {
                hasher.update(chunk);
                Ok(())
            }
            Hashing::Behind(behind) => behind.add(chunk.clone()),
        }
    }

    fn finish(self) -> io::Result<Digest> {
        match self {
            Hashing::Here(hasher) => Ok(hasher.finish()),
            Hashing::Behind(behind) => behind.finish(),
        }
    }
}

/// Passes a blob on in chunks and compares its digest and size at the end. Bytes that were hashed before are not hashed
/// again. Reading and hashing a large blob overlap with what `put` does.
fn read_verified(
    blob: &BlobOut,
    meter: &Meter,
    mut put: impl FnMut(Chunk) -> io::Result<()>,
) -> Result<()> {
    let context = || blob.place();
    let meter = &meter.part(blob.digest.short(), blob.size);
    let is_large = blob.size >= OVERLAPPED;
    let mut hashing = match (is_hashed(blob), Hasher::like(&blob.digest)?) {
        (true, _) => None,
        (false, hasher) if is_large => Some(Hashing::Behind(Behind::hashing(hasher))),
        (false, hasher) => Some(Hashing::Here(hasher)),
    };
    let mut diff_ids = DiffIdCheck::start(blob).at(context)?;
    let mut written = 0;
    let mut take = |chunk: Chunk| -> Result<()> {
        let length = chunk.len() as u64;
        written += length;
        // Stop at the first excess byte: nothing is written past the space reserved for the blob.
        if written > blob.size {
            return Err(Error::size_mismatch(blob.size, written));
        }
        if let Some(hashing) = &mut hashing {
            hashing.add(&chunk).during("read")?;
        }
        if let Some(diff_ids) = &mut diff_ids {
            diff_ids.feed(&chunk);
        }
        put(chunk).during("write")?;
        meter.add(length);
        Ok(())
    };
    match &blob.source {
        Source::Document(bytes) => take(bytes.to_vec().into()).at(context)?,
        Source::Stored(content) if is_large => {
            let mut bytes = ReadAhead::new(content.reader()?);
            each_chunk_of(&mut bytes, &mut take).at(context)?;
        }
        Source::Stored(content) => {
            // The bound is for a file that grew.
            let mut reader = content.reader()?.take(OVERLAPPED);
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).during("read").at(context)?;
            take(bytes.into()).at(context)?;
        }
        Source::Decoded(stored) => {
            let (mut bytes, check) = stored.decode(&Meter::default()).at(context)?;
            each_chunk_of(&mut bytes, &mut take).at(context)?;
            check.finish().at(context)?;
        }
    }
    if written != blob.size {
        return Err(Error::size_mismatch(blob.size, written).at(context()));
    }
    let found = hashing.map(Hashing::finish).transpose().during("read")?;
    if let Some(found) = found
        && found != blob.digest
    {
        return Err(Error::digest_mismatch(&blob.digest, &found).at(context()));
    }
    // The digest comes first: bytes that differ from it need not decode.
    diff_ids.map_or(Ok(()), DiffIdCheck::finish).at(context)
}

/// Passes all bytes of a reader on in chunks.
fn each_chunk_of(reader: &mut ReadAhead, mut take: impl FnMut(Chunk) -> Result<()>) -> Result<()> {
    loop {
        let chunk = reader.take_chunk(u64::MAX).during("read")?;
        if chunk.is_empty() {
            return Ok(());
        }
        take(chunk)?;
    }
}
