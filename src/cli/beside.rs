//! Options that have no effect where they were typed.

use crate::error::{Fault, Result};

/// Refuses options that were typed where they have no effect. `place` says where, as `without --squash`; with each
/// option stands whether it was typed.
///
/// # Errors
/// `Usage` for the first that was typed.
pub fn no_effect(place: &str, options: &[(&str, bool)]) -> Result<()> {
    match options.iter().find(|(_, is_typed)| *is_typed) {
        Some((option, _)) => Err(Fault::Usage(format!("{option} has no effect {place}")).into()),
        None => Ok(()),
    }
}
