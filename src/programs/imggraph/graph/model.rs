//! Graphs: nodes and edges.

/// View of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum View {
    /// Layers, and the images built of them.
    Layers,
    /// Images and their base images.
    Images,
    /// Blobs and the references between them.
    Blobs,
    /// Packages of one image and their dependencies.
    Packages,
}

impl View {
    /// Returns the name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Tests if drawings run from dependencies to dependents, as those of layers and images do. Others run from
    /// dependents to dependencies.
    pub fn runs_from_base(self) -> bool {
        matches!(self, View::Layers | View::Images)
    }
}

/// Bytes that sizes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SizeOf {
    /// Stored bytes, compressed or not, as stated in manifests.
    #[default]
    Stored,
    /// Bytes of the files, as shown by `imghistory`.
    Raw,
}

impl SizeOf {
    /// Returns the name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            SizeOf::Stored => "compressed",
            SizeOf::Raw => "raw",
        }
    }

    /// Returns the adjective for its numbers in printed totals.
    pub fn adjective(self) -> &'static str {
        match self {
            SizeOf::Stored => "stored",
            SizeOf::Raw => "unpacked",
        }
    }
}

/// Nodes and edges, in a stable order: that of the input, dependencies before dependents.
#[derive(Debug, Clone)]
pub struct Graph {
    /// View.
    pub view: View,
    /// Bytes that its sizes count.
    pub size_of: SizeOf,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The edges, each once.
    pub edges: Vec<Edge>,
    /// Sums of the known sizes.
    pub totals: Totals,
}

/// Sums over all inputs. Unknown sizes count as 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Number of images.
    pub images: usize,
    /// Number of distinct layers (by diff ID), of blobs, or of packages.
    pub layers: usize,
    /// Bytes if no image shared layers.
    pub all: u64,
    /// Bytes with each layer counted once.
    pub once: u64,
    /// Number of layers, blobs or packages of unknown size.
    pub unknown: usize,
}

impl Totals {
    /// Returns the bytes saved by sharing.
    pub fn saved(&self) -> u64 {
        self.all.saturating_sub(self.once)
    }
}

/// Node of a graph.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Identifier, unique in the graph and stable between runs: kind and digest.
    pub id: String,
    /// Kind.
    pub kind: NodeKind,
    /// Names; empty for layers and untagged images.
    pub names: Vec<String>,
    /// Label of a node without names: `layer 3`, `layers 3-7`, `config`.
    pub label: String,
    /// Chain ID of a layer, ID of an image, digest of a blob, all in full; version of a package.
    pub digest: String,
    /// Command that made it.
    pub created_by: String,
    /// Own bytes; `None` if unknown.
    pub size: Option<u64>,
    /// Bytes including all dependencies; `None` if any are unknown.
    pub cumulative: Option<u64>,
    /// Number of its users: images with the layer; descendants of the image and itself; dependents.
    pub shared_by: usize,
    /// Layers of the node, from the base upward: one, or a run of them.
    pub layers: Vec<LayerInfo>,
    /// True if it is referenced, but missing from all archives.
    pub missing: bool,
    /// Further properties: key and value.
    pub facts: Vec<(&'static str, String)>,
    /// Number of nodes after it that are not drawn.
    pub hidden: usize,
}

impl Node {
    /// Returns the first 12 digits of the digest, or the version of a package.
    pub fn short(&self) -> &str {
        let encoded = self.digest.rsplit(':').next().unwrap_or_default();
        match self.kind {
            NodeKind::Package => &self.digest,
            _ => encoded.get(..12).unwrap_or(encoded),
        }
    }

    /// Returns the first name, or the label.
    pub fn title(&self) -> &str {
        self.names.first().map_or(&self.label, |name| name)
    }
}

/// Layer of a node.
#[derive(Debug, Clone, Default)]
pub struct LayerInfo {
    /// Number, 1 = base layer.
    pub number: usize,
    /// Chain ID; empty if a diff ID is unknown.
    pub chain_id: String,
    /// Digest of the uncompressed layer; empty if unknown.
    pub diff_id: String,
    /// Digest of the stored layer; empty if no manifest states it.
    pub digest: String,
    /// Command that made it.
    pub created_by: String,
    /// Bytes; `None` if unknown.
    pub size: Option<u64>,
}

/// Kind of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum NodeKind {
    /// Layer.
    #[default]
    Layer,
    /// Run of layers of one image.
    Layers,
    /// Image.
    Image,
    /// Archive, layout or store.
    Archive,
    /// Index.
    Index,
    /// Manifest of an image.
    Manifest,
    /// Config.
    Config,
    /// Attestation of another manifest.
    Attestation,
    /// Signature of another manifest.
    Signature,
    /// Manifest of an artifact.
    Artifact,
    /// Other blob.
    Blob,
    /// Package.
    Package,
}

impl NodeKind {
    /// Returns the name in JSON.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Dependency of one node on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// Position of the dependent node.
    pub from: usize,
    /// Position of the dependency.
    pub to: usize,
    /// Kind.
    pub kind: EdgeKind,
}

/// Kind of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EdgeKind {
    /// Layer to the layer below, image to its topmost layer.
    Stacked,
    /// Image to its base image.
    BasedOn,
    /// Archive or index to a listed manifest or index.
    Lists,
    /// Manifest to its config.
    Config,
    /// Manifest to a layer.
    Layer,
    /// Attestation, signature or referrer to its subject.
    Describes,
    /// Package to a dependency.
    DependsOn,
}

impl EdgeKind {
    /// Returns the name in JSON and beside drawn edges.
    pub fn name(self) -> &'static str {
        match self {
            EdgeKind::Stacked => "stands on",
            EdgeKind::BasedOn => "is based on",
            EdgeKind::Lists => "lists",
            EdgeKind::Config => "config",
            EdgeKind::Layer => "layer",
            EdgeKind::Describes => "describes",
            EdgeKind::DependsOn => "depends on",
        }
    }
}

impl Graph {
    /// Returns for each node its successors and its predecessors in the direction of a drawing, in order.
    pub fn neighbors(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let mut next = vec![Vec::new(); self.nodes.len()];
        let mut before = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            let (a, b) = match self.view.runs_from_base() {
                true => (edge.to, edge.from),
                false => (edge.from, edge.to),
            };
            next[a].push(b);
            before[b].push(a);
        }
        (next, before)
    }
}
