//! Small files that are written first and committed later, together with another output.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::directory::{parent_directory, sync_directory};
use super::new_file::NewFile;
use crate::error::{At, During, Error, Result};

/// Writes a small file that appears under its name only when it is complete.
///
/// # Errors
/// `Usage` for a path without a file name; `Io`. The context is the path.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    PendingFile::new(path, bytes)?.commit()
}

/// A small file that is written but has no name yet; discarded when dropped.
#[derive(Debug)]
pub struct PendingFile {
    output: Output,
    path: PathBuf,
}

#[derive(Debug)]
enum Output {
    /// A file, and the name that it will get.
    File(NewFile, String),
    /// A device or FIFO, which cannot be replaced, and the bytes to write on commit.
    Device(File, Vec<u8>),
}

impl PendingFile {
    /// Writes the bytes to a temporary file beside `path`, and syncs it.
    ///
    /// # Errors
    /// `Usage` for a path without a file name; `Io`. The context is the path.
    pub fn new(path: &Path, bytes: &[u8]) -> Result<Self> {
        let mut pending = PendingFile::reserve(path)?;
        pending.write(bytes)?;
        // A full disk must show now, before another output has its name.
        if let Output::File(file, _) = &pending.output {
            let synced = file.file().sync_all();
            synced
                .during("write")
                .at(|| path.to_string_lossy().into_owned())?;
        }
        Ok(pending)
    }

    /// Creates an empty pending file, before its contents are known, so that a path that cannot be written fails early.
    ///
    /// # Errors
    /// `Usage` for a path without a file name; `Io`. The context is the path.
    pub fn reserve(path: &Path) -> Result<Self> {
        let context = || path.to_string_lossy().into_owned();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name
            .ok_or_else(|| Error::usage("not a file name"))
            .at(context)?;
        let existing = std::fs::metadata(path);
        let has_slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if has_slash || existing.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
            let error = std::io::ErrorKind::IsADirectory.into();
            return Err(Error::io("write", error).at(context()));
        }
        let output = match existing.is_ok_and(|existing| !existing.is_file()) {
            true => {
                let device = OpenOptions::new().write(true).open(path);
                let device = device.during("open");
                Output::Device(device.at(context)?, Vec::new())
            }
            false => Output::File(NewFile::beside(path, 0o644).at(context)?, name.to_owned()),
        };
        Ok(PendingFile {
            output,
            path: path.to_owned(),
        })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// `Io`, with the path as context.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.output {
            Output::Device(_, kept) => {
                kept.extend_from_slice(bytes);
                Ok(())
            }
            Output::File(file, _) => std::io::Write::write_all(&mut file.file(), bytes),
        };
        let written = written.during("write");
        written.at(|| self.path.to_string_lossy().into_owned())
    }

    /// Gives the file its name, replacing an existing file.
    ///
    /// # Errors
    /// `Io`, with the path as context.
    pub fn commit(self) -> Result<()> {
        match self.output {
            Output::File(file, name) => {
                file.replace(&name)?;
                sync_directory(parent_directory(&self.path))
            }
            Output::Device(mut device, bytes) => std::io::Write::write_all(&mut device, &bytes)
                .during("write")
                .at(|| self.path.to_string_lossy().into_owned()),
        }
    }
}
