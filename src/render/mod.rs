//! Rendering of data: tables, Go templates, JSON, sizes and times as docker renders them, and the frame of HTML pages.
//!
//! Input: plain values (strings, numbers, `serde_json::Value`). Output: strings, or bytes to a writer of the caller.
//! Nothing here opens an archive or reads the clock, the environment or the size of a terminal. Text from an archive is
//! escaped by [`crate::escape`] when it is shown, and is kept without loss in JSON.

pub mod format;
pub mod human;
pub mod images;
pub mod json;
pub mod page;
pub mod table;
pub mod template;
mod typed;
mod unified;

pub use format::{Column, Format};
pub use table::Table;
pub use template::{Shape, Template};
pub use unified::{is_binary, unified};
