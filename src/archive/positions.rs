//! Positions in the lists of an archive. They end in `Idx` because an image index is a document.

use crate::index_vec::index_types;

index_types! {
    /// Position in [`Archive::images`](super::Archive::images).
    pub struct ImageIdx;
    /// Position in [`Archive::nodes`](super::Archive::nodes).
    pub struct NodeIdx;
    /// Position in [`Archive::roots`](super::Archive::roots).
    pub struct RootIdx;
}
