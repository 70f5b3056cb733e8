//! Container images as plain files: open, list, inspect and verify them, with no daemon, registry, network or root.
pub mod blob;
pub mod error;
pub mod escape;
pub mod layer;
pub mod show;
pub mod spec;

pub use error::{Error, Fault, Result};
