//! Output of a dry run.

use serde_json::json;

use crate::bundle::Plan;
use crate::cli::Io;
use crate::error::Result;
use crate::escape;
use crate::render::{human, json};

/// Number of layers that are printed, the largest ones.
const LAYERS: usize = 10;

/// Prints a plan, as text or as a JSON object.
///
/// # Errors
/// `Io`.
pub(super) fn plan(plan: &Plan, as_json: bool, io: &mut Io) -> Result<()> {
    let record = &plan.record;
    let omitted: u64 = record.omitted.values().map(|blob| blob.size).sum();
    if as_json {
        let layers = plan.layers.iter().map(
            |layer| json!({"Digest": layer.digest, "Size": layer.size, "Images": layer.images}),
        );
        return io.line(&json::line(&json!({
            "Names": record.names,
            "Blobs": record.blobs,
            "Bytes": record.bytes,
            "BlobsNew": plan.new,
            "BlobsOmitted": record.omitted.len(),
            "BytesOmitted": omitted,
            "Layers": layers.collect::<Vec<_>>(),
            "Since": record.since,
            "After": record.after,
        }))?);
    }
    io.line(&format!("{:<9}{}", "images:", plan.images))?;
    let sum = |blobs: u64, bytes| {
        let plural = if blobs == 1 { "" } else { "s" };
        format!("{blobs} blob{plural}, {}", human::size(bytes))
    };
    io.line(&format!(
        "{:<9}{}",
        "written:",
        sum(record.blobs, record.bytes)
    ))?;
    let count = record.omitted.len() as u64;
    io.line(&format!("{:<9}{}", "omitted:", sum(count, omitted)))?;
    if !plan.layers.is_empty() {
        io.line("largest new layers:")?;
    }
    for layer in plan.layers.iter().take(LAYERS) {
        let images: Vec<&str> = layer.images.iter().map(String::as_str).collect();
        let images = escape::brief(&images.join(", ")).into_owned();
        let line = format!(
            "  {:>7}  {}  {images}",
            human::size(layer.size),
            layer.digest.short()
        );
        io.line(line.trim_end())?;
    }
    Ok(())
}
