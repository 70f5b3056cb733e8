//! Sets of volumes: which files belong together, and what is missing.
//!
//! Volumes with a table state their set and their position. Files of other programs are joined by their names. Threats:
//! volumes of several sets under one name, overlapping positions, names without end. A set is contiguous or names what
//! is missing; the number of files is limited.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::names::{Member, MemberName};
use super::table::{MAGIC, MAX_TABLE, VolumeTable};
use crate::blob::{FileRange, open_regular};
use crate::error::{At, During, Error, Fault, Result, VolumeFault, within};

/// A volume with a table.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Path of the volume, which may be missing.
    pub path: PathBuf,
    /// Its table.
    pub table: VolumeTable,
    /// Length of the file in bytes; `None` if it is missing.
    pub length: Option<u64>,
    /// Files with its bytes, in their order; none if they are in one file at the path.
    pub parts: Vec<VolumePart>,
}

/// Bytes of a volume in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePart {
    /// Offset in bytes in the volume.
    pub at: u64,
    /// Number of bytes.
    pub length: u64,
    /// Path of the file.
    pub path: PathBuf,
    /// Offset in bytes in the file.
    pub offset: u64,
}

impl Volume {
    /// Reads a table; `None` if it is another checksum file.
    ///
    /// # Errors
    /// As [`VolumeTable::parse`]; `Limit`; `Io`.
    pub fn read(table: &Path) -> Result<Option<Self>> {
        let read = || -> Result<Option<Self>> {
            let range = FileRange::whole(open_regular(table, true)?)?;
            let mut head = [0; MAGIC.len()];
            let n = range.head(&mut head)?;
            if head.get(..n) != Some(MAGIC.as_bytes()) {
                return Ok(None);
            }
            let text = String::from_utf8(range.bytes(MAX_TABLE)?);
            let text = text.map_err(|_| mixed_text("invalid UTF-8"))?;
            let Some(table_of) = VolumeTable::parse(&text)? else {
                return Ok(None);
            };
            let path = table.with_file_name(&table_of.name);
            let length = std::fs::metadata(&path).ok();
            let length = length.filter(std::fs::Metadata::is_file);
            Ok(Some(Volume {
                length: length.map(|metadata| metadata.len()),
                path,
                table: table_of,
                parts: Vec::new(),
            }))
        };
        read().at(|| table.to_string_lossy().into_owned())
    }

    /// Tests if the file is there.
    pub fn is_present(&self) -> bool {
        self.length.is_some()
    }
}

fn mixed_text(why: &str) -> Error {
    let why = why.to_owned();
    Fault::Volumes(VolumeFault::Table { why }).into()
}

pub(super) fn mixed(why: String) -> Error {
    Fault::Volumes(VolumeFault::Mixed { why }).into()
}

/// Volumes of one archive that have tables.
#[derive(Debug, Clone, Default)]
pub struct VolumeSet {
    /// Identifier.
    pub id: String,
    /// Volumes by number.
    pub volumes: BTreeMap<u64, Volume>,
    /// Volumes of parity by number.
    pub parity: BTreeMap<u64, Volume>,
    /// Number of volumes and length of the archive, if they are known.
    pub whole: Option<(u64, u64)>,
}

impl VolumeSet {
    /// Joins the volumes of one set. Of two copies of a volume the one that is there counts.
    ///
    /// # Errors
    /// `Volumes` if they overlap, leave a gap between consecutive numbers or disagree; `Limit` past `most` volumes.
    pub fn of(found: Vec<Volume>, most: u64) -> Result<Self> {
        let mut set = VolumeSet::default();
        for volume in found {
            let table = &volume.table;
            if set.id.is_empty() {
                set.id.clone_from(&table.set);
            }
            if table.set != set.id {
                let why = format!("sets {} and {}", set.id, table.set);
                return Err(mixed(why));
            }
            if let (Some(known), Some(found)) = (set.whole, table.whole)
                && known != found
            {
                let why = format!(
                    "{} says {} volumes, another {}",
                    table.name, found.0, known.0
                );
                return Err(mixed(why));
            }
            set.whole = set.whole.or(table.whole);
            let by_number = match table.parity {
                None => &mut set.volumes,
                Some(_) => &mut set.parity,
            };
            let number = table.number;
            within("volumes", most, number)?;
            let is_better = by_number
                .get(&number)
                .is_none_or(|known| !known.is_present() && volume.is_present());
            if let Some(known) = by_number.get(&number)
                && known.table.sha256 != volume.table.sha256
            {
                let why = format!("two volumes have number {number}");
                return Err(mixed(why));
            }
            if is_better {
                by_number.insert(number, volume);
            }
            let count = set.volumes.len() + set.parity.len();
            within("volumes", most, count as u64)?;
        }
        set.check(most)?;
        Ok(set)
    }

    /// Checks that the positions agree.
    fn check(&self, most: u64) -> Result<()> {
        let mut before: Option<&VolumeTable> = None;
        for volume in self.volumes.values() {
            let table = &volume.table;
            if let Some(before) = before {
                let end = before.offset + before.size;
                let is_next = before.number + 1 == table.number;
                if table.offset < end || is_next && table.offset != end {
                    let why = format!(
                        "{} begins at byte {}, {} ends at byte {end}",
                        table.name, table.offset, before.name
                    );
                    return Err(mixed(why));
                }
                let prev = table.prev.as_deref().filter(|_| is_next);
                if prev.is_some_and(|prev| prev != before.sha256) {
                    let why = format!("{} follows another volume than {}", table.name, before.name);
                    return Err(mixed(why));
                }
            } else if table.number == 1 && table.offset != 0 {
                let why = format!("{} is the first one, at byte {}", table.name, table.offset);
                return Err(mixed(why));
            }
            if self.whole.is_some_and(|(volumes, total)| {
                table.number > volumes || table.offset + table.size > total
            }) {
                let why = format!("{} is behind the last one", table.name);
                return Err(mixed(why));
            }
            before = Some(table);
        }
        if let Some((volumes, _)) = self.whole {
            within("volumes", most, volumes)?;
        }
        let mut columns = None;
        for volume in self.parity.values() {
            let of = volume
                .table
                .parity
                .map(|of| (of.data, of.parity, of.length));
            if *columns.get_or_insert(of) != of {
                let why = format!("{} is parity of another set", volume.table.name);
                return Err(mixed(why));
            }
        }
        Ok(())
    }

    /// Returns the numbers of the volumes that are missing, as far as they are known, and the number of all.
    pub fn missing(&self) -> (Vec<u64>, Option<u64>) {
        let known = self.volumes.keys().next_back().copied().unwrap_or_default();
        let last = self.whole.map_or(known + 1, |(volumes, _)| volumes);
        let is_missing = |number: &u64| {
            let volume = self.volumes.get(number);
            !volume.is_some_and(Volume::is_present)
        };
        let missing = (1..=last).filter(is_missing).collect();
        (missing, self.whole.map(|(volumes, _)| volumes))
    }

    /// Returns the error that names the missing volumes; `None` if all are there.
    pub fn missing_error(&self) -> Option<Error> {
        let (numbers, of) = self.missing();
        let is_any = !numbers.is_empty();
        is_any.then(|| Fault::Volumes(VolumeFault::Missing { numbers, of }).into())
    }

    /// Name of the archive.
    pub fn name(&self) -> String {
        let known = self.volumes.values().chain(self.parity.values()).next();
        known.map_or_else(String::new, |volume| base_name(&volume.table.name))
    }

    /// Returns the path of a volume, which may be missing; `None` if no other volume is known.
    pub fn path_of(&self, number: u64) -> Option<PathBuf> {
        if let Some(volume) = self.volumes.get(&number) {
            return Some(volume.path.clone());
        }
        if let Some(known) = self.volumes.values().next() {
            let name = MemberName::parse(&known.table.name)?;
            return Some(known.path.with_file_name(name.at(number)));
        }
        let parity = self.parity.values().next()?;
        let base = base_name(&parity.table.name);
        let width = self
            .whole
            .map_or(0, |(volumes, _)| volumes.to_string().len());
        let width = width.max(3);
        Some(
            parity
                .path
                .with_file_name(format!("{base}.{number:0width$}")),
        )
    }

    /// Length of the archive in bytes, as far as it is known.
    pub fn length(&self) -> u64 {
        let last = self.volumes.values().next_back();
        let end = last.map_or(0, |volume| volume.table.offset + volume.table.size);
        self.whole.map_or(end, |(_, total)| total)
    }
}

/// Returns the sets whose tables are in these directories, by the name of the archive and the identifier.
///
/// # Errors
/// `Limit` for too many files; invalid tables; `Io`.
pub fn sets_in(
    directories: &[PathBuf],
    most: u64,
) -> Result<BTreeMap<(String, String), Vec<Volume>>> {
    let mut sets: BTreeMap<(String, String), Vec<Volume>> = BTreeMap::new();
    for directory in directories {
        let place = || directory.to_string_lossy().into_owned();
        let listed = match directory.as_os_str().is_empty() {
            true => Path::new("."),
            false => directory,
        };
        let mut tables = Vec::new();
        for entry in std::fs::read_dir(listed).during("open").at(place)? {
            let path = directory.join(entry.during("read").at(place)?.file_name());
            if path
                .extension()
                .is_some_and(|extension| extension == "sha256")
            {
                tables.push(path);
            }
            within("volumes", most.saturating_mul(2), tables.len() as u64).at(place)?;
        }
        tables.sort_unstable();
        for table in tables {
            if let Some(volume) = Volume::read(&table)? {
                let base = base_name(&volume.table.name);
                let key = (base, volume.table.set.clone());
                sets.entry(key).or_default().push(volume);
            }
        }
    }
    Ok(sets)
}

/// Returns the sets that are in several directories, which may each have some of the volumes.
///
/// # Errors
/// As [`sets_in`] and [`VolumeSet::of`].
pub fn sets_below(directories: &[PathBuf], most: u64) -> Result<Vec<(String, VolumeSet)>> {
    let sets = sets_in(directories, most)?.into_iter();
    let sets = sets.map(|((base, _), volumes)| {
        let set = VolumeSet::of(volumes, most).at(|| base.clone())?;
        Ok((base, set))
    });
    sets.collect()
}

/// Returns the name of the archive of a volume.
pub(super) fn base_name(name: &str) -> String {
    match MemberName::parse(name).map(|name| (name.kind, name.stem)) {
        Some((Member::Digits | Member::Parity, stem)) => stem.to_owned(),
        _ => name.to_owned(),
    }
}

/// Returns the set with a table that a file belongs to; `None` for any other file. The path may be that of the table.
///
/// # Errors
/// As [`sets_in`] and [`VolumeSet::of`].
pub fn set_of(path: &Path, most: u64) -> Result<Option<VolumeSet>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(None);
    };
    let name = name.strip_suffix(".sha256").unwrap_or(name);
    let table = path.with_file_name(format!("{name}.sha256"));
    let own = match table.is_file() {
        true => Volume::read(&table)?,
        false => None,
    };
    let is_numbered = MemberName::parse(name)
        .is_some_and(|name| matches!(name.kind, Member::Digits | Member::Parity));
    if own.is_none() && !is_numbered {
        return Ok(None);
    }
    let directory = path.parent().unwrap_or(Path::new("")).to_owned();
    let base = base_name(name);
    let mut found = Vec::new();
    for ((of, set), volumes) in sets_in(&[directory], most)? {
        if of != base {
            continue;
        }
        let is_own = own.as_ref().is_some_and(|own| own.table.set == set);
        if !found.is_empty() || own.is_some() && !is_own {
            let why = format!("{base} has volumes of several sets");
            return Err(mixed(why));
        }
        found = volumes;
    }
    match found.is_empty() {
        true => Ok(None),
        false => VolumeSet::of(found, most).map(Some),
    }
}
