//! Images, nodes and roots of an archive while it is opened.

use std::sync::{Arc, OnceLock};

use super::container::Container;
use super::graph::Node;
use super::image::Image;
use super::model::{Archive, DockerHalf, Format, OciHalf, Root};
use super::positions::{ImageIdx, NodeIdx, RootIdx};
use crate::error::{Error, Fault};
use crate::index_vec::IndexVec;

/// Parts of an [`Archive`] read so far.
#[derive(Default)]
pub(super) struct Assembly {
    pub nodes: IndexVec<NodeIdx, Node>,
    pub images: IndexVec<ImageIdx, Image>,
    pub roots: IndexVec<RootIdx, Root>,
    /// Damage that concerns no single image.
    pub faults: Vec<Error>,
    /// Remarks on how the archive is read that are no errors.
    pub notes: Vec<String>,
    /// True to keep damage instead of refusing the archive, see [`super::Open::examine`].
    pub examine: bool,
}

impl Assembly {
    /// Adds to each image the first layer that its documents prove to be another than its config lists.
    pub fn check_layers(&mut self) {
        for image in self.images.iter_mut() {
            let checked = image.check_layers();
            // A wrong number of layers is among the faults of the manifest and of the item already.
            let fault = checked
                .err()
                .filter(|error| !matches!(error.fault(), Fault::LayerCount { .. }));
            image.faults.extend(fault);
        }
    }

    /// Returns the finished archive.
    pub fn into_archive(
        self,
        name: &str,
        container: Container,
        format: Format,
        docker: Option<DockerHalf>,
        oci: Option<OciHalf>,
    ) -> Archive {
        Archive {
            place: name.to_owned(),
            format,
            container: Arc::new(container),
            docker,
            oci,
            nodes: self.nodes,
            images: self.images,
            roots: self.roots,
            faults: self.faults,
            notes: self.notes,
            is_part: false,
            roots_of: OnceLock::new(),
            lookup: OnceLock::new(),
        }
    }
}
