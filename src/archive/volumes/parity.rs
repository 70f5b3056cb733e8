//! Parity: Reed-Solomon code over equal columns of an archive.
//!
//! The archive, with zeros after its end, is cut into equal columns, and so is the parity. A row is what all columns have
//! at one offset; it is made again from any bytes of that row as many as the archive has columns. The code works on
//! blocks of 64 bytes, each by itself, so rows are read in stripes of any length.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use super::joined::{Joined, Piece};
use super::table::ParityColumns;
use crate::error::{Error, Fault, Result, VolumeFault};

/// Bytes of all columns of a stripe that are in memory at the same time.
const STRIPES: u64 = 6 << 20;

/// Bytes of repaired columns that are kept.
const KEPT: usize = 4 << 20;

impl ParityColumns {
    /// Returns the length of a stripe in bytes: a multiple of 64.
    pub fn stripe(&self) -> u64 {
        let columns = (self.data + self.parity).max(1);
        let stripe = (STRIPES / columns).clamp(64, 1 << 20) & !63;
        stripe.min(self.length)
    }

    /// Tests if the code has so many columns.
    pub fn is_supported(&self) -> bool {
        let count = |columns: u64| usize::try_from(columns).unwrap_or(usize::MAX);
        self.length > 0
            && self.length.is_multiple_of(64)
            && ReedSolomonEncoder::supports(count(self.data), count(self.parity))
            && ReedSolomonDecoder::supports(count(self.data), count(self.parity))
    }
}

/// Parity of a set, which repairs its rows.
#[derive(Debug)]
pub struct Parity {
    columns: ParityColumns,
    /// The parity volumes; offsets count from the start of all parity.
    pieces: Joined,
    kept: Mutex<Kept>,
}

/// Columns that were repaired last: column, offset in it, bytes.
#[derive(Debug, Default)]
struct Kept {
    repaired: VecDeque<(u64, u64, Vec<u8>)>,
    bytes: usize,
}

impl Parity {
    /// Creates the parity of a set from its volumes in the order of their offsets.
    ///
    /// # Errors
    /// `Volumes` for a number of columns that the code has not.
    pub fn new(columns: ParityColumns, pieces: Vec<Piece>) -> Result<Self> {
        if !columns.is_supported() {
            let why = "unsupported number of columns".to_owned();
            return Err(Fault::Volumes(VolumeFault::Table { why }).into());
        }
        Ok(Parity {
            columns,
            pieces: Joined::new(pieces, columns.parity * columns.length),
            kept: Mutex::default(),
        })
    }

    /// The parity volumes.
    pub fn pieces(&self) -> &[Piece] {
        self.pieces.pieces()
    }

    /// Columns of the code.
    pub fn columns(&self) -> ParityColumns {
        self.columns
    }

    /// Reads bytes of the archive that are damaged or missing, after making them again. Returns their number, at least 1.
    ///
    /// # Errors
    /// `Volumes` if too many columns of the row are damaged or missing.
    pub(super) fn read(&self, data: &Joined, buf: &mut [u8], offset: u64) -> Result<usize> {
        let column = offset / self.columns.length;
        let inside = offset % self.columns.length;
        let stripe = self.columns.stripe();
        let start = inside / stripe * stripe;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |kept: &Kept, buf: &mut [u8]| {
            let mut repaired = kept.repaired.iter();
            let holds = |(of, at, bytes): &&(u64, u64, Vec<u8>)| {
                *of == column && (*at..*at + bytes.len() as u64).contains(&inside)
            };
            let (_, at, bytes) = repaired.find(holds)?;
            let from = bytes.get(usize::try_from(inside - at).ok()?..)?;
            let length = from.len().min(buf.len());
            buf.get_mut(..length)?.copy_from_slice(from.get(..length)?);
            Some(length)
        };
        if let Some(length) = find(&kept, buf) {
            return Ok(length);
        }
        let end = (start + stripe).min(self.columns.length);
        let (start, end) = self.narrow(data, inside, start, end);
        for (column, bytes) in self.row(data, start, end - start)? {
            kept.bytes += bytes.len();
            kept.repaired.push_back((column, start, bytes));
        }
        let found = find(&kept, buf);
        while kept.bytes > KEPT {
            let Some((_, _, bytes)) = kept.repaired.pop_front() else {
                break;
            };
            kept.bytes -= bytes.len();
        }
        // A chunk may be damaged although the stripe was read: then the file changed meanwhile.
        found.ok_or_else(|| Error::truncated("the volume", 1, 0))
    }

    /// Narrows a stripe to the part around a row in which each column is either intact or damaged as a whole: a damaged
    /// chunk may end within it, and another begin.
    fn narrow(&self, data: &Joined, row: u64, start: u64, end: u64) -> (u64, u64) {
        let (mut start, mut end) = (start, end);
        let length = self.columns.length;
        for (joined, count) in [
            (data, self.columns.data),
            (&self.pieces, self.columns.parity),
        ] {
            for column in 0..count {
                let at = column * length;
                let (from, to) = joined.alike(at + row, at + start, at + end);
                start = start.max(from.saturating_sub(at) & !63);
                end = end.min(to.saturating_sub(at).next_multiple_of(64));
            }
        }
        (start, end)
    }

    /// Makes the damaged columns of a stripe again.
    fn row(&self, data: &Joined, start: u64, stripe: u64) -> Result<Vec<(u64, Vec<u8>)>> {
        let ParityColumns {
            data: count,
            parity,
            length,
            ..
        } = self.columns;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let failed = |error: reed_solomon_simd::Error| {
            let why = error.to_string();
            Error::from(Fault::Volumes(VolumeFault::Table { why }))
        };
        let mut decoder =
            ReedSolomonDecoder::new(size(count), size(parity), size(stripe)).map_err(failed)?;
        let mut bytes = vec![0; size(stripe)];
        let mut damaged = 0;
        for column in 0..count {
            match data.fill_intact(&mut bytes, column * length + start) {
                true => decoder
                    .add_original_shard(size(column), &bytes)
                    .map_err(failed)?,
                false => damaged += 1,
            }
        }
        let mut intact = 0;
        for column in 0..parity {
            if intact == damaged {
                break;
            }
            if self.pieces.fill_intact(&mut bytes, column * length + start) {
                decoder
                    .add_recovery_shard(size(column), &bytes)
                    .map_err(failed)?;
                intact += 1;
            }
        }
        if intact < damaged {
            return Err(Fault::Volumes(VolumeFault::Unrepairable { damaged, intact }).into());
        }
        let restored = decoder.decode().map_err(failed)?;
        let restored = restored.restored_original_iter();
        Ok(restored
            .map(|(column, bytes)| (column as u64, bytes.to_vec()))
            .collect())
    }
}

/// Makes the parity of one stripe: reads the columns with `read`, given the column, and passes each column of parity on.
///
/// # Errors
/// Those of `read` and `write`; `Volumes` for a number of columns that the code has not.
pub fn encode_stripe(
    columns: &ParityColumns,
    length: u64,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<()>,
    mut write: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let failed = |error: reed_solomon_simd::Error| {
        let why = error.to_string();
        Error::from(Fault::Volumes(VolumeFault::Table { why }))
    };
    let mut encoder =
        ReedSolomonEncoder::new(size(columns.data), size(columns.parity), size(length))
            .map_err(failed)?;
    let mut bytes = vec![0; size(length)];
    for column in 0..columns.data {
        read(column, &mut bytes)?;
        encoder.add_original_shard(&bytes).map_err(failed)?;
    }
    let encoded = encoder.encode().map_err(failed)?;
    for (bytes, column) in encoded.recovery_iter().zip(0..) {
        write(column, bytes)?;
    }
    Ok(())
}
