//! A set as an input that is read by position.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::joined::{Extent, ExtentFile, Joined, Piece};
use super::names::{Member, MemberName};
use super::parity::Parity;
use super::pieces::Pieces;
use super::repaired::Repaired;
use super::set::{Volume, VolumePart, VolumeSet, base_name, set_of, sets_in};
use crate::blob::{FileRange, open_regular};
use crate::error::{At, Error, Fault, Result, VolumeFault};

/// Files that are open beside the volumes, at most.
const OTHER_FILES: u64 = 256;

/// Volumes in a row that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Offset in bytes of the first member that begins in it.
    pub start: u64,
    /// Offset in bytes after the last volume.
    pub end: u64,
    /// Offsets in bytes of the first members of the other volumes, ascending.
    pub restarts: Vec<u64>,
}

/// A set that can be read.
#[derive(Debug)]
pub struct SetInput {
    /// All bytes.
    pub range: FileRange,
    /// Bytes that are there: one run if nothing is missing, or parity can make it again.
    pub runs: Vec<Run>,
    /// Ranges of bytes in the runs that are damaged, each with its end; known only to [`VolumeSet::rest`].
    pub lost: Vec<(u64, u64)>,
    /// Name of the archive.
    pub name: String,
    /// Error that names the missing or damaged volumes, if they cannot be made again.
    pub missing: Option<Error>,
}

impl SetInput {
    fn whole(joined: Repaired, name: String) -> Self {
        let range = FileRange::joined(Box::new(joined));
        let (end, restarts) = (range.len(), Vec::new());
        SetInput {
            runs: vec![Run {
                start: 0,
                end,
                restarts,
            }],
            lost: Vec::new(),
            name,
            missing: None,
            range,
        }
    }
}

/// Several files that a path stands for.
pub(in crate::archive) enum Source {
    Set(SetInput),
    Pieces(Pieces),
}

impl Volume {
    /// Opens the volume alone: each chunk is compared with its digest when it is read.
    ///
    /// # Errors
    /// `Io`.
    pub fn range(&self) -> Result<FileRange> {
        let alone = Joined::new(vec![piece(self, 0)?], self.table.size);
        Ok(FileRange::joined(Box::new(alone)))
    }

    /// Returns the numbers of all damaged chunks. Reads the whole volume.
    ///
    /// # Errors
    /// `Io`.
    pub fn bad_chunks(&self) -> Result<Vec<u64>> {
        Ok(piece(self, 0)?.bad_chunks())
    }
}

impl VolumeSet {
    /// Opens the volumes that are there. With a directory for temporary files, what is repaired is kept there.
    ///
    /// # Errors
    /// `Io`; `Volumes` for parity that does not fit.
    pub fn input(&self, temp_dir: Option<&Path>) -> Result<SetInput> {
        let joined = self.joined(temp_dir)?;
        let is_repairable = joined
            .parity
            .as_ref()
            .is_some_and(|parity| self.can_repair(parity));
        let missing = self.missing_error();
        if missing.is_none() || is_repairable {
            return Ok(SetInput::whole(joined, self.name()));
        }
        Ok(SetInput {
            runs: self.runs(),
            lost: Vec::new(),
            name: self.name(),
            missing,
            range: FileRange::joined(Box::new(joined)),
        })
    }

    /// Opens the volumes that are there without what is damaged in them. Reads every byte.
    ///
    /// # Errors
    /// As [`VolumeSet::input`].
    pub fn rest(&self, temp_dir: Option<&Path>) -> Result<SetInput> {
        let joined = self.joined(temp_dir)?;
        let (lost, damage) = joined.lost();
        let is_repairable = joined
            .parity
            .as_ref()
            .is_some_and(|parity| self.can_repair(parity));
        let missing = self.missing_error().filter(|_| !is_repairable);
        let Some(missing) = missing.or(damage) else {
            return Ok(SetInput::whole(joined, self.name()));
        };
        Ok(SetInput {
            runs: self.runs(),
            lost,
            name: self.name(),
            missing: Some(missing),
            range: FileRange::joined(Box::new(joined)),
        })
    }

    /// Joins the volumes that are there, with their digests and the parity.
    ///
    /// # Errors
    /// As [`VolumeSet::input`].
    pub fn joined(&self, temp_dir: Option<&Path>) -> Result<Repaired> {
        let open = |volumes: &mut dyn Iterator<Item = &Volume>| -> Result<Vec<Piece>> {
            let present = volumes.filter(|volume| volume.is_present());
            let pieces = present.map(|volume| piece(volume, volume.table.offset));
            let mut pieces: Vec<Piece> = pieces.collect::<Result<_>>()?;
            pieces.sort_by_key(Piece::offset);
            Ok(pieces)
        };
        allow_open_files(self.volumes.len() + self.parity.len());
        let mut joined = Joined::new(open(&mut self.volumes.values())?, self.length());
        joined.missing = self.missing_error();
        let mut parity = None;
        let columns = self.parity.values().find_map(|volume| volume.table.parity);
        if let Some(columns) = columns {
            let pieces = open(&mut self.parity.values())?;
            parity = Some(Parity::new(columns, pieces, temp_dir)?);
        }
        Ok(Repaired {
            data: joined,
            parity,
        })
    }

    /// Tests if the parity volumes that are there have as many columns as the missing volumes.
    fn can_repair(&self, parity: &Parity) -> bool {
        let columns = parity.columns();
        let mut missing = vec![(0, self.length())];
        for volume in self.volumes.values().filter(|volume| volume.is_present()) {
            let (start, end) = (volume.table.offset, volume.table.offset + volume.table.size);
            if let Some(last) = missing.pop() {
                missing.push((last.0, start.max(last.0)));
                missing.push((end, last.1.max(end)));
            }
        }
        let missing = missing.into_iter().filter(|(start, end)| start < end);
        let columns_of =
            |(start, end): (u64, u64)| (end - 1) / columns.length - start / columns.length + 1;
        let missing: u64 = missing.map(columns_of).sum();
        let present = self.parity.values().filter(|volume| volume.is_present());
        let present: u64 = present
            .map(|volume| volume.table.size / columns.length)
            .sum();
        missing <= present
    }

    /// Returns the volumes that are there in rows, each from the first member that begins in it.
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut last_end = None;
        for volume in self.volumes.values().filter(|volume| volume.is_present()) {
            let table = &volume.table;
            let end = table.offset + table.size;
            let first = table.first_member.map(|first| table.offset + first);
            match runs.last_mut() {
                Some(run) if last_end == Some(table.offset) => {
                    run.end = end;
                    run.restarts.extend(first);
                }
                _ => {
                    let restarts = Vec::new();
                    runs.extend(first.map(|start| Run {
                        start,
                        end,
                        restarts,
                    }));
                }
            }
            if runs.last().is_some_and(|run| run.end == end) {
                last_end = Some(end);
            }
        }
        runs
    }
}

/// Raises the number of files that the process may have open as far as the system allows it, if a set has more volumes.
fn allow_open_files(volumes: usize) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = volumes as u64 + OTHER_FILES;
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        // Without it opening the volumes fails, and says why.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// Opens a volume that is there, as the piece at an offset.
fn piece(volume: &Volume, offset: u64) -> Result<Piece> {
    let table = &volume.table;
    let place = || volume.path.to_string_lossy().into_owned();
    let part = |part: &VolumePart| Extent {
        at: part.at,
        length: part.length,
        file: ExtentFile::Path(part.path.clone()),
        offset: part.offset,
    };
    let mut extents: Vec<Extent> = volume.parts.iter().map(part).collect();
    if extents.is_empty() {
        let file = open_regular(&volume.path, true).at(place)?;
        let found = volume.length.unwrap_or_default();
        extents.push(Extent {
            at: 0,
            length: found.min(table.size),
            file: ExtentFile::Open(Arc::new(file)),
            offset: 0,
        });
    }
    let name = table.name.clone();
    let digests = (table.chunk, table.chunks.clone());
    Ok(Piece::new(extents, offset, table.size, name, digests))
}

/// Returns the several files that a path stands for; `None` for a file that stands alone.
///
/// # Errors
/// As [`set_of`], [`VolumeSet::input`] and [`Pieces::of`].
pub(in crate::archive) fn source_of(
    path: &Path,
    most: u64,
    temp_dir: Option<&Path>,
) -> Result<Option<Source>> {
    if let Some(set) = set_of(path, most)? {
        return set.input(temp_dir).map(|input| Some(Source::Set(input)));
    }
    Ok(Pieces::of(path, most)?.map(Source::Pieces))
}

/// Returns a volume of the only set of a directory; `None` if other files are in it too. It is one that is there, if any
/// is.
pub(in crate::archive) fn only_set_in(directory: &Path, most: u64) -> Option<PathBuf> {
    let mut sets = sets_in(&[directory.to_owned()], most).ok()?.into_iter();
    let ((base, _), volumes) = sets.next()?;
    if sets.next().is_some() {
        return None;
    }
    for entry in std::fs::read_dir(directory).ok()? {
        let name = entry.ok()?.file_name();
        let name = name.to_str()?;
        let name = name.strip_suffix(".sha256").unwrap_or(name);
        if base_name(name) != base {
            return None;
        }
    }
    first_of(&volumes)
}

/// Returns the path of a volume to name a set by: the first one that is there, else the first one.
fn first_of(volumes: &[Volume]) -> Option<PathBuf> {
    let order = |volume: &&Volume| {
        let table = &volume.table;
        (!volume.is_present(), table.parity.is_some(), table.number)
    };
    volumes
        .iter()
        .min_by_key(order)
        .map(|first| first.path.clone())
}

/// Returns the reason why a directory that is no image is no set of volumes either; `None` if no volume is in it.
pub(in crate::archive) fn not_one_set(directory: &Path, most: u64) -> Option<Error> {
    /// The most sets that are named.
    const NAMED: usize = 5;
    let sets = match sets_in(&[directory.to_owned()], most) {
        Ok(sets) => sets,
        Err(error) if matches!(error.fault(), Fault::Volumes(_)) => return Some(error),
        Err(_) => return None,
    };
    let volume = sets.values().find_map(|volumes| first_of(volumes))?;
    let volume = volume.to_string_lossy().into_owned();
    let names = sets.keys().take(NAMED);
    let sets = match sets.len() {
        1 => names.map(|(name, _)| name.clone()).collect(),
        _ => names.map(|(name, id)| format!("{name} ({id})")).collect(),
    };
    Some(Fault::Volumes(VolumeFault::NotOneSet { sets, volume }).into())
}

/// Tests if a file of a directory belongs to a set that another file of it names: all but the first piece that is there.
pub(in crate::archive) fn is_follower(path: &Path, most: u64) -> bool {
    let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let Some(name) = MemberName::parse(file_name) else {
        return false;
    };
    let table = path.with_file_name(format!("{file_name}.sha256"));
    if let Ok(Some(own)) = Volume::read(&table) {
        // The tables of all volumes are not read for each of them.
        return follows_another(path, &own, most);
    }
    match set_of(path, most) {
        Ok(Some(set)) => {
            let present = set.volumes.values().find(|volume| volume.is_present());
            present.is_some_and(|first| first.path.file_name() != path.file_name())
        }
        Ok(None) => match name.kind {
            Member::Parity => false,
            _ => matches!(Pieces::of(path, most), Ok(Some(pieces))
                if pieces.paths.first().is_some_and(|first| first.file_name() != path.file_name())),
        },
        Err(_) => false,
    }
}

/// Tests if a volume with a lower number, or for parity any volume, is in the same directory with its table.
fn follows_another(path: &Path, own: &Volume, most: u64) -> bool {
    let table = &own.table;
    let base = base_name(&table.name);
    let volumes = table.whole.map_or(0, |(volumes, _)| volumes);
    let (last, width) = match MemberName::parse(&table.name) {
        Some(name) if table.parity.is_none() => (table.number - 1, name.width),
        _ => (volumes, volumes.to_string().len().max(3)),
    };
    let is_there = |name: &str| {
        let table = path.with_file_name(format!("{name}.sha256"));
        path.with_file_name(name).is_file() && table.is_file()
    };
    // An archive in one file has parity, too.
    table.parity.is_some() && is_there(&base)
        || (1..=last.min(most))
            .rev()
            .any(|number| is_there(&format!("{base}.{number:0width$}")))
}
