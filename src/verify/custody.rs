//! A record to hand on with an archive: what it is, byte for byte, what is in it, and what was found.
//!
//! The same input, options and version give the same record, but for its time. Keys only grow; [`VERSION`] counts
//! changes of what one means.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::{Severity, VerifyReport, blobs};
use crate::archive::{Archive, Holder, ImageId, NodeKind};
use crate::blob::{InputDigests, sha256};
use crate::error::{Error, Result};
use crate::layer::Limits;
use crate::spec::{Digest, MediaType};

/// The version of the record.
pub const VERSION: u32 = 1;

/// What reading a blob found out.
#[derive(Debug, Clone)]
pub struct ReadBlob {
    /// Its digest, and how many bytes it has.
    pub digest: Digest,
    /// Stored bytes.
    pub size: u64,
    /// Of a layer: the digest and size of the plain tar.
    pub plain: Option<(Digest, u64)>,
    /// How a layer is packed.
    pub compression: Option<&'static str>,
    /// Whether it is what everything says that speaks of it; `None` where nothing says what it should be.
    pub verified: Option<bool>,
}

/// The input as a whole.
#[derive(Debug)]
pub enum Input {
    /// A file or a stream.
    Bytes(InputDigests),
    /// A folder: each file's name, size and SHA-256 digest, in the order of the names' bytes.
    Folder(Vec<(String, u64, Digest)>),
}

impl Input {
    /// The files of an opened folder.
    ///
    /// # Errors
    /// `Io`, and what keeps a file from being read.
    pub fn of_folder(archive: &Archive, limits: &Limits) -> Result<Option<Self>> {
        if !matches!(archive.container.holder, Holder::Directory(_)) {
            return Ok(None);
        }
        let mut files = Vec::new();
        for name in archive.container.names(limits)? {
            if let Some(content) = archive.container.get(&name)? {
                let digest = content.digest(&sha256(b""))?;
                files.push((name, content.len(), digest));
            }
        }
        Ok(Some(Input::Folder(files)))
    }

    /// As it stands in the record.
    pub fn value(&self, name: &str) -> Value {
        match self {
            Input::Bytes(seen) => json!({
                "Name": name,
                "Kind": "bytes",
                "Size": seen.size,
                "SHA256": seen.sha256.as_str(),
                "SHA512": seen.sha512.as_str(),
            }),
            Input::Folder(files) => {
                // The digest of what sha256sum prints of these files in this order.
                let list: String = files
                    .iter()
                    .map(|(name, _, digest)| format!("{}  {name}\n", digest.encoded()))
                    .collect();
                let size: u64 = files.iter().map(|(_, size, _)| size).sum();
                let files: Vec<Value> = files
                    .iter()
                    .map(|(name, size, digest)| {
                        json!({"Name": name, "Size": size, "SHA256": digest.as_str()})
                    })
                    .collect();
                json!({
                    "Name": name,
                    "Kind": "folder",
                    "Size": size,
                    "SHA256": sha256(list.as_bytes()).as_str(),
                    "Files": files,
                })
            }
        }
    }
}

/// What of the input a record speaks for: everything but its name.
pub fn identity(input: &Value) -> Value {
    let mut input = input.clone();
    if let Some(keys) = input.as_object_mut() {
        keys.remove("Name");
    }
    input
}

/// What the record says of the limits that were in force.
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

/// What was found, as part of the record.
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
    let mut names: Vec<Vec<String>> = vec![Vec::new(); archive.images.len()];
    for root in &archive.roots {
        for image in archive.images_of(root) {
            if let Some(names) = names.get_mut(image) {
                names.extend(root.names.iter().map(ToString::to_string));
            }
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
                        "Digest": layer.descriptor.as_ref().map(|d| d.digest.as_str()),
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

/// What a member is, by all that speaks of it.
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
                .and_then(|content| report.read.get(&blobs::key(content)));
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
    let path = |digest: &Digest| blobs::path(archive, digest);
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
        is(
            &layer.member,
            "layer",
            layer.descriptor.as_ref().map(|d| &d.media_type),
        );
    }
    roles
}
