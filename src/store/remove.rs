//! Names, images and single platforms removed from a store.

use std::collections::BTreeSet;

use crate::archive::{Archive, ImageIdx, Name, NodeIdx, Pick, Root, Target};
use crate::error::{Error, Fault, Result};
use crate::spec::{Digest, Platform};
use crate::store::{Freed, RemovalTarget, Store};

/// Removed objects, or in a dry run those that would be.
#[derive(Debug, Default)]
pub struct Removal {
    /// Removed names.
    pub untagged: Vec<Name>,
    /// Full IDs of removed images; of artifacts, the digests of their manifests.
    pub images: Vec<String>,
    /// Deleted blobs.
    pub freed: Freed,
}

/// Selection of objects to remove.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    /// Names, IDs, `NAME@DIGEST`, as typed.
    pub images: &'a [String],
    /// Of indexes, only the image for exactly this platform.
    pub platform: Option<&'a Platform>,
    /// Also remove images with names in several repositories, and images in several indexes.
    pub force: bool,
}

/// Removes names or images from a store, as docker rmi does.
///
/// A name removes itself, and `NAME@DIGEST` all names of the image in that repository; the image is removed with its
/// last name, together with its untagged referrers. An ID removes the image with its names, which without `force` must
/// be in one repository. One image of an index (by its ID or digest, or by the platform) is removed alone: the index
/// stays unchanged, and is removed with its last image.
///
/// # Errors
/// `NotFound`, `NoSuchImage`; `SeveralImages`; `Usage` for a removal that needs `force`. Nothing is removed then.
pub fn remove(store: &Store, archive: &Archive, wanted: &Selection<'_>) -> Result<Removal> {
    let mut removals: Vec<RemovalTarget> = Vec::new();
    let mut images = Vec::new();
    for text in wanted.images {
        let selected = resolve(archive, text)?;
        let selected = match wanted.platform {
            Some(platform) => for_platform(archive, selected, platform)?,
            None => selected,
        };
        add(
            archive,
            text,
            selected,
            wanted.force,
            &mut removals,
            &mut images,
        )?;
    }
    let mut removal = remove_targets(store, archive, &removals)?;
    for image in images {
        let id = archive.images[image].id.to_string();
        if !removal.images.contains(&id) {
            removal.images.push(id);
        }
    }
    Ok(removal)
}

/// Meaning of one selector.
enum Selected<'a> {
    /// Names of a root.
    Names(Vec<(&'a Root, Name)>),
    /// Targets of an ID or digest.
    Targets(Vec<Target>),
}

fn resolve<'a>(archive: &'a Archive, wanted: &str) -> Result<Selected<'a>> {
    let named = archive.roots_named(wanted);
    if !named.is_empty() {
        let names = named.iter().flat_map(|root| {
            let names = root.names.iter().filter(|name| name.matches(wanted));
            names.map(|name| (*root, name.clone()))
        });
        let mut names: Vec<(&Root, Name)> = names.collect();
        if names.is_empty() {
            // The selector is the bare `ref.name` of an image with a full name.
            let all = named.iter();
            names.extend(all.flat_map(|root| root.names.iter().map(|name| (*root, name.clone()))));
        }
        let first = names.first().map(|(_, name)| name.to_string());
        if names
            .iter()
            .any(|(_, name)| Some(name.to_string()) != first)
        {
            let candidates = names.iter().map(|(_, name)| name.to_string()).collect();
            return Err(Fault::SeveralImages { candidates }.into());
        }
        return Ok(Selected::Names(names));
    }
    let not_found = || not_found(archive, wanted);
    if let Some((name, digest)) = wanted.split_once('@') {
        let mut targets = match Digest::parse(digest) {
            Ok(digest) => archive.targets(&Pick::Digest(digest)),
            Err(_) => Vec::new(),
        };
        targets.retain(|target| archive.roots[target.root()].matches_repository(name));
        let whole = |target: &Target| matches!(target, Target::Root(_));
        if targets.is_empty() {
            return Err(not_found());
        }
        if !targets.iter().all(whole) {
            return Ok(Selected::Targets(targets));
        }
        let roots = targets.iter().map(|target| &archive.roots[target.root()]);
        let names = roots.flat_map(|root| {
            let names = root.names.iter().filter(|known| known.means(name));
            names.map(move |name| (root, name.clone()))
        });
        return Ok(Selected::Names(names.collect()));
    }
    let pick = Digest::parse(wanted).map_or_else(|_| Pick::Name(wanted.to_owned()), Pick::Digest);
    let targets = archive.targets(&pick);
    if targets.is_empty() {
        return Err(not_found());
    }
    if !archive.are_same_image(&targets) {
        // The error lists the candidates.
        archive.target(&pick)?;
    }
    Ok(Selected::Targets(targets))
}

fn not_found(archive: &Archive, wanted: &str) -> Error {
    Error::not_found(wanted, archive.closest(wanted))
}

/// Returns the image for a platform among the selected ones.
fn for_platform<'a>(
    archive: &'a Archive,
    selected: Selected<'a>,
    platform: &Platform,
) -> Result<Selected<'a>> {
    let roots: Vec<&Root> = match &selected {
        Selected::Names(names) => names.iter().map(|(root, _)| *root).collect(),
        Selected::Targets(targets) => {
            let roots = targets.iter().map(|target| &archive.roots[target.root()]);
            roots.collect()
        }
    };
    let mut targets = Vec::new();
    for root in roots {
        let images = archive.images_of(root);
        let fits = |&image: &ImageIdx| archive.images[image].platform.is_same_as(platform);
        let fitting: Vec<_> = images.iter().copied().filter(fits).collect();
        if fitting.is_empty() {
            let here = images.iter().map(|&image| &archive.images[image].platform);
            return Err(Error::no_such_image(
                platform.to_string(),
                here.map(ToString::to_string).collect(),
            ));
        }
        if fitting.len() == images.len() {
            // All images of the index are selected.
            continue;
        }
        let mut roots = archive.roots.iter_enumerated();
        if let Some((root, _)) = roots.find(|(_, other)| std::ptr::eq(*other, root)) {
            let fitting = fitting.into_iter();
            targets.extend(fitting.map(|image| Target::Image { root, image }));
        }
    }
    match targets.is_empty() {
        true => Ok(selected),
        false => Ok(Selected::Targets(targets)),
    }
}

/// Adds the objects of a selector to `removals`, and the images below indexes to `gone`.
fn add(
    archive: &Archive,
    text: &str,
    selected: Selected<'_>,
    force: bool,
    removals: &mut Vec<RemovalTarget>,
    gone: &mut Vec<ImageIdx>,
) -> Result<()> {
    let targets = match selected {
        Selected::Names(names) => {
            removals.extend(names.into_iter().map(|(_, name)| RemovalTarget::Name(name)));
            return Ok(());
        }
        Selected::Targets(targets) => targets,
    };
    let mut parts = Vec::new();
    let mut names = Vec::new();
    for target in targets {
        let root = &archive.roots[target.root()];
        match target {
            Target::Root(_) => {
                names.extend(&root.names);
                removals.extend(digest_of(archive, root).map(RemovalTarget::Image));
            }
            Target::Image { image, .. } => parts.push((root, image)),
        }
    }
    let repositories: BTreeSet<String> = names
        .iter()
        .map(|name| name.repository().unwrap_or_else(|| name.to_string()))
        .collect();
    let is_shared = !parts.is_empty() && !names.is_empty();
    if !force && (repositories.len() > 1 || is_shared) {
        let mut all: Vec<String> = names.iter().map(ToString::to_string).collect();
        all.extend(parts.iter().map(|(root, _)| display_name(archive, root)));
        return Err(Error::usage(format!(
            "'{text}' has several names ({}): name one of them, or use --force",
            all.join(", ")
        )));
    }
    for (root, image) in parts {
        add_part(archive, text, root, image, force, removals)?;
        gone.push(image);
    }
    Ok(())
}

/// Adds one image of an index, with its attestations there. Other indexes that list it lose it, too, which needs
/// `force`.
fn add_part(
    archive: &Archive,
    text: &str,
    root: &Root,
    image: ImageIdx,
    force: bool,
    removals: &mut Vec<RemovalTarget>,
) -> Result<()> {
    let Some(node) = archive.images[image].node else {
        return Ok(());
    };
    let digest = archive.nodes[node].descriptor.digest.clone();
    let holds = |other: &&Root| archive.nodes_below(other.node).contains(&node);
    let holders: Vec<&Root> = archive.roots.iter().filter(holds).collect();
    let mut names: Vec<String> = Vec::new();
    for holder in &holders {
        match holder.names.is_empty() {
            true => names.push(display_name(archive, holder)),
            false => names.extend(holder.names.iter().map(ToString::to_string)),
        }
    }
    if names.len() > 1 && !force {
        let platform = &archive.images[image].platform;
        return Err(Error::usage(format!(
            "'{text}': its image for {platform} is in {} too: use --force to remove it from all of them",
            names.join(" and ")
        )));
    }
    let mut attestations: BTreeSet<NodeIdx> = BTreeSet::new();
    for holder in holders {
        attestations.extend(archive.attestations_about(holder, &digest));
        if holder.node == Some(node) || archive.images_of(holder) == [image] {
            removals.extend(digest_of(archive, holder).map(RemovalTarget::Image));
        }
    }
    let about = attestations
        .into_iter()
        .map(|node| archive.nodes[node].descriptor.digest.clone());
    removals.extend(about.map(RemovalTarget::Part));
    removals.push(RemovalTarget::Part(digest));
    // The index is removed if all of its images are.
    let is_out = |&image: &ImageIdx| {
        let node = archive.images[image].node;
        node.is_some_and(|node| {
            let digest = &archive.nodes[node].descriptor.digest;
            removals.contains(&RemovalTarget::Part(digest.clone()))
        })
    };
    if archive.images_of(root).iter().all(is_out) {
        removals.extend(digest_of(archive, root).map(RemovalTarget::Image));
    }
    Ok(())
}

/// Name of a root in messages: its first name, or its ID.
fn display_name(archive: &Archive, root: &Root) -> String {
    let name = root.names.first().map(ToString::to_string);
    name.unwrap_or_else(|| id_of(archive, root))
}

/// Digest in the root's entry.
pub(super) fn digest_of(archive: &Archive, root: &Root) -> Option<Digest> {
    let node = root.node?;
    Some(archive.nodes[node].descriptor.digest.clone())
}

/// Removes objects from the store and returns them.
pub(super) fn remove_targets(
    store: &Store,
    archive: &Archive,
    removals: &[RemovalTarget],
) -> Result<Removal> {
    let (freed, listed) = store.remove(removals)?;
    let mut removal = Removal {
        freed,
        ..Removal::default()
    };
    for root in &archive.roots {
        let Some(digest) = digest_of(archive, root) else {
            continue;
        };
        let whole = removals.contains(&RemovalTarget::Image(digest.clone()));
        // An untagged referrer is removed with its subject.
        let mut selected = whole || root.names.is_empty();
        for name in &root.names {
            if whole || removals.contains(&RemovalTarget::Name(name.clone())) {
                removal.untagged.push(name.clone());
                selected = true;
            }
        }
        // An image that got another name meanwhile stays.
        if selected && !listed.contains(&digest) {
            removal.images.push(id_of(archive, root));
        }
    }
    Ok(removal)
}

/// ID of a root: of its image; of an index with several or no images, its own digest.
pub(super) fn id_of(archive: &Archive, root: &Root) -> String {
    let images = archive.images_of(root);
    match (&images[..], root.node) {
        ([image], _) | ([image, ..], None) => archive.images[*image].id.to_string(),
        (_, Some(node)) => archive.nodes[node].descriptor.digest.to_string(),
        ([], None) => String::new(),
    }
}
