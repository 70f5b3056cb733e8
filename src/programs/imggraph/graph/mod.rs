//! imggraph: what stands on what, as nodes and edges.
//!
//! In come opened archives; out goes a [`Graph`] for one of the views. Images are content-addressed, so what stands on
//! what is in their diff IDs: a stack of layers is a path in a trie, and images that share a start of it share a base.
//!
//! | file | what it knows |
//! |---|---|
//! | `stacks` | the trie of layers, the images on it, which image is based on which, what sharing saves |
//! | `layers`, `images` | the two views of that |
//! | `blobs` | index, manifest, config, layers, and what describes them, with what is missing |
//! | `packages` | what the packages inside one image depend on |
//! | `narrow` | parts of a graph: what a node stands on, what stands on it, no further than so far |
//! | `map` | the files of an image by folder and layer |
//!
//! Memory is in proportion to nodes and edges, and only manifests and configs are read: sizes as stored are stated
//! there. Nothing recurses, because depth is the archive's choice.

mod blobs;
mod images;
mod layers;
mod map;
mod narrow;
mod packages;
mod stacks;

use std::collections::HashMap;

pub use blobs::blobs;
pub use images::images;
pub use layers::layers;
pub use map::{FolderSize, ImageMap, map};
pub use narrow::{Narrow, narrow};
pub use packages::packages;
pub use stacks::{Source, StackImage, StackLayer, Stacks, stacks};

/// What a graph shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Layers, and the images on them.
    Layers,
    /// Images, and which is based on which.
    Images,
    /// Blobs, and which names which.
    Blobs,
    /// The packages of one image, and which depends on which.
    Packages,
}

impl View {
    /// Its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            View::Layers => "layers",
            View::Images => "images",
            View::Blobs => "blobs",
            View::Packages => "packages",
        }
    }

    /// Whether drawings start at what nothing is needed for and go on to what stands on it, as trees of layers and
    /// images do. The others start at what nothing points to.
    pub fn from_the_base(self) -> bool {
        matches!(self, View::Layers | View::Images)
    }
}

/// Which bytes sizes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SizeOf {
    /// Bytes as stored, compressed or not, as manifests state them.
    #[default]
    Stored,
    /// Bytes of the files once unpacked, as `imghistory` shows them.
    Raw,
}

impl SizeOf {
    /// Its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            SizeOf::Stored => "compressed",
            SizeOf::Raw => "raw",
        }
    }
}

/// Nodes and edges, in a stable order: that of the input, what is stood on before what stands on it.
#[derive(Debug, Clone)]
pub struct Graph {
    /// What it shows.
    pub view: View,
    /// Which bytes its sizes count.
    pub size_of: SizeOf,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The edges, each once.
    pub edges: Vec<Edge>,
    /// What all of it takes, where sizes are known.
    pub totals: Totals,
}

/// Bytes of all images, or of all that is drawn. What is of unknown size counts as nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Images, or packages.
    pub images: usize,
    /// Distinct layers, by diff ID; blobs; packages.
    pub layers: usize,
    /// Bytes if every image kept its layers for itself.
    pub all: u64,
    /// Bytes if each layer is kept once.
    pub once: u64,
    /// How many of them have no known size.
    pub unknown: usize,
}

impl Totals {
    /// Bytes that sharing saves.
    pub fn saved(&self) -> u64 {
        self.all.saturating_sub(self.once)
    }
}

/// Something that stands on something, or is stood on.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Unique in the graph, and the same for the same thing on every run: its kind and its digest.
    pub id: String,
    /// What it is.
    pub kind: NodeKind,
    /// What it is called; nothing for layers and untagged images.
    pub names: Vec<String>,
    /// What it is where it has no name: `layer 3`, `layers 3-7`, `config`.
    pub label: String,
    /// Its digest in full: the chain ID of a layer, the ID of an image, the digest of a blob; the version of a package.
    pub digest: String,
    /// The instruction that made it.
    pub made_by: String,
    /// Its own bytes; `None` if they are not known.
    pub size: Option<u64>,
    /// Its bytes and those of all it stands on; `None` if any of them are not known.
    pub cumulative: Option<u64>,
    /// How many images need it.
    pub shared_by: usize,
    /// The layers it stands for, from the base upward: one, or a run of them.
    pub layers: Vec<LayerFact>,
    /// Whether it is named, but not in the archive.
    pub absent: bool,
    /// What else is known of it: key and value.
    pub facts: Vec<(&'static str, String)>,
    /// How many nodes on it are not drawn.
    pub hidden: usize,
}

impl Node {
    /// The first 12 digits of its digest, or the version of a package.
    pub fn short(&self) -> &str {
        let encoded = self.digest.rsplit(':').next().unwrap_or_default();
        match self.kind {
            NodeKind::Package => &self.digest,
            _ => encoded.get(..12).unwrap_or(encoded),
        }
    }

    /// Its first name, or what it is.
    pub fn title(&self) -> &str {
        self.names.first().map_or(&self.label, |name| name)
    }
}

/// One layer of a node.
#[derive(Debug, Clone, Default)]
pub struct LayerFact {
    /// Its number, 1 being the base.
    pub number: usize,
    /// The digest of the stack up to it; empty if a diff ID is not known.
    pub chain_id: String,
    /// The digest of the plain layer; empty if it is not known.
    pub diff_id: String,
    /// The digest of the stored layer; empty if nothing states it.
    pub digest: String,
    /// The instruction that made it.
    pub made_by: String,
    /// Its bytes.
    pub size: Option<u64>,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum NodeKind {
    /// A layer.
    #[default]
    Layer,
    /// A run of layers that belong to one image.
    Layers,
    /// An image.
    Image,
    /// An archive, layout or store.
    Archive,
    /// An index.
    Index,
    /// A manifest of an image.
    Manifest,
    /// A config.
    Config,
    /// A statement about another manifest.
    Attestation,
    /// A signature of another manifest.
    Signature,
    /// A manifest that describes no image.
    Artifact,
    /// Another blob.
    Blob,
    /// A package.
    Package,
}

impl NodeKind {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            NodeKind::Layer => "layer",
            NodeKind::Layers => "layers",
            NodeKind::Image => "image",
            NodeKind::Archive => "archive",
            NodeKind::Index => "index",
            NodeKind::Manifest => "manifest",
            NodeKind::Config => "config",
            NodeKind::Attestation => "attestation",
            NodeKind::Signature => "signature",
            NodeKind::Artifact => "artifact",
            NodeKind::Blob => "blob",
            NodeKind::Package => "package",
        }
    }
}

/// That one node needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// The position of the node that stands on the other, names it or depends on it.
    pub from: usize,
    /// The position of what it needs.
    pub to: usize,
    /// In what way.
    pub kind: EdgeKind,
}

/// In what way one node needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EdgeKind {
    /// A layer on a layer, an image on its topmost layer.
    StandsOn,
    /// An image on another.
    BasedOn,
    /// An archive or an index on what it lists.
    Lists,
    /// A manifest on its config.
    Config,
    /// A manifest on a layer.
    Layer,
    /// An attestation, signature or referrer on what it is about.
    Describes,
    /// A package on another.
    DependsOn,
}

impl EdgeKind {
    /// Its name in JSON and beside drawn edges.
    pub fn name(self) -> &'static str {
        match self {
            EdgeKind::StandsOn => "stands on",
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
    /// Which nodes a drawing puts on which: for each node those that follow it, and those it follows, in order.
    pub fn steps(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let mut next = vec![Vec::new(); self.nodes.len()];
        let mut before = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            let (a, b) = match self.view.from_the_base() {
                true => (edge.to, edge.from),
                false => (edge.from, edge.to),
            };
            next[a].push(b);
            before[b].push(a);
        }
        (next, before)
    }
}

/// A graph in the making: nodes by their IDs, edges each once.
#[derive(Debug, Default)]
struct Maker {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    by_id: HashMap<String, usize>,
    seen: std::collections::HashSet<Edge>,
}

impl Maker {
    /// The position of the node with that ID; it is made if it is new.
    fn node(&mut self, id: String, make: impl FnOnce() -> Node) -> usize {
        if let Some(&known) = self.by_id.get(&id) {
            return known;
        }
        let position = self.nodes.len();
        self.by_id.insert(id.clone(), position);
        self.nodes.push(Node { id, ..make() });
        position
    }

    fn edge(&mut self, from: usize, to: usize, kind: EdgeKind) {
        let edge = Edge { from, to, kind };
        if self.seen.insert(edge) {
            self.edges.push(edge);
        }
    }
}
