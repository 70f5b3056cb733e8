//! Dependency graphs of images, blobs and packages.
//!
//! Opened archives become a [`Graph`] in one of the views. Images are content-addressed, so their diff IDs give the
//! dependencies: a stack of layers is a path in a trie, and images with a common start of it share a base.
//!
//! | file | holds |
//! |---|---|
//! | `model` | graphs, nodes and edges |
//! | `builder` | a builder of graphs whose nodes are found in any order |
//! | `stacks` | the trie of layers with the images on it, base images, savings by sharing |
//! | `layers`, `images` | two views of the trie |
//! | `blobs` | the view of blobs: index, manifest, config, layers, referrers, missing blobs |
//! | `packages` | the view of packages: dependencies inside one image |
//! | `subgraph` | parts of a graph: ancestors, descendants, limited depth |
//! | `map` | the files of an image by directory and layer |
//!
//! Memory is proportional to nodes and edges. Only manifests and configs are read: they state the stored sizes. Nothing
//! recurses, because the archive decides on the depth.

mod blobs;
mod builder;
mod images;
mod layers;
mod map;
mod model;
mod packages;
mod stacks;
mod subgraph;

pub use blobs::blobs;
pub use images::images;
pub use layers::layers;
pub use map::{DirectorySize, ImageMap, map};
pub use model::{Edge, EdgeKind, Graph, LayerInfo, Node, NodeKind, SizeOf, Totals, View};
pub use packages::packages;
pub use stacks::{Source, StackImage, StackLayer, Stacks, stacks};
pub use subgraph::{Bounds, subgraph};
