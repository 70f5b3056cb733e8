//! Documents and layers that are named and missing.

use std::collections::HashSet;

use super::bundle;
use super::finding::{Found, Severity};
use super::labels::Labels;
use super::references::{path, schema1_layers};
use crate::archive::{Archive, Format, Gaps, NodeIdx, NodeKind, Presence, TreeKind};
use crate::bundle::Record;
use crate::error::Fault;

/// Adds the faults that were found when the archive was opened.
pub(super) fn opening(archive: &Archive, gaps: &Gaps, found: &mut Found) {
    let cut = archive.container.fault();
    for error in cut.into_iter().chain(&archive.faults) {
        found.error(error);
    }
    let lone = archive.format == Format::Document;
    for (i, node) in archive.nodes.iter_enumerated() {
        let is_sparse = matches!(node.kind, NodeKind::Image(image) if gaps.is_sparse(image));
        for error in &node.faults {
            // A missing config of an image without layers is part of the same gap.
            let absent = matches!(error.fault(), Fault::BlobMissing { .. });
            if !(absent && (lone || is_sparse && !gaps.is_damage(i))) {
                found.error(error);
            }
        }
    }
    for error in archive.images.iter().flat_map(|image| &image.faults) {
        found.error(error);
    }
}

/// Adds missing documents and layers, other than the layers that a bundle omits. Returns true if the archive is sparse.
pub(super) fn presence(
    archive: &Archive,
    gaps: &Gaps,
    record: Option<&Record>,
    labels: &Labels,
    found: &mut Found,
) -> bool {
    if archive.format == Format::Document {
        return false;
    }
    let top: HashSet<NodeIdx> = archive.roots.iter().filter_map(|root| root.node).collect();
    let mut sparse = false;
    for (i, node) in archive.nodes.iter_enumerated() {
        let digest = &node.descriptor.digest;
        for layer in schema1_layers(node) {
            if let Ok(None) = archive.container.get(&path(archive, &layer)) {
                let message = format!("blob {layer} is not in the archive");
                let place = format!("manifest {}", digest.short());
                found.add(Severity::Error, "blob-absent", place, message);
            }
        }
        if !matches!(node.kind, NodeKind::Missing) || !node.faults.is_empty() {
            continue;
        }
        let platform = node
            .descriptor
            .platform
            .as_ref()
            .map(|platform| format!(" ({platform})"))
            .unwrap_or_default();
        if node.descriptor.may_be_absent() && !top.contains(&i) {
            let message = format!("blob {digest}{platform} is to be found elsewhere");
            found.add(Severity::Note, "external", "", message);
        } else if top.contains(&i) && matches!(archive.format, Format::Tree(TreeKind::Registry)) {
            // The links to it are reported.
        } else if top.contains(&i) {
            let message = format!("blob {digest}{platform} is listed and not in the archive");
            found.add(Severity::Error, "blob-absent", "index.json", message);
        } else if gaps.is_damage(i) {
            let message = format!(
                "manifest {digest}{platform} is not in the archive, and no image beside it is whole"
            );
            found.add(Severity::Error, "blob-absent", "", message);
        } else {
            sparse = true;
            let message =
                format!("manifest {digest}{platform} is not in the archive: it is sparse");
            found.add(Severity::Note, "sparse", "", message);
        }
    }
    for (position, image) in archive.images.iter_enumerated() {
        let lost = image.node.is_none_or(|node| gaps.is_damage(node));
        let is_sparse = gaps.is_sparse(position) && !lost;
        for (i, layer) in image.layers.iter().enumerate() {
            let place = || labels.layer(archive, position, i);
            match &layer.presence {
                // The reason is among the image's faults.
                Presence::Present(_) | Presence::Unreadable => {}
                Presence::External => found.add(
                    Severity::Note,
                    "external",
                    place(),
                    "the layer is not in the archive and need not be: it is to be found elsewhere",
                ),
                Presence::Missing
                    if layer
                        .descriptor
                        .as_ref()
                        .is_some_and(|stated| bundle::is_omitted(record, stated)) =>
                {
                    sparse = true;
                }
                Presence::Missing if is_sparse => {
                    sparse = true;
                    let message = format!("{} is not in the archive: it is sparse", layer.member);
                    found.add(Severity::Note, "sparse", place(), message);
                }
                Presence::Missing => {
                    let message = format!("{} is not in the archive", layer.member);
                    found.add(Severity::Error, "blob-absent", place(), message);
                }
            }
        }
    }
    sparse
}
