//! Archives with an OCI half and a docker half that do not say the same of an image's layers.
//!
//! docker and skopeo read `manifest.json`, also where `index.json` is right, so `manifest.json` is what an archive was
//! made to be. The OCI half is read, because its manifest can be passed on untouched, unless it contradicts the config:
//! docker 25.0.0 wrote the layers in another order there, its release candidates none of them or wrong sizes.

use super::assemble::Assembly;
use super::container::Container;
use super::docker::DockerItem;
use super::image::{Image, ImageId, Layer, Presence};
use crate::error::{Error, Result};
use crate::spec::{Descriptor, Digest, MediaType};

impl Assembly {
    /// Lets the docker half describe an image whose OCI manifest lists other layers than the config, if the docker half
    /// lists those of the config. Of compressed layers nobody can tell without decoding them all which half is right: then
    /// it is the one that docker reads.
    pub(super) fn choose_half(
        &mut self,
        container: &Container,
        position: usize,
        item: &DockerItem,
        twin: usize,
    ) {
        let Some(image) = self.images.get(twin) else {
            return;
        };
        let Some(node) = image.node.filter(|_| image.config_bytes.is_some()) else {
            return;
        };
        let mut faults = Vec::new();
        let diff_ids = image.config.diff_ids.as_ref();
        let mut layers = docker_layers(container, item, diff_ids, &mut faults);
        name_layers(&mut layers);
        if !faults.is_empty() {
            return;
        }
        let same = same_places(&image.layers, &layers);
        // Where both lead to the same bytes only what is stated of these can be wrong.
        let stated = match same {
            true => image.check_sizes(),
            false => image.check_fits(),
        };
        if stated.is_ok() && (same || image.has_proven_layers()) {
            return;
        }
        let docker = Image {
            id: image.id.clone(),
            platform: image.config.platform.clone(),
            config: image.config.clone(),
            config_bytes: image.config_bytes.clone(),
            manifest: None,
            node: None,
            item: Some(position),
            layers,
            faults: Vec::new(),
        };
        if docker.check_fits().is_err() {
            return;
        }
        let place = match &docker.id {
            ImageId::Config(digest) => digest.short().to_owned(),
            ImageId::V1(id) => id.clone(),
        };
        self.notes.push(format!(
            "image {place}: index.json lists other layers than manifest.json and the config: using manifest.json"
        ));
        if let Some(node) = self.nodes.get_mut(node) {
            // Of a manifest that nobody reads nothing is wrong; who would pass it on as a part of an index is refused.
            node.faults.clear();
        }
        if let Some(image) = self.images.get_mut(twin) {
            *image = docker;
        }
    }
}

impl Image {
    /// Compares all that shows without hashing, and that every layer is there that should be.
    fn check_fits(&self) -> Result<()> {
        self.check_count()?;
        for layer in &self.layers {
            if matches!(layer.presence, Presence::Absent | Presence::Unreadable) {
                return Err(layer.absent());
            }
            layer.check_identity()?;
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<()> {
        self.layers.iter().try_for_each(Layer::check_size)
    }

    /// Whether every layer is stored under its diff ID.
    fn has_proven_layers(&self) -> bool {
        self.layers.iter().all(|layer| {
            let stored = layer.descriptor.as_ref().map(|stated| &stated.digest);
            stored.is_some() && stored == layer.diff_id.as_ref()
        })
    }
}

/// The layers that an item of `manifest.json` lists.
pub(super) fn docker_layers(
    container: &Container,
    item: &DockerItem,
    diff_ids: Option<&Vec<Digest>>,
    faults: &mut Vec<Error>,
) -> Vec<Layer> {
    let mut layers = Vec::with_capacity(item.layers.len());
    for (i, member) in item.layers.iter().enumerate() {
        let diff_id = diff_ids.and_then(|ids| ids.get(i)).cloned();
        let source = item
            .layer_sources
            .iter()
            .find(|(id, _)| Some(id) == diff_id.as_ref());
        let descriptor = source.map(|(_, descriptor)| descriptor.clone());
        let presence = match container.get(member) {
            Ok(Some(content)) => Presence::Here(content),
            Ok(None) if descriptor.as_ref().is_some_and(Descriptor::may_be_absent) => {
                Presence::External
            }
            Ok(None) => Presence::Absent,
            Err(error) => {
                faults.push(error);
                Presence::Unreadable
            }
        };
        // docker's sources may speak of the blob as it was pulled, and not of the bytes that are stored here.
        let descriptor = descriptor.filter(|descriptor| match &presence {
            Presence::Here(content) => content.len() == descriptor.size,
            _ => true,
        });
        layers.push(Layer {
            descriptor,
            diff_id,
            member: member.clone(),
            presence,
        });
    }
    layers
}

/// Has layers compared with their names: what lies below `blobs/` has its digest for a name, whichever half leads there.
pub(super) fn name_layers(layers: &mut [Layer]) {
    for layer in layers.iter_mut().filter(|layer| layer.descriptor.is_none()) {
        layer.descriptor = named(layer);
    }
}

/// What the name of a layer that is a blob states of it.
fn named(layer: &Layer) -> Option<Descriptor> {
    let content = layer.content()?;
    Some(Descriptor {
        media_type: MediaType::default(),
        digest: Digest::from_blob_path(&layer.member)?,
        size: content.len(),
        urls: Vec::new(),
        annotations: Vec::new(),
        data: None,
        artifact_type: None,
        platform: None,
    })
}

/// Whether both lists lead to the same bytes in the same order, whatever they call them.
fn same_places(one: &[Layer], other: &[Layer]) -> bool {
    let same = |(a, b): (&Layer, &Layer)| match (a.content(), b.content()) {
        (Some(a), Some(b)) => a.address() == b.address() && a.len() == b.len(),
        (None, None) => a.member == b.member || a.descriptor.is_some() && b.descriptor.is_some(),
        _ => false,
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}
