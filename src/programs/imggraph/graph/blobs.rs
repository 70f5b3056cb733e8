//! The view of blobs: references between them, and missing ones.

use std::collections::HashSet;

use super::builder::Builder;
use super::{EdgeKind, Graph, LayerInfo, Node, NodeKind, Source, Totals, View};
use crate::archive::{Archive, Image, ImageIdx, Layer, NodeIdx, NodeKind as Kind, Presence, Root};
use crate::spec::{Descriptor, Manifest, annotations};

/// Returns the graph of blobs: archives, indexes, manifests, configs, layers, attestations, signatures and referrers. Blobs
/// of one digest in several archives are one node. Sizes are stored bytes.
///
/// `roots` are the selected roots of each source, in the order of `sources`.
pub fn blobs(sources: &[Source<'_>], roots: &[Vec<&Root>]) -> Graph {
    let mut collector = Collector::default();
    for (source, roots) in sources.iter().zip(roots) {
        collector.archive(source.archive, roots);
    }
    collector.finish()
}

/// Collects nodes and edges.
#[derive(Default)]
struct Collector {
    builder: Builder,
    /// Referrers with the digests of their subjects, to be joined at the end.
    subjects: Vec<(usize, String)>,
    /// Bytes if each reference had a copy of its blob.
    all: u64,
    /// IDs of the images.
    images: HashSet<String>,
}

impl Collector {
    /// Adds an archive and its roots.
    fn archive(&mut self, archive: &Archive, roots: &[&Root]) {
        let place = archive.place.clone();
        let top = self.builder.node(format!("archive:{place}"), || Node {
            kind: NodeKind::Archive,
            names: vec![place.clone()],
            label: "archive".into(),
            facts: vec![("shape", archive.format.to_string())],
            ..Node::default()
        });
        let mut seen = HashSet::new();
        for root in roots {
            let at = match (root.node, root.image) {
                (Some(node), _) => self.below(archive, node, &mut seen),
                (None, Some(image)) => self.docker_image(archive, image),
                (None, None) => continue,
            };
            let names = &mut self.builder.nodes[at].names;
            let mut known: HashSet<String> = names.iter().cloned().collect();
            let new = root.names.iter().map(ToString::to_string);
            names.extend(new.filter(|name| known.insert(name.clone())));
            for name in &root.ref_names {
                if let Some(subject) = cosign_subject(name) {
                    self.builder.nodes[at].kind = NodeKind::Signature;
                    self.subjects.push((at, subject));
                }
            }
            self.builder.edge(top, at, EdgeKind::Lists);
        }
    }

    /// Adds a node of the archive's graph and all nodes below it, without recursion.
    fn below(&mut self, archive: &Archive, node: NodeIdx, seen: &mut HashSet<NodeIdx>) -> usize {
        let first = self.document(archive, node);
        let mut work = vec![(node, first)];
        while let Some((node, at)) = work.pop() {
            if !seen.insert(node) {
                continue;
            }
            match &archive.nodes[node].kind {
                Kind::Index(edges) => {
                    let mut below = Vec::new();
                    for edge in edges {
                        let to = self.document(archive, edge.node);
                        self.builder.edge(at, to, EdgeKind::Lists);
                        if let Some(platform) = &edge.descriptor.platform {
                            set(
                                &mut self.builder.nodes[to],
                                "platform",
                                platform.to_string(),
                            );
                        }
                        let about = edge.descriptor.annotation(annotations::REFERENCE_DIGEST);
                        if let Some(about) = about {
                            self.subjects.push((to, about.to_owned()));
                        }
                        below.push((edge.node, to));
                    }
                    work.extend(below.into_iter().rev());
                }
                Kind::Image(image) => {
                    let image = &archive.images[*image];
                    self.images.insert(image.id.to_string());
                    self.config_of(image, at);
                    self.layers_of(image, at);
                    let subject = image
                        .manifest
                        .as_ref()
                        .and_then(|manifest| manifest.subject.as_ref());
                    self.subject(at, subject.map(|subject| &**subject));
                }
                Kind::Attestation(manifest) | Kind::Artifact(manifest) => {
                    self.parts(archive, manifest, at);
                    self.subject(at, manifest.subject.as_deref());
                }
                Kind::Schema1 | Kind::Missing | Kind::Opaque => {}
            }
        }
        first
    }

    /// Remembers the subject of a referrer.
    fn subject(&mut self, at: usize, subject: Option<&Descriptor>) {
        if let Some(subject) = subject {
            self.subjects.push((at, subject.digest.to_string()));
        }
    }

    /// Adds an index or manifest.
    fn document(&mut self, archive: &Archive, node: NodeIdx) -> usize {
        let node = &archive.nodes[node];
        let descriptor = &node.descriptor;
        let (kind, label) = match &node.kind {
            Kind::Image(image) if is_signature(&archive.images[*image]) => {
                (NodeKind::Signature, "signature")
            }
            Kind::Image(_) => (NodeKind::Manifest, "manifest"),
            Kind::Index(_) => (NodeKind::Index, "index"),
            Kind::Attestation(_) => (NodeKind::Attestation, "attestation"),
            Kind::Artifact(manifest) if signs(manifest) => (NodeKind::Signature, "signature"),
            Kind::Artifact(_) => (NodeKind::Artifact, "artifact"),
            Kind::Missing if descriptor.media_type.is_index() => (NodeKind::Index, "index"),
            Kind::Missing => (NodeKind::Manifest, "manifest"),
            Kind::Schema1 => (NodeKind::Manifest, "manifest of schema 1"),
            Kind::Opaque => (NodeKind::Blob, "blob"),
        };
        let missing = matches!(node.kind, Kind::Missing);
        let at = self.blob(descriptor, kind, label, missing);
        let drawn = &mut self.builder.nodes[at];
        if let Kind::Image(image) = &node.kind {
            let image = &archive.images[*image];
            set(drawn, "image_id", image.id.to_string());
            set(drawn, "platform", image.platform.to_string());
        }
        if let Kind::Artifact(manifest) = &node.kind {
            let kind = manifest.artifact_type.as_deref();
            let config = || {
                manifest
                    .config
                    .as_ref()
                    .map(|config| config.media_type.as_str())
            };
            if let Some(kind) = kind.or_else(config) {
                set(drawn, "artifact_type", kind.to_owned());
            }
        }
        at
    }

    /// Adds a blob.
    fn blob(
        &mut self,
        descriptor: &Descriptor,
        kind: NodeKind,
        label: &str,
        missing: bool,
    ) -> usize {
        let digest = descriptor.digest.to_string();
        let at = self.builder.node(format!("blob:{digest}"), || Node {
            kind,
            label: label.to_owned(),
            digest,
            size: Some(descriptor.size),
            missing,
            ..Node::default()
        });
        let node = &mut self.builder.nodes[at];
        node.missing &= missing;
        self.all = self.all.saturating_add(match missing {
            true => 0,
            false => descriptor.size,
        });
        if !descriptor.media_type.as_str().is_empty() {
            set(node, "media_type", descriptor.media_type.to_string());
        }
        at
    }

    /// Adds the config of an image.
    fn config_of(&mut self, image: &Image, at: usize) {
        let stated = image
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.config.as_ref());
        if let Some(config) = stated {
            let to = self.blob(
                config,
                NodeKind::Config,
                "config",
                image.config_bytes.is_none(),
            );
            self.builder.edge(at, to, EdgeKind::Config);
        }
    }

    /// Adds the layers of an image.
    fn layers_of(&mut self, image: &Image, at: usize) {
        let mut commands = vec![String::new(); image.layers.len()];
        for step in image.steps() {
            if let (Some(history), Some(slot)) =
                (step.history, step.layer.and_then(|i| commands.get_mut(i)))
            {
                *slot = history.created_by.clone();
            }
        }
        for ((i, layer), created_by) in image.layers.iter().enumerate().zip(commands) {
            let to = self.layer(layer, i + 1, created_by);
            self.builder.edge(at, to, EdgeKind::Layer);
        }
    }

    /// Adds a layer.
    fn layer(&mut self, layer: &Layer, number: usize, created_by: String) -> usize {
        let stated = layer.digest().map(ToString::to_string);
        let diff_id = layer.diff_id.as_ref().map(ToString::to_string);
        let size = match (layer.content(), &layer.descriptor) {
            (Some(content), _) => Some(content.len()),
            (None, Some(descriptor)) => Some(descriptor.size),
            (None, None) => None,
        };
        let missing = matches!(layer.presence, Presence::Missing | Presence::Unreadable);
        // docker-archives without an OCI layout have uncompressed layers, whose diff IDs are their digests.
        let digest = stated.clone().or_else(|| diff_id.clone());
        let digest = digest.unwrap_or_else(|| layer.member.clone());
        let fact = LayerInfo {
            number,
            chain_id: String::new(),
            diff_id: diff_id.unwrap_or_default(),
            digest: stated.unwrap_or_default(),
            created_by: created_by.clone(),
            size,
        };
        let at = self.builder.node(format!("blob:{digest}"), || Node {
            kind: NodeKind::Layer,
            label: "layer".into(),
            digest,
            created_by,
            size,
            layers: vec![fact],
            missing,
            ..Node::default()
        });
        let node = &mut self.builder.nodes[at];
        node.missing &= missing;
        if !missing {
            self.all = self.all.saturating_add(size.unwrap_or_default());
        }
        let media_type = layer.media_type();
        if let Some(media_type) = media_type.filter(|media_type| !media_type.as_str().is_empty()) {
            set(node, "media_type", media_type.to_string());
        }
        if matches!(layer.presence, Presence::External) {
            set(node, "external", "true".into());
        }
        at
    }

    /// Adds config and layers of an attestation or artifact.
    fn parts(&mut self, archive: &Archive, manifest: &Manifest, at: usize) {
        let names = archive.oci.as_ref().map(|half| half.names);
        let is_here = |descriptor: &Descriptor| {
            let here = names.map(|names| archive.container.get(&names.path(&descriptor.digest)));
            descriptor.data.is_some() || matches!(here, Some(Ok(Some(_))))
        };
        if let Some(config) = &manifest.config {
            let missing = !is_here(config) && !config.may_be_absent();
            let to = self.blob(config, NodeKind::Config, "config", missing);
            self.builder.edge(at, to, EdgeKind::Config);
        }
        for layer in &manifest.layers {
            let missing = !is_here(layer) && !layer.may_be_absent();
            let to = self.blob(layer, NodeKind::Blob, "blob", missing);
            if let Some(kind) = layer.annotation("in-toto.io/predicate-type") {
                set(
                    &mut self.builder.nodes[to],
                    "predicate_type",
                    kind.to_owned(),
                );
            }
            self.builder.edge(at, to, EdgeKind::Layer);
        }
    }

    /// Adds config and layers of an image that only `manifest.json` lists.
    fn docker_image(&mut self, archive: &Archive, position: ImageIdx) -> usize {
        let image = &archive.images[position];
        let id = image.id.to_string();
        self.images.insert(id.clone());
        let bytes = image.config_bytes.as_ref().map(|bytes| bytes.len() as u64);
        let at = self.builder.node(format!("blob:{id}"), || Node {
            kind: NodeKind::Config,
            label: "config".into(),
            digest: id.clone(),
            size: bytes,
            missing: bytes.is_none(),
            facts: vec![("platform", image.platform.to_string())],
            ..Node::default()
        });
        self.all = self.all.saturating_add(bytes.unwrap_or_default());
        self.layers_of(image, at);
        at
    }

    /// Joins subjects, counts users and adds up sizes.
    fn finish(mut self) -> Graph {
        for (at, digest) in std::mem::take(&mut self.subjects) {
            let to = self.builder.node(format!("blob:{digest}"), || Node {
                kind: NodeKind::Manifest,
                label: "manifest".into(),
                digest: digest.clone(),
                missing: true,
                ..Node::default()
            });
            if to != at {
                self.builder.edge(at, to, EdgeKind::Describes);
            }
        }
        let mut graph = Graph {
            view: View::Blobs,
            size_of: super::SizeOf::Stored,
            totals: Totals {
                images: self.images.len(),
                layers: self
                    .builder
                    .nodes
                    .iter()
                    .filter(|node| node.kind != NodeKind::Archive)
                    .count(),
                all: self.all,
                ..Totals::default()
            },
            nodes: self.builder.nodes,
            edges: self.builder.edges,
        };
        let mut users = vec![HashSet::new(); graph.nodes.len()];
        for edge in graph
            .edges
            .iter()
            .filter(|edge| edge.kind != EdgeKind::Describes)
        {
            users[edge.to].insert(edge.from);
        }
        for (node, users) in graph.nodes.iter_mut().zip(users) {
            node.shared_by = users.len();
            match (node.size, node.missing) {
                (Some(size), false) => {
                    graph.totals.once = graph.totals.once.saturating_add(size);
                }
                (None, false) if node.kind != NodeKind::Archive => graph.totals.unknown += 1,
                _ => {}
            }
        }
        graph
    }
}

/// Adds a property, unless it exists or has no value.
fn set(node: &mut Node, key: &'static str, value: String) {
    if value.is_empty() || value == "unknown/unknown" {
        return;
    }
    match node.facts.iter_mut().find(|(known, _)| *known == key) {
        Some(_) => {}
        None => node.facts.push((key, value)),
    }
}

/// Returns the subject's digest of a cosign tag: `sha256-<hex>.sig`, `.att` or `.sbom`.
fn cosign_subject(name: &str) -> Option<String> {
    let tag = name.rsplit(['/', ':']).next()?;
    let (digest, suffix) = tag.rsplit_once('.')?;
    let hex = digest.strip_prefix("sha256-")?;
    let known = matches!(suffix, "sig" | "att" | "sbom");
    (known && hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
        .then(|| format!("sha256:{hex}"))
}

fn is_signature(image: &Image) -> bool {
    image.manifest.as_ref().is_some_and(signs)
}

/// Tests for a manifest of a signature, by its media types.
fn signs(manifest: &Manifest) -> bool {
    let known = |text: &str| {
        text.starts_with("application/vnd.dev.cosign.")
            || text.starts_with("application/vnd.dev.sigstore.bundle")
            || text.starts_with("application/vnd.cncf.notary.signature")
            || text.starts_with("application/jose+json")
    };
    manifest.artifact_type.as_deref().is_some_and(known)
        || manifest
            .layers
            .iter()
            .any(|layer| known(layer.media_type.as_str()))
        || manifest
            .config
            .as_ref()
            .is_some_and(|config| known(config.media_type.as_str()))
}
