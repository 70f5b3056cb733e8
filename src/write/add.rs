//! Images of archives added to a bundle.
//!
//! Documents pass through untouched. An image without a manifest, which comes from a docker-archive without an OCI
//! half, gets one.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::bundle::Bundle;
use super::listed::{self, Listed, ListedName, Stated};
use super::media_types::MediaTypes;
use super::output::{Change, ImageOut, LayerOut, Source, descriptor};
use super::signatures;
use crate::archive::{
    Archive, BlobNames, Content, Gaps, Image, ImageId, ImageIdx, Layer, Name, NodeIdx, NodeKind,
    Presence, Root,
};
use crate::blob::{Compression, sha256};
use crate::error::{At, Error, Result};
use crate::spec::{Descriptor, Digest, MediaType};

impl Bundle {
    /// Adds the image or index of a root, with the given names.
    ///
    /// Everything in the archive that the root leads to is added: of an index all platforms that are present, with
    /// attestations. `chosen` is the image for `manifest.json`.
    ///
    /// # Errors
    /// The first known fault of the image; `BlobMissing` if a layer of the chosen image is missing, or all images of
    /// the root are.
    pub fn add(
        &mut self,
        archive: &Archive,
        root: &Root,
        chosen: Option<ImageIdx>,
        names: Vec<ListedName>,
    ) -> Result<()> {
        let image = chosen.or(root.image);
        if let Some(fault) = image.and_then(|image| archive.faults_of(image).next()) {
            return Err(fault.clone());
        }
        if let (Some(node), None) = (root.node, image) {
            check_has_images(archive, node)?;
        }
        let descriptor = match (root.node, image) {
            (Some(node), _) => self.add_root_node(archive, node)?,
            (None, Some(image)) => self.synthesize(archive, &archive.images[image])?,
            (None, None) => {
                return Err(Error::no_such_image(String::new(), Default::default()));
            }
        };
        let stated = root.positions.first();
        let stated = stated.and_then(|&position| listed::stated(archive, position));
        self.add_entry(archive, descriptor, image, names, stated)
    }

    /// Adds one image without the index that lists it.
    ///
    /// # Errors
    /// As [`Bundle::add`].
    pub fn add_image(
        &mut self,
        archive: &Archive,
        image: ImageIdx,
        names: Vec<ListedName>,
    ) -> Result<()> {
        if let Some(fault) = archive.faults_of(image).next() {
            return Err(fault.clone());
        }
        let descriptor = match archive.images[image].node {
            Some(node) => self.add_root_node(archive, node)?,
            None => self.synthesize(archive, &archive.images[image])?,
        };
        // Fields of the entry in `index.json` describe the index, not this image.
        let of_index = |name: ListedName| ListedName {
            stated: None,
            ..name
        };
        let names = names.into_iter().map(of_index).collect();
        self.add_entry(archive, descriptor, Some(image), names, None)
    }

    fn add_root_node(&mut self, archive: &Archive, node: NodeIdx) -> Result<Descriptor> {
        self.add_nodes(archive, node)?;
        let descriptor = &archive.nodes[node].descriptor;
        // The names replace the annotations of the entry; all others are inside the document.
        Ok(Descriptor {
            annotations: Vec::new(),
            data: None,
            ..descriptor.clone()
        })
    }

    fn add_entry(
        &mut self,
        archive: &Archive,
        descriptor: Descriptor,
        image: Option<ImageIdx>,
        names: Vec<ListedName>,
        stated: Option<Stated>,
    ) -> Result<()> {
        let image = image
            .map(|image| self.image_out(&archive.images[image]))
            .transpose()?;
        let mut found = std::mem::take(&mut self.signatures);
        let read = signatures::read(archive, |digest| self.blob(digest).is_some(), &mut found);
        self.signatures = found;
        read?;
        // A manifest with several names is listed once.
        match self
            .listed
            .iter_mut()
            .find(|listed| listed.descriptor.digest == descriptor.digest)
        {
            Some(listed) => {
                let known = listed.names.iter().map(|known| known.name.clone());
                let mut known: HashSet<Name> = known.collect();
                let new = names.into_iter();
                let new = new.filter(|name| known.insert(name.name.clone()));
                listed.names.extend(new);
            }
            None => self.listed.push(Listed {
                names,
                descriptor,
                image,
                stated,
            }),
        }
        Ok(())
    }

    /// Adds a layer. If the bundle has a blob with this digest from another address, the bytes are hashed: nothing else
    /// reads them, and damage in the archive would pass unnoticed.
    fn push_layer(&mut self, digest: &Digest, size: u64, content: &Content) -> Result<()> {
        let Some(known) = self.blob(digest) else {
            self.push(digest, size, Source::Stored(content.clone()));
            return Ok(());
        };
        if known.size != size {
            return Err(Error::size_mismatch(known.size, size));
        }
        let is_same = match &known.source {
            Source::Stored(first) => first.address() == content.address(),
            Source::Document(_) | Source::Decoded(_) => false,
        };
        if !is_same && self.copies.insert((digest.clone(), content.address())) {
            let found = content.digest(digest)?;
            if found != *digest {
                let (expected, found) = (digest.to_string(), found.to_string());
                return Err(Error::digest_mismatch(expected, found));
            }
        }
        Ok(())
    }

    /// Adds a node and all nodes and blobs that it leads to.
    fn add_nodes(&mut self, archive: &Archive, top: NodeIdx) -> Result<()> {
        let mut seen = HashSet::new();
        let mut work = VecDeque::from([top]);
        let mut gaps = None;
        let mut layers: Vec<&Layer> = Vec::new();
        let mut others: Vec<&Descriptor> = Vec::new();
        while let Some(node) = work.pop_front() {
            if !seen.insert(node) {
                continue;
            }
            let node = &archive.nodes[node];
            if let Some(fault) = node.faults.first() {
                return Err(fault.clone());
            }
            if let Some(bytes) = &node.bytes {
                if !matches!(node.kind, NodeKind::Opaque) {
                    self.manifests.insert(node.descriptor.digest.clone());
                }
                self.push(
                    &node.descriptor.digest,
                    bytes.len() as u64,
                    Source::Document(Arc::clone(bytes)),
                );
            }
            match &node.kind {
                NodeKind::Index(edges) => work.extend(edges.iter().map(|edge| edge.node)),
                NodeKind::Image(position) => {
                    let image = &archive.images[*position];
                    if image.node.is_none() {
                        let why =
                            "the manifest in index.json lists other layers than manifest.json";
                        return Err(Error::ambiguous(why).at(node.descriptor.digest.to_string()));
                    }
                    if let (Some(bytes), ImageId::Config(digest)) = (&image.config_bytes, &image.id)
                    {
                        self.push(
                            digest,
                            bytes.len() as u64,
                            Source::Document(Arc::clone(bytes)),
                        );
                    }
                    let missing = |layer: &Layer| {
                        matches!(layer.presence, Presence::Missing)
                            && layer.digest().is_none_or(|digest| {
                                self.blob(digest).is_none() && !self.is_supplied(digest)
                            })
                    };
                    if let Some(i) = image.layers.iter().position(missing) {
                        let has = |digest: &Digest| self.is_supplied(digest);
                        let gaps = gaps.get_or_insert_with(|| Gaps::beside(archive, has));
                        if !gaps.is_sparse(*position) {
                            let place = format!("layer {} of {}", i + 1, image.layers.len());
                            return Err(image.layers[i].missing_error().at(place));
                        }
                    }
                    layers.extend(&image.layers);
                }
                NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => {
                    others.extend(manifest.config.iter().chain(&manifest.layers));
                }
                // A document that is too large to parse, or that has no reader.
                NodeKind::Opaque if node.bytes.is_none() => others.push(&node.descriptor),
                NodeKind::Schema1 | NodeKind::Missing | NodeKind::Opaque => {}
            }
        }
        self.add_layers(archive, layers)?;
        let limits = archive.container.limits.decode;
        let names = archive
            .oci
            .as_ref()
            .map_or(BlobNames::Layout, |oci| oci.names);
        for descriptor in others {
            let name = names.path(&descriptor.digest);
            let context = || archive.container.place(&name);
            if let Some(content) = archive.container.get(&name)? {
                if content.len() != descriptor.size {
                    return Err(Error::size_mismatch(descriptor.size, content.len()).at(context()));
                }
                self.push(&descriptor.digest, descriptor.size, Source::Stored(content));
            } else if let Some(data) = &descriptor.data {
                let bytes: Arc<[u8]> = data.as_slice().into();
                self.push(&descriptor.digest, descriptor.size, Source::Document(bytes));
            } else {
                self.add_supplied(descriptor, None, limits)?;
            }
        }
        Ok(())
    }

    /// Adds layers with the diff IDs that their configs state.
    fn add_layers(&mut self, archive: &Archive, layers: Vec<&Layer>) -> Result<()> {
        let limits = archive.container.limits.decode;
        for layer in layers {
            layer.check_identity().at(|| layer.place())?;
            let diff_id = layer.diff_id.as_ref().filter(|_| layer.is_filesystem());
            let Some(descriptor) = &layer.descriptor else {
                continue;
            };
            let Some(content) = layer.content() else {
                self.add_supplied(descriptor, diff_id, limits)?;
                continue;
            };
            self.push_layer(&descriptor.digest, descriptor.size, content)
                .at(|| layer.place())?;
            if let Some(diff_id) = diff_id {
                self.state(&descriptor.digest, diff_id, limits);
            }
        }
        Ok(())
    }

    /// Adds an image that has no manifest: its config, its layers and a new manifest.
    fn synthesize(&mut self, archive: &Archive, image: &Image) -> Result<Descriptor> {
        let (Some(config), ImageId::Config(id)) = (&image.config_bytes, &image.id) else {
            let what = "an image of docker before 1.10, which has no config";
            return Err(Error::unsupported(what));
        };
        let mut layers = Vec::with_capacity(image.layers.len());
        for (i, layer) in image.layers.iter().enumerate() {
            let context = || format!("layer {} of {}", i + 1, image.layers.len());
            layers.push(Bundle::docker_layer(layer).at(context)?);
        }
        let manifest = manifest_bytes(id, config.len() as u64, &layers);
        let digest = sha256(&manifest);
        let descriptor = descriptor(MediaType::OCI_MANIFEST, &digest, manifest.len() as u64);
        let why = "docker-archives of this kind have no manifest";
        self.changes.push(Change {
            what: "manifest",
            old: None,
            new: digest.to_string(),
            why,
        });
        self.manifests.insert(digest.clone());
        self.new_manifests.insert(digest.clone());
        self.push(&digest, manifest.len() as u64, Source::Document(manifest));
        self.push(
            id,
            config.len() as u64,
            Source::Document(Arc::clone(config)),
        );
        for ((descriptor, content), layer) in layers.iter().zip(&image.layers) {
            self.push_layer(&descriptor.digest, descriptor.size, content)
                .at(|| layer.place())?;
            if let Some(diff_id) = &layer.diff_id {
                self.state(&descriptor.digest, diff_id, archive.container.limits.decode);
            }
        }
        Ok(descriptor)
    }

    /// Returns the descriptor of a docker-archive's layer.
    ///
    /// The digest of an uncompressed layer is its diff ID, which is verified when the bytes are copied; a compressed
    /// one is hashed here.
    pub(super) fn docker_layer(layer: &Layer) -> Result<(Descriptor, Content)> {
        let (Some(diff_id), Presence::Present(content)) = (&layer.diff_id, &layer.presence) else {
            return Err(Error::member_missing(layer.member.clone()));
        };
        layer.check_identity().at(|| layer.place())?;
        let compression = content.compression()?;
        let media_type = MediaTypes::Oci.layer(compression)?;
        let digest = match compression {
            Compression::None => diff_id.clone(),
            _ => content.digest(diff_id)?,
        };
        if let Some(stated) = &layer.descriptor
            && compression != Compression::None
            && stated.digest.algorithm() == digest.algorithm()
            && stated.digest != digest
        {
            let (expected, found) = (stated.digest.to_string(), digest.to_string());
            return Err(Error::digest_mismatch(expected, found).at(layer.place()));
        }
        Ok((
            descriptor(media_type, &digest, content.len()),
            content.clone(),
        ))
    }

    fn image_out(&self, image: &Image) -> Result<ImageOut> {
        let ImageId::Config(config) = &image.id else {
            return Err(Error::unsupported("an image of docker before 1.10"));
        };
        let mut layers = Vec::with_capacity(image.layers.len());
        for (i, layer) in image.layers.iter().enumerate() {
            let context = || format!("layer {} of {}", i + 1, image.layers.len());
            let Some(diff_id) = layer.diff_id.clone() else {
                return Err(Error::schema("rootfs", "diff IDs", "fewer").at(context()));
            };
            let descriptor = match (&layer.descriptor, &image.manifest) {
                (Some(descriptor), Some(_)) => descriptor.clone(),
                _ => Bundle::docker_layer(layer).at(context)?.0,
            };
            let is_missing = self.blob(&descriptor.digest).is_none();
            if is_missing && !descriptor.may_be_absent() && !self.is_supplied(&descriptor.digest) {
                return Err(Error::blob_missing(&descriptor.digest).at(context()));
            }
            layers.push(LayerOut {
                descriptor,
                diff_id,
            });
        }
        Ok(ImageOut {
            config: config.clone(),
            layers,
        })
    }
}

/// Refuses a root that leads to no image because its documents are missing. An index that lacks only some of its
/// platforms passes.
fn check_has_images(archive: &Archive, top: NodeIdx) -> Result<()> {
    let (mut seen, mut work) = (HashSet::new(), vec![top]);
    let mut missing = None;
    while let Some(number) = work.pop() {
        if !seen.insert(number) {
            continue;
        }
        let node = &archive.nodes[number];
        if let Some(fault) = node.faults.first() {
            return Err(fault.clone());
        }
        match &node.kind {
            NodeKind::Image(_) => return Ok(()),
            NodeKind::Missing => missing = Some(&node.descriptor.digest),
            NodeKind::Index(edges) => work.extend(edges.iter().map(|edge| edge.node)),
            _ => {}
        }
    }
    match missing {
        Some(digest) => Err(Error::blob_missing(digest)),
        None => Ok(()),
    }
}

/// An OCI manifest of a config and layers; always the same bytes for the same image.
fn manifest_bytes(
    config: &Digest,
    config_size: u64,
    layers: &[(Descriptor, Content)],
) -> Arc<[u8]> {
    let descriptor = |media_type: &str, digest: &Digest, size: u64| serde_json::json!({"mediaType": media_type, "digest": digest, "size": size});
    let layers = layers
        .iter()
        .map(|(layer, _)| descriptor(layer.media_type.as_str(), &layer.digest, layer.size));
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": descriptor(MediaType::OCI_CONFIG, config, config_size),
        "layers": layers.collect::<Vec<_>>(),
    });
    manifest.to_string().into_bytes().into()
}
