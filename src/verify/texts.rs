//! Texts of documents that are no valid Unicode: engines take them and show U+FFFD.

use std::collections::HashSet;

use super::finding::{Found, Severity};
use super::labels::Labels;
use crate::archive::Archive;
use crate::spec::json;

/// The most texts that are quoted in one finding.
const NAMED: usize = 3;

/// Warns of each document that has some.
pub(super) fn check(archive: &Archive, labels: &Labels, found: &mut Found) {
    let docker = archive.docker.as_ref();
    if let Some(bytes) = docker.and_then(|docker| docker.manifest.as_deref()) {
        document("manifest.json".into(), bytes, found);
    }
    for name in ["repositories", "oci-layout"] {
        let bound = archive.container.limits.of_document();
        if let Ok(Some(bytes)) = archive.container.read(name, bound) {
            document(name.into(), &bytes, found);
        }
    }
    if let Some(oci) = &archive.oci {
        let is_node = |node: &crate::archive::Node| node.bytes.as_deref() == Some(&*oci.index);
        if !archive.nodes.iter().any(is_node) {
            document("index.json".into(), &oci.index, found);
        }
    }
    for node in &archive.nodes {
        if let Some(bytes) = &node.bytes {
            let place = format!("manifest {}", node.descriptor.digest.short());
            document(place, bytes, found);
        }
    }
    let mut seen = HashSet::new();
    for (i, image) in archive.images.iter_enumerated() {
        let bytes = image.config_bytes.as_ref();
        if let Some(bytes) = bytes.filter(|_| seen.insert(&image.id)) {
            document(labels.image(i).to_owned(), bytes, found);
        }
    }
}

fn document(place: String, bytes: &[u8], found: &mut Found) {
    let Some(paths) = json::invalid_texts(bytes).filter(|paths| !paths.is_empty()) else {
        return;
    };
    let more = match paths.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = paths[..paths.len().min(NAMED)].join(", ");
    let message = format!("invalid Unicode in {named}{more}; engines show U+FFFD in its place");
    found.add(Severity::Warning, "invalid-unicode", place, message);
}
