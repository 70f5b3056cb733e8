//! The expression language of imgfind: GNU find's words, and more about layers, on facts about a version of a path.
//!
//! In come words of a command line ([`Expression::parse`]) and, for each version, its [`Facts`]; out comes whether the
//! version matches, and the actions on it in their order ([`Expression::evaluate`]). Words only: nothing is opened here.
//! Facts that cost something are asked for when a test needs them, and tests run in the order of their cost wherever
//! the order makes no difference.
//!
//! A hostile expression: its words and its nesting are bounded, patterns match in linear time, and regular expressions
//! are bounded in the size of their automaton.

mod arguments;
mod contents;
#[cfg(test)]
mod contents_tests;
mod expression;
mod facts;
mod mode;
mod number;
mod parse;
mod plan;
mod posix;
mod printf;
mod regex;
mod run;
mod test;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod time;
mod words;

pub use contents::ContentTest;
pub use expression::{Expression, Uses};
pub use facts::{Facts, Kind, STATES, Stamp};
pub use parse::{MAX_DEPTH, MAX_WORDS};
pub use run::{Action, Outcome};
pub use words::starts_expression;
