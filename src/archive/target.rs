//! Targets of names, IDs and digests.

use std::collections::HashMap;

use super::name::NameKey;
use super::positions::{ImageIdx, NodeIdx, RootIdx};
use crate::spec::Digest;

/// Target of an ID or digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// Root, by position: selected by its own digest, or by the only image in it.
    Root(RootIdx),
    /// One of several images below a root.
    Image {
        /// Position of the root.
        root: RootIdx,
        /// Position of the image.
        image: ImageIdx,
    },
}

impl Target {
    /// Returns the position of the root.
    pub fn root(self) -> RootIdx {
        match self {
            Target::Root(root) | Target::Image { root, .. } => root,
        }
    }
}

/// Index of names, IDs and digests, made on first use.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    pub nodes: HashMap<Digest, NodeIdx>,
    /// Roots by each of their names, and by the texts of their `ref.name`.
    pub names: HashMap<NameKey, Vec<RootIdx>>,
    /// Roots of a tree by their names outside of it.
    pub outside: HashMap<NameKey, Vec<RootIdx>>,
    pub ids: Vec<KnownId>,
}

/// ID or digest and its target.
#[derive(Debug)]
pub(super) struct KnownId {
    pub hex: String,
    pub algorithm: String,
    pub target: Target,
}
