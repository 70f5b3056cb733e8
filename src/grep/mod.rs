//! Search of contents for regular expressions, with ripgrep's engine and meanings.
//!
//! A [`Grep`] has the patterns and options; it searches contents as a stream and makes a [`Matches`] of them: the number
//! of lines and matches, and the lines to show, as ripgrep would show them. Lines are kept in a [`Store`], in memory as
//! long as they are few and in a temporary file without a name otherwise, because contents are read in any order and
//! shown in the order of paths.
//!
//! Only what differs from a line of ripgrep is ours: it does not say which file a line is of, and lines are not escaped.
//!
//! # Cost
//!
//! Time is linear in the contents. Memory is the longest line for each thread, at most [`LONGEST_LINE`]; with
//! [`Options::multi_line`] the whole contents, at most [`LARGEST_WHOLE`].

mod options;
mod sink;
mod store;
#[cfg(test)]
mod tests;

pub use options::{LARGEST_WHOLE, LONGEST_LINE, Options, Want};
pub use sink::{Grep, Matches};
pub use store::{Line, LineKind, Lines, Store};
