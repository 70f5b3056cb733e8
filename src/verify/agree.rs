//! Consistency of documents that describe one thing twice.

use std::collections::{HashMap, HashSet};

use super::finding::{Found, Severity};
use super::labels::Labels;
use crate::archive::{
    self, Archive, Content, DockerItem, Edge, Format, ImageId, ImageIdx, Name, Node, NodeIdx,
    NodeKind, Presence, Root,
};
use crate::error::{At, Fault};
use crate::spec::{Descriptor, Document, Reference};

/// Compares documents with the descriptors that point to them, and their own fields with each other.
pub(super) fn documents(archive: &Archive, labels: &Labels, found: &mut Found) {
    for node in &archive.nodes {
        let digest = node.descriptor.digest.short().to_owned();
        if let NodeKind::Schema1 = node.kind {
            let message = "a docker manifest of schema 1: nothing in it can be verified";
            found.add(
                Severity::Note,
                "schema1",
                format!("manifest {digest}"),
                message,
            );
        }
        let Some(Ok(document)) = node
            .bytes
            .as_ref()
            .map(|bytes| Document::parse_known(bytes))
        else {
            continue;
        };
        let (inside, outside) = (document.media_type(), node.descriptor.media_type.as_str());
        let mut faults = node.faults.iter();
        let told = faults.any(|fault| matches!(fault.fault(), Fault::Ambiguous { .. }));
        // Of types that name no such document more is said elsewhere.
        let stated = &node.descriptor.media_type;
        let is_known = stated.is_manifest() || stated.is_index();
        if !told && is_known && !inside.is_empty() && inside != outside {
            found.add(
                Severity::Warning,
                "media-type",
                format!("manifest {digest}"),
                format!(
                    "its descriptor says '{}', the document says '{}'",
                    outside, inside
                ),
            );
        }
        let NodeKind::Image(image) = node.kind else {
            continue;
        };
        let config = &archive.images[image].config.platform;
        if let Some(platform) = &node.descriptor.platform
            && !config.os.is_empty()
            && (platform.os != config.os || platform.architecture != config.architecture)
        {
            found.add(
                Severity::Warning,
                "platform",
                format!("manifest {digest}"),
                format!("the index says {platform}, the config {config}"),
            );
        }
    }
    for (i, image) in archive.images.iter_enumerated() {
        let place = || labels.image(i);
        if let Some(entries) = image.history_mismatch() {
            let message = format!(
                "history lists {entries} layers, the image has {}",
                image.layers.len()
            );
            found.add(Severity::Warning, "history-layers", place(), message);
        }
        let has_config = image.config_bytes.is_some() && !image.config.document.is_null();
        if has_config
            && image.node.is_some()
            && image.config.diff_ids.is_none()
            && !image.layers.is_empty()
        {
            let message =
                "the config lists no diff IDs: it does not say which layers it belongs to";
            found.add(Severity::Warning, "no-diff-ids", place(), message);
        }
        if let ImageId::V1(_) = image.id
            && image.item.is_none()
        {
            let message = "an image of docker before 1.10: no digest is recorded, so only its form was checked";
            found.add(Severity::Note, "no-digests", place(), message);
        }
    }
}

/// Compares inline data of descriptors with their digests and sizes.
pub(super) fn data(archive: &Archive, found: &mut Found) {
    // Data that stood in for a missing blob was checked as that blob.
    let mut check = |descriptor: &Descriptor, used: bool, place: &dyn Fn() -> String| {
        if let Some(data) = descriptor.data.as_ref().filter(|_| !used)
            && let Err(error) = archive::check(data, descriptor).at(|| "inline data".into())
        {
            found.error(&error.at(place()));
        }
    };
    let used = |bytes: Option<&[u8]>, descriptor: &Descriptor| {
        bytes.is_some() && bytes == descriptor.data.as_deref()
    };
    for edge in edges(archive) {
        let node = &archive.nodes[edge.node];
        let place = || format!("manifest {}", node.descriptor.digest.short());
        check(
            &edge.descriptor,
            used(node.bytes.as_deref(), &edge.descriptor),
            &place,
        );
    }
    for node in &archive.nodes {
        let place = || format!("manifest {}", node.descriptor.digest.short());
        match &node.kind {
            NodeKind::Artifact(manifest) | NodeKind::Attestation(manifest) => {
                for descriptor in manifest.layers.iter().chain(&manifest.config) {
                    check(descriptor, false, &place);
                }
            }
            NodeKind::Image(image) => {
                let image = &archive.images[*image];
                let config = image.manifest.as_ref().and_then(|m| m.config.as_ref());
                if let Some(config) = config {
                    let used = used(image.config_bytes.as_deref(), config);
                    check(config, used, &place);
                }
                for layer in &image.layers {
                    let Some(descriptor) = &layer.descriptor else {
                        continue;
                    };
                    let bytes = match &layer.presence {
                        Presence::Present(Content::Memory(bytes)) => Some(&**bytes),
                        _ => None,
                    };
                    check(descriptor, used(bytes, descriptor), &place);
                }
            }
            _ => {}
        }
    }
}

/// All edges of the graph.
pub(super) fn edges(archive: &Archive) -> impl Iterator<Item = &Edge> {
    let listed = archive.oci.iter().flat_map(|oci| &oci.edges);
    listed.chain(archive.nodes.iter().flat_map(Node::edges))
}

/// Compares the items of `manifest.json` with the names of their members, and with the same image in `index.json`.
pub(super) fn halves(archive: &Archive, found: &mut Found) {
    let Some(docker) = &archive.docker else {
        return;
    };
    let images = item_images(archive);
    for (i, item) in docker.items.iter().enumerate() {
        let place = format!("manifest.json[{i}]");
        for tag in &item.repo_tags {
            if let Err(error) = Reference::parse(tag) {
                found.add(
                    Severity::Warning,
                    "bad-name",
                    place.as_str(),
                    error.to_string(),
                );
            }
        }
        let Some(&image) = images.get(&i) else {
            continue;
        };
        config_name(item, &archive.images[image].id, &place, found);
        shared_members(item, &archive.images[image], &place, found);
    }
}

/// The image of each item of `manifest.json`.
pub(super) fn item_images(archive: &Archive) -> HashMap<usize, ImageIdx> {
    let roots = archive.roots.iter();
    roots
        .filter_map(|root| Some((root.item?, root.image?)))
        .collect()
}

/// Names of one half of an archive, each with the first position that gives it.
type Names = HashMap<String, usize>;

/// Checks that every name refers to one image, within each half and across both.
pub(super) fn names(archive: &Archive, found: &mut Found) {
    let tags = item_names(archive, found);
    let refs = edge_names(archive, found);
    let (Some(docker), Some(oci)) = (&archive.docker, &archive.oci) else {
        return;
    };
    if archive.format != Format::DockerAndOci {
        return;
    }
    let images = item_images(archive);
    let mut below: HashMap<NodeIdx, HashSet<&ImageId>> = HashMap::new();
    let mut clash = HashSet::new();
    let mut both: Vec<(&String, usize, usize)> = tags
        .iter()
        .filter_map(|(name, &item)| Some((name, item, *refs.get(name)?)))
        .collect();
    both.sort_unstable();
    for (name, item, edge) in both {
        let Some(&image) = images.get(&item) else {
            continue;
        };
        let node = oci.edges[edge].node;
        let ids = below.entry(node).or_insert_with(|| {
            let ids = archive.images_below(node).into_iter();
            ids.map(|image| &archive.images[image].id).collect()
        });
        // Missing manifests are reported elsewhere.
        let gone = ids.is_empty()
            && matches!(
                archive.nodes[node].kind,
                NodeKind::Missing | NodeKind::Index(_)
            );
        if !gone && !ids.contains(&archive.images[image].id) {
            clash.insert(item);
            found.add(
                Severity::Error,
                "halves-disagree",
                format!("manifest.json[{item}]"),
                format!("'{name}' is another image in index.json"),
            );
        }
    }
    let roots = archive.roots.iter();
    let roots: HashMap<usize, &Root> = roots.filter_map(|root| Some((root.item?, root))).collect();
    for (i, item) in docker.items.iter().enumerate() {
        let (Some(&image), Some(root)) = (images.get(&i), roots.get(&i)) else {
            continue;
        };
        let place = format!("manifest.json[{i}]");
        if archive.images[image].node.is_none() {
            // Docker 25 lists untagged images in manifest.json only.
            if item.repo_tags.is_empty() {
                let message = "the untagged image is not listed in index.json";
                found.add(Severity::Note, "halves-differ", place, message);
            } else if !clash.contains(&i) {
                let message = "the image is not listed in index.json";
                found.add(Severity::Warning, "halves-differ", place, message);
            }
            continue;
        }
        let listed = root.positions.iter();
        let there: HashSet<String> = listed
            .filter_map(|&position| Name::from_annotations(&oci.edges[position].descriptor))
            .filter_map(|name| full_name(&name))
            .collect();
        let here: HashSet<String> = item
            .repo_tags
            .iter()
            .filter_map(|tag| full_name(&Name::from_repo_tag(tag)))
            .collect();
        // BuildKit and containerd leave RepoTags or the annotations out; only names on both sides can disagree.
        if here.is_empty() || there.is_empty() {
            continue;
        }
        let only_here = here.iter().filter(|name| !refs.contains_key(*name));
        let only_there = there.iter().filter(|name| !tags.contains_key(*name));
        let mut only: Vec<&str> = only_here.chain(only_there).map(String::as_str).collect();
        only.sort_unstable();
        if !only.is_empty() {
            let message = format!(
                "manifest.json and index.json name it differently: only in one: {}",
                only.join(", ")
            );
            found.add(Severity::Warning, "names-disagree", place, message);
        }
    }
}

/// Reports images that only `index.json` lists: loaders that read `manifest.json` do not see them.
pub(super) fn unlisted(archive: &Archive, labels: &Labels, found: &mut Found) {
    if archive.format != Format::DockerAndOci {
        return;
    }
    for root in archive.roots.iter().filter(|root| root.item.is_none()) {
        let images = archive.images_of(root);
        let listed = |&image: &ImageIdx| archive.images[image].item.is_some();
        let (Some(&image), Some(position)) = (images.first(), root.positions.first()) else {
            continue;
        };
        if images.iter().any(listed) {
            continue;
        }
        let place = format!("index.json: manifests[{position}]");
        let name = root.names.first().map(ToString::to_string);
        let name = name.unwrap_or_else(|| labels.image(image).to_owned());
        let message =
            format!("'{name}' is not listed in manifest.json, so docker does not load it");
        found.add(Severity::Warning, "halves-differ", place, message);
    }
}

/// The names in `manifest.json`.
fn item_names(archive: &Archive, found: &mut Found) -> Names {
    let mut names = Names::new();
    let Some(docker) = &archive.docker else {
        return names;
    };
    for (i, item) in docker.items.iter().enumerate() {
        for tag in &item.repo_tags {
            let name = Name::from_repo_tag(tag);
            let key = full_name(&name).unwrap_or_else(|| tag.clone());
            let first = *names.entry(key).or_insert(i);
            let other = &docker.items[first];
            if (&other.config, &other.layers) != (&item.config, &item.layers) {
                found.add(
                    Severity::Error,
                    "duplicate-name",
                    format!("manifest.json[{i}]"),
                    format!("'{tag}' is the name of item {first} too; loaders keep the last"),
                );
            }
        }
    }
    names
}

/// The names in `index.json`.
fn edge_names(archive: &Archive, found: &mut Found) -> Names {
    let mut names = Names::new();
    let Some(oci) = &archive.oci else {
        return names;
    };
    let in_tree = archive.container.has_exact_names();
    // One name may stand for several platforms, each stated with its own; readers choose by that.
    let mut platforms: HashMap<(String, String), usize> = HashMap::new();
    for (i, edge) in oci.edges.iter().enumerate() {
        let name = match in_tree {
            true => Name::in_tree(&edge.descriptor),
            false => Name::from_annotations(&edge.descriptor),
        };
        let Some(name) = name else {
            continue;
        };
        let key = full_name(&name).unwrap_or_else(|| name.to_string());
        let first = *names.entry(key.clone()).or_insert(i);
        let platform = edge.descriptor.platform.as_ref();
        let stated = platform.map_or_else(String::new, ToString::to_string);
        let same_platform = *platforms.entry((key, stated)).or_insert(i);
        if oci.edges[first].node == edge.node {
            continue;
        }
        let all_stated = platform.is_some() && oci.edges[first].descriptor.platform.is_some();
        let distinct = all_stated && oci.edges[same_platform].node == edge.node;
        found.add(
            match distinct {
                true => Severity::Warning,
                false => Severity::Error,
            },
            "duplicate-name",
            format!("index.json: manifests[{i}]"),
            match distinct {
                true => {
                    format!("'{name}' is the name of manifest {first} too, for another platform")
                }
                false => format!("'{name}' is the name of manifest {first} too, which is another"),
            },
        );
    }
    names
}

/// Compares the config's member name with the image ID, where it looks like a digest.
fn config_name(item: &DockerItem, id: &ImageId, place: &str, found: &mut Found) {
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
            stem
        );
        found.add(Severity::Warning, "config-name", place, message);
    }
}

/// Reports a member that is listed as two different layers.
fn shared_members(
    item: &DockerItem,
    image: &crate::archive::Image,
    place: &str,
    found: &mut Found,
) {
    let ids = image.config.diff_ids.as_deref().unwrap_or_default();
    let mut by_member: HashMap<&str, &crate::spec::Digest> = HashMap::new();
    for (member, id) in item.layers.iter().zip(ids) {
        if by_member
            .insert(member, id)
            .is_some_and(|other| other != id)
        {
            let message = format!("member '{}' stands for two different layers", member);
            found.add(Severity::Error, "ambiguous", place, message);
        }
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

/// Compares `repositories` with `manifest.json`.
pub(super) fn repositories(archive: &Archive, found: &mut Found) {
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
        let shown = &text;
        let Some(item) = tagged.remove(&normal(&text)) else {
            // bazel writes names without a tag into RepoTags.
            if tagged.remove(&normal(&record.repository)).is_none() {
                let message = format!("'{shown}' is not in manifest.json");
                found.add(
                    Severity::Warning,
                    "repositories-disagree",
                    "repositories",
                    message,
                );
            }
            continue;
        };
        // Before docker 25 the record names the directory of the top layer, since then the digest of its blob.
        let top = item.layers.last().map(String::as_str).unwrap_or_default();
        let names_it = !record.id.is_empty()
            && top
                .split(['/', '.', ':'])
                .any(|part| part == record.id.as_str());
        let agrees = item.layers.is_empty() || names_it || {
            let directory = format!("{}/layer.tar", record.id);
            let (a, b) = (
                archive.container.get(&directory),
                archive.container.get(top),
            );
            matches!((a, b), (Ok(Some(a)), Ok(Some(b))) if a.same_as(&b).unwrap_or_default())
        };
        if !agrees {
            let message = format!(
                "'{shown}' is {} here, and its top layer is '{}'",
                &record.id, top
            );
            found.add(
                Severity::Warning,
                "repositories-disagree",
                "repositories",
                message,
            );
        }
    }
    let mut missing: Vec<&String> = tagged.keys().collect();
    missing.sort_unstable();
    for name in missing {
        let message = format!("'{}' of manifest.json is not in it", name);
        found.add(
            Severity::Warning,
            "repositories-disagree",
            "repositories",
            message,
        );
    }
}
