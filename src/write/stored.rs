//! A layer as an archive stores it: decoded, hashed and verified on threads of their own.

use std::io::Read;
use std::sync::mpsc::{Receiver, channel};

use crate::archive::Content;
use crate::blob::{Compression, Decoder, Hasher, HashingReader, Meter, ReadAhead};
use crate::error::{Error, Fault, Result};
use crate::layer::Limits;
use crate::spec::Digest;

/// Maximum stored size in bytes of a layer whose size is guessed: larger ones may exceed 4 GiB, the maximum in gzip's
/// trailer.
const MAX_GUESSED: u64 = 1 << 30;

/// A compressed layer, and its known properties.
#[derive(Debug, Clone)]
pub struct Stored {
    pub(super) content: Content,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) from: Compression,
    pub(super) diff_id: Digest,
    pub(super) limits: Limits,
}

/// Pending check of the stored bytes, for when all of them have been read.
pub(super) struct Check {
    read: Receiver<(Digest, u64)>,
    digest: Digest,
    size: u64,
}

impl Check {
    /// Compares the stored bytes with the descriptor. The uncompressed bytes must have been read to their end.
    ///
    /// # Errors
    /// `SizeMismatch`, `DigestMismatch`.
    pub(super) fn finish(self) -> Result<()> {
        let (digest, size) = self
            .read
            .recv()
            .map_err(|_| Error::from(Fault::StreamConsumed))?;
        if size != self.size {
            return Err(Error::size_mismatch(self.size, size));
        }
        if digest != self.digest {
            let (expected, found) = (self.digest.to_string(), digest.to_string());
            return Err(Error::digest_mismatch(expected, found));
        }
        Ok(())
    }
}

impl Stored {
    /// Path of the layer for errors.
    pub(super) fn place(&self) -> String {
        self.content.place(&self.digest)
    }

    /// Returns the uncompressed bytes. One thread reads the layer, another decodes it.
    ///
    /// # Errors
    /// `UnsupportedDigest`, `Io`; reading returns `Codec` for invalid data.
    pub(super) fn decode(&self, meter: &Meter) -> Result<(ReadAhead, Check)> {
        let (sent, read) = channel();
        let meter = meter.part(self.digest.short(), self.size);
        let inner = HashingReader::new(
            meter.counting(self.content.reader()?),
            Hasher::like(&self.digest)?,
        );
        let stored = ReadAhead::new(SendingReader {
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

    /// Returns the uncompressed size that the compressed bytes state; `None` if they state none, or an impossible one.
    ///
    /// The size is a guess: in a series of gzip members or zstd frames each states only its own.
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
        // Compression adds at most about 1 %, so a smaller size is that of a part.
        let minimum = range.len() - range.len() / 100;
        Ok(stated
            .filter(|&stated| range.len() <= MAX_GUESSED && stated.saturating_add(1024) >= minimum))
    }
}

/// Hashes bytes on a thread of their own. The digest and size are sent when all bytes have been read.
pub(super) fn hashed(bytes: ReadAhead, hasher: Hasher) -> (ReadAhead, Receiver<(Digest, u64)>) {
    let (sent, found) = channel();
    let inner = Some(HashingReader::new(bytes, hasher));
    (ReadAhead::new(SendingReader { inner, sent }), found)
}

/// Reader that sends digest and size at its end.
struct SendingReader<R> {
    inner: Option<HashingReader<R>>,
    sent: std::sync::mpsc::Sender<(Digest, u64)>,
}

impl<R: Read> Read for SendingReader<R> {
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
