//! Output of imgload: one line or JSON object for each loaded name, and plans.

use serde_json::{Value, json};

use super::load::Loaded;
use super::plan::Plan;
use crate::cli::Io;
use crate::error::Result;
use crate::escape;
use crate::render::{human, json};

/// Prints a loaded image, and notes a name that was moved or kept.
///
/// # Errors
/// `Io`; as [`json::line`].
pub(super) fn print(image: &Loaded, as_json: bool, io: &mut Io) -> Result<()> {
    let name = image.name.as_ref().map(ToString::to_string);
    if as_json {
        return io.line(&json::line(&object(image))?);
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

fn object(image: &Loaded) -> Value {
    json!({
        "Name": image.name.as_ref().map(ToString::to_string),
        "ID": image.id,
        "Digest": image.digest,
        "Replaced": image.replaced,
        "ReplacedID": image.replaced_id,
        "Kept": image.kept,
    })
}

/// Prints the plan of an archive.
///
/// # Errors
/// `Io`; as [`json::line`].
pub(super) fn plan(place: &str, plan: &Plan, as_json: bool, io: &mut Io) -> Result<()> {
    let sums = [
        ("new", plan.new),
        ("existing", plan.existing),
        ("missing", plan.missing),
    ];
    if as_json {
        let images: Vec<Value> = plan.images.iter().map(object).collect();
        return io.line(&json::line(&json!({
            "Archive": place,
            "Images": images,
            "BlobsNew": plan.new.blobs,
            "BytesNew": plan.new.bytes,
            "BlobsExisting": plan.existing.blobs,
            "BytesExisting": plan.existing.bytes,
            "BlobsMissing": plan.missing.blobs,
            "BytesMissing": plan.missing.bytes,
        }))?);
    }
    io.line(&format!("{:<10}{}", "archive:", escape::text(place)))?;
    io.line(&format!("{:<10}{}", "images:", plan.images.len()))?;
    for image in &plan.images {
        let name = image.name.as_ref().map(ToString::to_string);
        let name = name.as_deref().unwrap_or(&image.id);
        let note = match (image.kept, &image.replaced_id) {
            (true, _) => ", tag exists for another image".to_owned(),
            (_, Some(old)) => format!(", moves from {old}"),
            (_, None) => String::new(),
        };
        io.line(&format!("  {}{note}", escape::text(name)))?;
    }
    for (what, sum) in sums {
        let plural = if sum.blobs == 1 { "" } else { "s" };
        let (blobs, size) = (sum.blobs, human::size(sum.bytes));
        io.line(&format!(
            "{:<10}{blobs} blob{plural}, {size}",
            format!("{what}:")
        ))?;
    }
    Ok(())
}
