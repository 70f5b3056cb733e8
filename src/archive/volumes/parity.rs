//! Parity: Reed-Solomon code over equal columns of an archive.
//!
//! The archive, with zeros after its end, is cut into equal columns, and so is the parity. A row is what all columns have
//! at one offset; it is made again from any bytes of that row as many as the archive has columns. The code works on
//! blocks of 64 bytes, each by itself, so rows are read in stripes of any length.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use super::joined::{Joined, Piece};
use super::table::ParityColumns;
use crate::blob::NewFile;
use crate::error::{Error, Fault, Result, VolumeFault};

/// Bytes of all columns of a stripe that are in memory at the same time.
const STRIPES: u64 = 6 << 20;

/// Bytes of repaired columns that are kept in memory: those of a stripe.
const KEPT: usize = 6 << 20;

impl ParityColumns {
    /// Returns the length of a stripe in bytes, a multiple of 64, if so many threads have one each.
    pub fn stripe(&self, threads: usize) -> u64 {
        let columns = (self.data + self.parity).max(1);
        let stripe = STRIPES / columns / (threads as u64).max(1);
        let stripe = stripe.clamp(64, 1 << 20) & !63;
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
    /// Directory for a file with what is repaired.
    temp_dir: Option<PathBuf>,
    kept: Mutex<Kept>,
}

/// Columns that were repaired.
#[derive(Debug)]
enum Kept {
    /// Those that were repaired last: column, offset in it, bytes; and their length in bytes.
    Memory(VecDeque<(u64, u64, Vec<u8>)>, usize),
    /// All of them, at their offsets in the archive; rows by the offset of the first one, with the end of the last one.
    Spool(NewFile, BTreeMap<u64, u64>),
}

impl Kept {
    /// Reads repaired bytes; `None` if they are not kept.
    fn find(
        &self,
        columns: &ParityColumns,
        column: u64,
        inside: u64,
        buf: &mut [u8],
    ) -> Option<usize> {
        match self {
            Kept::Memory(repaired, _) => {
                let holds = |(of, at, bytes): &&(u64, u64, Vec<u8>)| {
                    *of == column && (*at..*at + bytes.len() as u64).contains(&inside)
                };
                let (_, at, bytes) = repaired.iter().find(holds)?;
                let from = bytes.get(usize::try_from(inside - at).ok()?..)?;
                let length = from.len().min(buf.len());
                buf.get_mut(..length)?.copy_from_slice(from.get(..length)?);
                Some(length)
            }
            Kept::Spool(file, rows) => {
                let (_, end) = rows.range(..=inside).next_back()?;
                let left = usize::try_from(end.checked_sub(inside)?).ok()?;
                let length = left.min(buf.len());
                let part = buf.get_mut(..length)?;
                let at = column * columns.length + inside;
                file.file().read_exact_at(part, at).ok()?;
                Some(length).filter(|length| *length > 0)
            }
        }
    }

    /// Keeps the damaged columns of some rows.
    fn add(
        &mut self,
        columns: &ParityColumns,
        start: u64,
        end: u64,
        repaired: Vec<(u64, Vec<u8>)>,
    ) {
        if let Kept::Spool(file, rows) = self {
            let mut repaired = repaired.iter();
            let is_written = repaired.all(|(column, bytes)| {
                let at = column * columns.length + start;
                file.file().write_all_at(bytes, at).is_ok()
            });
            if is_written {
                let before = rows.range(..=start).next_back();
                let before = before.filter(|(_, end)| **end == start);
                let first = before.map_or(start, |(first, _)| *first);
                rows.insert(first, end);
                return;
            }
        }
        // On a full disk, memory has to do.
        let (mut kept, mut length) = match std::mem::replace(self, Kept::Memory(VecDeque::new(), 0))
        {
            Kept::Memory(kept, length) => (kept, length),
            Kept::Spool(..) => (VecDeque::new(), 0),
        };
        for (column, bytes) in repaired {
            length += bytes.len();
            kept.push_back((column, start, bytes));
        }
        *self = Kept::Memory(kept, length);
    }

    /// Forgets what is too much for memory.
    fn trim(&mut self) {
        let Kept::Memory(kept, length) = self else {
            return;
        };
        while *length > KEPT {
            let Some((_, _, bytes)) = kept.pop_front() else {
                break;
            };
            *length -= bytes.len();
        }
    }
}

impl Parity {
    /// Creates the parity of a set from its volumes in the order of their offsets. With a directory for temporary files, a
    /// row is repaired once, else perhaps once for each column.
    ///
    /// # Errors
    /// `Volumes` for a number of columns that the code has not.
    pub fn new(
        columns: ParityColumns,
        pieces: Vec<Piece>,
        temp_dir: Option<&Path>,
    ) -> Result<Self> {
        if !columns.is_supported() {
            let why = "unsupported number of columns".to_owned();
            return Err(Fault::Volumes(VolumeFault::Table { why }).into());
        }
        Ok(Parity {
            columns,
            pieces: Joined::new(pieces, columns.parity * columns.length),
            temp_dir: temp_dir.map(Path::to_owned),
            kept: Mutex::new(Kept::Memory(VecDeque::new(), 0)),
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
        let stripe = self.columns.stripe(1);
        let start = inside / stripe * stripe;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(length) = kept.find(&self.columns, column, inside, buf) {
            return Ok(length);
        }
        let end = (start + stripe).min(self.columns.length);
        let (start, end) = self.narrow(data, inside, start, end);
        let repaired = self.row(data, start, end - start)?;
        if let (Kept::Memory(_, 0), Some(directory)) = (&*kept, &self.temp_dir)
            && let Ok(file) = NewFile::in_directory(directory, 0o600)
        {
            *kept = Kept::Spool(file, BTreeMap::new());
        }
        kept.add(&self.columns, start, end, repaired);
        let found = kept.find(&self.columns, column, inside, buf);
        kept.trim();
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
