//! Permitted gaps of an archive: an engine that holds one platform of several writes the index of all of them.

use std::collections::HashSet;

use super::graph::NodeKind;
use super::image::{Image, Layer, Presence};
use super::model::Archive;
use super::positions::{ImageIdx, NodeIdx};
use crate::index_vec::IndexVec;
use crate::spec::Digest;

/// Missing documents and layers that are no damage, and those that are.
pub struct Gaps {
    /// For each image, true if its missing layers may be missing.
    sparse: IndexVec<ImageIdx, bool>,
    /// For each node, true if an index that contains it has no complete image.
    lost: IndexVec<NodeIdx, bool>,
}

impl Gaps {
    /// Finds the gaps of an archive in one pass over its images and nodes.
    ///
    /// An image may lack layers if only an index lists it and each layer of it that is present also belongs to a
    /// complete image: then nothing in the archive says that it was ever complete. A platform of which an engine has the
    /// documents alone shares layers with one that it pulled.
    pub fn of(archive: &Archive) -> Self {
        Gaps::beside(archive, |_| false)
    }

    /// Finds the gaps of an archive for a reader that has some blobs already, as [`Gaps::of`].
    pub fn beside(archive: &Archive, has: impl Fn(&Digest) -> bool) -> Self {
        let is_there = |layer: &Layer| {
            !matches!(layer.presence, Presence::Missing | Presence::Unreadable)
                || layer.digest().is_some_and(&has)
        };
        let is_complete = |image: &Image| {
            image.is_complete() || image.config_bytes.is_some() && image.layers.iter().all(is_there)
        };
        let top: HashSet<NodeIdx> = archive.roots.iter().filter_map(|root| root.node).collect();
        let complete = archive.images.iter().map(is_complete);
        let complete: IndexVec<ImageIdx, bool> = complete.collect();
        let shared: HashSet<&Digest> = archive
            .images
            .iter()
            .zip(&complete)
            .filter(|(_, complete)| **complete)
            .flat_map(|(image, _)| image.layers.iter().filter_map(Layer::digest))
            .collect();
        let may_be_partial = |image: &Image| {
            let below = image.node.is_some_and(|node| !top.contains(&node));
            let missing = |layer: &Layer| matches!(layer.presence, Presence::Missing);
            below
                && image.item.is_none()
                && image.layers.iter().any(missing)
                && image.layers.iter().all(|layer| {
                    missing(layer) || layer.digest().is_some_and(|digest| shared.contains(digest))
                })
        };
        let sparse = archive.images.iter().map(may_be_partial).collect();
        let mut lost = IndexVec::from_elem(false, &archive.nodes);
        for root in &archive.roots {
            let Some(node) = root.node else { continue };
            if archive.images_of(root).iter().any(|&image| complete[image]) {
                continue;
            }
            let mut work = vec![node];
            while let Some(node) = work.pop() {
                if std::mem::replace(&mut lost[node], true) {
                    continue;
                }
                if let NodeKind::Index(edges) = &archive.nodes[node].kind {
                    work.extend(edges.iter().map(|edge| edge.node));
                }
            }
        }
        Gaps { sparse, lost }
    }

    /// Tests if missing layers of an image, are no damage.
    pub fn is_sparse(&self, image: ImageIdx) -> bool {
        self.sparse[image]
    }

    /// Tests if what a node lacks is damage: no image beside it is complete.
    pub fn is_damage(&self, node: NodeIdx) -> bool {
        self.lost[node]
    }
}
