//! Turns data into text as users of docker know it: tables, Go templates, JSON, sizes and times.
//!
//! In come plain values (strings, numbers, `serde_json::Value`), out go strings, or bytes to a writer the caller names.
//! Nothing here opens an archive, reads the clock or the environment, or knows whether a terminal is listening.
//! Text that came from an archive is escaped by [`crate::escape`] when it is shown and carried without loss as JSON.

pub mod format;
pub mod human;
pub mod images;
pub mod json;
pub mod table;
pub mod template;
mod typed;

pub use format::{Column, Format};
pub use table::Table;
pub use template::{Shape, Template};
