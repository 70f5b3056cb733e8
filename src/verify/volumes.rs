//! Check and repair of the volumes of a set.

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::archive::MemberTable;
use crate::archive::volumes::{Piece, Volume, VolumeSet, VolumeTable, ranges, runs};
use crate::blob::{CHUNK, FileRange, NewFile};
use crate::error::{At, During, Error, Fault, Result, VolumeFault, same_digest};
use crate::limits::Limits;
use crate::parallel::in_parallel;
use crate::write::volumes::{rewrite_parity, sums_in, write_table};

/// State of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeState {
    /// Every chunk has its digest.
    Intact,
    /// Some chunks are damaged.
    Damaged {
        /// The chunks as text: `MiB 17-18`.
        ranges: String,
        /// Runs of damaged chunks: the first one and the number of them.
        runs: Vec<(u64, u64)>,
        /// Length of a chunk in bytes.
        chunk: u64,
    },
    /// The chunks are intact, but the file is longer.
    TooLong,
    /// The file is missing.
    Missing,
}

/// A checked volume.
#[derive(Debug, Clone)]
pub struct CheckedVolume {
    /// Path of the volume.
    pub path: PathBuf,
    /// Number from 1, among the volumes or the parity volumes.
    pub number: u64,
    /// True for parity.
    pub is_parity: bool,
    /// State of its bytes.
    pub state: VolumeState,
}

/// Checks all volumes of a set, those included that are known to be missing, in their order; parity last. Reads every byte.
///
/// # Errors
/// As [`VolumeSet::joined`].
pub fn check_volumes(set: &VolumeSet) -> Result<Vec<CheckedVolume>> {
    let joined = set.joined(None)?;
    let parity = joined.parity_pieces();
    let pieces: Vec<&Piece> = joined.pieces().iter().chain(parity).collect();
    let bad = in_parallel(&pieces, |piece| piece.bad_chunks());
    let state = |volume: &Volume| {
        if !volume.is_present() {
            return VolumeState::Missing;
        }
        let found = pieces.iter().zip(&bad);
        let found =
            found.filter(|(piece, bad)| piece.name() == volume.table.name && !bad.is_empty());
        match found.map(|(piece, bad)| damaged(piece, bad)).next() {
            Some(damaged) => damaged,
            None if volume.length == Some(volume.table.size) => VolumeState::Intact,
            None => VolumeState::TooLong,
        }
    };
    let mut checked = Vec::new();
    for (volumes, is_parity) in [(&set.volumes, false), (&set.parity, true)] {
        for (number, volume) in volumes {
            checked.push(CheckedVolume {
                path: volume.path.clone(),
                number: *number,
                is_parity,
                state: state(volume),
            });
        }
    }
    for number in set.missing().0 {
        if !set.volumes.contains_key(&number)
            && let Some(path) = set.path_of(number)
        {
            checked.push(CheckedVolume {
                path,
                number,
                is_parity: false,
                state: VolumeState::Missing,
            });
        }
    }
    checked.sort_by_key(|volume| (volume.is_parity, volume.number));
    Ok(checked)
}

fn damaged(piece: &Piece, bad: &[u64]) -> VolumeState {
    let runs = runs(bad).into_iter();
    VolumeState::Damaged {
        ranges: ranges(piece.chunk(), bad),
        runs: runs
            .map(|(first, last)| (first, last - first + 1))
            .collect(),
        chunk: piece.chunk(),
    }
}

/// Writes damaged or missing volumes of an archive again: what is intact is copied, the rest is made of the parity, each
/// row once for all volumes. Returns the results in the order of the volumes.
///
/// # Errors
/// As [`VolumeSet::joined`]. Of a volume: `Volumes` if there is not enough parity, or the set does not state enough about
/// it; `DigestMismatch` if the result is not the volume, and what is there stays; `Io`.
pub fn repair_volumes(set: &VolumeSet, damaged: &[&CheckedVolume]) -> Result<Vec<Result<()>>> {
    let joined = set.joined(None)?;
    let row = joined.row();
    let range = FileRange::joined(Box::new(joined));
    let repairs = damaged.iter().map(|checked| {
        let repair = Repair::new(set, checked);
        repair.at(|| checked.path.to_string_lossy().into_owned())
    });
    let mut repairs: Vec<Result<Repair>> = repairs.collect();
    let (column, stripe) = row.unwrap_or((u64::MAX, u64::MAX));
    let longest = repairs.iter().flatten().map(|repair| repair.table.size);
    let end = column.min(longest.max().unwrap_or_default());
    let mut buffer = vec![0; CHUNK];
    let mut start = 0;
    while start < end {
        let next = start.saturating_add(stripe.min(CHUNK as u64)).min(end);
        for repair in &mut repairs {
            let Ok(Repair { table, file, .. }) = repair else {
                continue;
            };
            let copied = copy_rows(&range, table, file, column, (start, next), &mut buffer);
            if let Err(error) = copied {
                let name = table.name.clone();
                *repair = Err(error.at(name));
            }
        }
        start = next;
    }
    let finished = repairs.into_iter().zip(damaged).map(|(repair, checked)| {
        let place = || checked.path.to_string_lossy().into_owned();
        repair?.finish(&checked.path, &range).at(place)
    });
    Ok(finished.collect())
}

/// Writes damaged or missing parity volumes again, each stripe once for all of them.
///
/// # Errors
/// As [`repair_volumes`].
pub fn repair_parity(set: &VolumeSet, damaged: &[&CheckedVolume]) -> Result<()> {
    let volumes = damaged.iter().filter_map(|checked| {
        let volume = set.parity.get(&checked.number)?;
        Some((volume.path.as_path(), &volume.table))
    });
    rewrite_parity(&volumes.collect::<Vec<_>>(), &set.joined(None)?)
}

/// A volume that is being written again.
struct Repair {
    table: VolumeTable,
    /// False if the table is made of what the parity states.
    has_table: bool,
    file: NewFile,
}

impl Repair {
    fn new(set: &VolumeSet, checked: &CheckedVolume) -> Result<Self> {
        let known = set.volumes.get(&checked.number);
        let known = known.map(|volume| volume.table.clone());
        let has_table = known.is_some();
        Ok(Repair {
            table: match known {
                Some(table) => table,
                None => stated(set, checked)?,
            },
            has_table,
            file: NewFile::beside(&checked.path, 0o600)?,
        })
    }

    /// Gives the volume its name if it has its bytes. What is there stays otherwise.
    fn finish(mut self, path: &Path, range: &FileRange) -> Result<()> {
        let sums = sums_in(self.file.file(), self.table.chunk)?;
        same_digest(&self.table.sha256, &sums.sha256)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.file.replace(&name)?;
        if !self.has_table {
            self.table.chunks = sums.chunks;
            self.table.first_member = first_member(range, &self.table);
            write_table(path, &self.table)?;
        }
        Ok(())
    }
}

/// Copies some rows of the columns of a volume, out of the repaired archive.
fn copy_rows(
    range: &FileRange,
    table: &VolumeTable,
    file: &NewFile,
    column: u64,
    (from, to): (u64, u64),
    buffer: &mut [u8],
) -> Result<()> {
    let mut begin = 0;
    while begin < table.size {
        let end = table.size.min(begin.saturating_add(column));
        let (start, stop) = (
            begin.saturating_add(from),
            begin.saturating_add(to).min(end),
        );
        if start < stop {
            let length = usize::try_from(stop - start).unwrap_or_default();
            let part = buffer.get_mut(..length).unwrap_or_default();
            let mut reader = range.slice(table.offset + start, stop - start).reader();
            reader.read_exact(part).during("read")?;
            file.file().write_all_at(part, start).during("write")?;
        }
        begin = end;
    }
    Ok(())
}

/// Makes the table of a volume whose own is lost of what the parity volumes state.
fn stated(set: &VolumeSet, checked: &CheckedVolume) -> Result<VolumeTable> {
    let unknown = || {
        let why = "no table, and no parity that states its checksum".to_owned();
        Error::from(Fault::Volumes(VolumeFault::Table { why }))
    };
    let (volumes, total) = set.whole.ok_or_else(unknown)?;
    let parity = set.parity.values().next().ok_or_else(unknown)?;
    let columns = parity.table.parity.ok_or_else(unknown)?;
    let length = columns.data / volumes * columns.length;
    let index = checked.number - 1;
    let sum = |index: u64| {
        let index = usize::try_from(index).ok()?;
        parity.table.sums.get(index).cloned()
    };
    let offset = index * length;
    let is_last = checked.number == volumes;
    let name = checked
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    Ok(VolumeTable {
        set: set.id.clone(),
        number: checked.number,
        offset,
        size: total.checked_sub(offset).ok_or_else(unknown)?.min(length),
        first_member: None,
        whole: is_last.then_some((volumes, total)),
        parity: None,
        prev: index.checked_sub(1).and_then(sum),
        chunk: parity.table.chunk,
        chunks: Vec::new(),
        sha256: sum(index).ok_or_else(unknown)?,
        name: name.into_owned(),
        sums: Vec::new(),
    })
}

/// Returns the offset in a volume of the first member that begins in it.
fn first_member(range: &FileRange, table: &VolumeTable) -> Option<u64> {
    let members = MemberTable::index(range, &Limits::default()).ok()?;
    let mut starts = members.members().iter().map(|member| member.offset);
    let first = starts.find(|start| *start >= table.offset)?;
    Some(first - table.offset).filter(|first| *first < table.size)
}
