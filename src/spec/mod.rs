//! Types of the image specification, as views of bytes that are kept.
//!
//! Parsing is lenient where real writers differ (`null` for missing, Go's case-insensitive keys, missing media types)
//! and strict where readers would disagree (duplicate keys, one document of two kinds). Views are never serialized: a
//! digest is of bytes, so every document is kept with the bytes it was parsed from.

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
mod paths;
mod platform;
mod reference;
pub mod schema;
pub mod texts;
mod time;
mod unset;

pub use config::{History, ImageConfig, aligned_history};
pub use descriptor::Descriptor;
pub use digest::Digest;
pub use document::{Document, Index, Manifest, Schema1};
pub use media_type::{LayerKind, MediaType};
pub use new_config::NewConfig;
pub use paths::join_paths;
pub use platform::Platform;
pub use reference::Reference;
pub use time::Timestamp;
