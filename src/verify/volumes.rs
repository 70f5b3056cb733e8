//! Check and repair of the volumes of a set.

use std::path::{Path, PathBuf};

use crate::archive::MemberTable;
use crate::archive::volumes::{Piece, Volume, VolumeSet, VolumeTable, ranges, runs};
use crate::blob::{CHUNK, FileRange, NewFile};
use crate::error::{At, During, Error, Fault, Result, VolumeFault, same_digest};
use crate::limits::Limits;
use crate::parallel::in_parallel;
use crate::write::volumes::{Sums, rewrite_parity, sums_in, write_table};

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
    let joined = set.joined()?;
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

/// Writes a damaged or missing volume again: what is intact is copied, the rest is made of the parity.
///
/// # Errors
/// `Volumes` if there is not enough parity, or the set does not state enough about the volume; `DigestMismatch` if the
/// result is not the volume; `Io`.
pub fn repair_volume(set: &VolumeSet, checked: &CheckedVolume) -> Result<()> {
    let place = || checked.path.to_string_lossy().into_owned();
    let joined = set.joined()?;
    if checked.is_parity {
        return match set.parity.get(&checked.number) {
            Some(volume) => rewrite_parity(&volume.path, &volume.table, &joined).at(place),
            None => Ok(()),
        };
    }
    let known = set
        .volumes
        .get(&checked.number)
        .map(|volume| volume.table.clone());
    let has_table = known.is_some();
    let mut table = match known {
        Some(table) => table,
        None => stated(set, checked).at(place)?,
    };
    let range = FileRange::joined(Box::new(joined));
    let sums = rewrite(&checked.path, &range, &table).at(place)?;
    if !has_table {
        table.chunks = sums.chunks;
        table.first_member = first_member(&range, &table);
        write_table(&checked.path, &table)?;
    }
    Ok(())
}

/// Copies a volume out of the repaired archive. What is there stays if the result is not the volume.
fn rewrite(path: &Path, range: &FileRange, table: &VolumeTable) -> Result<Sums> {
    let file = NewFile::beside(path, 0o600)?;
    let mut out = file.file();
    let part = range.slice(table.offset, table.size);
    let mut reader = std::io::BufReader::with_capacity(CHUNK, part.reader());
    std::io::copy(&mut reader, &mut out).during("read")?;
    let sums = sums_in(file.file(), table.chunk)?;
    same_digest(&table.sha256, &sums.sha256)?;
    file.replace(&path.file_name().unwrap_or_default().to_string_lossy())?;
    Ok(sums)
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
