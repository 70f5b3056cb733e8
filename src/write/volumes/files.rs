//! Names of volumes, and their tables.

use std::path::{Path, PathBuf};

use crate::archive::volumes::VolumeTable;
use crate::blob::write_atomically;
use crate::error::Result;

/// Returns a path with a further suffix after a dot.
pub(super) fn numbered(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

/// Returns the path of the table of a volume.
pub(super) fn table_path(volume: &Path) -> PathBuf {
    numbered(volume, "sha256")
}

/// Writes the table of a volume beside it.
///
/// # Errors
/// `Io`.
pub(crate) fn write_table(volume: &Path, table: &VolumeTable) -> Result<()> {
    write_atomically(&table_path(volume), table.text().as_bytes())
}
