//! The tree that binaries are taken from, as the programs in it see it: links lead within it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::elf::Elf;
use crate::base::rootfs::MAX_LINKS;
use crate::blob::open_regular;
use crate::error::{At, Error, Fault, Result};

/// A folder of the system that stands for `/`.
pub struct Root {
    top: PathBuf,
}

/// Where a path leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// The place itself, without links.
    pub path: Vec<u8>,
    /// The links on the way, each with its place and text, in the order they are met.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Root {
    /// The tree below a folder.
    pub fn at(top: &Path) -> Self {
        Root {
            top: top.to_owned(),
        }
    }

    /// A path of the tree as one of the system.
    pub fn outside(&self, path: &[u8]) -> PathBuf {
        self.top.join(OsStr::from_bytes(path))
    }

    /// Where a path leads, all links followed within the tree; `None` if nothing is there.
    ///
    /// # Errors
    /// `Entry` for too many links; `Io`. The place is the path.
    pub fn way(&self, path: &[u8]) -> Result<Option<Way>> {
        self.walk(path)
            .at(|| String::from_utf8_lossy(path).into_owned())
    }

    fn walk(&self, path: &[u8]) -> Result<Option<Way>> {
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            let parts = path.split(|byte| *byte == b'/').rev();
            let parts = parts.filter(|part| !matches!(*part, b"" | b"."));
            parts.map(<[u8]>::to_vec).collect()
        };
        let mut ahead = parts(path);
        let mut way = Way::default();
        while let Some(part) = ahead.pop() {
            let cut = way.path.len();
            if part == b".." {
                let cut = way.path.iter().rposition(|byte| *byte == b'/');
                way.path.truncate(cut.unwrap_or(0));
                continue;
            }
            if cut > 0 {
                way.path.push(b'/');
            }
            way.path.extend(part);
            let here = self.outside(&way.path);
            let metadata = match std::fs::symlink_metadata(&here) {
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
                let target = std::fs::read_link(&here).map_err(|error| Error::io("read", error))?;
                let target = target.as_os_str().as_bytes().to_vec();
                if way.links.len() >= MAX_LINKS {
                    let why = "it leads through too many symbolic links";
                    return Err(Fault::Entry { why }.into());
                }
                ahead.extend(parts(&target));
                let place = way.path.clone();
                match target.first() {
                    Some(b'/') => way.path.clear(),
                    _ => way.path.truncate(cut),
                }
                way.links.push((place, target));
            }
        }
        Ok(Some(way))
    }

    /// The text of a file; nothing if it is not there.
    ///
    /// # Errors
    /// `Limit` for more than 16 MiB, `Io`. The place is the path.
    pub fn text(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(way) = self.way(path)? else {
            return Ok(None);
        };
        let outside = self.outside(&way.path);
        if !outside.is_file() {
            return Ok(None);
        }
        open_regular(&outside, false)
            .and_then(crate::blob::FileRange::whole)
            .and_then(|range| range.bytes(16 << 20))
            .map(Some)
            .at(|| String::from_utf8_lossy(path).into_owned())
    }

    /// The names in a folder, sorted; none if there is no such folder.
    pub fn names(&self, folder: &[u8]) -> Result<Vec<Vec<u8>>> {
        let Some(way) = self.way(folder)? else {
            return Ok(Vec::new());
        };
        let Ok(entries) = std::fs::read_dir(self.outside(&way.path)) else {
            return Ok(Vec::new());
        };
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().as_bytes().to_vec()));
        let mut names: Vec<Vec<u8>> = names.collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// ELF files that were looked at, by their place in the system.
#[derive(Default)]
pub struct Elves {
    seen: HashMap<(u64, u64), Option<Elf>>,
}

impl Elves {
    /// The facts of a file; `None` if it is no ELF file.
    ///
    /// # Errors
    /// As [`Elf::read`] and [`open_regular`]. The place is the path.
    pub fn of(&mut self, path: &Path) -> Result<Option<Elf>> {
        let place = || path.to_string_lossy().into_owned();
        let file = open_regular(path, false).at(place)?;
        let metadata = file.metadata().map_err(|error| Error::io("read", error))?;
        let key = (metadata.dev(), metadata.ino());
        if let Some(elf) = self.seen.get(&key) {
            return Ok(elf.clone());
        }
        let elf = Elf::read(&file).at(place)?;
        self.seen.insert(key, elf.clone());
        Ok(elf)
    }
}
