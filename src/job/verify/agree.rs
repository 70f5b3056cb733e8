//! Whether everything that is described twice is described alike.

use std::collections::{HashMap, HashSet};

use super::finding::{Finding, Severity};
use crate::archive::{Archive, DockerItem, ImageId, Name, NodeKind, Shape};
use crate::escape;
use crate::spec::{Document, Reference};

/// Documents against the descriptors that point to them, and against themselves.
pub(super) fn documents(archive: &Archive, findings: &mut Vec<Finding>) {
    for node in &archive.nodes {
        let digest = node.descriptor.digest.short().to_owned();
        if let NodeKind::Schema1 = node.kind {
            let message = "a docker manifest of schema 1: nothing in it can be verified";
            findings.push(Finding::new(
                Severity::Note,
                "schema1",
                format!("manifest {digest}"),
                message,
            ));
        }
        let Some(Ok(document)) = node.bytes.as_ref().map(|bytes| Document::parse(bytes)) else {
            continue;
        };
        let (inside, outside) = (document.media_type(), node.descriptor.media_type.as_str());
        if !inside.is_empty() && !outside.is_empty() && inside != outside {
            findings.push(Finding::new(
                Severity::Warning,
                "media-type",
                format!("manifest {digest}"),
                format!(
                    "its descriptor says '{}', the document says '{}'",
                    escape::text(outside),
                    escape::text(inside)
                ),
            ));
        }
        let NodeKind::Image(image) = node.kind else {
            continue;
        };
        let config = &archive.images[image].config.platform;
        if let Some(platform) = &node.descriptor.platform
            && !config.os.is_empty()
            && (platform.os != config.os || platform.architecture != config.architecture)
        {
            findings.push(Finding::new(
                Severity::Warning,
                "platform",
                format!("manifest {digest}"),
                format!("the index says {platform}, the config {config}"),
            ));
        }
    }
    for (i, image) in archive.images.iter().enumerate() {
        let place = || {
            let names = archive.names_of(i);
            names
                .first()
                .map_or_else(|| image.id.short().to_owned(), ToString::to_string)
        };
        if let Some(entries) = image.history_mismatch() {
            let message = format!(
                "history speaks of {entries} layers, the image has {}",
                image.layers.len()
            );
            findings.push(Finding::new(
                Severity::Warning,
                "history-layers",
                place(),
                message,
            ));
        }
        if let ImageId::V1(_) = image.id
            && image.item.is_none()
        {
            let message = "an image of docker before 1.10: no digest is recorded, so only its form was checked";
            findings.push(Finding::new(Severity::Note, "no-digests", place(), message));
        }
    }
}

/// `manifest.json` against `index.json`, and against the names of its own members.
pub(super) fn halves(archive: &Archive, findings: &mut Vec<Finding>) {
    let Some(docker) = &archive.docker else {
        return;
    };
    let mut tags: HashMap<String, usize> = HashMap::new();
    for (i, item) in docker.items.iter().enumerate() {
        let place = format!("manifest.json[{i}]");
        let image = archive
            .roots
            .iter()
            .find(|root| root.item == Some(i))
            .and_then(|root| root.image);
        for tag in &item.repo_tags {
            if let Err(error) = Reference::parse(tag) {
                let message = error.to_string();
                findings.push(Finding::new(
                    Severity::Warning,
                    "bad-name",
                    place.clone(),
                    message,
                ));
            }
            let name = Reference::parse(tag)
                .map_or_else(|_| tag.clone(), |reference| reference.to_string());
            match tags.insert(name, i) {
                Some(other) if other != i => {
                    let tag = escape::text(tag);
                    let message =
                        format!("'{tag}' is the name of item {other} too; loaders keep the last");
                    findings.push(Finding::new(
                        Severity::Error,
                        "duplicate-name",
                        place.clone(),
                        message,
                    ));
                }
                _ => {}
            }
        }
        let Some(image) = image else { continue };
        config_name(item, &archive.images[image].id, &place, findings);
        shared_members(item, &archive.images[image], &place, findings);
        if archive.shape == Shape::DockerAndOci {
            same_image(archive, item, image, &place, findings);
        }
    }
}

/// The config's member name, where it looks like a digest.
fn config_name(item: &DockerItem, id: &ImageId, place: &str, findings: &mut Vec<Finding>) {
    let base = item.config.rsplit('/').next().unwrap_or_default();
    let stem = base.trim_end_matches(".json").trim_start_matches("sha256:");
    let looks_like_digest = stem.len() == 64 && stem.bytes().all(|b| b.is_ascii_hexdigit());
    if looks_like_digest
        && stem != id.hex()
        && !item.config.starts_with("blobs/")
        && matches!(id, ImageId::Config(_))
    {
        let message = format!(
            "the config is named after {}, its digest and so the image ID is {id}",
            escape::text(stem)
        );
        findings.push(Finding::new(
            Severity::Warning,
            "config-name",
            place,
            message,
        ));
    }
}

/// One member cannot be two layers that differ.
fn shared_members(
    item: &DockerItem,
    image: &crate::archive::Image,
    place: &str,
    findings: &mut Vec<Finding>,
) {
    let ids = image.config.diff_ids.as_deref().unwrap_or_default();
    let mut by_member: HashMap<&str, &crate::spec::Digest> = HashMap::new();
    for (member, id) in item.layers.iter().zip(ids) {
        if by_member
            .insert(member, id)
            .is_some_and(|other| other != id)
        {
            let message = format!(
                "member '{}' stands for two different layers",
                escape::text(member)
            );
            findings.push(Finding::new(Severity::Error, "ambiguous", place, message));
        }
    }
}

/// An item of `manifest.json` against the same image in the OCI half.
fn same_image(
    archive: &Archive,
    item: &DockerItem,
    position: usize,
    place: &str,
    findings: &mut Vec<Finding>,
) {
    let image = &archive.images[position];
    let names: Vec<Name> = item
        .repo_tags
        .iter()
        .map(|tag| Name::from_repo_tag(tag))
        .collect();
    let Some(oci) = &archive.oci else { return };
    if image.node.is_none() {
        let listed = oci
            .edges
            .iter()
            .filter_map(|edge| Name::from_annotations(&edge.descriptor));
        let clash = listed.into_iter().find(|listed| match listed {
            Name::Full(reference) => names
                .iter()
                .any(|name| matches!(name, Name::Full(r) if r.same_as(reference))),
            _ => false,
        });
        findings.push(match clash {
            Some(name) => Finding::new(
                Severity::Error,
                "halves-disagree",
                place,
                format!(
                    "'{}' is another image in index.json",
                    escape::text(&name.to_string())
                ),
            ),
            // Docker 25 lists untagged images in manifest.json only.
            None if names.is_empty() => Finding::new(
                Severity::Note,
                "halves-differ",
                place,
                "the untagged image is not listed in index.json",
            ),
            None => Finding::new(
                Severity::Warning,
                "halves-differ",
                place,
                "the image is not listed in index.json",
            ),
        });
        return;
    }
    let members: Vec<&str> = item
        .layers
        .iter()
        .map(|name| name.trim_start_matches("./"))
        .collect();
    let blobs: Vec<&str> = image
        .layers
        .iter()
        .map(|layer| layer.member.as_str())
        .collect();
    if members.len() != blobs.len() {
        let (a, b) = (members.len(), blobs.len());
        let message = format!("manifest.json lists {a} layers, the manifest in index.json {b}");
        findings.push(Finding::new(
            Severity::Error,
            "halves-disagree",
            place,
            message,
        ));
    } else if let Some(i) = (0..members.len()).find(|&i| members[i] != blobs[i]) {
        let same = || -> Option<bool> {
            let a = archive.container.get(members[i]).ok()??;
            let expected = image.layers[i].diff_id.as_ref()?;
            let scan = a
                .scan(
                    None,
                    &crate::layer::Limits::default(),
                    &crate::blob::Meter::default(),
                )
                .ok()?;
            Some(scan.diff_id.as_ref() == Some(expected))
        };
        if same() != Some(true) {
            let message = format!(
                "layer {} is '{}' here and {} in index.json",
                i + 1,
                escape::text(members[i]),
                blobs[i]
            );
            findings.push(Finding::new(
                Severity::Error,
                "halves-disagree",
                place,
                message,
            ));
        }
    }
    // Names: every full name of the one half should be in the other.
    let listed: Vec<Name> = archive
        .roots
        .iter()
        .filter(|root| archive.images_of(root).contains(&position))
        .flat_map(|root| root.positions.iter())
        .filter_map(|&i| oci.edges.get(i))
        .filter_map(|edge| Name::from_annotations(&edge.descriptor))
        .collect();
    let full: HashSet<String> = listed.iter().filter_map(full_name).collect();
    let here: HashSet<String> = names.iter().filter_map(full_name).collect();
    // BuildKit and containerd leave RepoTags or the annotations out; only names on both sides can disagree.
    if !full.is_empty() && !here.is_empty() && full != here {
        let mut only: Vec<&String> = full.symmetric_difference(&here).collect();
        only.sort_unstable();
        let text = only
            .iter()
            .map(|name| name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        let message =
            format!("manifest.json and index.json name it differently: only in one: {text}");
        findings.push(Finding::new(
            Severity::Warning,
            "names-disagree",
            place,
            message,
        ));
    }
}

fn full_name(name: &Name) -> Option<String> {
    match name {
        Name::Full(reference) => Some(format!(
            "{}:{}",
            reference.repository(),
            reference.tag_or_latest()?
        )),
        _ => None,
    }
}

/// `repositories` against `manifest.json`.
pub(super) fn repositories(archive: &Archive, findings: &mut Vec<Finding>) {
    let Some(docker) = &archive.docker else {
        return;
    };
    let (Some(records), Some(_)) = (&docker.repositories, &docker.manifest) else {
        return;
    };
    let normal =
        |text: &str| Reference::parse(text).map_or_else(|_| text.to_owned(), |r| r.to_string());
    let mut tagged: HashMap<String, &DockerItem> = HashMap::new();
    for item in &docker.items {
        tagged.extend(item.repo_tags.iter().map(|tag| (normal(tag), item)));
    }
    for record in records {
        let text = format!("{}:{}", record.repository, record.tag);
        let shown = escape::text(&text).into_owned();
        let Some(item) = tagged.remove(&normal(&text)) else {
            // bazel writes names without a tag into RepoTags.
            if tagged.remove(&normal(&record.repository)).is_none() {
                let message = format!("'{shown}' is not in manifest.json");
                findings.push(Finding::new(
                    Severity::Warning,
                    "repositories-disagree",
                    "repositories",
                    message,
                ));
            }
            continue;
        };
        // Before docker 25 the record names the folder of the top layer, since then the digest of its blob.
        let top = item.layers.last().map(String::as_str).unwrap_or_default();
        let agrees = item.layers.is_empty() || top.contains(record.id.as_str()) || {
            let folder = format!("{}/layer.tar", record.id);
            let (a, b) = (archive.container.get(&folder), archive.container.get(top));
            matches!((a, b), (Ok(Some(a)), Ok(Some(b))) if a.len() == b.len())
        };
        if !agrees {
            let message = format!(
                "'{shown}' is {} here, and its top layer is '{}'",
                escape::text(&record.id),
                escape::text(top)
            );
            findings.push(Finding::new(
                Severity::Warning,
                "repositories-disagree",
                "repositories",
                message,
            ));
        }
    }
    let mut missing: Vec<&String> = tagged.keys().collect();
    missing.sort_unstable();
    for name in missing {
        let message = format!("'{}' of manifest.json is not in it", escape::text(name));
        findings.push(Finding::new(
            Severity::Warning,
            "repositories-disagree",
            "repositories",
            message,
        ));
    }
}
