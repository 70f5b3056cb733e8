//! Layers compared with their diff IDs while their stored bytes are copied.

use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc::{Receiver, channel};

use super::bundle::Bundle;
use super::identity::Scans;
use super::output::{BlobOut, Source};
use crate::blob::{CHUNK, Decoder, FeedingWriter, Hasher, Meter, ReadAhead};
use crate::error::{Error, Fault, Result};
use crate::layer::{self, Limits, sniffable};
use crate::spec::Digest;

impl Bundle {
    /// Scans the entries of compressed layers while they are copied. The scans are kept in the result.
    pub fn watch(&mut self, limits: &Limits) -> Scans {
        let scans = Scans::new(*limits);
        for stated in self.blobs_mut().filter_map(|blob| blob.stated.as_mut()) {
            stated.scans = Some(scans.clone());
        }
        scans
    }
}

/// Decoder on a thread of its own, fed with the stored bytes while they are copied.
pub(super) struct DiffIdCheck {
    feed: Option<FeedingWriter>,
    found: Receiver<Result<()>>,
}

impl DiffIdCheck {
    /// Starts a decoder for a blob; `None` if its digest is its diff ID, or if it was decoded before in this run.
    ///
    /// # Errors
    /// `Io`, `UnsupportedDigest`.
    pub(super) fn start(blob: &BlobOut) -> Result<Option<Self>> {
        let (Source::Stored(content), Some(stated)) = (&blob.source, &blob.stated) else {
            return Ok(None);
        };
        let expected: Vec<(Digest, Hasher)> = stated
            .diff_ids
            .iter()
            .filter(|diff_id| **diff_id != blob.digest)
            .map(|diff_id| Ok((diff_id.clone(), Hasher::like(diff_id)?)))
            .collect::<Result<_>>()?;
        if expected.is_empty() || content.is_empty() || content.known().is_some() {
            return Ok(None);
        }
        let compression = content.compression()?;
        let limits = stated.limits;
        let is_sha256 = expected.iter().all(|(_, hasher)| hasher.is_sha256());
        let scans = stated.scans.clone().filter(|_| is_sha256);
        let address = content.address();
        let (feeder, stored) = ReadAhead::pair();
        let (sent, found) = channel();
        std::thread::spawn(move || {
            let compared = match scans {
                Some(scans) => scan(stored, &expected, &scans, address),
                None => Decoder::new(stored, compression, limits)
                    .and_then(|decoder| compare(decoder, expected)),
            };
            let _ = sent.send(compared);
        });
        Ok(Some(DiffIdCheck {
            feed: Some(feeder.writer()),
            found,
        }))
    }

    /// Passes stored bytes to the decoder. They are ignored once it has failed.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if let Some(feed) = &mut self.feed
            && feed.write_all(bytes).is_err()
        {
            self.feed = None;
        }
    }

    /// Waits for the decoder and returns its result.
    ///
    /// # Errors
    /// `DiffIdMismatch`, `Codec`, `Limit`.
    pub(super) fn finish(mut self) -> Result<()> {
        if let Some(feed) = self.feed.take() {
            feed.finish(Ok(()));
        }
        let found = self.found.recv();
        found.unwrap_or_else(|_| Err(Fault::StreamConsumed.into()))
    }
}

/// Scans the entries of a layer and compares its SHA-256 digest with the diff IDs.
fn scan(
    stored: ReadAhead,
    expected: &[(Digest, Hasher)],
    scans: &Scans,
    address: (u64, u64),
) -> Result<()> {
    let stored = sniffable(stored);
    let scan = layer::scan(stored, Hasher::default(), &scans.limits, &Meter::default())?;
    let Some(found) = &scan.diff_id else {
        return Err(scan.fault.unwrap_or_else(|| Fault::StreamConsumed.into()));
    };
    for (expected, _) in expected {
        same(expected, found)?;
    }
    scans.insert(address, scan);
    Ok(())
}

fn same(expected: &Digest, found: &Digest) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::diff_id_mismatch(expected, found))
}

/// Reads uncompressed bytes to their end and compares their digests with the diff IDs.
fn compare(mut bytes: impl Read, mut expected: Vec<(Digest, Hasher)>) -> Result<()> {
    let mut buf = vec![0; CHUNK];
    loop {
        match bytes.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => {
                for (_, hasher) in &mut expected {
                    hasher.update(buf.get(..n).unwrap_or_default());
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("decode", error)),
        }
    }
    for (expected, hasher) in expected {
        same(&expected, &hasher.finish())?;
    }
    Ok(())
}
