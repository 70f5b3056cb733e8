//! Limits on the input that a program reads, holds or writes: every limit that users can change, in one place.
//!
//! A [`Limits`] is passed from the opener of an input down to its readers; nothing is global. [`NAMED`] has each limit's
//! name, default and meaning: command line, man pages and hints of errors are made from it. Limits without a name (the
//! output of a Go template, the database of a package manager) are constants beside the code.

mod named;
mod values;

pub(crate) use named::remedy;
pub use named::{NAMED, Named, scaled};
pub use values::*;
