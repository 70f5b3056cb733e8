//! Archives whose OCI half and docker half disagree on the layers of an image.
//!
//! docker and skopeo read `manifest.json` even where `index.json` is right, so `manifest.json` is authoritative. The
//! OCI half is used, because its manifest can be copied unchanged, unless it contradicts the config: docker 25.0.0
//! wrote the layers in another order there, its release candidates no layers or wrong sizes.

use super::assembly::Assembly;
use super::container::Container;
use super::docker::DockerItem;
use super::image::{Image, ImageId, Layer, Presence};
use super::positions::ImageIdx;
use crate::error::{Error, Result};
use crate::spec::{Descriptor, Digest, MediaType};

impl Assembly {
    /// Replaces an image whose OCI manifest lists other layers than the config by its description in the docker half,
    /// if that lists the layers of the config. For compressed layers only decoding all of them could tell which half is
    /// right; the docker half is used then, as docker does.
    pub(super) fn choose_half(
        &mut self,
        container: &Container,
        position: usize,
        item: &DockerItem,
        twin: ImageIdx,
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
        // Where both lead to the same bytes, only stated sizes can be wrong.
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
            // The manifest is not used, so its faults do not matter; copying an index that contains it is refused.
            node.faults.clear();
        }
        if let Some(image) = self.images.get_mut(twin) {
            *image = docker;
        }
    }
}

impl Image {
    /// Compares everything that can be checked without hashing, and refuses missing layers.
    fn check_fits(&self) -> Result<()> {
        self.check_count()?;
        for layer in &self.layers {
            if matches!(layer.presence, Presence::Missing | Presence::Unreadable) {
                return Err(layer.missing_error());
            }
            layer.check_identity()?;
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<()> {
        self.layers.iter().try_for_each(Layer::check_size)
    }

    /// Tests if every layer is stored under its diff ID.
    fn has_proven_layers(&self) -> bool {
        self.layers.iter().all(|layer| {
            let stored = layer.digest();
            stored.is_some() && stored == layer.diff_id.as_ref()
        })
    }
}

/// Returns the layers that an item of `manifest.json` lists.
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
            Ok(Some(content)) => Presence::Present(content),
            Ok(None) if descriptor.as_ref().is_some_and(Descriptor::may_be_absent) => {
                Presence::External
            }
            Ok(None) => Presence::Missing,
            Err(error) => {
                faults.push(error);
                Presence::Unreadable
            }
        };
        // docker's sources may describe the blob as pulled, not the bytes stored here.
        let descriptor = descriptor.filter(|descriptor| match &presence {
            Presence::Present(content) => content.len() == descriptor.size,
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

/// Adds descriptors to layers that are named by digest, so that a layer below `blobs/` is compared with its name in
/// both halves.
pub(super) fn name_layers(layers: &mut [Layer]) {
    for layer in layers.iter_mut().filter(|layer| layer.descriptor.is_none()) {
        layer.descriptor = named(layer);
    }
}

/// Returns the descriptor that the name of a blob implies.
fn named(layer: &Layer) -> Option<Descriptor> {
    let content = layer.content()?;
    let digest = Digest::from_blob_path(&layer.member)?;
    Some(Descriptor::new(MediaType::default(), digest, content.len()))
}

/// Tests if both lists lead to the same bytes in the same order, whatever their names.
fn same_places(one: &[Layer], other: &[Layer]) -> bool {
    let same = |(a, b): (&Layer, &Layer)| match (a.content(), b.content()) {
        (Some(a), Some(b)) => a.address() == b.address() && a.len() == b.len(),
        (None, None) => a.member == b.member || a.descriptor.is_some() && b.descriptor.is_some(),
        _ => false,
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}
