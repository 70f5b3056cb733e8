//! A directory of the host that is read as a root directory: absolute links stay within it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::rootfs::MAX_LINKS;
use crate::blob::open_regular;
use crate::error::{At, Error, Fault, Result};
use crate::layer::parent;

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
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            let parts = path.split(|byte| *byte == b'/').rev();
            let parts = parts.filter(|part| !matches!(*part, b"" | b"."));
            parts.map(<[u8]>::to_vec).collect()
        };
        let mut ahead = parts(path);
        let mut resolved = Resolved::default();
        while let Some(part) = ahead.pop() {
            let cut = resolved.path.len();
            if part == b".." {
                resolved.path.truncate(parent(&resolved.path).len());
                continue;
            }
            if cut > 0 {
                resolved.path.push(b'/');
            }
            resolved.path.extend(part);
            let outside = self.outside(&resolved.path);
            let metadata = match std::fs::symlink_metadata(&outside) {
                Ok(metadata) => metadata,
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                    ) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(Error::io("read", error)),
            };
            if metadata.is_symlink() {
                let target =
                    std::fs::read_link(&outside).map_err(|error| Error::io("read", error))?;
                let target = target.as_os_str().as_bytes().to_vec();
                if resolved.links.len() >= MAX_LINKS {
                    let why = "too many symbolic links";
                    return Err(Fault::Entry { why }.into());
                }
                ahead.extend(parts(&target));
                let link = resolved.path.clone();
                match target.first() {
                    Some(b'/') => resolved.path.clear(),
                    _ => resolved.path.truncate(cut),
                }
                resolved.links.push((link, target));
            }
        }
        Ok(Some(resolved))
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
