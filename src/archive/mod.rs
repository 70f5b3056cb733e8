//! Opening: from bytes in any container format to images.
//!
//! In comes a path or standard input; out goes an [`Archive`] with its images, each with manifest, config and layers.
//! Opening reads names and small documents, and checks the digest of every document it reads. Layers are not read,
//! except on a stream, where they are verified in the same pass because they cannot be read again.
//!
//! | file | knows |
//! |---|---|
//! | `options` | how an archive is opened |
//! | `container` | the storage of members: a tar in a file, a tar on a stream, a directory, a lone document |
//! | `member`, `members`, `directory`, `directory_file`, `content` | members by name, links and duplicates included |
//! | `files` | a directory, or the members of a tar, as files by path |
//! | `tree`, `registry`, `layouts`, `mirror`, `gathered` | directories of repositories as one layout: the storage of a registry, layouts, `dir:` images, mirrors |
//! | `inside` | a tar with a directory of repositories, or with an image below a directory |
//! | `detours` | members that unpackers put at another path than their name |
//! | `discover`, `signs` | the documents that tell the format, and the kind of inputs without them |
//! | `docker`, `docker_half` | `manifest.json`, `repositories`, the layers of before docker 1.10 |
//! | `graph`, `oci`, `stated` | `index.json` and everything it leads to |
//! | `halves`, `join` | images that both halves describe |
//! | `assembly`, `open` | an archive being opened, from path or stream to images |
//! | `model`, `positions`, `image`, `name`, `faults` | the opened archive |
//! | `gaps` | missing documents and layers that are no damage |
//! | `identity` | layers that differ from their statement, found before hashing |
//! | `pick`, `target`, `lookup`, `candidates`, `select`, `chosen` | images by name, position, ID and digest |
//! | `part` | some images of an archive as an archive |
//! | `referrers` | manifests about other manifests |
//! | `search` | archives below a directory |

mod assembly;
mod blob_names;
mod candidates;
mod chosen;
mod container;
mod content;
mod detours;
mod directory;
mod directory_file;
mod discover;
mod docker;
mod docker_half;
mod faults;
mod files;
mod filter;
mod gaps;
mod gathered;
mod graph;
mod halves;
mod identity;
mod image;
mod incomplete;
mod inside;
mod join;
mod layouts;
mod lookup;
mod measure;
mod member;
mod members;
mod mirror;
mod model;
mod name;
mod oci;
mod open;
mod options;
mod part;
mod pick;
mod positions;
mod referrers;
pub mod registry;
mod search;
mod select;
mod signs;
mod stated;
mod target;
mod tree;
pub mod volumes;

pub use blob_names::BlobNames;
pub(crate) use candidates::distance;
pub use chosen::Chosen;
pub use container::{Container, Holder, MissingVolumes};
pub use content::{Content, Kept};
pub use detours::{Detour, Detours};
pub use directory_file::DirectoryFile;
pub use docker::{DockerItem, RepositoryRecord};
pub use filter::Filter;
pub use gaps::Gaps;
pub use graph::{Edge, Node, NodeKind, check, check_digest};
pub use identity::check_blob;
pub use image::{Image, ImageId, Layer, Presence, Step};
pub use layouts::holds_image;
pub use measure::{LayerSize, Sizes, measure};
pub use member::{Member, MemberKind};
pub use members::MemberTable;
pub use model::{Archive, DockerHalf, Format, OciHalf, Root};
pub(crate) use name::NameKey;
pub use name::{Name, Wanted};
pub use options::{Half, Open, TreeKind};
pub use pick::Pick;
pub use positions::{ImageIdx, NodeIdx, RootIdx};
pub use referrers::{Retention, subject_of_tag};
pub use search::Search;
pub use select::Selection;
pub use target::Target;
pub use tree::{Tree, image_paths, registry_root};
