//! Documents and layers that are named and missing.

use std::collections::HashSet;

use super::finding::{Found, Severity};
use super::labels::Labels;
use super::references::{path, schema1_layers};
use crate::archive::{Archive, Format, Image, NodeKind, Presence};
use crate::error::Fault;

/// Adds the faults that were found when the archive was opened.
pub(super) fn opening(archive: &Archive, gaps: &Gaps, found: &mut Found) {
    let cut = archive.container.fault();
    for error in cut.into_iter().chain(&archive.faults) {
        found.error(error);
    }
    let lone = archive.format == Format::Document;
    for (i, node) in archive.nodes.iter().enumerate() {
        let hollow = matches!(node.kind, NodeKind::Image(image) if gaps.hollow[image]);
        for error in &node.faults {
            // A missing config of an image without layers is part of the same gap.
            let absent = matches!(error.fault(), Fault::BlobMissing { .. });
            if !(absent && (lone || hollow && !gaps.lost[i])) {
                found.error(error);
            }
        }
    }
    for error in archive.images.iter().flat_map(|image| &image.faults) {
        found.error(error);
    }
}

/// Permitted gaps: an engine that holds one platform of several writes the index of all of them.
pub(super) struct Gaps {
    /// For each image, true if all layers are missing and only an index lists it.
    hollow: Vec<bool>,
    /// For each node, true if an index that contains it has no complete image: such a gap is damage.
    lost: Vec<bool>,
}

impl Gaps {
    pub fn of(archive: &Archive) -> Self {
        let top: HashSet<usize> = archive.roots.iter().filter_map(|root| root.node).collect();
        let here = |image: &Image, wanted: fn(&Presence) -> bool| {
            image.layers.iter().all(|layer| wanted(&layer.presence))
        };
        let whole: Vec<bool> = archive
            .images
            .iter()
            .map(|image| {
                let present = |presence: &Presence| {
                    matches!(presence, Presence::Present(_) | Presence::External)
                };
                image.config_bytes.is_some() && here(image, present)
            })
            .collect();
        let hollow = archive
            .images
            .iter()
            .map(|image| {
                let absent = |presence: &Presence| matches!(presence, Presence::Missing);
                let below = image.node.is_some_and(|node| !top.contains(&node));
                below && image.item.is_none() && !image.layers.is_empty() && here(image, absent)
            })
            .collect();
        let mut lost = vec![false; archive.nodes.len()];
        for root in &archive.roots {
            let Some(node) = root.node else { continue };
            if archive.images_of(root).iter().any(|&image| whole[image]) {
                continue;
            }
            let mut work = vec![node];
            while let Some(node) = work.pop() {
                if std::mem::replace(&mut lost[node], true) {
                    continue;
                }
                if let NodeKind::Index(edges) = &archive.nodes[node].kind {
                    work.extend(edges.iter().map(|edge| edge.node));
                }
            }
        }
        Gaps { hollow, lost }
    }
}

/// Adds missing documents and layers. Returns true if the archive is sparse.
pub(super) fn presence(archive: &Archive, gaps: &Gaps, labels: &Labels, found: &mut Found) -> bool {
    if archive.format == Format::Document {
        return false;
    }
    let top: HashSet<usize> = archive.roots.iter().filter_map(|root| root.node).collect();
    let mut sparse = false;
    for (i, node) in archive.nodes.iter().enumerate() {
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
        } else if top.contains(&i) {
            let message = format!("blob {digest}{platform} is listed and not in the archive");
            found.add(Severity::Error, "blob-absent", "index.json", message);
        } else if gaps.lost[i] {
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
    for (position, image) in archive.images.iter().enumerate() {
        let lost = image.node.is_none_or(|node| gaps.lost[node]);
        let hollow = gaps.hollow[position] && !lost;
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
                Presence::Missing if hollow => {
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
