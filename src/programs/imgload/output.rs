//! Output of imgload: one line or JSON object for each loaded name.

use serde_json::json;

use super::load::Loaded;
use crate::cli::Io;
use crate::error::Result;
use crate::escape;
use crate::render::json;

/// Prints a loaded image, and notes a name that was moved or kept.
///
/// # Errors
/// `Io`; as [`json::line`].
pub(super) fn print(image: &Loaded, as_json: bool, io: &mut Io) -> Result<()> {
    let name = image.name.as_ref().map(ToString::to_string);
    if as_json {
        return io.line(&json::line(&json!({
            "Name": name,
            "ID": image.id,
            "Digest": image.digest,
            "Replaced": image.replaced,
            "ReplacedID": image.replaced_id,
            "Kept": image.kept,
        }))?);
    }
    let Some(name) = name.as_deref().map(escape::text) else {
        return io.line(&format!("Loaded image ID: {}", image.id));
    };
    if image.kept {
        io.note(&format!(
            "{name}: tag exists for another image, not overwritten"
        ));
        return Ok(());
    }
    if let Some(old) = &image.replaced_id {
        io.note(&format!("{name} moved from {old}"));
    }
    io.line(&format!("Loaded image: {name}"))
}
