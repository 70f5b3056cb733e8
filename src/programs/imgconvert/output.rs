//! Output of imgconvert: the digest map.

use std::io::Write;

use serde_json::json;

use crate::cli::Io;
use crate::error::{During, Result};
use crate::render::json;
use crate::write::Change;

/// Returns the changed digests as one line of JSON.
///
/// # Errors
/// As [`json::line`].
pub(super) fn digest_map(changes: &[Change]) -> Result<String> {
    let changes = changes.iter().map(|change| {
        json!({"What": change.what, "Old": change.old, "New": change.new, "Why": change.why})
    });
    Ok(json::line(&changes.collect::<Vec<_>>())? + "\n")
}

/// Writes the changed digests to standard output.
///
/// # Errors
/// `Io`.
pub(super) fn print_digest_map(changes: &[Change], io: &mut Io) -> Result<()> {
    let text = digest_map(changes)?;
    io.out().write_all(text.as_bytes()).during("write")
}
