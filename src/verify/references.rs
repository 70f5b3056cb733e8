//! Members and blobs that documents refer to.

use std::collections::HashSet;

use super::finding::{Found, Severity};
use crate::archive::{Archive, Format, Holder, Node, NodeKind, TreeKind};
use crate::bundle::RECORD;
use crate::spec::{Digest, Document};

/// Name of a member without a leading `./`, which `manifest.json` may have.
pub(super) fn bare(name: &str) -> &str {
    name.trim_start_matches("./")
}

/// Path in the archive of the blob with that digest.
pub(crate) fn path(archive: &Archive, digest: &Digest) -> String {
    match &archive.oci {
        Some(oci) => oci.names.path(digest),
        None => digest.blob_path(),
    }
}

/// Path of a member for findings: in a tree that of the file in its repository.
pub(super) fn place(archive: &Archive, member: &str) -> String {
    match &archive.container.holder {
        Holder::Tree(tree) => tree.place(member),
        _ => member.to_owned(),
    }
}

/// Members and blobs that documents refer to, with the paths that they give, and the root documents of each format.
pub(super) fn referenced(archive: &Archive) -> HashSet<String> {
    let mut known: HashSet<String> = [
        "manifest.json",
        "index.json",
        "oci-layout",
        "repositories",
        "version",
        RECORD,
        // The local store's own.
        "imgkit-blobs.lock",
        "imgkit-index.lock",
    ]
    .map(str::to_owned)
    .into();
    let path = |digest: &Digest| path(archive, digest);
    let nodes: Vec<&Node> = match archive.is_part {
        true => {
            let roots = archive.roots.iter().filter_map(|root| root.node);
            let below = archive.nodes_below(roots).into_iter();
            below.map(|node| &archive.nodes[node]).collect()
        }
        false => archive.nodes.iter().collect(),
    };
    for node in nodes {
        known.insert(path(&node.descriptor.digest));
        if archive.format == Format::Dir {
            // How skopeo names the manifests of a list.
            known.insert(format!(
                "{}.manifest.json",
                node.descriptor.digest.encoded()
            ));
        }
        known.extend(schema1_layers(node).iter().map(path));
        let manifest = match &node.kind {
            NodeKind::Artifact(manifest) | NodeKind::Attestation(manifest) => Some(manifest),
            NodeKind::Image(image) => archive.images[*image].manifest.as_ref(),
            _ => None,
        };
        let descriptors = manifest
            .into_iter()
            .flat_map(|manifest| manifest.layers.iter().chain(&manifest.config));
        known.extend(descriptors.map(|descriptor| path(&descriptor.digest)));
    }
    for layer in archive.images.iter().flat_map(|image| &image.layers) {
        known.insert(layer.member.clone());
    }
    for item in archive.docker.iter().flat_map(|docker| &docker.items) {
        known.insert(item.config.clone());
        known.extend(item.layers.iter().cloned());
    }
    known
}

/// Adds a note for each member and blob that nothing refers to.
pub(super) fn note_strays(archive: &Archive, names: &[String], found: &mut Found) {
    // Counts of unreferenced blobs and of unknown members.
    let mut counts = [0; 2];
    for name in strays(archive, names) {
        if let Format::Tree(TreeKind::Registry) = archive.format {
            let name = place(archive, name);
            let message = "no manifest of a repository refers to this blob: the server's garbage collection deletes it";
            found.add(Severity::Warning, "unlinked-blob", name, message);
            continue;
        }
        let kind = stray_kind(archive, name);
        let (code, message, _) = UNREFERENCED[kind];
        counts[kind] += 1;
        if counts[kind] <= MAX_UNREFERENCED {
            found.add(Severity::Note, code, name.clone(), message);
        }
    }
    for (count, (code, _, what)) in counts.into_iter().zip(UNREFERENCED) {
        if let more @ 1.. = count.saturating_sub(MAX_UNREFERENCED) {
            found.add(Severity::Note, code, "", format!("and {more} more {what}"));
        }
    }
}

/// Position of its kind in [`UNREFERENCED`].
fn stray_kind(archive: &Archive, name: &str) -> usize {
    usize::from(!(name.starts_with("blobs/") || archive.format == Format::Dir))
}

/// Code of a member or blob that nothing refers to.
pub(super) fn stray_code(archive: &Archive, name: &str) -> &'static str {
    match archive.format {
        Format::Tree(TreeKind::Registry) => "unlinked-blob",
        _ => UNREFERENCED[stray_kind(archive, name)].0,
    }
}

/// Returns the members and blobs that nothing refers to.
pub(super) fn strays<'n>(archive: &Archive, names: &'n [String]) -> Vec<&'n String> {
    if archive.docker.is_none() && archive.oci.is_none() {
        // The documents that refer to members are missing.
        return Vec::new();
    }
    let known = referenced(archive);
    let mut legacy: HashSet<String> = HashSet::new();
    if archive.docker.is_some() {
        // Archives keep the directories of docker before 1.10: VERSION, json and a link to the layer.
        for name in names {
            if let Some((directory, "VERSION" | "json" | "layer.tar")) = name.rsplit_once('/') {
                legacy.insert(directory.to_owned());
            }
        }
    }
    let known: HashSet<&str> = known.iter().map(|name| bare(name)).collect();
    let is_legacy = |name: &str| {
        let parts = name.rsplit_once('/');
        parts.is_some_and(|(directory, base)| {
            legacy.contains(directory) && matches!(base, "VERSION" | "json" | "layer.tar")
        })
    };
    let is_signature = |name: &str| archive.format == Format::Dir && name.contains("signature-");
    // What the local store keeps for images that are still to arrive.
    let is_known = |name: &str| known.contains(name) || name.starts_with("ingest/");
    let names = names.iter();
    names
        .filter(|name| !is_known(name) && !is_legacy(name) && !is_signature(name))
        .collect()
}

/// The most notes for each kind of unreferenced member.
const MAX_UNREFERENCED: usize = 100;

/// Code, text for one member, and text for further members.
const UNREFERENCED: [(&str, &str, &str); 2] = [
    (
        "unreferenced-blob",
        "nothing refers to this blob",
        "blobs that nothing refers to",
    ),
    (
        "unknown-member",
        "not part of the image",
        "members that are not part of the image",
    ),
];

/// The blobs that a docker manifest of schema 1 lists.
pub(super) fn schema1_layers(node: &Node) -> Vec<Digest> {
    if !matches!(node.kind, NodeKind::Schema1) {
        return Vec::new();
    }
    match node
        .bytes
        .as_ref()
        .map(|bytes| Document::parse_known(bytes))
    {
        Some(Ok(Document::Schema1(document))) => document.layers,
        _ => Vec::new(),
    }
}
