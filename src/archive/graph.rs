//! Graph of the OCI half: descriptors followed from `index.json` down, each blob read once.
//!
//! A hostile graph could be deep, wide, or a lattice with more paths than atoms. It is walked breadth first with a
//! queue, each digest once, within limits on depth and number; nothing recurses.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::blob_names::BlobNames;
use super::container::{Container, Holder};
use super::content::Content;
use super::image::{Image, ImageId, Layer, Presence};
use super::positions::{ImageIdx, NodeIdx};
use crate::blob::Hasher;
use crate::error::{At, Error, Fault, Result, within};
use crate::index_vec::IndexVec;
use crate::spec::{Descriptor, Digest, Document, ImageConfig, Manifest, MediaType, annotations};

/// Manifest, index, or other blob that an index points to.
#[derive(Debug, Clone)]
pub struct Node {
    /// First descriptor that led here.
    pub descriptor: Descriptor,
    /// Kind of the blob.
    pub kind: NodeKind,
    /// Its bytes, if they are in the archive and small enough for a document.
    pub bytes: Option<Arc<[u8]>>,
    /// Damage of the blob or of the documents it depends on. Its content is listed as far as it could be read.
    pub faults: Vec<Error>,
}

impl Node {
    /// Edges of an index; none for other kinds.
    pub fn edges(&self) -> &[Edge] {
        match &self.kind {
            NodeKind::Index(edges) => edges,
            _ => &[],
        }
    }
}

/// Kinds of nodes.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Container image: its position among the images.
    Image(ImageIdx),
    /// Index: its edges.
    Index(Vec<Edge>),
    /// Statement about another manifest, as BuildKit writes them. Never an image.
    Attestation(Manifest),
    /// Manifest that describes no container image.
    Artifact(Manifest),
    /// Docker manifest of schema 1: listed, not used.
    Schema1,
    /// Listed, but missing.
    Missing,
    /// Blob that is no manifest.
    Opaque,
}

/// Pointer from an index to a node, with the platform and annotations stated there.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Descriptor as it stands in the index.
    pub descriptor: Descriptor,
    /// Position of the node.
    pub node: NodeIdx,
}

impl Edge {
    /// Tests if it points to an attestation.
    pub fn is_attestation(&self) -> bool {
        is_attestation(&self.descriptor)
    }
}

fn is_attestation(descriptor: &Descriptor) -> bool {
    descriptor.annotation(annotations::REFERENCE_TYPE) == Some(annotations::ATTESTATION)
        && descriptor
            .platform
            .as_ref()
            .is_none_or(|platform| platform.is_unknown())
}

/// Graph while it is read.
pub(super) struct GraphReader<'a> {
    container: &'a Container,
    names: BlobNames,
    pub nodes: IndexVec<NodeIdx, Node>,
    pub images: IndexVec<ImageIdx, Image>,
    by_digest: HashMap<Digest, NodeIdx>,
    queue: VecDeque<(NodeIdx, u64)>,
    configs: HashMap<Digest, ReadConfig>,
}

/// Config, read once for all manifests that have it.
#[derive(Clone, Default)]
struct ReadConfig {
    bytes: Option<Arc<[u8]>>,
    config: Arc<ImageConfig>,
    faults: Vec<Error>,
}

impl<'a> GraphReader<'a> {
    pub fn new(container: &'a Container, names: BlobNames) -> Self {
        GraphReader {
            container,
            names,
            nodes: IndexVec::default(),
            images: IndexVec::default(),
            by_digest: HashMap::new(),
            queue: VecDeque::new(),
            configs: HashMap::new(),
        }
    }

    /// Follows descriptors to the end.
    ///
    /// # Errors
    /// `Limit` for a graph that is too deep or too large; damage is kept with the nodes.
    pub fn follow(&mut self, roots: Vec<Descriptor>) -> Result<Vec<Edge>> {
        let edges = self.edges(roots, 1)?;
        while let Some((node, depth)) = self.queue.pop_front() {
            self.read(node, depth)?;
        }
        self.check_kinds(&edges);
        Ok(edges)
    }

    /// Adds a document that no descriptor in the archive points to as the root.
    pub fn document(&mut self, bytes: Arc<[u8]>, descriptor: Descriptor) -> Result<Edge> {
        let document = Document::parse(&bytes, &self.container.limits.json)?;
        let (kind, faults) = (NodeKind::Opaque, Vec::new());
        let node = self.nodes.push(Node {
            descriptor: descriptor.clone(),
            kind,
            bytes: Some(bytes),
            faults,
        });
        self.by_digest.insert(descriptor.digest.clone(), node);
        self.classify(node, document, 1)?;
        while let Some((node, depth)) = self.queue.pop_front() {
            self.read(node, depth)?;
        }
        let edge = Edge { descriptor, node };
        self.check_kinds(std::slice::from_ref(&edge));
        Ok(edge)
    }

    /// Adds a fault to each node for which any descriptor states another kind of document.
    fn check_kinds(&mut self, listed: &[Edge]) {
        let inside = self.nodes.iter().flat_map(Node::edges);
        let mut seen = HashSet::new();
        let mut faults = Vec::new();
        for edge in listed.iter().chain(inside) {
            let is_index = match &self.nodes[edge.node].kind {
                NodeKind::Index(_) => true,
                NodeKind::Image(_) | NodeKind::Attestation(_) | NodeKind::Artifact(_) => false,
                NodeKind::Schema1 | NodeKind::Missing | NodeKind::Opaque => continue,
            };
            if let Some(fault) = contradiction(&edge.descriptor.media_type, is_index, "descriptor")
                && seen.insert(edge.node)
            {
                faults.push((edge.node, fault));
            }
        }
        for (node, fault) in faults {
            let place = self.place(&self.nodes[node].descriptor.digest);
            self.nodes[node].faults.push(fault.at(place));
        }
        self.spread_ambiguity();
    }

    /// Adds the fault of an ambiguous index to the images below it, because reading such an image has read the index.
    fn spread_ambiguity(&mut self) {
        let ambiguous = |fault: &&Error| matches!(fault.fault(), Fault::Ambiguous { .. });
        let mut work: Vec<(NodeIdx, Error)> = Vec::new();
        for (i, node) in self.nodes.iter_enumerated() {
            if let (NodeKind::Index(_), Some(fault)) =
                (&node.kind, node.faults.iter().find(ambiguous))
            {
                work.push((i, fault.clone()));
            }
        }
        let mut seen: HashSet<NodeIdx> = work.iter().map(|(node, _)| *node).collect();
        while let Some((node, fault)) = work.pop() {
            match &self.nodes[node].kind {
                NodeKind::Index(edges) => {
                    let fresh = edges.iter().filter(|edge| seen.insert(edge.node));
                    work.extend(fresh.map(|edge| (edge.node, fault.clone())));
                }
                NodeKind::Image(_) => self.nodes[node].faults.push(fault),
                _ => {}
            }
        }
    }

    fn edges(&mut self, descriptors: Vec<Descriptor>, depth: u64) -> Result<Vec<Edge>> {
        let mut edges = Vec::with_capacity(descriptors.len());
        for descriptor in descriptors {
            let node = match self.by_digest.get(&descriptor.digest) {
                Some(&node) => node,
                None => {
                    let limit = self.container.limits.manifests;
                    within("manifests", limit, self.nodes.len() as u64 + 1)?;
                    let (kind, faults) = (NodeKind::Missing, Vec::new());
                    let node = self.nodes.push(Node {
                        descriptor: descriptor.clone(),
                        kind,
                        bytes: None,
                        faults,
                    });
                    self.by_digest.insert(descriptor.digest.clone(), node);
                    self.queue.push_back((node, depth));
                    node
                }
            };
            edges.push(Edge { descriptor, node });
        }
        Ok(edges)
    }

    /// Path of a document, for errors.
    fn place(&self, digest: &Digest) -> String {
        self.container.place(&self.names.path(digest))
    }

    /// Returns the content a descriptor points to: the blob, or its inline data.
    pub fn presence(&self, descriptor: &Descriptor) -> Result<Presence> {
        if let Some(content) = self.container.get(&self.names.path(&descriptor.digest))? {
            return Ok(Presence::Present(content));
        }
        // skopeo's `dir:` names the manifests of a list differently.
        let is_document = descriptor.media_type.is_manifest() || descriptor.media_type.is_index();
        if self.names == BlobNames::Hex && is_document {
            let name = format!("{}.manifest.json", descriptor.digest.encoded());
            if let Some(content) = self.container.get(&name)? {
                return Ok(Presence::Present(content));
            }
        }
        match &descriptor.data {
            Some(data) => Ok(Presence::Present(Content::Memory(data.as_slice().into()))),
            None if descriptor.may_be_absent() => Ok(Presence::External),
            None => Ok(Presence::Missing),
        }
    }

    fn read(&mut self, node: NodeIdx, depth: u64) -> Result<()> {
        let descriptor = self.nodes[node].descriptor.clone();
        let (container, names) = (self.container, self.names);
        let place = || container.place(&names.path(&descriptor.digest));
        let content = match self.presence(&descriptor) {
            Ok(Presence::Present(content)) => content,
            Ok(_) => return Ok(()),
            Err(error) => {
                self.nodes[node].faults.push(error);
                return Ok(());
            }
        };
        let claims = descriptor.media_type.is_manifest() || descriptor.media_type.is_index();
        self.nodes[node].kind = NodeKind::Opaque;
        if !claims
            && (content.len() > self.container.limits.document
                || matches!(content, Content::Passed(_) | Content::Kept(_)))
        {
            return Ok(());
        }
        let bound = self.container.limits.of_document();
        let bytes = match self.container.hold(&content, bound, true).at(place) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.nodes[node].faults.push(error);
                return Ok(());
            }
        };
        let checked = check(&bytes, &descriptor).at(place);
        self.nodes[node].faults.extend(checked.err());
        self.nodes[node].bytes = Some(Arc::clone(&bytes));
        match Document::parse(&bytes, &self.container.limits.json).at(place) {
            Ok(document) => self.classify(node, document, depth),
            Err(error) => {
                // A document of two kinds is ambiguous whatever its media type.
                if claims || matches!(error.fault(), Fault::Ambiguous { .. }) {
                    self.nodes[node].faults.push(error);
                }
                Ok(())
            }
        }
    }

    fn classify(&mut self, node: NodeIdx, document: Document, depth: u64) -> Result<()> {
        let is_index = match &document {
            Document::Index(_) => Some(true),
            Document::Manifest(_) => Some(false),
            Document::Schema1(_) => None,
        };
        let inside = MediaType::new(document.media_type());
        let fault = is_index.and_then(|is_index| contradiction(&inside, is_index, "media type"));
        let place = || self.place(&self.nodes[node].descriptor.digest);
        let fault = fault.map(|fault| fault.at(place()));
        self.nodes[node].faults.extend(fault);
        self.nodes[node].kind = match document {
            Document::Schema1(_) => NodeKind::Schema1,
            Document::Index(index) => {
                let limit = self.container.limits.index_depth;
                let deep = within("depth of indexes", limit, depth + 1);
                match deep {
                    Ok(()) => NodeKind::Index(self.edges(index.manifests, depth + 1)?),
                    // One image of a tree; the others are readable.
                    Err(error) if matches!(self.container.holder, Holder::Tree(_)) => {
                        let place = self.place(&self.nodes[node].descriptor.digest);
                        self.nodes[node].faults.push(error.at(place));
                        NodeKind::Opaque
                    }
                    Err(error) => return Err(error),
                }
            }
            Document::Manifest(manifest) => {
                let descriptor = &self.nodes[node].descriptor;
                let unknown = descriptor.platform.as_ref();
                let unknown = unknown.is_some_and(|platform| platform.is_unknown());
                let states = |layer: &Descriptor| {
                    layer
                        .media_type
                        .as_str()
                        .starts_with("application/vnd.in-toto")
                };
                // An image that can be run is checked as one, whatever an annotation says of it.
                let attests = is_attestation(descriptor)
                    && !manifest.has_image_layers()
                    && (unknown || manifest.layers.iter().any(states));
                if attests {
                    NodeKind::Attestation(*manifest)
                } else if manifest.is_image() || self.reads_as_image(&manifest) {
                    let layers = manifest.layers.len() as u64;
                    within("layers", self.container.limits.layers, layers)
                        .at(|| self.place(&self.nodes[node].descriptor.digest))?;
                    self.image(node, *manifest)
                } else {
                    NodeKind::Artifact(*manifest)
                }
            }
        };
        Ok(())
    }

    /// Tests if the config of a docker manifest parses as an image config, whatever its media type.
    fn reads_as_image(&mut self, manifest: &Manifest) -> bool {
        let Some(descriptor) = manifest.config.as_ref() else {
            return false;
        };
        if !manifest.media_type.is_docker() || descriptor.media_type.is_image_config() {
            return false;
        }
        let read = self.config(descriptor);
        let config = read.bytes.is_some().then_some(&*read.config);
        manifest.is_image_with(config)
    }

    fn image(&mut self, node: NodeIdx, manifest: Manifest) -> NodeKind {
        let Some(descriptor) = manifest.config.clone() else {
            return NodeKind::Artifact(manifest);
        };
        let (container, names) = (self.container, self.names);
        let place = || container.place(&names.path(&descriptor.digest));
        let ReadConfig {
            bytes: config_bytes,
            config,
            mut faults,
        } = self.config(&descriptor);
        let platform = self.nodes[node].descriptor.platform.clone();
        let diff_ids = config.diff_ids.as_ref();
        if let Some(diff_ids) = diff_ids
            && diff_ids.len() != manifest.layers.len()
        {
            let fault = Fault::LayerCount {
                manifest: manifest.layers.len(),
                config: diff_ids.len(),
            };
            faults.push(Error::new(fault).at(place()));
        }
        let mut layers = Vec::with_capacity(manifest.layers.len());
        for (i, layer) in manifest.layers.iter().enumerate() {
            let presence = self.presence(layer).unwrap_or_else(|error| {
                faults.push(error);
                Presence::Unreadable
            });
            layers.push(Layer {
                descriptor: Some(layer.clone()),
                diff_id: diff_ids.and_then(|ids| ids.get(i)).cloned(),
                member: self.names.path(&layer.digest),
                presence,
            });
        }
        let position = self.images.push(Image {
            id: ImageId::Config(descriptor.digest.clone()),
            platform: config.platform.completed_by(platform.as_ref()),
            config,
            config_bytes,
            manifest: Some(manifest),
            node: Some(node),
            item: None,
            layers,
            faults: Vec::new(),
        });
        self.nodes[node].faults.extend(faults);
        NodeKind::Image(position)
    }

    /// Reads the config that a descriptor points to; read and parsed once for all manifests that share it.
    fn config(&mut self, descriptor: &Descriptor) -> ReadConfig {
        if let Some(known) = self.configs.get(&descriptor.digest) {
            let mut read = known.clone();
            let size = read.bytes.as_ref().map(|bytes| bytes.len() as u64);
            if let Some(found) = size.filter(|size| *size != descriptor.size) {
                let place = self.place(&descriptor.digest);
                read.faults
                    .push(Error::size_mismatch(descriptor.size, found).at(place));
            }
            return read;
        }
        let (container, names) = (self.container, self.names);
        let place = || container.place(&names.path(&descriptor.digest));
        let mut read = ReadConfig::default();
        match self.presence(descriptor) {
            Ok(Presence::Present(content)) => {
                let bound = self.container.limits.of_config();
                match self.container.hold(&content, bound, true).at(place) {
                    Ok(bytes) => read.bytes = Some(bytes),
                    Err(error) => read.faults.push(error),
                }
            }
            Ok(_) => {
                read.faults
                    .push(Error::blob_missing(&descriptor.digest).at("config"));
            }
            Err(error) => read.faults.push(error),
        }
        let mut size = None;
        if let Some(bytes) = &read.bytes {
            size = check(bytes, descriptor).at(place).err();
            let parsed = ImageConfig::parse(bytes, &self.container.limits.json).at(place);
            // A wrong size is the fault of this descriptor only; digest and syntax are those of the config itself.
            let digest = match size.as_ref().map(Error::fault) {
                Some(Fault::SizeMismatch { .. }) => {
                    check_digest(bytes, &descriptor.digest).at(place).err()
                }
                _ => size.take(),
            };
            read.faults.extend(digest);
            read.config = Arc::new(parsed.unwrap_or_else(|error| {
                read.faults.push(error);
                ImageConfig::default()
            }));
        }
        self.configs.insert(descriptor.digest.clone(), read.clone());
        if let Some(size) = size {
            // A wrong size implies a wrong digest.
            read.faults
                .retain(|fault| !matches!(fault.fault(), Fault::DigestMismatch { .. }));
            read.faults.insert(0, size);
        }
        read
    }
}

/// Returns the fault of a document whose kind differs from the media type that a descriptor or the document itself
/// states.
///
/// Readers that trust one and readers that trust the other see two documents (CVE-2021-41190).
fn contradiction(stated: &MediaType, is_index: bool, what: &str) -> Option<Error> {
    let (is, is_not) = match is_index {
        true if stated.is_manifest() => ("an index", "a manifest"),
        false if stated.is_index() => ("a manifest", "an index"),
        _ => return None,
    };
    let why = format!("the document is {is}, but its {what} states {is_not} ({stated})");
    Some(Error::ambiguous(why))
}

/// Returns the fault of a config that lists no diff IDs although there are layers.
pub(super) fn no_rootfs() -> Error {
    Error::schema("rootfs", "an object", "nothing")
}

/// Compares bytes with the size and digest that their descriptor states.
///
/// # Errors
/// `SizeMismatch`, `DigestMismatch`, `UnsupportedDigest`.
pub fn check(bytes: &[u8], descriptor: &Descriptor) -> Result<()> {
    if bytes.len() as u64 != descriptor.size {
        return Err(Error::size_mismatch(descriptor.size, bytes.len() as u64));
    }
    check_digest(bytes, &descriptor.digest)
}

/// Compares bytes with a digest.
///
/// # Errors
/// `DigestMismatch`, `UnsupportedDigest`.
pub fn check_digest(bytes: &[u8], expected: &Digest) -> Result<()> {
    let mut hasher = Hasher::like(expected)?;
    hasher.update(bytes);
    let found = hasher.finish();
    if found == *expected {
        return Ok(());
    }
    Err(Error::digest_mismatch(expected, &found))
}
