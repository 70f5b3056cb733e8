//! Opened archives: halves, roots, images and nodes.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::blob_names::BlobNames;
use super::container::{Container, Holder};
use super::docker::{DockerItem, RepositoryRecord};
use super::graph::{Edge, Node, NodeKind};
use super::image::{Image, Layer};
use super::name::{Name, NameSet};
use super::options::TreeKind;
use super::positions::{ImageIdx, NodeIdx, RootIdx};
use super::target::Lookup;
use crate::blob::Compression;
use crate::error::Error;
use crate::index_vec::IndexVec;

/// Opened archive of any format.
///
/// ```no_run
/// use imgkit::archive::Open;
///
/// let archive = Open::default().path("app.tar".as_ref())?;
/// for image in &archive.images {
///     println!("{} {} {} layers", image.id, image.platform, image.layers.len());
/// }
/// # Ok::<(), imgkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Archive {
    /// Path as given when it was opened; the outermost context of every error.
    pub place: String,
    /// Format, detected by content.
    pub format: Format,
    /// Storage of the members.
    pub container: Arc<Container>,
    /// `manifest.json` and `repositories`, if the archive has them.
    pub docker: Option<DockerHalf>,
    /// `index.json`, if the archive has one; the lone manifest of a `dir:` or a document counts as one.
    pub oci: Option<OciHalf>,
    /// Every blob that `index.json` leads to, once.
    pub nodes: IndexVec<NodeIdx, Node>,
    /// Container images, each once, in the order in which they were found.
    pub images: IndexVec<ImageIdx, Image>,
    /// Listed images and indexes with their names: the items of `manifest.json` in their order, then entries only in
    /// `index.json`.
    pub roots: IndexVec<RootIdx, Root>,
    /// Damage that concerns no single image.
    pub faults: Vec<Error>,
    /// Remarks on how it is read that are no errors.
    pub notes: Vec<String>,
    /// True for a part of the container's images, see [`Archive::part`].
    pub is_part: bool,
    /// Roots that lead to each image; made on first use.
    pub(super) roots_of: OnceLock<IndexVec<ImageIdx, Vec<RootIdx>>>,
    /// Index of names and digests; made on first use.
    pub(super) lookup: OnceLock<Lookup>,
}

/// Format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `repositories` and directories only: docker before 1.10.
    DockerV1,
    /// `manifest.json` without an OCI half.
    Docker,
    /// `manifest.json` and `index.json`: docker 25 and newer, containerd, BuildKit.
    DockerAndOci,
    /// `index.json` and `blobs/` alone, in a directory or a tar.
    Oci,
    /// skopeo's `dir:`.
    Dir,
    /// Lone manifest or index without blobs.
    Document,
    /// Directory of repositories.
    Tree(TreeKind),
}

/// Documents of the docker half.
#[derive(Debug, Clone)]
pub struct DockerHalf {
    /// Bytes of `manifest.json`; `None` before docker 1.10.
    pub manifest: Option<Arc<[u8]>>,
    /// Items of `manifest.json`.
    pub items: Vec<DockerItem>,
    /// Records of `repositories`, if it exists.
    pub repositories: Option<Vec<RepositoryRecord>>,
}

/// Documents of the OCI half.
#[derive(Debug, Clone)]
pub struct OciHalf {
    /// Bytes of `index.json`, or of the manifest of a `dir:`.
    pub index: Arc<[u8]>,
    /// Entries in their order.
    pub edges: Vec<Edge>,
    /// Version that `oci-layout` states; `None` if it is missing or states none.
    pub layout_version: Option<String>,
    /// Naming of blobs.
    pub names: BlobNames,
    /// Entries of the index as written; parsed on first use.
    pub(super) stated: OnceLock<Vec<Arc<Map<String, Value>>>>,
}

/// Listed image, or index with images.
#[derive(Debug, Clone, Default)]
pub struct Root {
    /// Names; empty for an untagged image.
    pub names: Vec<Name>,
    /// Values of `org.opencontainers.image.ref.name` in `index.json`, by which skopeo selects.
    pub ref_names: Vec<String>,
    /// Node that `index.json` points to.
    pub node: Option<NodeIdx>,
    /// Image that `manifest.json` describes.
    pub image: Option<ImageIdx>,
    /// Positions of its entries in `index.json`.
    pub positions: Vec<usize>,
    /// Position of its item in `manifest.json`.
    pub item: Option<usize>,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::DockerV1 => "docker-archive (before 1.10)",
            Format::Docker => "docker-archive",
            Format::DockerAndOci => "docker-archive with OCI layout",
            Format::Oci => "OCI layout",
            Format::Dir => "dir",
            Format::Document => "document",
            Format::Tree(TreeKind::Registry) => "registry tree",
            Format::Tree(TreeKind::Layouts) => "tree of OCI layouts",
            Format::Tree(TreeKind::Dirs) => "tree of dir: images",
            Format::Tree(TreeKind::Mirror) => "tree of oc mirror",
        })
    }
}

impl Root {
    /// Tests if the root has this name: one of its names, or the bare text of a `ref.name`, by which skopeo selects
    /// whatever the other names are.
    pub fn matches_name(&self, wanted: &str) -> bool {
        self.ref_names.iter().any(|text| text == wanted)
            || self.names.iter().any(|name| name.matches(wanted))
    }

    /// Tests if the root has this name, which may be a repository without a tag.
    pub fn matches_repository(&self, name: &str) -> bool {
        self.matches_name(name) || self.names.iter().any(|known| known.means(name))
    }
}

/// Returns the images that a node leads to, each once, in the order of the indexes, without attestations and artifacts.
pub(super) fn images_below(nodes: &IndexVec<NodeIdx, Node>, node: NodeIdx) -> Vec<ImageIdx> {
    let mut images = Vec::new();
    let mut seen = HashSet::new();
    let mut work = vec![node];
    while let Some(node) = work.pop() {
        if !seen.insert(node) {
            continue;
        }
        match nodes.get(node).map(|node| &node.kind) {
            Some(NodeKind::Image(image)) => images.push(*image),
            Some(NodeKind::Index(edges)) => work.extend(edges.iter().rev().map(|edge| edge.node)),
            _ => {}
        }
    }
    images
}

impl Archive {
    /// Offset of an uncompressed layer in the archive file. `None` if the layer is compressed or missing, and if the
    /// archive is a directory, compressed, in volumes, or came from a stream.
    pub fn stored_at(&self, layer: &Layer) -> Option<u64> {
        let container = &self.container;
        let is_file = matches!(container.holder, Holder::Table(_)) && !container.streamed;
        let content = layer.content().filter(|_| is_file)?;
        let is_uncompressed = content.compression().ok()? == Compression::None;
        content.stored_at().filter(|_| is_uncompressed)
    }

    /// Returns the images of a root in the order of the index: one, or one for each platform in the archive.
    pub fn images_of(&self, root: &Root) -> Vec<ImageIdx> {
        match root.node {
            Some(node) => images_below(&self.nodes, node),
            None => root.image.into_iter().collect(),
        }
    }

    /// Returns the images that a node leads to, in the order of the indexes.
    pub fn images_below(&self, node: NodeIdx) -> Vec<ImageIdx> {
        images_below(&self.nodes, node)
    }

    /// Returns the names of an image: those of every root that leads to it.
    pub fn names_of(&self, image: ImageIdx) -> Vec<Name> {
        let roots_of = self.roots_of.get_or_init(|| {
            let mut roots_of = IndexVec::from_elem(Vec::new(), &self.images);
            for (i, root) in self.roots.iter_enumerated() {
                for image in self.images_of(root) {
                    roots_of[image].push(i);
                }
            }
            roots_of
        });
        let roots = roots_of.get(image).into_iter().flatten();
        NameSet::distinct(roots.flat_map(|&root| self.roots[root].names.iter().cloned()))
    }
}
