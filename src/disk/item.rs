//! Files of a directory, and the options of a walk.

use super::patterns::Patterns;
use crate::layer::acl::is_acl;
use crate::layer::{EntryKind, Limits, Metadata};

/// Options of a walk.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Patterns of files to leave out.
    pub excludes: Patterns,
    /// User and group ID of all items; the default is that of the file system.
    pub owner: Option<(u32, u32)>,
    /// Latest modification time, in seconds since 1970; later times are set to it.
    pub latest: Option<i64>,
    /// Keeps nanoseconds of times; engines write whole seconds into layers.
    pub exact_times: bool,
    /// Treats the directory as the upper directory of an overlay mount, with its markers.
    pub overlay: bool,
    /// Limits on accepted input.
    pub limits: Limits,
}

/// One file of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// Path from the root, without a leading `/`.
    pub path: Vec<u8>,
    /// Kind of file. Hard links are files, see [`Item::inode`].
    pub kind: EntryKind,
    /// Mode, owner, time and extended attributes, the latter by name.
    pub metadata: Metadata,
    /// Size of the contents in bytes; 0 for kinds without contents.
    pub size: u64,
    /// Target of a symbolic link; empty otherwise.
    pub link_target: Vec<u8>,
    /// Major and minor number of a device; 0 otherwise.
    pub device: (u64, u64),
    /// Number shared by all names of a file with several names; `None` for other files.
    pub inode: Option<u64>,
}

/// Reports whether an extended attribute belongs into a layer: not labels of a host's security module, nor markers of
/// overlay mounts.
pub fn is_portable(name: &[u8]) -> bool {
    match name {
        b"security.capability" => true,
        name if is_acl(name) => true,
        name => {
            name.starts_with(b"user.")
                && !name.starts_with(b"user.overlay.")
                && name != b"user.containers.override_stat"
        }
    }
}
