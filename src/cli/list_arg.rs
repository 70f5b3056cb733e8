//! Lists of images as given on a command line.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::blob::Input;
use crate::error::{At, During, Result, within};
use crate::lists::{self, Listed, Reading};

/// Names of standard input on a command line.
pub(super) const STDIN_NAMES: [&str; 4] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// Most bytes of a list that is read as text.
const MOST_TEXT: u64 = 16 << 20;

/// A list of images, or of patterns, as typed: a path, or `-` for standard input.
#[derive(Debug, Clone)]
pub struct ListArg(PathBuf);

impl From<OsString> for ListArg {
    fn from(typed: OsString) -> Self {
        ListArg(typed.into())
    }
}

impl ListArg {
    /// Tests if the list is read from standard input.
    pub fn is_stdin(&self) -> bool {
        STDIN_NAMES.iter().any(|name| self.0 == Path::new(name))
    }

    /// Path as typed.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the list as text, from anything that can be read: `<(COMMAND)` of a shell is a FIFO.
    ///
    /// # Errors
    /// `Limit` for more than 16 MiB; `Io`, also for text that is not UTF-8. The place is the path.
    pub fn text(&self) -> Result<String> {
        self.with(|file| {
            let mut text = String::new();
            let read = file.take(MOST_TEXT + 1).read_to_string(&mut text);
            read.during("read")?;
            within("bytes of a list", MOST_TEXT, text.len() as u64)?;
            Ok(text)
        })
    }

    /// Passes the list to a function that reads it, from anything that can be read.
    ///
    /// # Errors
    /// `Io`, and those of the function. The place is the path.
    pub fn with<T>(&self, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let mut stdin = io::stdin();
        let read = match self.is_stdin() {
            true => read(&mut stdin),
            false => File::open(&self.0)
                .during("read")
                .and_then(|mut file| read(&mut file)),
        };
        read.at(|| self.0.to_string_lossy().into_owned())
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
