//! Shell scripts as trees of commands.
//!
//! The grammar is that of POSIX (Shell Command Language, 2.10), as far as maintainer scripts use it. Other syntax is an
//! error, and nothing is known of the script then. Command substitutions are kept as text.
//!
//! A hostile script could nest without end; nesting past [`MAX_DEPTH`] is refused.

mod lexer;
mod parser;
mod syntax;

pub(super) use parser::parse;
pub(super) use syntax::{Command, MAX_DEPTH, Part, Redirect, Word};
