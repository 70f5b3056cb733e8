//! Export of an image's layers as files.
//!
//! An [`Export`] is made from an image and [`ExportOptions`]: rows in the order of the tree, which are written as a tar
//! or cpio archive, unpacked into a directory, or listed. Contents are read from the layers, or from anonymous temporary
//! files into which compressed layers were decoded once.

mod archive;
mod copy;
mod format;
mod item;
mod options;
mod plan;
mod raw;
mod recover;
mod recovered;
mod row;
mod select;
mod unpack;

pub use format::ArchiveFormat;
pub use item::{Item, ItemKind};
pub use options::ExportOptions;
pub use plan::Export;
pub use raw::raw_layer;
pub use recover::{RecoverOptions, Recovery, Version};
pub use unpack::{Existing, NotApplied, Unpack, Unpacked};
