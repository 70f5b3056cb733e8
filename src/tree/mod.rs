//! Layers applied: the file at each path, and the layers that wrote, replaced or deleted it.
//!
//! Each layer is read into a [`Listing`]: its entries in compact form, without contents. Applying listings gives a
//! [`Tree`]: each file as a [`Node`], and the history of each path as a [`History`]. Reading and writing contents, and
//! file systems, are outside of this module.
//!
//! ```no_run
//! use imgkit::archive::{Open, Pick};
//! use imgkit::tree::{NodeKind, Reading, Tree};
//!
//! let archive = Open::default().path("app.tar".as_ref())?;
//! let image = archive.select(&Pick::Only, None)?.image();
//! // Uncompressed layers in files: headers only. Compressed ones: decoded once, on all cores, and verified.
//! let tree = Tree::apply(Reading::default().list_all(image)?)?.checked()?;
//! for node in tree.walk() {
//!     println!("{:?} {:?} by layer {}", node.kind(), node.path(), node.layer());
//! }
//! if let Some(passwd) = tree.get(b"etc/passwd").filter(|node| node.kind() == NodeKind::File) {
//!     println!("{} bytes at {:?}, mode {:o}", passwd.size(), passwd.location(), passwd.meta().mode);
//!     for step in passwd.history().steps() {
//!         println!("layer {}: {:?}, then {} bytes", step.layer, step.event, step.size());
//!     }
//! }
//! # Ok::<(), imgkit::Error>(())
//! ```
//!
//! # Uses
//!
//! - **Contents.** [`Node::location`] is their location in a layer's uncompressed tar. [`Reading::decode_all`] returns
//!   listings and these tars as [`FileRange`](crate::blob::FileRange)s, in the archive or decoded into anonymous
//!   temporary files. Read `decoded[location.layer].bytes.slice(location.offset, location.stored)`.
//! - **Comparing without contents.** [`Reading::digests`] hashes each file while its layer is listed; [`Node::digest`]
//!   returns the digest, with the holes of sparse files as zeros; beyond [`HOLES`](crate::limits::HOLES) there is none.
//! - **Two images.** List each layer once, give both trees an [`Arc`](std::sync::Arc) of it, and merge two
//!   [`Tree::walk`]s: both are in the order of [`cmp_paths`]. [`Tree::all_paths`] includes deleted paths.
//! - **Everything that layers hold.** [`Tree::versions`] returns each entry of each layer, with what became of it.
//! - **A root filesystem.** A tar of files is a tree of one layer: [`Reading::list_range`], [`Reading::list_stream`].
//!   Names that begin with `.wh.` are whiteouts there as well.
//! - **Some of the layers.** Apply only those: [`History::is_removed`] and [`Node::hides`] then describe their effect on
//!   lower layers, which is needed to write one layer in place of them.
//!
//! # Rules
//!
//! | entry | effect |
//! |---|---|
//! | a directory over a directory | new attributes; the contents stay |
//! | anything else over anything | the old file is removed, with its contents |
//! | a hard link | another name of the file that its target names at that moment, in this layer or below; the file keeps its contents whatever happens to its other names, and takes mode, owner and time from the link's entry, as in docker |
//! | a path repeated in a layer | the last entry counts |
//! | an entry in a missing directory | creates the directory: mode 0755, owner 0, time 0, until it has an entry |
//! | an entry in a directory of a lower layer | the directory keeps its attributes |
//! | `.wh.NAME`, `.wh..wh..opq` | removes from lower layers, never from its own, wherever it is in the layer; its directory is created as for any entry |
//! | `.wh..wh.plnk` and other metadata of aufs | not in the tree, but hard links find their contents there |
//!
//! Symbolic links of the same layer are followed in an entry's path, and all links in a hard link's target, inside the
//! root; a link of a lower layer is replaced by a directory. If engines disagree, or all fail, the tree has a fault and
//! omits the entry: a name with `..`; a root that is not a directory; a whiteout without a name; an entry below a file
//! that is not a directory; a hard link to a missing file, to a directory, or to itself.
//!
//! # Cost
//!
//! One walk over each layer's headers, on all cores, and one pass over the entries, whatever they remove. Memory: a
//! listing takes 48 bytes and the new part of the name for each entry; a tree takes 16 for each entry, and 28 and the
//! last component for each path. [`limits`](crate::layer::limits) bound entries, paths and names. Nothing recurses.
//!
//! Attacks and defences: millions of whiteouts over one large directory (each costs the length of its name); one name
//! for many files or many names for one (counted as versions, once each); a chain of links (a link refers to its file,
//! not to another link); colliding names (the hash is keyed).

mod applied;
mod apply;
mod history;
mod layers;
mod listing;
mod node;
mod paths;
mod positions;
mod proof;
mod version;
mod versions;
mod whiteouts;

pub use applied::Tree;
pub use history::{Event, History, Step};
pub use layers::{DecodedLayer, file_bytes};
pub(crate) use listing::Visit;
pub use listing::{Listing, Owner, Reading};
pub use node::{Hides, Inode, Location, Meta, Node, NodeKind, Walk, cmp_paths};
pub use positions::PathIdx;
pub use proof::Proof;
pub use versions::{EntryVersion, VersionKey, VersionKind, VersionState, Versions};
pub use whiteouts::AppliedWhiteout;
