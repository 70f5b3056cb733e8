//! Map of changed digests, as programs that change images write it.

use serde_json::{Value, json};

use crate::error::Result;
use crate::render::json;
use crate::write::Change;

/// Returns changed digests as a line of JSON, and after them objects that stayed.
///
/// # Errors
/// As [`json::line`].
pub fn digest_map(changes: &[Change], kept: &[(&str, String)]) -> Result<String> {
    let changes = changes.iter().map(|change| {
        json!({"What": change.what, "Old": change.old, "New": change.new, "Why": change.why})
    });
    let kept = kept
        .iter()
        .map(|(what, digest)| json!({"What": what, "Old": digest, "New": digest, "Why": "kept"}));
    let rows: Vec<Value> = changes.chain(kept).collect();
    Ok(json::line(&rows)? + "\n")
}
