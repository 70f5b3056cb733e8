//! Ranges of a layer's uncompressed tar, decoded on demand and verified.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::layers::IndexedLayer;
use crate::blob::{FileRange, Meter, NewFile, PieceMismatch};
use crate::error::{Error, Result};
use crate::layer::Limits;
use crate::parallel::in_parallel;

/// A layer's uncompressed tar in an anonymous temporary file, with the requested ranges only. The rest reads as zeros.
#[derive(Debug)]
pub struct PartialTar {
    layer: Arc<IndexedLayer>,
    file: Arc<NewFile>,
    bytes: FileRange,
    /// True for each decoded piece.
    decoded: Mutex<Vec<bool>>,
}

impl PartialTar {
    /// Creates the file in `temp_dir`, without any ranges.
    ///
    /// # Errors
    /// `Io`.
    pub fn new(layer: Arc<IndexedLayer>, temp_dir: &Path) -> Result<Self> {
        let file = NewFile::in_directory(temp_dir, 0o600)?;
        let sized = file.file().set_len(layer.uncompressed_size());
        let cloned = sized.and_then(|()| file.file().try_clone());
        let cloned = cloned.map_err(|error| Error::io("write", file.write_error(error)))?;
        Ok(PartialTar {
            decoded: Mutex::new(vec![false; layer.index.len()]),
            bytes: FileRange::whole(cloned)?,
            file: Arc::new(file),
            layer,
        })
    }

    /// The uncompressed tar.
    pub fn bytes(&self) -> &FileRange {
        &self.bytes
    }

    /// The layer and its index.
    pub fn layer(&self) -> &IndexedLayer {
        &self.layer
    }

    /// Numbers of the pieces that cover these ranges and are not decoded yet. A range is an offset and a length.
    fn missing(&self, wanted: &[(u64, u64)]) -> Vec<usize> {
        let mut decoded = self
            .decoded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut missing = Vec::new();
        for &(offset, length) in wanted.iter().filter(|(_, length)| *length > 0) {
            for at in self.layer.index.covering(offset, length) {
                if let Some(decoded) = decoded.get_mut(at).filter(|decoded| !**decoded) {
                    *decoded = true;
                    missing.push(at);
                }
            }
        }
        missing
    }

    /// Decodes one piece into the file.
    fn decode(&self, at: usize, limits: &Limits, meter: &Meter) -> Result<(), PieceError> {
        let layer = &self.layer;
        layer.decode_piece(at, limits, meter, |at, bytes| {
            let written = self.file.file().write_all_at(bytes, at);
            written.map_err(|error| {
                PieceError::Write(Error::io("write", self.file.write_error(error)))
            })
        })?;
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decoded) = decoded.get_mut(at) {
            *decoded = true;
        }
        Ok(())
    }
}

/// Reason why a piece was not decoded.
enum PieceError {
    Mismatch,
    Write(Error),
}

impl From<PieceMismatch> for PieceError {
    fn from(_: PieceMismatch) -> Self {
        PieceError::Mismatch
    }
}

/// Decodes ranges of uncompressed bytes of several layers on all cores. A range is an offset and a length in bytes.
/// Returns for each layer whether its ranges are verified; otherwise the whole layer has to be decoded.
///
/// # Errors
/// `Io` for a full disk.
pub fn decode_ranges(
    wanted: &[(&PartialTar, Vec<(u64, u64)>)],
    limits: &Limits,
    meter: &Meter,
) -> Result<Vec<bool>> {
    let mut work = Vec::new();
    let mut verified = vec![true; wanted.len()];
    for (i, (tar, ranges)) in wanted.iter().enumerate() {
        work.extend(tar.missing(ranges).into_iter().map(|at| (i, at)));
    }
    let decoded = in_parallel(&work, |&(i, at)| match wanted.get(i) {
        Some((tar, _)) => tar.decode(at, limits, meter),
        None => Ok(()),
    });
    for (&(i, _), result) in work.iter().zip(decoded) {
        match result {
            Ok(()) => {}
            Err(PieceError::Write(error)) => return Err(error),
            Err(PieceError::Mismatch) => {
                if let Some(verified) = verified.get_mut(i) {
                    *verified = false;
                }
            }
        }
    }
    Ok(verified)
}
