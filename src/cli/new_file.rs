//! Output files that appear when they are complete.

use std::path::Path;

use crate::blob::{NewFile, sync_directory};
use crate::error::{At, Error, Fault, Result};
use crate::write::archive::check_target;

/// Creates or replaces a file, which appears at its path when `write` has succeeded.
///
/// # Errors
/// `Exists` for a directory, or a path that ends as one; `NotAFile` for a name that is not UTF-8; `Io`; those of `write`.
pub fn write_file(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&NewFile) -> Result<()>,
) -> Result<()> {
    let place = || path.to_string_lossy().into_owned();
    check_target(path).at(place)?;
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(Error::not_a_file("no name in UTF-8")).at(place);
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
