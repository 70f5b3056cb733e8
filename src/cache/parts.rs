//! PartialTar of a layer's plain tar, decoded where they are wanted and proven.

use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::{IndexedLayer, in_parallel};
use crate::blob::{CHUNK, FileRange, Meter, NewFile, PieceMismatch};
use crate::error::{Error, Result};
use crate::layer::Limits;

/// A layer's plain tar in a file without a name, of which only what was asked for is there. The rest reads as zeros.
#[derive(Debug)]
pub struct PartialTar {
    known: Arc<IndexedLayer>,
    file: Arc<NewFile>,
    bytes: FileRange,
    /// Which pieces are there.
    done: Mutex<Vec<bool>>,
}

impl PartialTar {
    /// Nothing yet; `landing` is the folder for the file.
    ///
    /// # Errors
    /// `Io`.
    pub fn new(known: Arc<IndexedLayer>, landing: &Path) -> Result<Self> {
        let file = NewFile::in_directory(landing, 0o600)?;
        let sized = file.file().set_len(known.plain_size());
        let cloned = sized.and_then(|()| file.file().try_clone());
        let cloned = cloned.map_err(|error| Error::io("write", file.write_error(error)))?;
        Ok(PartialTar {
            done: Mutex::new(vec![false; known.index.len()]),
            bytes: FileRange::whole(cloned)?,
            file: Arc::new(file),
            known,
        })
    }

    /// The plain tar.
    pub fn bytes(&self) -> &FileRange {
        &self.bytes
    }

    /// What the cache knows of the layer.
    pub fn known(&self) -> &IndexedLayer {
        &self.known
    }

    /// The pieces that runs of bytes are in and that are not there yet.
    fn missing(&self, wanted: &[(u64, u64)]) -> Vec<usize> {
        let mut done = self
            .done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut missing = Vec::new();
        for &(offset, length) in wanted.iter().filter(|(_, length)| *length > 0) {
            for at in self.known.index.covering(offset, length) {
                if let Some(done) = done.get_mut(at).filter(|done| !**done) {
                    *done = true;
                    missing.push(at);
                }
            }
        }
        missing
    }

    fn make(&self, at: usize, limits: &Limits, meter: &Meter) -> Result<(), Failed> {
        let known = &self.known;
        let piece = known.index.piece(&known.file, at).ok_or(PieceMismatch)?;
        let left = known.stored.len().saturating_sub(piece.compressed_offset);
        let stored = known.stored.slice(piece.compressed_offset, left);
        let buffer = CHUNK.min(usize::try_from(piece.length).unwrap_or(CHUNK).max(4096));
        let source = BufReader::with_capacity(buffer, meter.counting(stored.reader()));
        piece.decode(source, known.compression, limits.decode, |at, bytes| {
            let written = self.file.file().write_all_at(bytes, at);
            written.map_err(|error| Failed::Write(Error::io("write", self.file.write_error(error))))
        })?;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = done.get_mut(at) {
            *done = true;
        }
        Ok(())
    }
}

/// Why a piece is not there.
enum Failed {
    PieceMismatch,
    Write(Error),
}

impl From<PieceMismatch> for Failed {
    fn from(_: PieceMismatch) -> Self {
        Failed::PieceMismatch
    }
}

/// Makes sure of runs of plain bytes, each given as where it begins and how long it is, of several layers, on all cores.
/// For each layer: whether they are there and proven; where not, the layer has to be decoded as a whole.
///
/// # Errors
/// `Io` for a full disk.
pub fn decode_ranges(
    wanted: &[(&PartialTar, Vec<(u64, u64)>)],
    limits: &Limits,
    meter: &Meter,
) -> Result<Vec<bool>> {
    let mut work = Vec::new();
    let mut proven = vec![true; wanted.len()];
    for (i, (parts, runs)) in wanted.iter().enumerate() {
        work.extend(parts.missing(runs).into_iter().map(|at| (i, at)));
    }
    let made = in_parallel(&work, |&(i, at)| match wanted.get(i) {
        Some((parts, _)) => parts.make(at, limits, meter),
        None => Ok(()),
    });
    for (&(i, _), made) in work.iter().zip(made) {
        match made {
            Ok(()) => {}
            Err(Failed::Write(error)) => return Err(error),
            Err(Failed::PieceMismatch) => {
                if let Some(proven) = proven.get_mut(i) {
                    *proven = false;
                }
            }
        }
    }
    Ok(proven)
}
