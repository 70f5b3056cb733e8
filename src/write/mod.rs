//! Writing: the images of any archives as one output in any container shape.
//!
//! A [`Bundle`] says what is to be written; the files here say how. Blobs are compared with their digests while they
//! are copied, outputs appear whole or not at all, and the same bundle gives the same bytes.

pub mod archive;
mod bundle;
pub(crate) mod chunked;
mod copy;
pub mod entry;
mod identity;
mod layer_out;
pub mod layout;
mod listed;
mod made;
mod packer;
mod recode;
mod repack;
mod reproduce;
mod rewrite;
mod root;
mod save;
mod signatures;
mod tar_out;

pub use archive::Format;
pub use bundle::{BlobOut, Bundle, Change, ImageOut, LayerOut, Source};
pub use identity::{LayerIds, Scans};
pub use layer_out::LayerWriter;
pub(crate) use listed::set_name;
pub use listed::{Listed, ListedName};
pub use made::{NewImage, NewLayer};
pub use packer::Packer;
pub(crate) use packer::{entry_of, write_item};
pub use recode::{MediaTypes, Recode};
pub use repack::Stored;
pub(crate) use repack::pack_layer;
pub use rewrite::Loss;
pub(crate) use root::pass;
pub use root::{check_root, check_types, root_listing};
pub use save::{add_root, save};
pub use signatures::{Holds, Signature};
