//! Drawings of a graph: as text, for other programs, as a picture, as a page.
//!
//! | file | holds |
//! |---|---|
//! | `labels` | texts of nodes, for all formats |
//! | `tree` | a tree of lines for terminals |
//! | `dot`, `mermaid` | the languages of Graphviz and Mermaid |
//! | `data` | JSON |
//! | `layout`, `svg` | positions of boxes, and the picture |
//! | `html` | a page with the picture, details and treemaps |
//!
//! Labels come from archives: invisible characters are escaped by [`crate::escape`], then each format escapes by its own
//! rules. JSON has texts without loss.

mod data;
mod dot;
mod html;
mod labels;
mod layout;
mod mermaid;
mod svg;
mod tree;

pub use data::json;
pub use dot::dot;
pub use html::html;
pub use labels::RankDir;
pub use mermaid::mermaid;
pub use svg::svg;
pub use tree::{TreeOptions, tree};
