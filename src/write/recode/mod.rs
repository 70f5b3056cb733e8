//! Conversion of a bundle: layers recompressed, documents with other media types.
//!
//! The config's bytes stay, and so do the image's ID and diff IDs. Documents change only if the blobs that they point
//! to change.

mod convert;
mod documents;
mod edit;
mod images;
mod index_edits;
mod layers;
mod media_type;
mod options;
mod referrers;
mod reproduce;
mod rewritten;

pub use images::ImageEdit;
pub use index_edits::IndexEdits;
pub(crate) use layers::compress_layer;
pub use options::Recode;
