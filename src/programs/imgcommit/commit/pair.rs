//! Result of the comparison of one path.

/// A path with its items on both sides.
#[derive(Default)]
pub(super) struct Pair {
    /// Number of the item in the base.
    pub base: Option<u32>,
    /// Number of the item on the new side.
    pub new: Option<u32>,
    /// Pair of the parent directory.
    pub parent: Option<u32>,
    /// Result of the comparison.
    pub status: Status,
    /// Neither the path nor anything below it is compared.
    pub ignores_contents: bool,
    /// The path is a directory on both sides.
    pub is_directory: bool,
    /// The path is a directory on the new side.
    pub is_new_directory: bool,
}

/// Result of the comparison of a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Status {
    /// Equal metadata; the contents may differ.
    #[default]
    Same,
    /// New or changed: in the layer.
    Changed,
    /// In the layer as the parent of a change.
    Parent,
    /// Only the time differs.
    Time,
    /// Removed: a whiteout.
    Removed,
    /// Removed with a directory above it.
    Covered,
    /// Not compared.
    Ignored,
}
