//! Facts about one version of a path.

use std::borrow::Cow;

use super::contents::ContentTest;
use crate::error::Result;
use crate::glob::Glob;
use crate::layer::Mtime;

/// States of a version, in the words of the suite.
pub const STATES: [&str; 6] = [
    "final",
    "replaced",
    "removed",
    "hidden",
    "repeated",
    "unapplied",
];

/// Kind of a version. A hard link has the kind of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// A FIFO.
    Fifo,
    /// A whiteout: the path is removed.
    Whiteout,
    /// An opaque whiteout: what lower layers have below the path is removed.
    Opaque,
    /// A kind that tars do not define.
    Other,
}

impl Kind {
    /// The kind's letter: those of find, `w` for a whiteout, `o` for an opaque one, `U` for others.
    pub fn letter(self) -> u8 {
        match self {
            Kind::File => b'f',
            Kind::Directory => b'd',
            Kind::Symlink => b'l',
            Kind::BlockDevice => b'b',
            Kind::CharDevice => b'c',
            Kind::Fifo => b'p',
            Kind::Whiteout => b'w',
            Kind::Opaque => b'o',
            Kind::Other => b'U',
        }
    }
}

/// One of a version's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// Modification of the contents.
    Modified,
    /// Last access, where an extended header has it.
    Accessed,
    /// Change of the metadata, where an extended header has it.
    Changed,
}

/// Facts about one version. Those that return a [`Result`] may cost more than a look at the entry, and are asked for
/// only when a test depends on them.
pub trait Facts {
    /// Path from the root, without a slash at its start; not empty.
    fn path(&self) -> &[u8];
    /// Kind; of a hard link, that of its file.
    fn kind(&self) -> Kind;
    /// Reports whether the entry is a hard link.
    fn is_hard_link(&self) -> bool;
    /// Size in bytes as `lstat` gives it: of a symbolic link the length of its target, of a hard link that of its file.
    fn size(&self) -> u64;
    /// Permission bits: 12 bits.
    fn mode(&self) -> u16;
    /// User ID.
    fn uid(&self) -> u64;
    /// Group ID.
    fn gid(&self) -> u64;
    /// One of the times, if the layer has it.
    fn time(&self, stamp: Stamp) -> Option<Mtime>;
    /// Target of a symbolic link; empty otherwise.
    fn target(&self) -> &[u8];
    /// Position of the entry in its layer, from 1.
    fn entry(&self) -> u64;
    /// Number of its layer, from 1, the base.
    fn layer(&self) -> usize;
    /// Reports whether the diff ID or digest of its layer begins with these hexadecimal digits.
    fn is_in_layer(&self, digits: &str) -> bool;
    /// One of [`STATES`].
    fn state(&self) -> &'static str;
    /// Command of the history step that made its layer; empty if unknown.
    fn step(&self) -> &str;
    /// Command of the step that took it away; `None` for a final version, empty if unknown.
    fn gone_by(&self) -> Option<&str>;
    /// Value of an extended attribute.
    fn xattr(&self, name: &[u8]) -> Option<&[u8]>;

    /// ID of a user by name, as of its layer.
    ///
    /// # Errors
    /// Those of reading the layer.
    fn user_id(&self, name: &[u8]) -> Result<Option<u64>>;
    /// ID of a group by name, as of its layer.
    ///
    /// # Errors
    /// Those of reading the layer.
    fn group_id(&self, name: &[u8]) -> Result<Option<u64>>;
    /// Name of its user, as of its layer.
    ///
    /// # Errors
    /// Those of reading the layer.
    fn user_name(&self) -> Result<Option<Cow<'_, [u8]>>>;
    /// Name of its group, as of its layer.
    ///
    /// # Errors
    /// Those of reading the layer.
    fn group_name(&self) -> Result<Option<Cow<'_, [u8]>>>;
    /// Number of its names.
    ///
    /// # Errors
    /// Those of reading the layer.
    fn links(&self) -> Result<u64>;
    /// Reports whether nothing is below it. Asked of directories only.
    ///
    /// # Errors
    /// Those of reading the layer.
    fn is_empty_directory(&self) -> Result<bool>;
    /// One of the times of a path in the final tree; `None` if it is not recorded.
    ///
    /// # Errors
    /// `Usage` if the tree has no such path.
    fn time_of(&self, path: &[u8]) -> Result<Option<Mtime>>;
    /// Reports whether it is the file that a path has in the final tree.
    ///
    /// # Errors
    /// `Usage` if the tree has no such path.
    fn is_same_file(&self, path: &[u8]) -> Result<bool>;
    /// Reports whether another path has its contents. Asked of files only.
    ///
    /// # Errors
    /// Those of reading the layer.
    fn is_duplicate(&self) -> Result<bool>;
    /// Reports whether a package whose name matches lists the path, as of its layer.
    ///
    /// # Errors
    /// Those of reading the databases of packages.
    fn has_package(&self, name: &Glob) -> Result<bool>;
    /// Reports whether a package lists the path, as of its layer.
    ///
    /// # Errors
    /// Those of reading the databases of packages.
    fn is_owned(&self) -> Result<bool>;
    /// Reports whether packages list digests for the path, as of its layer, and none of them is that of its contents.
    /// Asked of files only.
    ///
    /// # Errors
    /// Those of reading the databases of packages, and the layer.
    fn is_altered(&self) -> Result<bool>;
    /// Reports whether a digest of its contents is in the file with this number in
    /// [`Expression::hash_sets`](super::Expression::hash_sets); empty contents are in none. Asked of files only.
    ///
    /// # Errors
    /// Those of reading the layer.
    fn is_in_hash_set(&self, number: usize) -> Result<bool>;
    /// Result of a test on its contents, with its number in
    /// [`Expression::content_tests`](super::Expression::content_tests); false if they could not be read. Asked of files
    /// only.
    ///
    /// # Errors
    /// Those of reading the layer.
    fn has_contents(&self, test: &ContentTest, number: usize) -> Result<bool>;
    /// SHA-256 of its contents in small hexadecimal digits; `None` for what has none.
    ///
    /// # Errors
    /// Those of reading the layer.
    fn digest(&self) -> Result<Option<String>>;
}

/// Last component of a path.
pub(super) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Number of components of a path.
pub(super) fn depth(path: &[u8]) -> u64 {
    1 + path.iter().filter(|byte| **byte == b'/').count() as u64
}
