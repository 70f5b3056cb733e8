//! Rejection of options without effect.

use crate::error::{Error, Result};

/// Rejects options that have no effect in a context like `without --squash`. Each option comes with a flag that is true
/// if it was given.
///
/// # Errors
/// `Usage` for the first option that was given.
pub fn no_effect(context: &str, options: &[(&str, bool)]) -> Result<()> {
    match options.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(Error::usage(format!("{option} has no effect {context}"))),
        None => Ok(()),
    }
}
