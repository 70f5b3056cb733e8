//! Opening: from bytes in any container shape to images.
//!
//! In comes a path or standard input; out goes an [`Archive`] with its images, each with manifest, config and layers.
//! Opening reads names and small documents, and checks the digest of every document it reads; layers are left alone
//! (except on a stream, where they are verified as they go by, because they cannot be read again).
//!
//! | file | what it knows |
//! |---|---|
//! | `container` | what holds the members: a tar in a file, a tar on a stream, a folder, a lone document |
//! | `members`, `folder` | looking members up by name, links and duplicates included |
//! | `detours` | members that unpackers put elsewhere than their name says |
//! | `docker` | `manifest.json`, `repositories`, the layers of before 1.10 |
//! | `graph` | `index.json` and all that it leads to |
//! | `assemble` | both halves put together into one list of images |
//! | `halves` | which half describes an image where they do not say the same |
//! | `identity` | what shows a layer to be another one than is stated, before it is hashed |
//! | `select`, `chosen`, `lookup` | which image a user means, and which ones |
//! | `part` | some images of an archive as an archive |
//! | `referrers` | which manifests are about others |
//! | `search` | the archives below a directory |
//! | `stated` | what `index.json` says of each thing it lists, as it is written |

mod assemble;
mod chosen;
mod container;
mod content;
mod detours;
mod docker;
mod filter;
mod folder;
mod graph;
mod halves;
mod identity;
mod image;
mod lookup;
mod measure;
mod members;
mod name;
mod part;
mod referrers;
mod search;
mod select;
mod stated;

use std::fmt;

pub use assemble::{Archive, DockerHalf, Half, OciHalf, Open, Root, Shape};
pub use chosen::{Chosen, Target};
pub use container::{Container, Holder};
pub use content::{Content, Kept};
pub use detours::{Detour, Detours};
pub use docker::{DockerItem, RepositoryRecord};
pub use filter::Filter;
pub use folder::FolderFile;
pub use graph::{Edge, Node, NodeKind, check, check_digest};
pub use identity::check_blob;
pub use image::{Image, ImageId, Layer, Presence, Step};
pub use measure::{LayerSize, Sizes, measure};
pub use members::{Member, MemberKind, MemberTable};
pub use name::{Name, Wanted};
pub use referrers::{Fate, subject_of_tag};
pub use search::{Search, holds_image};
pub(crate) use select::distance;
pub use select::{Pick, Selection};

use crate::spec::Digest;

/// How a container names the blobs it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobNames {
    /// `blobs/sha256/<hex>`, as an OCI layout does.
    Layout,
    /// The bare `<hex>`, as skopeo's `dir:` does.
    Hex,
}

impl BlobNames {
    /// Where the blob of that digest is.
    pub fn path(self, digest: &Digest) -> String {
        match self {
            BlobNames::Layout => digest.blob_path(),
            BlobNames::Hex => digest.encoded().to_owned(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::DockerV1 => "docker-archive (before 1.10)",
            Shape::Docker => "docker-archive",
            Shape::DockerAndOci => "docker-archive with OCI layout",
            Shape::Oci => "OCI layout",
            Shape::Dir => "dir",
            Shape::Document => "document",
        })
    }
}
