//! Archives in volumes: pieces that `cat` joins, a table beside each, and parity.
//!
//! Tables are checksum files of `sha256sum`, read by [`archive::volumes`](crate::archive::volumes). A volume gets its name
//! when it is complete and synced, its table after it, and only then the next one begins.

mod code;
pub(super) mod existing;
mod files;
mod out;
mod plan;

use std::path::{Path, PathBuf};

use super::archive::{Format, members};
use super::bundle::Bundle;
use super::tar_out::{self, Body, Member};
use crate::archive::volumes::{Volume, VolumeTable};
use crate::blob::{Meter, NewFile, parent_directory, sha256, sync_directory};
use crate::error::{At, During, Error, Fault, Result, VolumeFault};
use crate::spec::Digest;
use files::{numbered, table_path};
use out::{Cutter, Keeper};
use plan::{Cut, Place, Plan};

pub(crate) use code::rewrite_parity;
pub(crate) use files::write_table;
pub(crate) use out::{Sums, sums_in, sums_of};
pub use plan::{Cuts, MIN_VOLUME, ParityAmount};

/// Options of [`to_volumes`].
#[derive(Debug, Clone, Copy)]
pub struct SplitOptions {
    /// Maximum length of a volume in bytes, at least [`MIN_VOLUME`].
    pub limit: u64,
    /// Way to cut.
    pub cuts: Cuts,
    /// Parity to add.
    pub parity: Option<ParityAmount>,
    /// Treatment of volumes of the same name.
    pub existing: Existing,
}

/// Treatment of existing volumes of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// An error.
    #[default]
    Refuse,
    /// They are replaced; those that are left over are removed in the end.
    Replace,
    /// Those that are whole stay, the others are written.
    Resume,
}

/// A volume that was written.
#[derive(Debug)]
pub struct Written<'a> {
    /// Its path.
    pub path: &'a Path,
    /// Its number, from 1.
    pub number: u64,
    /// True for the last one.
    pub is_last: bool,
}

/// Called after each volume.
pub type OnVolume<'a> = dyn FnMut(&Written<'_>) -> Result<()> + 'a;

/// Writes a bundle as an archive in volumes: `PATH.001` and so on, each with a table, `PATH.001.sha256`.
///
/// # Errors
/// Those of `after`; `Exists` for volumes of the same name; `Usage` for a blob that does not fit; `Volumes` for volumes of
/// another archive that were to be completed; as [`to_file`](super::archive::to_file).
pub fn to_volumes(
    bundle: &Bundle,
    format: Format,
    path: &Path,
    options: &SplitOptions,
    meter: &Meter,
    after: &mut OnVolume<'_>,
) -> Result<()> {
    super::archive::check_target(path).at(|| path.to_string_lossy().into_owned())?;
    let members = members(bundle, format)?;
    let (places, total) = tar_out::places(&members)?;
    let places: Vec<Place> = places
        .into_iter()
        .zip(&members)
        .map(|(start, member)| Place {
            name: member.name.clone(),
            start,
        })
        .collect();
    let plan = Plan::new(&places, total, options.limit, options.cuts, options.parity)?;
    if options.existing == Existing::Refuse && !existing::files(path)?.is_empty() {
        return Err(Error::exists("a set of volumes")).at(|| path.to_string_lossy().into_owned());
    }
    let width = plan.cuts.len().to_string().len().max(3);
    let name_of = |number: u64| numbered(path, &format!("{number:0width$}"));
    let end = plan.cuts.first().map_or(total, |cut| cut.size);
    let mut volumes = Volumes {
        set: set_id(&members, &places, end),
        paths: (1..).take(plan.cuts.len()).map(name_of).collect(),
        cuts: &plan.cuts,
        chunk: plan.chunk(),
        total,
        resume: options.existing == Existing::Resume,
        tables: Vec::new(),
        found: None,
        is_resuming: options.existing == Existing::Resume,
        after,
    };
    if volumes.resume {
        volumes.check_set()?;
    }
    let mut cutter = Cutter::new(&plan.cuts, plan.chunk(), &mut volumes);
    tar_out::to_sink(&members, &mut cutter, meter)?;
    let mut written = volumes.paths.clone();
    if let Some(columns) = plan.parity {
        let tables = &volumes.tables;
        written.extend(code::write(
            path,
            columns,
            &volumes.paths,
            tables,
            options.limit,
            meter,
        )?);
    }
    if options.existing == Existing::Replace {
        existing::remove_others(path, &written)?;
    }
    Ok(())
}

/// Writes the table and the parity of a complete archive in one file.
///
/// # Errors
/// `Usage` for an unsupported amount of parity; `Io`.
pub fn add_parity(path: &Path, amount: ParityAmount, meter: &Meter) -> Result<()> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(Error::not_a_file("no name in UTF-8"));
    };
    let total = std::fs::metadata(path).during("read")?.len();
    let plan = Plan::new(
        &[],
        total,
        i64::MAX.cast_unsigned(),
        Cuts::Equal,
        Some(amount),
    )?;
    let chunk = plan.chunk();
    let sums = sums_of(path, chunk)?;
    let table = VolumeTable {
        set: sums.sha256.get(..16).unwrap_or_default().to_owned(),
        number: 1,
        offset: 0,
        size: total,
        first_member: Some(0),
        whole: Some((1, total)),
        parity: None,
        prev: None,
        chunk,
        chunks: sums.chunks,
        sha256: sums.sha256,
        name: name.to_owned(),
        sums: Vec::new(),
    };
    write_table(path, &table)?;
    let mut written = vec![path.to_owned()];
    if let Some(columns) = plan.parity {
        let paths = [path.to_owned()];
        written.extend(code::write(
            path,
            columns,
            &paths,
            &[table],
            u64::MAX,
            meter,
        )?);
    }
    existing::remove_others(path, &written)
}

/// Identifies a set by its index and the blobs that begin in the first volume, and the length of that.
fn set_id(members: &[Member<'_>], places: &[Place], end: u64) -> String {
    let mut text = Vec::new();
    for (member, place) in members.iter().zip(places) {
        match &member.body {
            Body::Document(bytes) if matches!(&*member.name, "index.json" | "manifest.json") => {
                text.extend_from_slice(bytes);
            }
            Body::Blob(blob) if place.start < end => {
                text.extend_from_slice(blob.digest.as_str().as_bytes());
                text.push(b'\n');
            }
            _ => {}
        }
    }
    text.extend_from_slice(end.to_string().as_bytes());
    let digest: Digest = sha256(&text);
    digest.encoded().get(..16).unwrap_or_default().to_owned()
}

/// Volumes that are written one after the other.
struct Volumes<'a, 'b> {
    set: String,
    paths: Vec<PathBuf>,
    cuts: &'a [Cut],
    /// Length of a chunk in bytes.
    chunk: u64,
    total: u64,
    /// True if volumes that are there stay.
    resume: bool,
    tables: Vec<VolumeTable>,
    /// Table of the current volume, which is there and intact.
    found: Option<VolumeTable>,
    /// True until the first volume that is missing.
    is_resuming: bool,
    after: &'a mut OnVolume<'b>,
}

impl Volumes<'_, '_> {
    /// Refuses to complete the volumes of another archive.
    fn check_set(&self) -> Result<()> {
        for path in &self.paths {
            let table = table_path(path);
            if !table.is_file() {
                continue;
            }
            if let Some(volume) = Volume::read(&table)?
                && volume.table.set != self.set
            {
                let why = format!("set {}, not {}", volume.table.set, self.set);
                let fault = Fault::Volumes(VolumeFault::Mixed { why });
                return Err(Error::new(fault).at(path.to_string_lossy()));
            }
        }
        Ok(())
    }

    /// Returns the table of a volume that is there and intact.
    fn intact(&self, index: usize, path: &Path, cut: Cut) -> Result<Option<VolumeTable>> {
        let table = table_path(path);
        if !self.resume || !table.is_file() || !path.is_file() {
            return Ok(None);
        }
        let Some(volume) = Volume::read(&table)? else {
            return Ok(None);
        };
        let known = &volume.table;
        let is_same = known.number == index as u64 + 1
            && (known.offset, known.size) == (cut.offset, cut.size)
            && volume.length == Some(cut.size)
            && known.chunk == self.chunk
            && sums_of(path, self.chunk)?.sha256 == known.sha256;
        Ok(is_same.then_some(volume.table))
    }

    fn announce(&mut self, index: usize) -> Result<()> {
        let Some(path) = self.paths.get(index).cloned() else {
            return Ok(());
        };
        (self.after)(&Written {
            path: &path,
            number: index as u64 + 1,
            is_last: index + 1 == self.cuts.len(),
        })
    }
}

impl Keeper for Volumes<'_, '_> {
    fn begin(&mut self, index: usize) -> Result<Option<NewFile>> {
        let (Some(path), Some(cut)) = (self.paths.get(index), self.cuts.get(index)) else {
            return Ok(None);
        };
        self.found = self.intact(index, path, *cut)?;
        if self.found.is_some() {
            return Ok(None);
        }
        let path = path.clone();
        // What was to be done after the last volume that is there had failed, or was not begun.
        if std::mem::take(&mut self.is_resuming)
            && let Some(last) = index.checked_sub(1)
        {
            self.announce(last)?;
        }
        NewFile::beside(&path, 0o600).map(Some)
    }

    fn end(&mut self, index: usize, sums: Sums, file: Option<NewFile>) -> Result<()> {
        let (Some(path), Some(cut)) = (self.paths.get(index), self.cuts.get(index)) else {
            return Ok(());
        };
        let is_last = index + 1 == self.cuts.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let table = VolumeTable {
            set: self.set.clone(),
            number: index as u64 + 1,
            offset: cut.offset,
            size: cut.size,
            first_member: cut.first_member,
            whole: is_last.then_some((self.cuts.len() as u64, self.total)),
            parity: None,
            prev: self.tables.last().map(|table| table.sha256.clone()),
            chunk: self.chunk,
            chunks: sums.chunks,
            sha256: sums.sha256,
            name: name.clone().into_owned(),
            sums: Vec::new(),
        };
        if let Some(found) = self.found.take() {
            if found.sha256 != table.sha256 {
                let why = "its bytes are those of other images".to_owned();
                let fault = Fault::Volumes(VolumeFault::Mixed { why });
                return Err(Error::new(fault).at(path.to_string_lossy()));
            }
            self.tables.push(table);
            if is_last && self.is_resuming {
                return self.announce(index);
            }
            return Ok(());
        }
        if let Some(file) = file {
            file.replace(&name)?;
        }
        write_table(path, &table)?;
        sync_directory(parent_directory(path))?;
        self.tables.push(table);
        self.announce(index)
    }
}
