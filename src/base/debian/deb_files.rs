//! `.deb` files that are given as they are, one by one or in folders, without an index.

use std::path::{Path, PathBuf};

use super::{Control, ControlLimits, Deb};
use crate::blob::{FileRange, open_regular};
use crate::error::{At, Error, Fault, Result};
use crate::parallel::in_parallel;

/// A `.deb` that was given as a file.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its control data.
    pub control: Control,
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
}

/// Reads the control data of `.deb` files, and of those in folders (not in folders within them), in the order of their
/// file names, whatever the order of the paths is. Nothing else of them is read; on all cores.
///
/// # Errors
/// `Usage` for a folder without any; as [`Deb::open`] and [`Deb::control`]. The place is the path.
pub fn given(paths: &[PathBuf]) -> Result<Vec<Given>> {
    let files = files(paths)?;
    let read = in_parallel(&files, |path| {
        read(path).at(|| path.to_string_lossy().into_owned())
    });
    read.into_iter().collect()
}

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
            let why = "there is no file here whose name ends with .deb".to_owned();
            return Err(Error::new(Fault::Usage(why)).at(path.to_string_lossy()));
        }
    }
    files.sort_by(|a, b| (a.file_name(), a).cmp(&(b.file_name(), b)));
    Ok(files)
}

fn read(path: &Path) -> Result<Given> {
    let range = FileRange::whole(open_regular(path, true)?)?;
    let size = range.len();
    let (control, _) = Deb::open(range)?.control(ControlLimits::default())?;
    Ok(Given {
        control,
        path: path.to_owned(),
        size,
    })
}
