//! A directory of the host that is read as a root directory: absolute links stay within it.

use std::ffi::OsStr;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::base::rootfs::resolve_links;
use crate::blob::open_regular;
use crate::error::{At, Error, Result};

/// A directory of the host that is read as `/`.
pub struct Root {
    top: PathBuf,
}

/// A path with all links resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Path without links, from the root directory.
    pub path: Vec<u8>,
    /// Links that were followed, in their order: path and target of each.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Root {
    /// Reads a directory as a root.
    pub fn at(top: &Path) -> Self {
        Root {
            top: top.to_owned(),
        }
    }

    /// Returns the path on the host of a path below the root.
    pub fn outside(&self, path: &[u8]) -> PathBuf {
        self.top.join(OsStr::from_bytes(path))
    }

    /// Resolves all links of a path within the root; `None` if the path is missing.
    ///
    /// # Errors
    /// `Entry` for too many links; `Io`. The context is the path.
    pub fn resolve(&self, path: &[u8]) -> Result<Option<Resolved>> {
        self.walk(path)
            .at(|| String::from_utf8_lossy(path).into_owned())
    }

    fn walk(&self, path: &[u8]) -> Result<Option<Resolved>> {
        let mut links = Vec::new();
        let mut is_missing = false;
        let read = |error| Error::io("read", error);
        let path = resolve_links(path, |path, _| {
            let outside = self.outside(path);
            match std::fs::symlink_metadata(&outside) {
                _ if is_missing => Ok(None),
                Ok(metadata) if metadata.is_symlink() => {
                    let target = std::fs::read_link(&outside).map_err(read)?;
                    let target = target.into_os_string().into_vec();
                    links.push((path.to_vec(), target.clone()));
                    Ok(Some(target))
                }
                Ok(_) => Ok(None),
                Err(error) if matches!(error.kind(), NotFound | NotADirectory) => {
                    is_missing = true;
                    Ok(None)
                }
                Err(error) => Err(read(error)),
            }
        })?;
        Ok((!is_missing).then_some(Resolved { path, links }))
    }

    /// Returns the bytes of a file, links followed; `None` if it is missing.
    ///
    /// # Errors
    /// `Limit` for more than 16 MiB, `Io`. The context is the path.
    pub fn text(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(resolved) = self.resolve(path)? else {
            return Ok(None);
        };
        let outside = self.outside(&resolved.path);
        if !outside.is_file() {
            return Ok(None);
        }
        open_regular(&outside, false)
            .and_then(crate::blob::FileRange::whole)
            .and_then(|range| range.bytes(16 << 20))
            .map(Some)
            .at(|| String::from_utf8_lossy(path).into_owned())
    }

    /// Returns the names in a directory, sorted; none if it is missing.
    ///
    /// # Errors
    /// As [`Root::resolve`].
    pub fn names(&self, directory: &[u8]) -> Result<Vec<Vec<u8>>> {
        let Some(resolved) = self.resolve(directory)? else {
            return Ok(Vec::new());
        };
        let Ok(entries) = std::fs::read_dir(self.outside(&resolved.path)) else {
            return Ok(Vec::new());
        };
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().as_bytes().to_vec()));
        let mut names: Vec<Vec<u8>> = names.collect();
        names.sort_unstable();
        Ok(names)
    }
}
