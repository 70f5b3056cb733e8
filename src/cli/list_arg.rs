//! Lists of images as given on a command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::blob::Input;
use crate::error::{At, Result};
use crate::lists::{self, Listed, Reading};

/// Names of standard input on a command line.
pub(super) const STDIN_NAMES: [&str; 4] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// A list of images as typed: a path, or `-` for standard input.
#[derive(Debug, Clone)]
pub struct ListArg(PathBuf);

impl From<OsString> for ListArg {
    fn from(typed: OsString) -> Self {
        ListArg(typed.into())
    }
}

impl ListArg {
    /// Tests if the list is read from standard input.
    pub(super) fn is_stdin(&self) -> bool {
        STDIN_NAMES.iter().any(|name| self.0 == Path::new(name))
    }

    /// Path as typed.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the list.
    pub(super) fn read(&self, reading: Reading<'_>) -> Result<Vec<Listed>> {
        if !self.is_stdin() {
            return lists::read_path(&self.0, reading);
        }
        let input = Input::stdin().at(|| "standard input".to_owned())?;
        lists::read("-", input, reading)
    }
}
