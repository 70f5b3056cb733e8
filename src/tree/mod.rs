//! Layers applied: path -> node, and which layer wrote, replaced or deleted it.
//!
//! In come [`Listing`]s, one for each layer: its entries as few bytes, without contents. Out comes a [`Tree`]: what is
//! at each path in the end as a [`Node`], and what became of it as a [`Past`]. Left to others: reading and writing
//! contents, and any file system.
//!
//! ```no_run
//! use imgkit::archive::{Open, Pick};
//! use imgkit::tree::{NodeKind, Reading, Tree};
//!
//! let archive = Open::default().path("app.tar".as_ref())?;
//! let image = archive.select(&Pick::Only, None)?.image();
//! // Plain layers in files: the headers only. Packed ones: decoded once, on all cores, and verified.
//! let tree = Tree::apply(Reading::default().list_all(image)?)?.sound()?;
//! for node in tree.walk() {
//!     println!("{:?} {:?} by layer {}", node.kind(), node.path(), node.layer());
//! }
//! if let Some(passwd) = tree.get(b"etc/passwd").filter(|node| node.kind() == NodeKind::File) {
//!     println!("{} bytes at {:?}, mode {:o}", passwd.size(), passwd.place(), passwd.meta().mode);
//!     for step in passwd.past().life() {
//!         println!("layer {}: {:?}, then {} bytes", step.layer, step.did, step.size());
//!     }
//! }
//! # Ok::<(), imgkit::Error>(())
//! ```
//!
//! # What for
//!
//! - **Contents.** [`Node::place`] says in which layer's plain tar they are. [`Reading::plain_all`] gives listings and
//!   those plain tars as [`FileRange`](crate::blob::FileRange)s: where they lie, or decoded once into files without a
//!   name. Read `plain[place.layer].bytes.slice(place.offset, place.stored)`.
//! - **Comparing without contents.** [`Reading::digests`] hashes each file as it goes by; [`Node::digest`] has it. Sparse
//!   files have none: read them.
//! - **Two images.** List each layer once, give both trees an [`Arc`](std::sync::Arc) of it, and merge two
//!   [`Tree::walk`]s: both are in the order of [`cmp_paths`]. [`Tree::ever`] gives what is not there any more, too.
//! - **A tar of files.** A root filesystem is a tree of one layer: [`Reading::list_range`], [`Reading::list_stream`]. Names
//!   that begin `.wh.` are markers there as well.
//! - **A part of the layers.** Apply only those: [`Past::is_removed`] and [`Node::hides`] then say what the part does
//!   to layers below it, which is what a layer made of them has to say.
//!
//! # What is applied how
//!
//! | an entry | does |
//! |---|---|
//! | a folder on a folder | new attributes; what is in it stays |
//! | anything else on anything | the old goes away with all that was in it |
//! | a hard link | one more name of the file that its target is at that moment, in this layer or below; the file keeps its contents whatever becomes of other names, and takes mode, owner and time from the link's entry, as docker has it |
//! | the same path twice in a layer | the last one counts |
//! | below a path that is nowhere | makes the folder: mode 0755, owner 0, time 0, until an entry says otherwise |
//! | below a folder of a lower layer | that folder stays as it is |
//! | `.wh.NAME`, `.wh..wh..opq` | removes from lower layers, never from its own, wherever it stands; its folder is made like any entry's |
//! | `.wh..wh.plnk` and the like | an old driver's notes are not in the tree, but hard links find their contents there |
//!
//! Symbolic links are never followed: neither in an entry's path nor in a hard link's target. Where engines would not
//! agree, or all would fail, the tree has a fault and goes without the entry: a name with `..`; a top that is no
//! folder; a marker that names nothing; an entry below something that is no folder (of a lower layer: unless the layer
//! has a folder of its own there, before or after); a hard link to nothing, to a folder, or to itself.
//!
//! # Cost
//!
//! One walk over each layer's headers, on all cores, and one pass over the entries, whatever is removed how often.
//! Memory: a listing holds 48 bytes and the new part of the name for each entry; a tree 16 for each entry and 28 and the
//! last part for each path. [`limits`](crate::layer::limits) bound entries, paths and names. Nothing recurses.
//!
//! What a hostile archive could try here, and what stops it: markers by the million over one large folder (each costs its
//! own name's length); one name for many files or many names for one (counted in versions, each once); a chain of links
//! (a link knows its file, not another link); names that meet in the hash table (the hash is keyed).

mod applied;
mod apply;
mod layers;
mod listing;
mod node;
mod past;
mod paths;
mod proof;
mod version;

pub use applied::Tree;
pub use layers::PlainLayer;
pub use listing::{Listing, Owner, Reading};
pub use node::{Hides, Inode, Meta, Node, NodeKind, Place, Walk, cmp_paths};
pub use past::{Did, Past, Step};
pub use proof::Proof;
