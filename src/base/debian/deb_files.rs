//! `.deb` files given by path, singly or in directories, without an index.

use std::path::{Path, PathBuf};

use super::{Control, ControlLimits, Deb};
use crate::blob::{FileRange, open_regular};
use crate::error::{At, Error, Fault, Result};
use crate::parallel::in_parallel;

/// `.deb` file given by path.
#[derive(Debug, Clone)]
pub struct DebFile {
    /// Control data.
    pub control: Control,
    /// Path.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
}

/// Reads the control data of `.deb` files and of those directly in directories, in parallel. Files are sorted by file
/// name, regardless of the order of the paths. Data archives are not read.
///
/// # Errors
/// `Usage` for a directory without `.deb` files; as [`Deb::open`] and [`Deb::control`]. The context is the path.
pub fn read_debs(paths: &[PathBuf]) -> Result<Vec<DebFile>> {
    let files = files(paths)?;
    let read = in_parallel(&files, |path| {
        read(path).at(|| path.to_string_lossy().into_owned())
    });
    read.into_iter().collect()
}

/// Returns the `.deb` files of paths and directories, sorted by file name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let io = |error| Error::io("read", error).at(path.to_string_lossy());
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        for entry in std::fs::read_dir(path).map_err(io)? {
            let entry = entry.map_err(io)?.path();
            if entry.extension().is_some_and(|end| end == "deb") {
                files.push(entry);
            }
        }
        if files.len() == before {
            let why = "no .deb files in this directory".to_owned();
            return Err(Error::new(Fault::Usage(why)).at(path.to_string_lossy()));
        }
    }
    files.sort_by(|a, b| (a.file_name(), a).cmp(&(b.file_name(), b)));
    Ok(files)
}

fn read(path: &Path) -> Result<DebFile> {
    let range = FileRange::whole(open_regular(path, true)?)?;
    let size = range.len();
    let (control, _) = Deb::open(range)?.control(ControlLimits::default())?;
    Ok(DebFile {
        control,
        path: path.to_owned(),
        size,
    })
}
