//! Keys of a custody record of imgverify beside the shared ones: the contents of an archive, and all findings.
//!
//! Equal input, options and version give equal keys.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::archive::{Archive, ImageId, NodeKind};
use crate::blob::sha256;
use crate::error::Error;
use crate::index_vec::IndexVec;
use crate::layer::Limits;
use crate::spec::{Digest, MediaType};
use crate::verify::{Severity, VerifyReport, key, path};

/// Limits in force, as recorded.
pub fn limits(limits: &Limits) -> Value {
    let number = |limit: u64| if limit == u64::MAX { 0 } else { limit };
    json!({
        "Entries": number(limits.entries),
        "Size": number(limits.decode.size),
        "Expansion": number(limits.decode.ratio),
        "ExpansionFrom": limits.decode.grace,
        "WindowLog": limits.decode.window_log,
    })
}

/// Findings, as recorded.
pub fn report(archive: &Archive, report: &VerifyReport, limits: &Limits) -> Value {
    let verdict = match (report.is_damaged(), report.is_sound()) {
        (true, _) => "damaged",
        (false, true) => "sound",
        (false, false) => "not verified",
    };
    let count = |severity| {
        let findings = report.findings.iter();
        findings
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "Severity": finding.severity.name(),
                "Code": finding.code,
                "Places": finding.places,
                "Message": finding.message(),
            })
        })
        .collect();
    let trouble: Vec<String> = report.trouble.iter().map(Error::to_string).collect();
    json!({
        "Verdict": verdict,
        "Shape": archive.format.to_string(),
        "Sparse": report.sparse,
        "Errors": count(Severity::Error),
        "Warnings": count(Severity::Warning),
        "Notes": count(Severity::Note),
        "Findings": findings,
        "Trouble": trouble,
        "Images": images(archive),
        "Blobs": members(archive, report, limits),
    })
}

fn images(archive: &Archive) -> Vec<Value> {
    let mut names: IndexVec<_, Vec<String>> = IndexVec::from_elem(Vec::new(), &archive.images);
    for root in &archive.roots {
        for image in archive.images_of(root) {
            names[image].extend(root.names.iter().map(ToString::to_string));
        }
    }
    let images = archive.images.iter().zip(names);
    images
        .map(|(image, names)| {
            let layers: Vec<Value> = image
                .layers
                .iter()
                .map(|layer| {
                    json!({
                        "Member": layer.member,
                        "DiffID": layer.diff_id.as_ref().map(Digest::as_str),
                        "Digest": layer.digest().map(Digest::as_str),
                    })
                })
                .collect();
            let id = match &image.id {
                ImageId::Config(digest) => digest.to_string(),
                ImageId::V1(id) => id.clone(),
            };
            let node = image.node.and_then(|node| archive.nodes.get(node));
            json!({
                "ID": id,
                "Names": names,
                "Platform": image.platform.to_string(),
                "Manifest": node.map(|node| node.descriptor.digest.as_str()),
                "Layers": layers,
            })
        })
        .collect()
}

/// Role of a member, from all documents that refer to it.
#[derive(Default)]
struct Role {
    roles: BTreeSet<&'static str>,
    media_type: Option<String>,
}

fn members(archive: &Archive, report: &VerifyReport, limits: &Limits) -> Vec<Value> {
    let roles = roles(archive);
    let names = archive.container.names(limits).unwrap_or_default();
    let nobody = Role::default();
    names
        .iter()
        .map(|name| {
            let role = roles.get(name.as_str()).unwrap_or(&nobody);
            let content = archive.container.get(name).ok().flatten();
            let read = content
                .as_ref()
                .and_then(|content| report.read.get(&key(content)));
            let digest = match (read, &content) {
                (Some(read), _) => Some(read.digest.clone()),
                (None, Some(content)) => content.digest(&sha256(b"")).ok(),
                (None, None) => None,
            };
            let roles: Vec<&str> = match role.roles.is_empty() {
                true => vec!["unreferenced"],
                false => role.roles.iter().copied().collect(),
            };
            let plain = read.and_then(|read| read.plain.as_ref());
            json!({
                "Name": name,
                "Size": content.as_ref().map(crate::archive::Content::len),
                "Digest": digest.as_ref().map(Digest::as_str),
                "Roles": roles,
                "MediaType": role.media_type,
                "Compression": read.and_then(|read| read.compression),
                "DiffID": plain.map(|(id, _)| id.as_str()),
                "PlainSize": plain.map(|(_, size)| size),
                "Verified": read.and_then(|read| read.verified),
            })
        })
        .collect()
}

fn roles(archive: &Archive) -> HashMap<String, Role> {
    let mut roles: HashMap<String, Role> = HashMap::new();
    let mut is = |name: &str, what, media_type: Option<&MediaType>| {
        let role = roles
            .entry(name.trim_start_matches("./").to_owned())
            .or_default();
        role.roles.insert(what);
        if role.media_type.is_none() {
            role.media_type = media_type.map(|media_type| media_type.as_str().to_owned());
        }
    };
    for name in [
        "manifest.json",
        "index.json",
        "oci-layout",
        "repositories",
        "version",
    ] {
        is(name, "document", None);
    }
    let path = |digest: &Digest| path(archive, digest);
    for node in &archive.nodes {
        let (what, manifest) = match &node.kind {
            NodeKind::Image(image) => {
                let image = archive.images.get(*image);
                ("manifest", image.and_then(|image| image.manifest.as_ref()))
            }
            NodeKind::Index(_) => ("index", None),
            NodeKind::Attestation(manifest) => ("attestation", Some(manifest)),
            NodeKind::Artifact(manifest) => ("artifact", Some(manifest)),
            NodeKind::Schema1 => ("manifest", None),
            NodeKind::Missing | NodeKind::Opaque => ("other", None),
        };
        let descriptor = &node.descriptor;
        is(
            &path(&descriptor.digest),
            what,
            Some(&descriptor.media_type),
        );
        let Some(manifest) = manifest else { continue };
        if let Some(config) = &manifest.config {
            is(&path(&config.digest), "config", Some(&config.media_type));
        }
        for layer in &manifest.layers {
            is(&path(&layer.digest), "layer", Some(&layer.media_type));
        }
    }
    for item in archive.docker.iter().flat_map(|docker| &docker.items) {
        is(&item.config, "config", None);
        for layer in &item.layers {
            is(layer, "layer", None);
        }
    }
    for layer in archive.images.iter().flat_map(|image| &image.layers) {
        is(&layer.member, "layer", layer.media_type());
    }
    roles
}
