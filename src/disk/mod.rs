//! Directories of the file system as entries, as a layer made of them would have them.
//!
//! In comes a directory, out go [`Item`]s in the order of [`cmp_paths`](crate::tree::cmp_paths) and their contents. Left
//! to others: comparing and writing them.
//!
//! Symbolic links are data and never followed, even if somebody exchanges directories for links during the walk: every
//! file is opened relative to the directory, and links are refused (`openat2`). A file that was replaced before its
//! contents are read, or that changes meanwhile, is an error: the layer would mix two points in time. Sockets cannot be
//! stored in a tar and are skipped and listed.
//!
//! Items keep the metadata that layers can store and every host has: mode, owner, time in seconds as docker writes it, hard links, and
//! the attributes `user.*`, `security.capability` and access control lists. Labels of a host's security module and
//! markers of overlay mounts are dropped.

mod access;
mod item;
mod overlay;
mod patterns;
mod walk;

pub use item::{Item, Options, is_portable};
pub use overlay::OverlayMark;
pub use patterns::Patterns;
pub use walk::{Contents, Directory, MarkedItem};
