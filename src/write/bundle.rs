//! What is to be written: images with their names, and every blob once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::identity::LayerIds;
use super::listed::{self, Listed, ListedName, Stated};
use super::recode::Packed;
use super::repack::Stored;
use super::rewrite::Loss;
use super::signatures::Signature;
use crate::archive::{
    Archive, BlobNames, Content, Image, ImageId, Layer, NodeKind, Presence, Root,
};
use crate::blob::{Compression, sha256};
use crate::error::{At, Error, Fault, Result};
use crate::limits::DecodeLimits;
use crate::spec::{Descriptor, Digest, Document, ImageConfig, Manifest, MediaType};

/// Images on their way from archives into one output.
///
/// Documents pass through untouched. An image that has no manifest, because it comes out of a docker-archive without
/// an OCI half, gets one; the config's bytes and so the image's ID stay.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    /// What the output will list, in order.
    pub listed: Vec<Listed>,
    blobs: Vec<BlobOut>,
    by_digest: HashMap<Digest, usize>,
    manifests: HashSet<Digest>,
    /// Second copies of blobs that were compared with the digest of the first.
    copies: HashSet<(Digest, (u64, u64))>,
    /// What will differ from the input, and why.
    pub changes: Vec<Change>,
    /// What could not be carried along as it was, whatever the format.
    pub(super) losses: Vec<Loss>,
    pub(super) signatures: Vec<Signature>,
}

/// An image as `manifest.json` describes it.
#[derive(Debug, Clone)]
pub struct ImageOut {
    /// The config's digest, which is the image's ID.
    pub config: Digest,
    /// The layers, from the base upward.
    pub layers: Vec<LayerOut>,
}

/// One layer of an image on its way.
#[derive(Debug, Clone)]
pub struct LayerOut {
    /// The stored blob.
    pub descriptor: Descriptor,
    /// The digest of the plain tar.
    pub diff_id: Digest,
}

/// One blob on its way.
#[derive(Debug, Clone)]
pub struct BlobOut {
    /// Its digest as it will be stored.
    pub digest: Digest,
    /// Its size as it will be stored.
    pub size: u64,
    /// Where its bytes come from.
    pub source: Source,
    /// What its images state of the layer that it is; `None` for what is no layer, or was read to its end to be made.
    pub stated: Option<LayerIds>,
}

/// Where the bytes of a blob come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// From the input as they are. Digest, size and diff ID are checked while they are copied.
    Stored(Content),
    /// A document.
    Document(Arc<[u8]>),
    /// From the input, decoded on the way. The blob's size is a guess until it is written.
    Decoded(Arc<Stored>),
}

/// A digest that changed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What changed: `layer`, `manifest`, `image`.
    pub what: &'static str,
    /// The digest before; `None` for what was not there.
    pub old: Option<String>,
    /// The digest now.
    pub new: String,
    /// Why.
    pub why: &'static str,
}

impl BlobOut {
    /// Whether its bytes will be stored without compression.
    pub(super) fn is_uncompressed(&self) -> bool {
        match &self.source {
            Source::Stored(content) => {
                matches!(content.compression(), Ok(Compression::None))
            }
            Source::Document(_) | Source::Decoded(_) => true,
        }
    }
}

impl Bundle {
    /// The blobs, each once, documents before the layers that they point to.
    pub fn blobs(&self) -> &[BlobOut] {
        &self.blobs
    }

    pub(super) fn blobs_mut(&mut self) -> impl Iterator<Item = &mut BlobOut> {
        self.blobs.iter_mut()
    }

    /// A blob by its digest.
    pub fn blob(&self, digest: &Digest) -> Option<&BlobOut> {
        self.by_digest.get(digest).map(|&i| &self.blobs[i])
    }

    /// The documents that point to others.
    pub(super) fn manifest_digests(&self) -> Vec<Digest> {
        let manifests = self
            .blobs
            .iter()
            .filter(|blob| self.manifests.contains(&blob.digest));
        manifests.map(|blob| blob.digest.clone()).collect()
    }

    /// The descriptor of a manifest that is listed or stands below an index.
    pub(super) fn descriptor_of(&self, digest: &Digest) -> Descriptor {
        let listed = self
            .listed
            .iter()
            .map(|listed| &listed.descriptor)
            .find(|known| known.digest == *digest);
        listed
            .cloned()
            .unwrap_or_else(|| plain_descriptor("", digest, 0))
    }

    /// The layers of all images, platforms that are not listed themselves too, each with its diff ID.
    ///
    /// # Errors
    /// `Schema` and `LayerCount` for a config that does not fit its manifest.
    pub(super) fn layers(&self) -> Result<Vec<(Descriptor, Digest)>> {
        let mut layers = Vec::new();
        for digest in self.manifest_digests() {
            let Some(BlobOut {
                source: Source::Document(bytes),
                ..
            }) = self.blob(&digest)
            else {
                continue;
            };
            let Document::Manifest(manifest) = Document::parse_known(bytes)? else {
                continue;
            };
            let config = manifest
                .config
                .as_ref()
                .filter(|_| self.is_image(&manifest))
                .and_then(|config| self.blob(&config.digest));
            let Some(BlobOut {
                source: Source::Document(config),
                ..
            }) = config
            else {
                continue;
            };
            let diff_ids = ImageConfig::parse_known(config)?
                .diff_ids
                .unwrap_or_default();
            // Attestations have the config of an image and layers that are none.
            let is_image = manifest
                .layers
                .iter()
                .all(|layer| layer.media_type.layer_kind().is_some());
            if is_image && diff_ids.len() != manifest.layers.len() {
                let fault = Fault::LayerCount {
                    manifest: manifest.layers.len(),
                    config: diff_ids.len(),
                };
                return Err(Error::new(fault).at(digest.blob_path()));
            }
            let pairs = manifest
                .layers
                .into_iter()
                .zip(diff_ids)
                .filter(|(layer, _)| layer.media_type.layer_kind().is_some());
            layers.extend(pairs);
        }
        Ok(layers)
    }

    /// Whether a manifest describes a container image, as far as its config in the bundle shows.
    pub(super) fn is_image(&self, manifest: &Manifest) -> bool {
        let config = || {
            let config = self.blob(&manifest.config.as_ref()?.digest)?;
            match &config.source {
                Source::Document(bytes) => ImageConfig::parse_known(bytes).ok(),
                _ => None,
            }
        };
        manifest.is_image()
            || manifest.media_type.is_docker()
                && config().is_some_and(|config| manifest.is_image_with(Some(&config)))
    }

    /// Puts another blob in the place of one.
    pub(super) fn replace(&mut self, old: &Digest, new: &Packed) {
        let Some(position) = self.by_digest.remove(old) else {
            return;
        };
        if self.manifests.remove(old) {
            self.manifests.insert(new.digest.clone());
        }
        if self.by_digest.contains_key(&new.digest) {
            self.blobs.remove(position);
            for other in self
                .by_digest
                .values_mut()
                .filter(|other| **other > position)
            {
                *other -= 1;
            }
            return;
        }
        self.by_digest.insert(new.digest.clone(), position);
        self.blobs[position] = BlobOut {
            digest: new.digest.clone(),
            size: new.size,
            source: new.source.clone(),
            stated: None,
        };
    }

    /// Whether a document is a manifest or an index, and no config.
    pub fn is_manifest(&self, digest: &Digest) -> bool {
        self.manifests.contains(digest)
    }

    /// Adds what a root of an archive stands for, under other names if `names` says so.
    ///
    /// All that the root leads to and that is in the archive comes along: of an index every platform that is there,
    /// with attestations. `chosen` is the image that `manifest.json` will describe.
    ///
    /// # Errors
    /// The first damage known of it; `BlobAbsent` if a layer of the chosen image is not in the archive, or if no image
    /// of the root is.
    pub fn add(
        &mut self,
        archive: &Archive,
        root: &Root,
        chosen: Option<usize>,
        names: Vec<ListedName>,
    ) -> Result<()> {
        let image = chosen.or(root.image);
        if let Some(fault) = image.and_then(|image| archive.faults_of(image).next()) {
            return Err(fault.clone());
        }
        if let (Some(node), None) = (root.node, image) {
            check_hollow(archive, node)?;
        }
        let descriptor = match (root.node, image) {
            (Some(node), _) => self.node(archive, node)?,
            (None, Some(image)) => self.synthesize(archive, &archive.images[image])?,
            (None, None) => {
                return Err(Fault::NoSuchImage {
                    wanted: String::new(),
                    candidates: Default::default(),
                }
                .into());
            }
        };
        let stated = root.positions.first();
        let stated = stated.and_then(|&position| listed::stated(archive, position));
        self.list(archive, descriptor, image, names, stated)
    }

    /// Adds one image alone, without the index it was found in.
    ///
    /// # Errors
    /// As [`Bundle::add`].
    pub fn add_image(
        &mut self,
        archive: &Archive,
        image: usize,
        names: Vec<ListedName>,
    ) -> Result<()> {
        if let Some(fault) = archive.faults_of(image).next() {
            return Err(fault.clone());
        }
        let descriptor = match archive.images[image].node {
            Some(node) => self.node(archive, node)?,
            None => self.synthesize(archive, &archive.images[image])?,
        };
        // What an index of several says of itself is not about the one.
        let of_index = |name: ListedName| ListedName {
            stated: None,
            ..name
        };
        let names = names.into_iter().map(of_index).collect();
        self.list(archive, descriptor, Some(image), names, None)
    }

    fn node(&mut self, archive: &Archive, node: usize) -> Result<Descriptor> {
        self.graph(archive, node)?;
        let descriptor = &archive.nodes[node].descriptor;
        // What the archive called it is said by the names; the rest of the annotations is inside the document.
        Ok(Descriptor {
            annotations: Vec::new(),
            data: None,
            ..descriptor.clone()
        })
    }

    fn list(
        &mut self,
        archive: &Archive,
        descriptor: Descriptor,
        image: Option<usize>,
        names: Vec<ListedName>,
        stated: Option<Stated>,
    ) -> Result<()> {
        let image = image
            .map(|image| self.image_out(&archive.images[image]))
            .transpose()?;
        self.add_signatures(archive)?;
        // One and the same manifest under several names is listed once.
        match self
            .listed
            .iter_mut()
            .find(|listed| listed.descriptor.digest == descriptor.digest)
        {
            Some(listed) => {
                for name in names {
                    if !listed.names.iter().any(|known| known.name == name.name) {
                        listed.names.push(name);
                    }
                }
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

    /// Adds a document that points to others.
    pub(super) fn push_manifest(&mut self, digest: &Digest, bytes: Arc<[u8]>) {
        self.manifests.insert(digest.clone());
        self.push(digest, bytes.len() as u64, Source::Document(bytes));
    }

    /// Adds a layer. One that is there under its digest is compared with that where it lies elsewhere: nobody will read it,
    /// and the archive would pass for sound.
    fn push_layer(&mut self, digest: &Digest, size: u64, content: &Content) -> Result<()> {
        let Some(known) = self.blob(digest) else {
            self.push(digest, size, Source::Stored(content.clone()));
            return Ok(());
        };
        if known.size != size {
            return Err(Fault::SizeMismatch {
                expected: known.size,
                found: size,
            }
            .into());
        }
        let is_same = match &known.source {
            Source::Stored(first) => first.address() == content.address(),
            Source::Document(_) | Source::Decoded(_) => false,
        };
        if !is_same && self.copies.insert((digest.clone(), content.address())) {
            let found = content.digest(digest)?;
            if found != *digest {
                let (expected, found) = (digest.to_string(), found.to_string());
                return Err(Fault::DigestMismatch { expected, found }.into());
            }
        }
        Ok(())
    }

    pub(super) fn push(&mut self, digest: &Digest, size: u64, source: Source) {
        if !self.by_digest.contains_key(digest) {
            self.by_digest.insert(digest.clone(), self.blobs.len());
            self.blobs.push(BlobOut {
                digest: digest.clone(),
                size,
                source,
                stated: None,
            });
        }
    }

    /// Notes what an image states of a layer whose bytes are here: compared when they are copied.
    pub(super) fn state(&mut self, digest: &Digest, diff_id: &Digest, limits: DecodeLimits) {
        let blob = self
            .by_digest
            .get(digest)
            .and_then(|&i| self.blobs.get_mut(i));
        let Some(blob) = blob else { return };
        let stated = blob.stated.get_or_insert_with(|| LayerIds::new(limits));
        if !stated.diff_ids.contains(diff_id) {
            stated.diff_ids.push(diff_id.clone());
        }
    }

    /// Adds a node and all that it leads to.
    fn graph(&mut self, archive: &Archive, top: usize) -> Result<()> {
        let mut seen = HashSet::new();
        let mut work = std::collections::VecDeque::from([top]);
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
                NodeKind::Image(image) => {
                    let image = &archive.images[*image];
                    if image.node.is_none() {
                        let why =
                            "the manifest in index.json lists other layers than manifest.json";
                        let fault = Fault::Ambiguous { why: why.into() };
                        return Err(Error::new(fault).at(node.descriptor.digest.to_string()));
                    }
                    if let (Some(bytes), ImageId::Config(digest)) = (&image.config_bytes, &image.id)
                    {
                        self.push(
                            digest,
                            bytes.len() as u64,
                            Source::Document(Arc::clone(bytes)),
                        );
                    }
                    layers.extend(&image.layers);
                }
                NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => {
                    others.extend(manifest.config.iter().chain(&manifest.layers));
                }
                // Large, or what nobody looked into.
                NodeKind::Opaque if node.bytes.is_none() => others.push(&node.descriptor),
                NodeKind::Schema1 | NodeKind::Absent | NodeKind::Opaque => {}
            }
        }
        let limits = archive.container.limits.decode;
        for layer in layers {
            layer.check_identity().at(|| layer.member.clone())?;
            if let (Some(descriptor), Some(content)) = (&layer.descriptor, layer.content()) {
                self.push_layer(&descriptor.digest, descriptor.size, content)
                    .at(|| layer.member.clone())?;
                if let Some(diff_id) = layer.diff_id.as_ref().filter(|_| layer.is_filesystem()) {
                    self.state(&descriptor.digest, diff_id, limits);
                }
            }
        }
        let names = archive
            .oci
            .as_ref()
            .map_or(BlobNames::Layout, |oci| oci.names);
        for descriptor in others {
            let place = || names.path(&descriptor.digest);
            if let Some(content) = archive.container.get(&place())? {
                if content.len() != descriptor.size {
                    let fault = Fault::SizeMismatch {
                        expected: descriptor.size,
                        found: content.len(),
                    };
                    return Err(Error::new(fault).at(place()));
                }
                self.push(&descriptor.digest, descriptor.size, Source::Stored(content));
            } else if let Some(data) = &descriptor.data {
                let bytes: Arc<[u8]> = data.as_slice().into();
                self.push(&descriptor.digest, descriptor.size, Source::Document(bytes));
            }
        }
        Ok(())
    }

    /// Adds a manifest for an image that has none, and its config and layers.
    fn synthesize(&mut self, archive: &Archive, image: &Image) -> Result<Descriptor> {
        let (Some(config), ImageId::Config(id)) = (&image.config_bytes, &image.id) else {
            let what = "an image of docker before 1.10: it has no config to keep".to_owned();
            return Err(Fault::Unsupported { what }.into());
        };
        let mut layers = Vec::with_capacity(image.layers.len());
        for (i, layer) in image.layers.iter().enumerate() {
            let place = || format!("layer {} of {}", i + 1, image.layers.len());
            layers.push(Bundle::docker_layer(layer).at(place)?);
        }
        let manifest = manifest_bytes(id, config.len() as u64, &layers);
        let digest = sha256(&manifest);
        let descriptor = plain_descriptor(MediaType::OCI_MANIFEST, &digest, manifest.len() as u64);
        let why = "docker-archives of this kind have no manifest";
        self.changes.push(Change {
            what: "manifest",
            old: None,
            new: digest.to_string(),
            why,
        });
        self.manifests.insert(digest.clone());
        self.push(&digest, manifest.len() as u64, Source::Document(manifest));
        self.push(
            id,
            config.len() as u64,
            Source::Document(Arc::clone(config)),
        );
        for ((descriptor, content), layer) in layers.iter().zip(&image.layers) {
            self.push_layer(&descriptor.digest, descriptor.size, content)
                .at(|| layer.member.clone())?;
            if let Some(diff_id) = &layer.diff_id {
                self.state(&descriptor.digest, diff_id, archive.container.limits.decode);
            }
        }
        Ok(descriptor)
    }

    /// The descriptor of a docker-archive's layer.
    ///
    /// A plain layer's digest is its diff ID, which is checked when the bytes are copied; a packed one has to be
    /// hashed first.
    pub(super) fn docker_layer(layer: &Layer) -> Result<(Descriptor, Content)> {
        let (Some(diff_id), Presence::Here(content)) = (&layer.diff_id, &layer.presence) else {
            return Err(Fault::MemberAbsent {
                name: layer.member.clone(),
            }
            .into());
        };
        layer.check_identity().at(|| layer.member.clone())?;
        let compression = content.compression()?;
        let media_type = match compression {
            Compression::None => "application/vnd.oci.image.layer.v1.tar",
            Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            other => {
                return Err(Fault::Unsupported {
                    what: format!("a layer packed with {}", other.name()),
                }
                .into());
            }
        };
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
            return Err(
                Error::new(Fault::DigestMismatch { expected, found }).at(layer.member.clone())
            );
        }
        Ok((
            plain_descriptor(media_type, &digest, content.len()),
            content.clone(),
        ))
    }

    fn image_out(&self, image: &Image) -> Result<ImageOut> {
        let ImageId::Config(config) = &image.id else {
            return Err(Fault::Unsupported {
                what: "an image of docker before 1.10".into(),
            }
            .into());
        };
        let mut layers = Vec::with_capacity(image.layers.len());
        for (i, layer) in image.layers.iter().enumerate() {
            let place = || format!("layer {} of {}", i + 1, image.layers.len());
            let Some(diff_id) = layer.diff_id.clone() else {
                let fault = Fault::Schema {
                    field: "rootfs".into(),
                    expected: "diff IDs",
                    found: "fewer".into(),
                };
                return Err(Error::new(fault).at(place()));
            };
            let descriptor = match (&layer.descriptor, &image.manifest) {
                (Some(descriptor), Some(_)) => descriptor.clone(),
                _ => Bundle::docker_layer(layer).at(place)?.0,
            };
            if self.blob(&descriptor.digest).is_none() && !descriptor.may_be_absent() {
                return Err(Error::new(Fault::BlobAbsent {
                    digest: descriptor.digest.to_string(),
                })
                .at(place()));
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

/// Refuses a root that leads to no image because its documents are missing: nothing of it could be passed on. An index
/// that lacks some of its platforms has others.
fn check_hollow(archive: &Archive, top: usize) -> Result<()> {
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
            NodeKind::Absent => missing = Some(&node.descriptor.digest),
            NodeKind::Index(edges) => work.extend(edges.iter().map(|edge| edge.node)),
            _ => {}
        }
    }
    match missing {
        Some(digest) => Err(Fault::BlobAbsent {
            digest: digest.to_string(),
        }
        .into()),
        None => Ok(()),
    }
}

pub(super) fn plain_descriptor(media_type: &str, digest: &Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: MediaType::new(media_type),
        digest: digest.clone(),
        size,
        urls: Vec::new(),
        annotations: Vec::new(),
        data: None,
        artifact_type: None,
        platform: None,
    }
}

/// An OCI manifest over a config and layers; the same for the same image, always.
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
