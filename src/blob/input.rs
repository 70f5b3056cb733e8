//! Inputs named by the user: files with random access, or streams.

use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::file::{FileRange, open_fifo, open_regular};
use super::read_ahead::ReadAhead;
use crate::error::{During, Error, Result};

/// An input that the user named.
pub enum Input {
    /// A regular file, or the rest of one.
    Range(FileRange),
    /// A pipe, which can be read once.
    Stream(ReadAhead),
}

impl Input {
    /// Opens a regular file, or a FIFO as shells create them for `<(…)`.
    ///
    /// # Errors
    /// `NotAFile`, `Io`.
    pub fn path(path: &Path) -> Result<Self> {
        if std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
            return Ok(Input::Stream(ReadAhead::new(open_fifo(path)?)));
        }
        FileRange::whole(open_regular(path, true)?).map(Input::Range)
    }

    /// Takes standard input; of a file, the part after its current position.
    ///
    /// # Errors
    /// `Usage` if it is a terminal, `NotAFile` if it is a directory, `Io`.
    pub fn stdin() -> Result<Self> {
        let (file, position) = stdin()?;
        let Some(position) = position else {
            return Ok(Input::Stream(ReadAhead::new(file)));
        };
        let whole = FileRange::whole(file)?;
        Ok(Input::Range(whole.slice(position, whole.len())))
    }

    /// Length in bytes; `None` for a stream.
    pub fn len(&self) -> Option<u64> {
        match self {
            Input::Range(range) => Some(range.len()),
            Input::Stream(_) => None,
        }
    }

    /// Reports whether the input is known to be empty.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Starts reading ahead from the start of the input.
    pub fn read(self) -> ReadAhead {
        match self {
            Input::Range(range) => ReadAhead::new(range.reader()),
            Input::Stream(stream) => stream,
        }
    }
}

/// Returns standard input, and its current position if it is a file.
///
/// # Errors
/// `Usage` if it is a terminal, `NotAFile` if it is a directory, `Io`.
pub fn stdin() -> Result<(File, Option<u64>)> {
    let stdin = io::stdin();
    if io::IsTerminal::is_terminal(&stdin) {
        let why = "refusing to read an archive from the terminal: name a file, or pipe one in";
        return Err(Error::usage(why));
    }
    let mut file: File = stdin.as_fd().try_clone_to_owned().during("read")?.into();
    let metadata = file.metadata().during("read")?;
    if metadata.is_dir() {
        return Err(Error::not_a_file("a directory"));
    }
    let position = metadata.is_file().then(|| file.stream_position().ok());
    Ok((file, position.flatten()))
}
