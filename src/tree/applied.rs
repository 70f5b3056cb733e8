//! The tree that results from applying layers: its tables, and the faults found on the way.

use std::collections::HashMap;
use std::sync::Arc;

use super::listing::Listing;
use super::paths::Paths;
use super::positions::{PathIdx, VersionIdx};
use super::version::{Marker, Unapplied, Version};
use crate::error::{Error, Result};
use crate::index_vec::IndexVec;
use crate::layer::Limits;

/// The files after applying layers, and the history of every path. See the [module](super).
///
/// ```no_run
/// use imgkit::archive::{Open, Pick};
/// use imgkit::tree::{Reading, Tree};
///
/// let archive = Open::default().path("app.tar".as_ref())?;
/// let image = archive.select(&Pick::Only, None)?.image();
/// let tree = Tree::apply(Reading::default().list_all(image)?)?;
/// if let Some(node) = tree.get(b"etc/os-release") {
///     println!("{:?} of {} bytes from layer {}", node.kind(), node.size(), node.layer());
/// }
/// # Ok::<(), imgkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Tree {
    pub(super) listings: Vec<Arc<Listing>>,
    pub(super) paths: Paths,
    pub(super) versions: IndexVec<VersionIdx, Version>,
    /// The latest version of each name.
    pub(super) last: IndexVec<PathIdx, VersionIdx>,
    /// The version of each name after all layers; `NONE` if there is no file.
    pub(super) now: IndexVec<PathIdx, VersionIdx>,
    /// Files with several names after all layers, each with its names in the order of the walk.
    pub(super) links: HashMap<VersionIdx, Vec<PathIdx>>,
    /// The last hard link made to a file, which set the file's owner, mode and time.
    pub(super) restated: HashMap<VersionIdx, VersionIdx>,
    /// Whiteouts that were applied, by the name that they remove, layer and entry.
    pub(super) markers: Vec<Marker>,
    pub(super) unapplied: Unapplied,
    pub(super) faults: Vec<Error>,
    pub(super) fault_count: u64,
    pub(super) notices: Vec<Error>,
    pub(super) notice_count: u64,
    pub(crate) limits: Limits,
}

impl Tree {
    /// Maximum number of faults that are kept.
    pub const FAULTS: usize = 100;

    /// Faults of the layers, in their order; at most [`Tree::FAULTS`]. Each is placed at layer and entry.
    pub fn faults(&self) -> &[Error] {
        &self.faults
    }

    /// Number of faults, kept or not.
    pub fn fault_count(&self) -> u64 {
        self.fault_count
    }

    /// Entries that some engines put elsewhere, in their order; at most [`Tree::FAULTS`]. Each is placed at layer and
    /// path.
    pub fn notices(&self) -> &[Error] {
        &self.notices
    }

    /// Number of [`Tree::notices`], kept or not.
    pub fn notice_count(&self) -> u64 {
        self.notice_count
    }

    /// Returns the tree if it has no faults.
    ///
    /// # Errors
    /// The first of [`Tree::faults`]: `Entry` or `BadLink`.
    pub fn checked(self) -> Result<Self> {
        match self.faults.first() {
            Some(error) => Err(error.clone()),
            None => Ok(self),
        }
    }
}
