//! Volumes of the same name that exist before.

use std::path::{Path, PathBuf};

use super::files::table_path;
use crate::archive::volumes::{Volume, is_volume_of};
use crate::blob::parent_directory;
use crate::error::{At, During, Error, Result};

/// Returns the volumes of an archive, of parity too, and their tables.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let directory = parent_directory(path);
    let directory = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    let place = || directory.to_string_lossy().into_owned();
    let base = path.file_name().unwrap_or_default().to_string_lossy();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).during("open").at(place)? {
        let name = entry.during("read").at(place)?.file_name();
        let Some(name) = name.to_str() else { continue };
        if is_volume_of(name.strip_suffix(".sha256").unwrap_or(name), &base) {
            found.push(path.with_file_name(name));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes volumes and tables that are none of those written.
pub(super) fn remove_others(path: &Path, written: &[PathBuf]) -> Result<()> {
    let tables: Vec<PathBuf> = written.iter().map(|volume| table_path(volume)).collect();
    for file in files(path)? {
        if !written.contains(&file) && !tables.contains(&file) {
            let removed = std::fs::remove_file(&file);
            removed.map_err(|error| Error::io("remove", error).at(file.to_string_lossy()))?;
        }
    }
    Ok(())
}

/// Removes the table and the parity of an archive in one file, which was replaced.
///
/// # Errors
/// `Io`.
pub(in crate::write) fn remove_stale(path: &Path) -> Result<()> {
    let table = table_path(path);
    if !table.is_file() || !matches!(Volume::read(&table), Ok(Some(_))) {
        return Ok(());
    }
    let is_parity = |file: &PathBuf| {
        let table = match file
            .extension()
            .is_some_and(|extension| extension == "sha256")
        {
            true => file.clone(),
            false => table_path(file),
        };
        matches!(Volume::read(&table), Ok(Some(volume)) if volume.table.parity.is_some())
    };
    // Tables last: they tell which files are parity.
    let mut stale: Vec<PathBuf> = files(path)?.into_iter().filter(is_parity).collect();
    stale.sort_by_key(|file| {
        file.extension()
            .is_some_and(|extension| extension == "sha256")
    });
    stale.push(table);
    for file in stale {
        let removed = std::fs::remove_file(&file);
        removed.map_err(|error| Error::io("remove", error).at(file.to_string_lossy()))?;
    }
    Ok(())
}
