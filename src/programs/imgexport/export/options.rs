//! Options of an export: layers, paths and patterns.

use std::ops::Range;

use crate::disk::Patterns;

/// Selection and form of the files to export.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// Layers to export, from 0; all layers if `None`.
    pub layers: Option<Range<usize>>,
    /// Export the layers as changes to the layers below, with whiteouts; else apply them to an empty tree.
    pub raw: bool,
    /// Include the root directory, which docker export omits.
    pub top: bool,
    /// Paths to export, with everything below them; all paths if empty.
    pub paths: Vec<Vec<u8>>,
    /// Patterns of paths to export; all paths if empty.
    pub include: Patterns,
    /// Patterns of paths to omit.
    pub exclude: Patterns,
    /// Latest time in seconds since 1970; times become whole seconds, and user and group names are omitted.
    pub clamp: Option<i64>,
    /// Verify the diff IDs of uncompressed layers even if only some of their files are exported.
    pub verify: bool,
}

impl ExportOptions {
    /// Tests if all paths are selected, except for excluded ones, so that layers are read to their ends.
    pub(super) fn selects_all(&self) -> bool {
        self.paths.is_empty() && self.include.is_empty()
    }
}
