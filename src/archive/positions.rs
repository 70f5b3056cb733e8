//! Positions in the lists of an archive. They end in `Idx` because an image index is a document.

use crate::index_vec::index_types;

index_types! {
    /// Position in [`Archive::images`](super::Archive::images).
    ImageIdx;
    /// Position in [`Archive::nodes`](super::Archive::nodes).
    NodeIdx;
    /// Position in [`Archive::roots`](super::Archive::roots).
    RootIdx;
}
