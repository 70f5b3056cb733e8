//! imgprune and imgdf: what a store needs, and what it takes.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::remove::{Removal, digest_of, id_of, take_away};
use crate::archive::Filter;
use crate::archive::{Archive, BlobNames, Container, Name, NodeKind, Retention, Root};
use crate::error::Result;
use crate::layer::Limits;
use crate::spec::Digest;
use crate::store::{Freed, Store, Unwanted};

/// Which images imgprune takes.
#[derive(Debug, Clone, Default)]
pub struct PruneOptions {
    /// Those with names too.
    pub all: bool,
    /// Only those that satisfy (or, negated, do not satisfy) each of these: `until=`, `label=`, `label!=`.
    pub filters: Vec<(Filter, bool)>,
    /// Change nothing.
    pub dry_run: bool,
}

/// Takes images without a name out of a store (with `all`, any images), and blobs that nothing refers to.
///
/// What is about an image that stays (its signatures, SBOMs and attestations, as subject or by its tag) stays, too; what
/// has no name of its own goes with what it is about.
///
/// # Errors
/// `Io`.
pub fn prune(store: &Store, archive: &Archive, options: &PruneOptions) -> Result<Removal> {
    let stays = archive.retained(|root| fate(archive, root, options));
    let roots = archive.roots.iter().zip(stays);
    let roots: Vec<&Root> = roots
        .filter(|(_, stays)| !stays)
        .map(|(root, _)| root)
        .collect();
    if options.dry_run {
        let gone: HashSet<usize> = roots.iter().filter_map(|root| root.node).collect();
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
    let unwanted: Vec<Unwanted> = roots
        .into_iter()
        .filter_map(|root| digest_of(archive, root))
        .map(match options.all {
            true => Unwanted::Image,
            // Another program may give it a name before the store is locked.
            false => Unwanted::Unnamed,
        })
        .collect();
    let mut removal = match unwanted.is_empty() {
        true => Removal::default(),
        false => take_away(store, archive, &unwanted)?,
    };
    let orphans = store.collect(false)?;
    removal.freed.bytes += orphans.bytes;
    removal.freed.blobs.extend(orphans.blobs);
    Ok(removal)
}

/// What becomes of a root, were it not for what it is about.
fn fate(archive: &Archive, root: &Root, options: &PruneOptions) -> Retention {
    let is_unnamed = match options.all {
        true => root.names.is_empty() || archive.is_named_as_referrer(root),
        false => root.names.is_empty(),
    };
    if is_unnamed && !archive.subjects_of(root).is_empty() {
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

/// Every blob that a node leads to and that is in the archive, with its stored size; each once.
fn blobs_below(archive: &Archive, top: usize) -> HashMap<Digest, u64> {
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

/// What a store, or a pile of archives, takes.
#[derive(Debug, Default)]
pub struct Usage {
    /// Each image with what it takes, in the order of the archives.
    pub images: Vec<ImageUsage>,
    /// Distinct blobs that images refer to, and their bytes.
    pub blobs: (usize, u64),
    /// Blobs that nothing refers to, and their bytes.
    pub orphans: (usize, u64),
    /// Images that imgprune would take: those without a name, unless they are about one that stays.
    pub dangling: usize,
    /// Bytes that would be free without those, and without orphans.
    pub reclaimable: u64,
}

/// What one image takes.
#[derive(Debug, Clone)]
pub struct ImageUsage {
    /// Its names.
    pub names: Vec<Name>,
    /// Its ID in full.
    pub id: String,
    /// When it was made, as written.
    pub created: Option<String>,
    /// Stored bytes of all its blobs.
    pub size: u64,
    /// Of these, those that another image needs too.
    pub shared: u64,
}

/// Adds up what archives take, or what is meant of them by `roots`; a blob that is in several of them counts once.
///
/// What an image shares is told against all images of the archives, also those that are not meant.
///
/// # Errors
/// `Io` from listing a directory.
pub fn usage(sources: &[(&Archive, Option<Vec<&Root>>)], limits: &Limits) -> Result<Usage> {
    let mut usage = Usage::default();
    let mut users: HashMap<Digest, usize> = HashMap::new();
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut dangling: Vec<HashMap<Digest, u64>> = Vec::new();
    let mut held: Vec<HashMap<Digest, u64>> = Vec::new();
    for (archive, meant) in grouped(sources) {
        let stays = archive.retained(|root| fate(archive, root, &PruneOptions::default()));
        for ((position, root), stays) in archive.roots.iter().enumerate().zip(stays) {
            let blobs = match (root.node, root.image) {
                (Some(node), _) => blobs_below(archive, node),
                (None, Some(image)) => docker_blobs(archive, image),
                (None, None) => continue,
            };
            for (digest, size) in &blobs {
                *users.entry(digest.clone()).or_default() += 1;
                sizes.insert(digest.clone(), *size);
            }
            if meant
                .as_ref()
                .is_some_and(|meant| !meant.contains(&position))
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
    for (archive, meant) in grouped(sources) {
        if meant.is_some() {
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

/// Each archive once, with the positions of the roots that are meant; `None` for all.
fn grouped<'a>(
    sources: &[(&'a Archive, Option<Vec<&Root>>)],
) -> Vec<(&'a Archive, Option<HashSet<usize>>)> {
    let mut groups: Vec<(&Archive, Option<HashSet<usize>>)> = Vec::new();
    let mut known: HashMap<*const Archive, usize> = HashMap::new();
    let mut positions: HashMap<*const Root, usize> = HashMap::new();
    for (archive, roots) in sources {
        let group = *known
            .entry(std::ptr::from_ref(*archive))
            .or_insert_with(|| {
                groups.push((archive, Some(HashSet::new())));
                for (position, root) in archive.roots.iter().enumerate() {
                    positions.insert(std::ptr::from_ref(root), position);
                }
                groups.len() - 1
            });
        let meant = &mut groups[group].1;
        match (roots, &mut *meant) {
            (None, _) => *meant = None,
            (Some(roots), Some(meant)) => {
                let roots = roots.iter().map(|root| std::ptr::from_ref(*root));
                meant.extend(roots.filter_map(|root| positions.get(&root)));
            }
            (Some(_), None) => {}
        }
    }
    groups
}

/// The blobs of an image that has no manifest: its config, and its layers by diff ID.
fn docker_blobs(archive: &Archive, image: usize) -> HashMap<Digest, u64> {
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
    for name in container.names(limits)? {
        if let Some(digest) = Digest::from_blob_path(&name)
            && !known.contains_key(&digest)
            && let Ok(Some(content)) = container.get(&name)
        {
            sum = (sum.0 + 1, sum.1 + content.len());
        }
    }
    Ok(sum)
}
