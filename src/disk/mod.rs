//! A folder of the file system as entries: what a layer made of it says.
//!
//! In comes a folder, out go [`Item`]s in the order of [`cmp_paths`](crate::tree::cmp_paths) and their contents. Left
//! to others: comparing and writing them.
//!
//! Symbolic links are data and never followed, not even by somebody who exchanges folders for links while the walk
//! goes on: every open is relative to the folder and refuses links (`openat2`). A file that is not the same any more
//! when its contents are read, or that changes meanwhile, is an error, because a layer of it would be of no moment in
//! time. Sockets cannot be in a tar and are skipped; whoever walks is told.
//!
//! Kept is what layers can carry and every host has: mode, owner, time to the second as docker has it, hard links, and
//! the attributes `user.*`, `security.capability` and access control lists. Labels of a host's security module and the
//! notes of overlay mounts stay behind.

mod access;
mod exclude;
mod overlay;
mod walk;

pub use exclude::Excludes;
pub use overlay::OverlayMark;
pub use walk::{Directory, Walked};

use crate::layer::{EntryKind, Limits, Metadata};

/// What is to be made of a folder.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What is left out.
    pub excludes: Excludes,
    /// Who owns everything; as the file system says without it.
    pub owner: Option<(u32, u32)>,
    /// Times later than this become this.
    pub latest: Option<i64>,
    /// Whether times keep what they have below a second; whole seconds are what engines write into layers.
    pub exact_times: bool,
    /// Whether the folder is the upper one of an overlay mount, whose marks are to be read as such.
    pub overlay: bool,
    /// What is accepted at most.
    pub limits: Limits,
}

/// One thing in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// The path from the top, without a leading `/`.
    pub path: Vec<u8>,
    /// What it is; of a file's further names too, see [`Item::inode`].
    pub kind: EntryKind,
    /// Mode, owner, time and extended attributes, the latter by name.
    pub metadata: Metadata,
    /// Size of the contents; 0 where the kind has none.
    pub size: u64,
    /// Target of a symbolic link.
    pub link_target: Vec<u8>,
    /// Major and minor number of a device.
    pub device: (u64, u64),
    /// What all names of a file with several have in common, and nothing else has.
    pub inode: Option<u64>,
}

/// Whether an extended attribute belongs into a layer: not the label of a host's security module, nor a mount's notes.
pub fn is_portable(name: &[u8]) -> bool {
    match name {
        b"security.capability" => true,
        name if crate::layer::acl::is_acl(name) => true,
        name => {
            name.starts_with(b"user.")
                && !name.starts_with(b"user.overlay.")
                && name != b"user.containers.override_stat"
        }
    }
}
