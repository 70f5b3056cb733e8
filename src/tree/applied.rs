//! The tree that applying layers makes: its tables, and the faults that were found on the way.

use std::collections::HashMap;
use std::sync::Arc;

use super::listing::Listing;
use super::paths::Paths;
use super::version::Version;
use crate::error::{Error, Result};
use crate::layer::Limits;

/// The files after applying layers, and all that was there before. See the [module](super).
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
    pub(super) versions: Vec<Version>,
    /// The latest version of each name.
    pub(super) last: Vec<u32>,
    /// The version that each name stands for in the end; `NONE` where nothing is.
    pub(super) now: Vec<u32>,
    /// Files with several names in the end, each with its names in the order of the walk.
    pub(super) links: HashMap<u32, Vec<u32>>,
    /// The last hard link made to a file, whose owner, mode and time the file has since.
    pub(super) restated: HashMap<u32, u32>,
    pub(super) faults: Vec<Error>,
    pub(super) fault_count: u64,
    pub(super) notices: Vec<Error>,
    pub(super) notice_count: u64,
    pub(crate) limits: Limits,
}

impl Tree {
    /// How many faults are kept.
    pub const FAULTS: usize = 100;

    /// What is wrong with the layers, in their order; at most [`Tree::FAULTS`]. Each is placed at layer and entry.
    pub fn faults(&self) -> &[Error] {
        &self.faults
    }

    /// How many faults there are, kept or not.
    pub fn fault_count(&self) -> u64 {
        self.fault_count
    }

    /// Entries that not all engines put where this tree has them, in their order; at most [`Tree::FAULTS`]. Each is
    /// placed at layer and path.
    pub fn notices(&self) -> &[Error] {
        &self.notices
    }

    /// Number of [`Tree::notices`], kept or not.
    pub fn notice_count(&self) -> u64 {
        self.notice_count
    }

    /// The same tree, if nothing is wrong with it.
    ///
    /// # Errors
    /// The first of [`Tree::faults`]: `Entry` or `BadLink`.
    pub fn sound(self) -> Result<Self> {
        match self.faults.first() {
            Some(error) => Err(error.clone()),
            None => Ok(self),
        }
    }
}
