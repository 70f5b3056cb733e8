//! Reports as HTML pages that need nothing else: a comparison, and the waste of one image.
//!
//! | file | writes |
//! |---|---|
//! | `comparison` | the page of a comparison |
//! | `frame` | header, panel, bars and badges |
//! | `summary` | verdict, sizes, identities |
//! | `layers` | stacks of layers side by side |
//! | `files` | the changed paths as data, from which the script makes tree and treemap |
//! | `documents` | config, history and packages side by side |
//! | `words` | which words of two texts differ |
//! | `texts` | differences of texts |
//! | `waste` | the page of one image |
//!
//! The command of a step is written once, in the history; everything else refers to its layer. Paths are JSON, of which
//! the script keeps only those in the document that are in sight, so that 100,000 are no burden.

mod comparison;
mod documents;
mod files;
mod frame;
mod layers;
mod summary;
mod texts;
mod waste;
mod words;

pub use comparison::{end_page, write_page};
pub use frame::PageOptions;
pub use texts::write_page_text;
pub use waste::write_waste_page;
