//! The image specification's nouns, as views over bytes that are kept.
//!
//! Parsing here is lenient where real writers differ (`null` for absent, Go's case-blind keys, missing media types)
//! and strict where two readers would disagree (duplicate keys, one document of two kinds). Nothing is ever written
//! back from these views: a digest is of bytes, so every document travels with the bytes it was read from.

pub mod annotations;
mod config;
mod descriptor;
mod digest;
mod document;
pub mod fields;
pub mod instruction;
pub mod json;
mod media_type;
mod new_config;
mod platform;
mod reference;
pub mod schema;
pub mod texts;
mod time;

pub use config::{History, ImageConfig};
pub use descriptor::Descriptor;
pub use digest::Digest;
pub use document::{Document, Index, Manifest, Schema1};
pub use media_type::{LayerKind, MediaType};
pub use new_config::NewConfig;
pub use platform::Platform;
pub use reference::Reference;
pub use time::Timestamp;
