//! The receipt of verified blobs.

use std::collections::HashSet;

use super::args::Args;
use crate::archive::{Archive, Chosen, ImageId};
use crate::bundle::{Key, Receipt};
use crate::error::{At, Result};
use crate::verify::VerifyReport;

/// Returns an empty receipt if one is wanted.
pub(super) fn new(args: &Args) -> Option<Receipt> {
    args.receipt.as_ref()?;
    let mut receipt = Receipt::in_form(&args.form.form());
    receipt.verified = true;
    Some(receipt)
}

/// Adds the blobs of an archive that have their digests.
///
/// # Errors
/// As [`Receipt::add_images`], with the archive as context.
pub(super) fn add(receipt: &mut Receipt, archive: &Archive, report: &VerifyReport) -> Result<()> {
    let all: Vec<Chosen<'_>> = archive.roots.iter().map(Chosen::whole).collect();
    let mut present = Receipt::default();
    present
        .add_images(archive, &all)
        .at(|| archive.place.clone())?;
    // Documents were compared when the archive was opened, and damaged ones are left out.
    let documents = archive.nodes.iter().filter(|node| node.bytes.is_some());
    let documents = documents.map(|node| &node.descriptor.digest);
    let configs = archive.images.iter().filter_map(|image| match &image.id {
        ImageId::Config(digest) => Some(digest),
        ImageId::V1(_) => None,
    });
    let verified = documents.chain(configs).chain(report.digests());
    let verified: HashSet<Key> = verified.map(Key::from).collect();
    let before = present.blobs().len();
    present.retain(|key, _| verified.contains(key));
    present.complete &= present.blobs().len() == before && report.trouble.is_empty();
    receipt.merge(&present);
    Ok(())
}
