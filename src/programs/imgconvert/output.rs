//! Output of imgconvert: the digest map.

use std::io::Write;

use crate::cli::{Io, digest_map};
use crate::error::{During, Result};
use crate::write::Change;

/// Writes the changed digests to standard output.
///
/// # Errors
/// `Io`.
pub(super) fn print_digest_map(changes: &[Change], io: &mut Io) -> Result<()> {
    let text = digest_map(changes, &[])?;
    io.out().write_all(text.as_bytes()).during("write")
}
