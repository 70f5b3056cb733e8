//! Versions of paths: each thing that each layer did to a path.

/// One thing that a layer did to a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    /// What was done to the same path before.
    pub prev: u32,
    /// The layer's entry; `NONE` where there is none.
    pub record: u32,
    /// The version that made the file this is a name of: itself, but for hard links.
    pub inode: u32,
    pub layer: u16,
    pub what: What,
}

/// What it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Wrote it.
    Entry,
    /// Made a folder that no entry speaks of.
    Implied,
    /// Wrote something in a folder that was there.
    Passed,
    /// Removed what lower layers have there.
    Removed,
    /// Removed all that lower layers have in it.
    Opaque,
}
