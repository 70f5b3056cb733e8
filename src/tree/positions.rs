//! Positions in the tables of a tree.

use crate::index_vec::index_types;

index_types! {
    /// Path of any layer, present or not. A directory's is lower than those of its contents.
    pub struct PathIdx;
    /// Version of a path. A later version has a higher position.
    pub(super) struct VersionIdx;
    /// Entry of one layer, in archive order.
    pub(super) struct EntryIdx;
}

impl PathIdx {
    pub(super) const ROOT: Self = PathIdx(0);
    pub(super) const NONE: Self = PathIdx(u32::MAX);
}

impl VersionIdx {
    pub(super) const FIRST: Self = VersionIdx(0);
    pub(super) const NONE: Self = VersionIdx(u32::MAX);
}

impl EntryIdx {
    pub(super) const NONE: Self = EntryIdx(u32::MAX);
}
