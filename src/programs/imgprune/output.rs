//! Output of imgprune, as docker prints it.

use serde_json::json;

use super::args::Args;
use crate::cli::Io;
use crate::error::Result;
use crate::escape;
use crate::render::{human, json};
use crate::store::Removal;
use crate::write::registry::Pruned;

/// Prints the removed tags, images and bytes, as the options ask for.
///
/// # Errors
/// `Io`; as [`json::line`].
pub(super) fn print_removal(removal: &Removal, args: &Args, io: &mut Io) -> Result<()> {
    match args.reporting.is_json() {
        true => print_json(removal, args.dry_run, io),
        false => print(removal, args.dry_run, io),
    }
}

/// Prints one JSON object.
fn print_json(removal: &Removal, dry_run: bool, io: &mut Io) -> Result<()> {
    let untagged = removal.untagged.iter().map(ToString::to_string);
    io.line(&json::line(&json!({
        "DryRun": dry_run,
        "Untagged": untagged.collect::<Vec<_>>(),
        "Deleted": removal.images,
        "SpaceReclaimed": removal.freed.bytes,
    }))?)
}

/// Prints the removed tags, images and bytes; in a dry run those that would be removed.
fn print(removal: &Removal, dry_run: bool, io: &mut Io) -> Result<()> {
    let (heading, untagged, deleted, reclaimed) = match dry_run {
        true => (
            "Would Delete Images:",
            "would untag",
            "would delete",
            "Would reclaim",
        ),
        false => (
            "Deleted Images:",
            "untagged",
            "deleted",
            "Total reclaimed space",
        ),
    };
    if !removal.untagged.is_empty() || !removal.images.is_empty() {
        io.line(heading)?;
        for name in &removal.untagged {
            io.line(&format!("{untagged}: {}", escape::text(&name.to_string())))?;
        }
        for id in &removal.images {
            io.line(&format!("{deleted}: {id}"))?;
        }
        io.line("")?;
    }
    io.line(&format!(
        "{reclaimed}: {}",
        human::size(removal.freed.bytes)
    ))
}

/// Prints the removed tags, manifests and bytes of a registry's storage; in a dry run those that would be removed.
///
/// # Errors
/// `Io`; as [`json::line`].
pub(super) fn print_tree(pruned: &Pruned, dry_run: bool, is_json: bool, io: &mut Io) -> Result<()> {
    if is_json {
        return io.line(&json::line(&json!({
            "DryRun": dry_run,
            "Untagged": pruned.tags,
            "Deleted": pruned.manifests,
            "SpaceReclaimed": pruned.bytes,
        }))?);
    }
    let (untagged, deleted, reclaimed) = match dry_run {
        true => ("would untag", "would delete", "Would reclaim"),
        false => ("untagged", "deleted", "Total reclaimed space"),
    };
    for tag in &pruned.tags {
        io.line(&format!("{untagged}: {}", escape::text(tag)))?;
    }
    for digest in &pruned.manifests {
        io.line(&format!("{deleted}: {digest}"))?;
    }
    io.line(&format!("{reclaimed}: {}", human::size(pruned.bytes)))
}
