//! Versions of paths: one for each change that a layer makes to a path.

use super::positions::{EntryIdx, VersionIdx};

/// A change that a layer makes to a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    /// The preceding version of the path.
    pub prev: VersionIdx,
    /// The layer's entry; `NONE` without one.
    pub record: EntryIdx,
    /// The version that created the file: itself, except for hard links.
    pub inode: VersionIdx,
    pub layer: u16,
    pub change: Change,
}

/// Kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The layer has an entry for it.
    Entry,
    /// A directory without an entry, created for its contents.
    Implied,
    /// An existing directory, below which the layer has an entry.
    Passed,
    /// Removed from lower layers.
    Removed,
    /// Contents removed from lower layers.
    Opaque,
}
