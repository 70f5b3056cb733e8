//! A layer as an archive stores it: decoded, hashed and verified on threads of their own.

use std::io::Read;
use std::sync::mpsc::{Receiver, channel};

use crate::archive::Content;
use crate::blob::{Compression, Decoder, Hasher, HashingReader, Meter, ReadAhead};
use crate::error::{Error, Fault, Result};
use crate::layer::Limits;
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
        let (digest, size) = self
            .read
            .recv()
            .map_err(|_| Error::from(Fault::StreamConsumed))?;
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
    pub(super) fn decode(&self, meter: &Meter) -> Result<(ReadAhead, Check)> {
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
    pub(super) fn guess_size(&self) -> Result<Option<u64>> {
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
}

/// Plain bytes that are hashed on a thread of their own; what they hash to comes when they have been read.
pub(super) fn hashed(plain: ReadAhead, hasher: Hasher) -> (ReadAhead, Receiver<(Digest, u64)>) {
    let (sent, found) = channel();
    let inner = Some(HashingReader::new(plain, hasher));
    (ReadAhead::new(Reporting { inner, sent }), found)
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
