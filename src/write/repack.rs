//! Layers on their way out of one packing into another.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use super::bundle::Source;
use super::chunked::{self, Annotations};
use super::recode::{Packed, PackedLayer, Recode};
use super::reproduce;
use crate::archive::{Content, Kept};
use crate::blob::encode::encode;
use crate::blob::{
    Compression, Decoder, FileRange, Hasher, HashingReader, Meter, NewFile, ReadAhead, WriteBehind,
};
use crate::error::{Error, Fault, Result};
use crate::layer::{Limits, Scan};
use crate::spec::Digest;

/// Layers of more stored bytes may hold more than the 4 GiB that gzip's trailer can tell.
const GUESSED_AT_MOST: u64 = 1 << 30;

/// A packed layer, and all that is known of it.
#[derive(Debug, Clone)]
pub struct Stored {
    pub(super) content: Content,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) from: Compression,
    pub(super) diff_id: Digest,
    pub(super) limits: Limits,
}

/// What is known of the stored bytes only when all of them have been read.
pub(super) struct Check {
    read: Receiver<(Digest, u64)>,
    digest: Digest,
    size: u64,
}

impl Check {
    /// Compares what was read with what the descriptor says. The plain bytes have been read to their end.
    ///
    /// # Errors
    /// `SizeMismatch`, `DigestMismatch`.
    pub(super) fn finish(self) -> Result<()> {
        let (digest, size) = self.read.recv().map_err(|_| Error::from(Fault::Gone))?;
        if size != self.size {
            return Err(Fault::SizeMismatch {
                expected: self.size,
                found: size,
            }
            .into());
        }
        if digest != self.digest {
            let (expected, found) = (self.digest.to_string(), digest.to_string());
            return Err(Fault::DigestMismatch { expected, found }.into());
        }
        Ok(())
    }
}

impl Stored {
    /// The plain bytes, decoded on a thread of its own, read on another.
    ///
    /// # Errors
    /// `UnsupportedDigest`, `Io`; reading gives `Codec` for what does not decode.
    pub(super) fn plain(&self, meter: &Meter) -> Result<(ReadAhead, Check)> {
        let (sent, read) = channel();
        let meter = meter.part(self.digest.short(), self.size);
        let inner = HashingReader::new(
            meter.counting(self.content.reader()?),
            Hasher::like(&self.digest)?,
        );
        let stored = ReadAhead::new(Reporting {
            inner: Some(inner),
            sent,
        });
        let decoder = Decoder::new(stored, self.from, self.limits.decode)?;
        let check = Check {
            read,
            digest: self.digest.clone(),
            size: self.size,
        };
        Ok((ReadAhead::new(decoder), check))
    }

    /// The plain size as the packed bytes themselves state it; `None` where they do not, or cannot be right.
    ///
    /// It is a guess: of several gzip members or zstd frames in a row, one states only its own.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn guess(&self) -> Result<Option<u64>> {
        let Some(range) = self.content.range()? else {
            return Ok(None);
        };
        let stated = match self.from {
            Compression::Gzip => {
                let trailer = range.slice(range.len().saturating_sub(4), 4).bytes(4)?;
                <[u8; 4]>::try_from(trailer)
                    .ok()
                    .map(|bytes| u64::from(u32::from_le_bytes(bytes)))
            }
            Compression::Zstd => {
                let mut head = [0; 18];
                let n = range.head(&mut head)?;
                zstd::zstd_safe::get_frame_content_size(&head[..n])
                    .ok()
                    .flatten()
            }
            _ => None,
        };
        // No codec makes bytes much longer, so what claims to hold less than is stored is a part of it.
        let least = range.len() - range.len() / 100;
        Ok(stated.filter(|&stated| {
            range.len() <= GUESSED_AT_MOST && stated.saturating_add(1024) >= least
        }))
    }

    /// Decodes the layer, rewrites it if asked to, and packs it again, checking all three digests that are known of it.
    ///
    /// # Errors
    /// `DigestMismatch`, `SizeMismatch`, `DiffIdMismatch`, `Codec`, `Io`; as [`reproduce::layer`].
    pub(super) fn pack(
        &self,
        to: Compression,
        recode: &Recode,
        landing: &Path,
        meter: &Meter,
    ) -> Result<PackedLayer> {
        let mut annotations = Vec::new();
        let (plain, check) = self.plain(meter)?;
        let hasher = Hasher::like(&self.diff_id)?;
        let (plain, original) = match recode.reproducible {
            None => (plain, None),
            Some(epoch) => {
                let (plain, found) = hashed(plain, hasher.clone());
                (rewritten(plain, epoch, self.limits), Some(found))
            }
        };
        let file = Arc::new(NewFile::in_directory(landing, 0o644)?);
        let (diff_id, plain_size, packed) = if to == Compression::None {
            let (found, size) = keep(plain, hasher, &file)?;
            (found.clone(), size, (found, size))
        } else {
            // Hashed ahead, so that packing has all cores whenever it can go on.
            let (plain, found) = hashed(plain, hasher);
            let written = if to == Compression::Zstd && recode.chunked {
                let mut out = HashingWriter::new(&file);
                annotations = chunked::write(plain, &mut out, recode.level, self.limits.entries)?;
                out.finish()
            } else {
                pack_into(&file, plain, to, recode.level)?
            };
            let (found, plain_size) = found.recv().map_err(|_| Error::from(Fault::Gone))?;
            (found, plain_size, written)
        };
        check.finish()?;
        let found = match original {
            None => diff_id.clone(),
            Some(original) => original.recv().map_err(|_| Error::from(Fault::Gone))?.0,
        };
        if found != self.diff_id {
            let (expected, found) = (self.diff_id.to_string(), found.to_string());
            return Err(Fault::DiffIdMismatch { expected, found }.into());
        }
        let (digest, size) = packed;
        let copy = file
            .file()
            .try_clone()
            .map_err(|error| Error::io("read", error))?;
        let range = FileRange::whole(copy)?;
        let scan = Scan::made(digest.clone(), size, to, diff_id.clone(), plain_size);
        let scan = Arc::new(scan);
        let source = Source::Stored(Content::Kept(Arc::new(Kept { file, range, scan })));
        Ok(PackedLayer {
            blob: Packed {
                digest,
                size,
                source,
            },
            diff_id,
            compression: to,
            annotations,
        })
    }
}

/// Plain bytes that are hashed on a thread of their own; what they hash to comes when they have been read.
fn hashed(plain: ReadAhead, hasher: Hasher) -> (ReadAhead, Receiver<(Digest, u64)>) {
    let (sent, found) = channel();
    let inner = Some(HashingReader::new(plain, hasher));
    (ReadAhead::new(Reporting { inner, sent }), found)
}

/// A plain tar without what differs from build to build, made on a thread of its own.
fn rewritten(plain: ReadAhead, epoch: i64, limits: Limits) -> ReadAhead {
    let (feeder, ahead) = ReadAhead::pair();
    std::thread::spawn(move || {
        let mut out = feeder.writer();
        let result = reproduce::layer(plain, epoch, &limits, &mut out);
        out.finish(result.map_err(Error::into_io));
    });
    ahead
}

/// Writes plain bytes into a file while they are hashed.
fn keep(mut plain: ReadAhead, hasher: Hasher, file: &Arc<NewFile>) -> Result<(Digest, u64)> {
    let failed = |error| Error::io("write", error);
    let mut behind = WriteBehind::new(Arc::clone(file));
    let (mut hasher, mut size) = (hasher, 0);
    loop {
        let chunk = plain
            .take_chunk(u64::MAX)
            .map_err(|error| Error::io("read", error))?;
        if chunk.is_empty() {
            behind.finish().map_err(failed)?;
            return Ok((hasher.finish(), size));
        }
        behind.write(chunk.clone()).map_err(failed)?;
        hasher.update(&chunk);
        size += chunk.len() as u64;
    }
}

/// Says what was read, and its digest, when it has been read to its end.
struct Reporting<R> {
    inner: Option<HashingReader<R>>,
    sent: std::sync::mpsc::Sender<(Digest, u64)>,
}

impl<R: Read> Read for Reporting<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let Some(inner) = &mut self.inner else {
            return Ok(0);
        };
        let n = inner.read(buf)?;
        if n == 0
            && !buf.is_empty()
            && let Some(inner) = self.inner.take()
        {
            let _ = self.sent.send(inner.finish());
        }
        Ok(n)
    }
}

/// Packs plain bytes into an empty file, on all cores; digest and size of what was written.
///
/// # Errors
/// As [`encode`]; `Io` for a full disk.
pub(super) fn pack_into(
    file: &NewFile,
    plain: impl Read,
    to: Compression,
    level: Option<i32>,
) -> Result<(Digest, u64)> {
    let mut out = HashingWriter::new(file);
    encode(plain, &mut out, to, level)?;
    Ok(out.finish())
}

/// Writes a file and hashes what it writes. An error names the folder that has no room.
struct HashingWriter<'a> {
    file: &'a NewFile,
    hasher: Hasher,
    count: u64,
}

impl<'a> HashingWriter<'a> {
    fn new(file: &'a NewFile) -> Self {
        HashingWriter {
            file,
            hasher: Hasher::default(),
            count: 0,
        }
    }

    fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.count)
    }
}

impl std::io::Write for HashingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.file().write(bytes);
        let n = written.map_err(|error| self.file.write_error(error))?;
        self.hasher.update(&bytes[..n]);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Packs a layer that has just been made or read, into a file without a name in `landing`. Comes with what is to be
/// said of it beside its digest.
///
/// # Errors
/// As [`Bundle::recode`](super::Bundle::recode).
pub(crate) fn pack_layer(
    scan: &Scan,
    content: Content,
    to: Compression,
    recode: &Recode,
    landing: &Path,
    meter: &Meter,
) -> Result<(Kept, Annotations)> {
    let gone = || Error::new(Fault::Gone);
    let stored = Stored {
        content,
        digest: scan.digest.clone(),
        size: scan.size,
        from: scan.compression,
        diff_id: scan.diff_id.clone().ok_or_else(gone)?,
        limits: recode.limits,
    };
    let packed = stored.pack(to, recode, landing, meter)?;
    let Source::Stored(Content::Kept(kept)) = packed.blob.source else {
        return Err(gone());
    };
    let kept = Kept {
        file: Arc::clone(&kept.file),
        range: kept.range.clone(),
        scan: Arc::clone(&kept.scan),
    };
    Ok((kept, packed.annotations))
}
