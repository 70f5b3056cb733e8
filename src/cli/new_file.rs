//! Output files that appear when they are complete.

use std::path::Path;

use crate::blob::{NewFile, sync_directory};
use crate::error::{At, Error, Fault, Result};

/// Creates or replaces a file, which appears at its path when `write` has succeeded.
///
/// # Errors
/// `NotAFile` for a directory; `Io`; those of `write`.
pub fn write_file(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&NewFile) -> Result<()>,
) -> Result<()> {
    let place = || path.to_string_lossy().into_owned();
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(name) = name.filter(|_| !path.is_dir()) else {
        return Err(Error::not_a_file("a directory")).at(place);
    };
    let file = NewFile::beside(path, mode)?;
    write(&file).map_err(|error| match error.fault() {
        Fault::Io {
            action: "write", ..
        } => error.at(place()),
        _ => error,
    })?;
    file.replace(name)?;
    sync_directory(path.parent().unwrap_or("".as_ref()))
}
