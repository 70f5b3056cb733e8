//! Pruning and disk usage of a store.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::remove::{Removal, digest_of, id_of, remove_targets};
use crate::archive::{
    Archive, BlobNames, Container, Filter, Holder, ImageIdx, Name, NodeIdx, NodeKind, Retention,
    Root, RootIdx,
};
use crate::error::Result;
use crate::layer::Limits;
use crate::spec::Digest;
use crate::store::{Freed, RemovalTarget, Store};

/// Selection of images for imgprune.
#[derive(Debug, Clone, Default)]
pub struct PruneOptions {
    /// Include tagged images.
    pub all: bool,
    /// Only images that match each filter, or with false do not match it: `until=`, `label=`, `label!=`.
    pub filters: Vec<(Filter, bool)>,
    /// Report only, change nothing.
    pub dry_run: bool,
}

/// Removes untagged images from a store (with `all`, any images), and blobs that nothing refers to.
///
/// Referrers of a remaining image (signatures, SBOMs and attestations, by subject or by tag) stay, too; untagged
/// referrers are removed with their subject.
///
/// # Errors
/// `Io`.
pub fn prune(store: &Store, archive: &Archive, options: &PruneOptions) -> Result<Removal> {
    let stays = archive.retained(|root| retention(archive, root, options));
    let roots = archive.roots.iter().zip(stays);
    let roots: Vec<&Root> = roots
        .filter(|(_, stays)| !stays)
        .map(|(root, _)| root)
        .collect();
    if options.dry_run {
        let gone: HashSet<NodeIdx> = roots.iter().filter_map(|root| root.node).collect();
        let kept = archive
            .roots
            .iter()
            .filter_map(|root| root.node)
            .filter(|node| !gone.contains(node));
        let kept: HashSet<Digest> = kept
            .flat_map(|node| blobs_below(archive, node))
            .map(|(digest, _)| digest)
            .collect();
        let freed: HashMap<Digest, u64> = gone
            .iter()
            .flat_map(|&node| blobs_below(archive, node))
            .filter(|(digest, _)| !kept.contains(digest))
            .collect();
        let orphans = store.collect(true)?;
        return Ok(Removal {
            untagged: roots
                .iter()
                .flat_map(|root| root.names.iter().cloned())
                .collect(),
            images: roots.iter().map(|root| id_of(archive, root)).collect(),
            freed: Freed {
                bytes: freed.values().sum::<u64>() + orphans.bytes,
                blobs: freed
                    .into_keys()
                    .chain(orphans.blobs)
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect(),
            },
        });
    }
    let removals: Vec<RemovalTarget> = roots
        .into_iter()
        .filter_map(|root| digest_of(archive, root))
        .map(match options.all {
            true => RemovalTarget::Image,
            // Another program may add a name before the store is locked.
            false => RemovalTarget::Unnamed,
        })
        .collect();
    let mut removal = match removals.is_empty() {
        true => Removal::default(),
        false => remove_targets(store, archive, &removals)?,
    };
    let orphans = store.collect(false)?;
    removal.freed.bytes += orphans.bytes;
    removal.freed.blobs.extend(orphans.blobs);
    Ok(removal)
}

/// Retention of a root by itself, without regard to its subject.
fn retention(archive: &Archive, root: &Root, options: &PruneOptions) -> Retention {
    let is_untagged = match options.all {
        true => root.names.is_empty() || archive.is_named_as_referrer(root),
        false => root.names.is_empty(),
    };
    if is_untagged && !archive.subjects_of(root).is_empty() {
        return Retention::FollowSubject;
    }
    let images = archive.images_of(root);
    let Some(image) = images.first().map(|&image| &archive.images[image]) else {
        return Retention::Keep;
    };
    let created = image.config.created.as_deref();
    let goes = (options.all || root.names.is_empty())
        && options.filters.iter().all(|(filter, want)| {
            (filter.label_matches(image) && filter.time_matches(created)) == *want
        });
    match goes {
        true => Retention::Remove,
        false => Retention::Keep,
    }
}

/// All blobs below a node that are present, with their stored sizes.
fn blobs_below(archive: &Archive, top: NodeIdx) -> HashMap<Digest, u64> {
    let mut blobs = HashMap::new();
    let mut seen = HashSet::new();
    let mut work = vec![top];
    let names = archive
        .oci
        .as_ref()
        .map_or(BlobNames::Layout, |oci| oci.names);
    while let Some(node) = work.pop() {
        if !seen.insert(node) {
            continue;
        }
        let node = &archive.nodes[node];
        if let Some(bytes) = &node.bytes {
            blobs.insert(node.descriptor.digest.clone(), bytes.len() as u64);
        }
        let manifest = match &node.kind {
            NodeKind::Index(edges) => {
                work.extend(edges.iter().map(|edge| edge.node));
                None
            }
            NodeKind::Image(image) => archive.images[*image].manifest.as_ref(),
            NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => Some(manifest),
            NodeKind::Schema1 | NodeKind::Missing | NodeKind::Opaque => None,
        };
        for descriptor in manifest
            .into_iter()
            .flat_map(|manifest| manifest.config.iter().chain(&manifest.layers))
        {
            if let Ok(Some(content)) = archive.container.get(&names.path(&descriptor.digest)) {
                blobs.insert(descriptor.digest.clone(), content.len());
            }
        }
    }
    blobs
}

/// Disk usage of a store or of archives.
#[derive(Debug, Default)]
pub struct Usage {
    /// Usage of each image, in the order of the archives.
    pub images: Vec<ImageUsage>,
    /// Number and size in bytes of distinct blobs of images.
    pub blobs: (usize, u64),
    /// Number and size in bytes of blobs that nothing refers to or protects.
    pub orphans: (usize, u64),
    /// Number of images that imgprune would remove: untagged ones, except referrers of remaining images.
    pub dangling: usize,
    /// Size in bytes that pruning would free, orphans included.
    pub reclaimable: u64,
}

/// Disk usage of one image.
#[derive(Debug, Clone)]
pub struct ImageUsage {
    /// Names of the image.
    pub names: Vec<Name>,
    /// Full image ID.
    pub id: String,
    /// Creation time, as written.
    pub created: Option<String>,
    /// Stored size in bytes of all its blobs.
    pub size: u64,
    /// Size in bytes of the blobs that other images need, too.
    pub shared: u64,
}

/// Computes the disk usage of archives, or only of the given roots. A blob that several archives hold counts once.
///
/// Shared blobs are determined with all images of the archives.
///
/// # Errors
/// `Io` from listing a directory.
pub fn usage(sources: &[(&Archive, Option<Vec<&Root>>)], limits: &Limits) -> Result<Usage> {
    let mut usage = Usage::default();
    let mut users: HashMap<Digest, usize> = HashMap::new();
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut dangling: Vec<HashMap<Digest, u64>> = Vec::new();
    let mut held: Vec<HashMap<Digest, u64>> = Vec::new();
    for (archive, selected) in grouped(sources) {
        let stays = archive.retained(|root| retention(archive, root, &PruneOptions::default()));
        for ((position, root), stays) in archive.roots.iter_enumerated().zip(stays) {
            let blobs = match (root.node, root.image) {
                (Some(node), _) => blobs_below(archive, node),
                (None, Some(image)) => docker_blobs(archive, image),
                (None, None) => continue,
            };
            for (digest, size) in &blobs {
                *users.entry(digest.clone()).or_default() += 1;
                sizes.insert(digest.clone(), *size);
            }
            if selected
                .as_ref()
                .is_some_and(|selected| !selected.contains(&position))
            {
                continue;
            }
            let created = archive
                .images_of(root)
                .first()
                .and_then(|&image| archive.images[image].config.created.clone());
            let size = blobs.values().sum();
            usage.images.push(ImageUsage {
                names: root.names.clone(),
                id: id_of(archive, root),
                created,
                size,
                shared: 0,
            });
            if !stays {
                dangling.push(blobs.clone());
            }
            held.push(blobs);
        }
    }
    for (image, blobs) in usage.images.iter_mut().zip(&held) {
        image.shared = blobs
            .iter()
            .filter(|(digest, _)| users[*digest] > 1)
            .map(|(_, size)| size)
            .sum();
    }
    let mut counted: HashMap<&Digest, u64> = HashMap::new();
    counted.extend(held.iter().flatten().map(|(digest, size)| (digest, *size)));
    usage.blobs = (counted.len(), counted.values().sum());
    for (archive, selected) in grouped(sources) {
        if selected.is_some() {
            continue;
        }
        let orphans = orphans(&archive.container, &sizes, limits)?;
        usage.orphans = (usage.orphans.0 + orphans.0, usage.orphans.1 + orphans.1);
    }
    usage.dangling = dangling.len();
    let mut only_dangling: HashMap<&Digest, usize> = HashMap::new();
    for digest in dangling.iter().flat_map(|blobs| blobs.keys()) {
        *only_dangling.entry(digest).or_default() += 1;
    }
    let freed = only_dangling
        .into_iter()
        .filter(|(digest, count)| users[*digest] == *count);
    usage.reclaimable = freed.map(|(digest, _)| sizes[digest]).sum::<u64>() + usage.orphans.1;
    Ok(usage)
}

/// Each archive once, with the positions of its selected roots; `None` for all.
fn grouped<'a>(
    sources: &[(&'a Archive, Option<Vec<&Root>>)],
) -> Vec<(&'a Archive, Option<HashSet<RootIdx>>)> {
    let mut groups: Vec<(&Archive, Option<HashSet<RootIdx>>)> = Vec::new();
    let mut known: HashMap<*const Archive, usize> = HashMap::new();
    let mut positions: HashMap<*const Root, RootIdx> = HashMap::new();
    for (archive, roots) in sources {
        let group = *known
            .entry(std::ptr::from_ref(*archive))
            .or_insert_with(|| {
                groups.push((archive, Some(HashSet::new())));
                for (position, root) in archive.roots.iter_enumerated() {
                    positions.insert(std::ptr::from_ref(root), position);
                }
                groups.len() - 1
            });
        let selected = &mut groups[group].1;
        match (roots, &mut *selected) {
            (None, _) => *selected = None,
            (Some(roots), Some(selected)) => {
                let roots = roots.iter().map(|root| std::ptr::from_ref(*root));
                selected.extend(roots.filter_map(|root| positions.get(&root)));
            }
            (Some(_), None) => {}
        }
    }
    groups
}

/// Blobs of an image without a manifest: its config, and its layers by diff ID.
fn docker_blobs(archive: &Archive, image: ImageIdx) -> HashMap<Digest, u64> {
    let image = &archive.images[image];
    let mut blobs = HashMap::new();
    if let (Some(bytes), crate::archive::ImageId::Config(id)) = (&image.config_bytes, &image.id) {
        blobs.insert(id.clone(), bytes.len() as u64);
    }
    for layer in &image.layers {
        if let (Some(id), Some(content)) = (&layer.diff_id, layer.content()) {
            blobs.insert(id.clone(), content.len());
        }
    }
    blobs
}

fn orphans(
    container: &Container,
    known: &HashMap<Digest, u64>,
    limits: &Limits,
) -> Result<(usize, u64)> {
    let mut sum = (0, 0);
    let protected = match &container.holder {
        Holder::Directory(directory) => Store::at(directory.path()).protection()?.digests,
        _ => HashSet::new(),
    };
    for name in container.names(limits)? {
        if let Some(digest) = Digest::from_blob_path(&name)
            && !known.contains_key(&digest)
            && !protected.contains(&digest)
            && let Ok(Some(content)) = container.get(&name)
        {
            sum = (sum.0 + 1, sum.1 + content.len());
        }
    }
    Ok(sum)
}
