//! Result of writing images to a tree.

use std::collections::BTreeMap;

use super::repository::PlannedTag;
use crate::spec::Digest;

/// Result of writing a bundle.
#[derive(Debug, Default)]
pub struct Pushed {
    /// Written and kept tags with their names, sorted.
    pub tags: Vec<PushedTag>,
    /// The states of the layers, by repository.
    pub layers: BTreeMap<String, Vec<(Digest, LayerState)>>,
    /// Size in bytes and state of each blob, by digest.
    pub blobs: BTreeMap<Digest, (u64, BlobState)>,
}

/// A tag of a tree.
#[derive(Debug)]
pub struct PushedTag {
    /// Repository.
    pub name: String,
    /// Tag.
    pub tag: String,
    /// Digest and size of its manifest or index.
    pub planned: PlannedTag,
    /// Digest that the tag pointed to before, if it was another one.
    pub replaced: Option<Digest>,
    /// True if the tag was kept with its other digest.
    pub kept: bool,
}

/// State of a blob before it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobState {
    /// New.
    Pushed,
    /// In the tree.
    Existing,
}

/// State of a layer in a repository before it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerState {
    /// New.
    Pushed,
    /// In the repository.
    Existing,
    /// In another repository.
    Mounted(String),
}
