//! Versions of paths: one for each change that a layer makes to a path.

use super::paths::Paths;
use super::positions::{EntryIdx, PathIdx, VersionIdx};

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

/// A whiteout that was applied: an entry that is in no version, since several can cause one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Marker {
    /// The removed name, or the directory whose contents are removed.
    pub name: PathIdx,
    pub layer: u16,
    pub entry: EntryIdx,
    pub is_opaque: bool,
}

/// Entries that were not applied. Their names are no names of the tree.
#[derive(Debug, Default)]
pub(super) struct Unapplied {
    pub paths: Paths,
    /// The entries by name, layer and number.
    pub entries: Vec<(PathIdx, u16, EntryIdx)>,
}
