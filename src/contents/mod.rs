//! Contents of the files of many layers, each read once.
//!
//! Layers are added image by image, and distinct ones get a number. [`Contents::list`] lists those that are listed
//! without decoding them: uncompressed layers in a file, and layers in the cache. Their contents are then wanted one by
//! one, by what a tree's versions say. The other layers are decoded once: all their contents are read in the same pass
//! that lists them, and the caller picks what it wanted afterwards, when it has the tree.
//!
//! ```no_run
//! use std::io::Read;
//! use imgkit::archive::{Open, Pick};
//! use imgkit::contents::Contents;
//! use imgkit::tree::{Reading, Tree};
//!
//! let archive = Open::default().path("app.tar".as_ref())?;
//! let image = archive.select(&Pick::Only, None)?.image();
//! let reading = Reading::default();
//! let mut contents = Contents::new(&reading, None);
//! let layers = contents.add(image);
//! contents.list();
//! contents.want_all(&layers);
//! let found = contents.read(&|file| {
//!     let mut text = String::new();
//!     let is_text = file.read_to_string(&mut text).is_ok();
//!     Ok((is_text && text.contains("PRIVATE KEY")).then_some(()))
//! });
//! let tree = Tree::apply(contents.listings(&layers)?)?;
//! for version in tree.versions() {
//!     let place = version.contents().and_then(|(layer, entry)| Some((*layers.get(layer)?, entry)));
//!     if place.is_some_and(|place| found.get(place).is_some()) {
//!         println!("{:?}: {}", version.path(), version.state().name());
//!     }
//! }
//! # Ok::<(), imgkit::Error>(())
//! ```
//!
//! # Rules
//!
//! - A content with a known digest is read once, whatever the number of layers, images and archives that have it.
//!   Digests are known of layers in the cache, and with [`Reading::digests`](crate::tree::Reading::digests).
//! - Compressed layers are proven by their digests, contents out of the cache's pieces by the hash of each piece, those
//!   of uncompressed layers by their own digest where it is known and they are read to their end. What was found in a
//!   layer that turns out damaged is dropped, and the layer's error kept; the contents that it shares with others are
//!   read there.
//! - Layers of the same diff ID, stored digest and size are one layer if they are compressed; uncompressed ones only if
//!   they are the same bytes of the same file.
//! - Holes of sparse files are zeros; a file beyond [`HOLES`](crate::limits::HOLES) of its layer is refused and told.
//!
//! # Cost
//!
//! All cores: layers, and parts of those with random access, are read at once, each content by one thread from its start
//! to its end. Memory: one piece of a layer for each core, of at most 32 MiB (a layer with larger ones is decoded from
//! its start), and what the caller makes of the contents.

mod entry_set;
mod pieces;
mod plan;
mod read;
mod source;

pub use entry_set::EntrySet;
pub use read::{Consume, FileContents, Found};
pub use source::{Contents, LayerNo, Place};
