//! Writers: images of any archives as one output in any format.
//!
//! A [`Bundle`] is the content of an output; each format has a writer. Blobs are compared with their digests while they
//! are copied, outputs are complete or missing, and the same bundle gives the same bytes.

mod add;
pub mod archive;
mod bundle;
pub(crate) mod chunked;
mod compress;
mod copy;
mod decoding;
pub mod entry;
mod identity;
mod layer_out;
pub mod layout;
mod legacy;
mod listed;
mod loss;
mod manifest;
mod media_types;
mod new_image;
mod output;
mod packer;
mod recode;
pub mod registry;
mod root;
mod save;
mod signatures;
mod stored;
mod supply;
mod tar_out;
mod ustar;
pub mod volumes;

pub use archive::Format;
pub use bundle::Bundle;
pub use identity::{LayerIds, Scans};
pub use layer_out::LayerWriter;
pub(crate) use listed::StatedNames;
pub(crate) use listed::set_name;
pub use listed::{Listed, ListedName};
pub use loss::{Holds, Loss};
pub(crate) use manifest::OCI_LAYOUT;
pub use media_types::MediaTypes;
pub use new_image::{NewImage, NewLayer};
pub use output::{BlobOut, Change, ImageOut, LayerOut, Source};
pub use packer::Packer;
pub(crate) use packer::{entry_of, write_item};
pub(crate) use recode::compress_layer;
pub use recode::{ImageEdit, IndexEdits, Recode};
pub(crate) use root::pass;
pub use root::{check_root, check_types, root_listing};
pub use save::{add_root, collect, save};
pub use signatures::Signature;
pub use stored::Stored;
pub use supply::Part;
pub(crate) use tar_out::too_large;
