//! imgtag, imgrm, imgprune, imgdf: looking after a store.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::list::Filter;
use crate::archive::{Archive, BlobNames, Container, Name, NodeKind, Pick, Root};
use crate::error::{Error, Fault, Result};
use crate::layer::Limits;
use crate::spec::Digest;
use crate::store::{Freed, Store, Unwanted};

/// Something that is to go: a name, and the image behind it where nothing else holds it.
#[derive(Debug, Default)]
pub struct Removal {
    /// Names that were taken away.
    pub untagged: Vec<Name>,
    /// The images that are gone, by ID in full; of what is no image, the digest of its manifest.
    pub images: Vec<String>,
    /// The blobs that went with them.
    pub freed: Freed,
}

/// Takes names or images out of a store, as docker rmi does.
///
/// A name takes itself away, and `NAME@DIGEST` all names of that repository which the image has; the image goes with its last name. An ID takes the image with its one name; with several
/// names `force` is needed.
///
/// # Errors
/// `NotFound`; `Usage` for an image with several names without `force`: then nothing is removed.
pub fn remove(store: &Store, archive: &Archive, wanted: &[String], force: bool) -> Result<Removal> {
    let mut unwanted: Vec<Unwanted> = Vec::new();
    for wanted in wanted {
        let not_found = || {
            Error::new(Fault::NotFound {
                wanted: wanted.clone(),
            })
        };
        let by_name = archive
            .roots
            .iter()
            .flat_map(|root| &root.names)
            .find(|name| name.matches(wanted));
        if let Some(name) = by_name {
            unwanted.push(Unwanted::Name(name.clone()));
            continue;
        }
        if let Some((name, digest)) = wanted.split_once('@')
            && let Ok(root) =
                Digest::parse(digest).and_then(|digest| archive.root(&Pick::Digest(digest)))
            && root.goes_by(name)
        {
            let names = root.names.iter().filter(|known| known.means(name));
            unwanted.extend(names.cloned().map(Unwanted::Name));
            continue;
        }
        let pick = Digest::parse(wanted).map_or_else(|_| Pick::Name(wanted.clone()), Pick::Digest);
        let root = archive.root(&pick).map_err(|error| match error.fault() {
            Fault::NoSuchImage { .. } => not_found(),
            _ => error,
        })?;
        if root.names.len() > 1 && !force {
            let all: Vec<String> = root.names.iter().map(ToString::to_string).collect();
            let why = format!(
                "'{wanted}' has several names ({}): name one of them, or use --force",
                all.join(", ")
            );
            return Err(Fault::Usage(why).into());
        }
        unwanted.extend(digest_of(archive, root).map(Unwanted::Image));
    }
    take_away(store, archive, &unwanted)
}

/// The digest under which a root is listed.
fn digest_of(archive: &Archive, root: &Root) -> Option<Digest> {
    let node = root.node?;
    Some(archive.nodes[node].descriptor.digest.clone())
}

fn take_away(store: &Store, archive: &Archive, unwanted: &[Unwanted]) -> Result<Removal> {
    let (freed, listed) = store.remove(unwanted)?;
    let mut removal = Removal {
        freed,
        ..Removal::default()
    };
    for root in &archive.roots {
        let Some(digest) = digest_of(archive, root) else {
            continue;
        };
        let whole = unwanted.contains(&Unwanted::Image(digest.clone()));
        let mut meant = whole || unwanted.contains(&Unwanted::Unnamed(digest.clone()));
        for name in &root.names {
            if whole || unwanted.contains(&Unwanted::Name(name.clone())) {
                removal.untagged.push(name.clone());
                meant = true;
            }
        }
        // What was given another name meanwhile is still there.
        if meant && !listed.contains(&digest) {
            removal.images.push(id_of(archive, root));
        }
    }
    Ok(removal)
}

/// What a root is known by: the ID of its image; of an index with several or no images, its own digest.
fn id_of(archive: &Archive, root: &Root) -> String {
    let images = archive.images_of(root);
    match (&images[..], root.node) {
        ([image], _) | ([image, ..], None) => archive.images[*image].id.to_string(),
        (_, Some(node)) => archive.nodes[node].descriptor.digest.to_string(),
        ([], None) => String::new(),
    }
}

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
/// # Errors
/// `Io`.
pub fn prune(store: &Store, archive: &Archive, options: &PruneOptions) -> Result<Removal> {
    let wanted = |root: &&Root| {
        let images = archive.images_of(root);
        let Some(&image) = images.first() else {
            return false;
        };
        let image = &archive.images[image];
        let created = image.config.created.as_deref();
        (options.all || root.names.is_empty())
            && options.filters.iter().all(|(filter, want)| {
                (filter.label_matches(image) && filter.time_matches(created)) == *want
            })
    };
    let roots: Vec<&Root> = archive.roots.iter().filter(wanted).collect();
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
            NodeKind::Schema1 | NodeKind::Absent | NodeKind::Opaque => None,
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
    /// Images without a name.
    pub dangling: usize,
    /// Bytes that would be free without the images that have no name, and without orphans.
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

/// Adds up what archives take; a blob that is in several of them counts once.
///
/// # Errors
/// `Io` from listing a folder.
pub fn usage(archives: &[Archive], limits: &Limits) -> Result<Usage> {
    let mut usage = Usage::default();
    let mut users: HashMap<Digest, usize> = HashMap::new();
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut dangling: Vec<HashMap<Digest, u64>> = Vec::new();
    let mut held: Vec<HashMap<Digest, u64>> = Vec::new();
    for archive in archives {
        for root in &archive.roots {
            let blobs = match (root.node, root.image) {
                (Some(node), _) => blobs_below(archive, node),
                (None, Some(image)) => docker_blobs(archive, image),
                (None, None) => continue,
            };
            for (digest, size) in &blobs {
                *users.entry(digest.clone()).or_default() += 1;
                sizes.insert(digest.clone(), *size);
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
            if root.names.is_empty() {
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
    usage.blobs = (sizes.len(), sizes.values().sum());
    for archive in archives {
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
