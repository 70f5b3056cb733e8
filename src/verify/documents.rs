//! Documents against the published schema rules, and the media types under which they are listed.

use std::collections::HashSet;

use super::finding::{Found, Severity};
use super::references::path;
use crate::archive::{Archive, Edge, Format, Image, ImageId, Node, NodeKind};
use crate::error::{Error, Fault};
use crate::spec::schema::{self, Kind};
use crate::spec::{Document, MediaType, json};

/// Checks `index.json`, the manifests and indexes it leads to, and the configs of all images, each once.
///
/// Violations that engines fail to read are errors, those that only the schema refuses are warnings. Invalid JSON was
/// reported when the archive was opened.
pub(super) fn schemas(archive: &Archive, found: &mut Found) {
    let lone = matches!(archive.format, Format::Dir | Format::Document);
    if let Some(oci) = archive.oci.as_ref().filter(|_| !lone) {
        let media_type = inside(&oci.index);
        check_bytes(&oci.index, Kind::of_index(&media_type), "index.json", found);
    }
    for node in &archive.nodes {
        if let (Some(bytes), Some(kind)) = (&node.bytes, kind(node)) {
            let place = node_place(archive, node);
            check_bytes(bytes, kind, &place, found);
        }
    }
    let mut seen = HashSet::new();
    for image in &archive.images {
        let bytes = image.config_bytes.as_ref();
        if bytes.is_none_or(|bytes| seen.insert(bytes.as_ptr())) {
            for (severity, error) in config(archive, image) {
                found.schema(severity, &error);
            }
        }
    }
}

/// Violations of the schema rules in the config of an image: errors where engines fail to read it, else warnings.
///
/// Each has the config as its context.
pub(crate) fn config(archive: &Archive, image: &Image) -> Vec<(Severity, Error)> {
    let (kind, place) = match (&image.manifest, &image.id) {
        (Some(manifest), _) => {
            let config = manifest.config.as_ref();
            let place = config.map(|config| path(archive, &config.digest));
            (Kind::Config, place.unwrap_or_default())
        }
        (None, ImageId::V1(id)) if image.item.is_none() => (Kind::V1Config, format!("{id}/json")),
        (None, _) => {
            let item = archive.docker.as_ref().zip(image.item);
            let item = item.and_then(|(docker, item)| docker.items.get(item));
            let place = item.map(|item| item.config.clone()).unwrap_or_default();
            (Kind::DockerConfig, place)
        }
    };
    let parsed = match &image.config_bytes {
        Some(bytes) => json::parse_known(bytes).ok(),
        // Before docker 1.10 the config is assembled from the documents of the layers.
        None if kind == Kind::V1Config => Some(image.config.document.clone()),
        None => None,
    };
    let mut found = parsed.map_or_else(Vec::new, |document| violations(&document, kind, &place));
    if kind == Kind::Config && image.config.diff_ids.is_none() && !image.layers.is_empty() {
        // Missing diff IDs are reported with their consequence.
        let is_said = |error: &Error| matches!(error.fault(), Fault::Schema { field, .. } if field == "rootfs");
        found.retain(|(_, error)| !is_said(error));
    }
    found
}

fn check_bytes(bytes: &[u8], kind: Kind, place: &str, found: &mut Found) {
    let Ok(document) = json::parse_known(bytes) else {
        return;
    };
    for (severity, error) in violations(&document, kind, place) {
        found.schema(severity, &error);
    }
}

fn violations(document: &serde_json::Value, kind: Kind, place: &str) -> Vec<(Severity, Error)> {
    let (violations, left_out) = schema::check(document, kind);
    let mut all: Vec<(Severity, Error)> = violations
        .into_iter()
        .map(|violation| {
            let severity = match violation.unreadable {
                true => Severity::Error,
                false => Severity::Warning,
            };
            (severity, violation.error.at(place.to_owned()))
        })
        .collect();
    if left_out > 0 {
        all.push((
            Severity::Warning,
            Error::schema(
                "the document",
                "fields by the rules",
                format!("{left_out} more that break them"),
            )
            .at(place.to_owned()),
        ));
    }
    all
}

/// Schema rules for a node; `None` if its media type has none.
fn kind(node: &Node) -> Option<Kind> {
    let stated = &node.descriptor.media_type;
    let media_type = match node.bytes.as_deref().map(inside) {
        Some(inside) if !inside.as_str().is_empty() => inside,
        _ => stated.clone(),
    };
    match &node.kind {
        NodeKind::Index(_) => Some(Kind::of_index(&media_type)),
        NodeKind::Image(_) | NodeKind::Attestation(_) | NodeKind::Artifact(_) => {
            Some(Kind::of_manifest(&media_type))
        }
        // Documents that could not be read as their media type.
        NodeKind::Opaque if stated.is_index() => Some(Kind::of_index(&media_type)),
        NodeKind::Opaque if stated.is_manifest() => Some(Kind::of_manifest(&media_type)),
        NodeKind::Opaque | NodeKind::Schema1 | NodeKind::Missing => None,
    }
}

/// The media type that a document states; empty where it states none.
fn inside(bytes: &[u8]) -> MediaType {
    let document = json::parse_known(bytes).ok();
    let stated = document.as_ref().and_then(|document| {
        let node = json::Node::root(document);
        json::opt_text(&node, "mediaType").ok().flatten()
    });
    MediaType::new(stated.unwrap_or_default())
}

fn node_place(archive: &Archive, node: &Node) -> String {
    match archive.format {
        Format::Dir
            if archive
                .nodes
                .first()
                .is_some_and(|first| std::ptr::eq(first, node)) =>
        {
            "manifest.json".to_owned()
        }
        Format::Document => String::new(),
        _ => path(archive, &node.descriptor.digest),
    }
}

/// Reports descriptors whose media type is neither a manifest nor an index, though they point to one: readers that
/// select by media type miss the images below.
pub(super) fn types<'a>(
    archive: &Archive,
    edges: impl Iterator<Item = &'a Edge>,
    found: &mut Found,
) {
    for edge in edges {
        let node = &archive.nodes[edge.node];
        let stated = &edge.descriptor.media_type;
        let what = match &node.kind {
            NodeKind::Image(_) => "an image",
            NodeKind::Index(_) => "an index",
            NodeKind::Attestation(_) | NodeKind::Artifact(_) => "a manifest",
            NodeKind::Schema1 | NodeKind::Missing | NodeKind::Opaque => continue,
        };
        if stated.is_manifest() || stated.is_index() || stated.as_str().is_empty() {
            continue;
        }
        // Artifacts may have a type of their own, if their manifest says the same.
        let agrees = || node.bytes.as_deref().map(inside).as_ref() == Some(stated);
        if matches!(node.kind, NodeKind::Artifact(_)) && agrees() {
            continue;
        }
        let message = format!(
            "its descriptor says '{stated}', the document is {what}; readers that go by types do not find it"
        );
        let place = format!("manifest {}", edge.descriptor.digest.short());
        found.add(Severity::Warning, "media-type", place, message);
    }
    let lone = matches!(archive.format, Format::Dir | Format::Document);
    let Some(oci) = archive.oci.as_ref().filter(|_| !lone) else {
        return;
    };
    let stated = inside(&oci.index);
    let is_other = !stated.as_str().is_empty() && stated.as_str() != MediaType::OCI_INDEX;
    if is_other && matches!(Document::parse_known(&oci.index), Ok(Document::Index(_))) {
        let message = format!("the document says '{stated}' and is an image index");
        found.add(Severity::Warning, "media-type", "index.json", message);
    }
}
