//! The error of this module.

use crate::error::{Error, Fault};

/// Returns an `Instruction` error with docker's words.
pub(super) fn invalid(why: impl Into<String>) -> Error {
    Fault::Instruction { why: why.into() }.into()
}
