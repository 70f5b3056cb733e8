//! Files of the dpkg database in a tree, on disk or in memory.

use super::root::Root;
use crate::base::debian::Paragraphs;
use crate::base::rootfs::Rootfs;
use crate::error::{At, Result};

/// Largest file of a database in memory that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// Path of the list of packages.
pub(crate) const STATUS: &str = "var/lib/dpkg/status";

/// Directory of the control files of packages.
pub(crate) const INFO: &str = "var/lib/dpkg/info";

/// A tree whose files can be read.
pub(crate) trait ReadFile {
    /// Returns the bytes of a file, links followed; `None` if it is missing.
    ///
    /// # Errors
    /// `Limit` for a file that is too large, `BadLink`, `Io`.
    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>>;

    /// Returns the names in a directory, links followed; none if it is missing.
    ///
    /// # Errors
    /// `Entry` and `Io` for a directory of the host.
    fn names(&self, directory: &str) -> Result<Vec<String>>;
}

impl ReadFile for Root {
    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.text(path.as_bytes())
    }

    fn names(&self, directory: &str) -> Result<Vec<String>> {
        let names = Root::names(self, directory.as_bytes())?.into_iter();
        Ok(names
            .map(|name| String::from_utf8_lossy(&name).into_owned())
            .collect())
    }
}

impl ReadFile for Rootfs {
    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.read(path.as_bytes(), MAX_FILE)
    }

    fn names(&self, directory: &str) -> Result<Vec<String>> {
        let Ok(directory) = self.follow(directory.as_bytes()) else {
            return Ok(Vec::new());
        };
        let names = self.children(&directory).map(|named| named.name());
        Ok(names
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect())
    }
}

/// Reads the list of packages; `None` if the tree has no database.
///
/// # Errors
/// As [`ReadFile::read_file`] and [`paragraphs`].
pub(crate) fn status(tree: &impl ReadFile) -> Result<Option<Paragraphs>> {
    let bytes = tree.read_file(STATUS)?;
    bytes.map(|bytes| paragraphs(&bytes, STATUS)).transpose()
}

/// Parses a file of the database.
///
/// # Errors
/// As [`Paragraphs::new`], with the path as context.
pub(crate) fn paragraphs(bytes: &[u8], path: &str) -> Result<Paragraphs> {
    Paragraphs::new(&String::from_utf8_lossy(bytes)).at(|| path.to_owned())
}
