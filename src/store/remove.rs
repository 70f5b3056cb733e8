//! imgrm: names, images and single platforms out of a store.

use std::collections::BTreeSet;

use crate::archive::{Archive, Name, Pick, Root, Target};
use crate::error::{Error, Fault, Result};
use crate::spec::{Digest, Platform};
use crate::store::{Freed, Store, Unwanted};

/// What was removed, or would be.
#[derive(Debug, Default)]
pub struct Removal {
    /// Names that were taken away.
    pub untagged: Vec<Name>,
    /// The images that are gone, by ID in full; of what is no image, the digest of its manifest.
    pub images: Vec<String>,
    /// The blobs that went with them.
    pub freed: Freed,
}

/// What is to be removed.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Names, IDs, `NAME@DIGEST`, as they were typed.
    pub images: &'a [String],
    /// Of indexes, the image for exactly this platform alone.
    pub platform: Option<&'a Platform>,
    /// Also what has names in several repositories, and what several indexes hold.
    pub force: bool,
}

/// Takes names or images out of a store, as docker rmi does.
///
/// A name takes itself away, and `NAME@DIGEST` all names of that repository which the image has; the image goes with its
/// last name, and with it what is about it and has no name. An ID takes the image with its names, which without `force`
/// may be of one repository only. One image of an index (by its ID or digest, or by the platform) goes alone: the index
/// stays as it is, and lists what is missing; with its last image the index goes, too.
///
/// # Errors
/// `NotFound`, `NoSuchImage`; `SeveralImages`; `Usage` for what needs `force`: then nothing is removed.
pub fn remove(store: &Store, archive: &Archive, wanted: &Wanted<'_>) -> Result<Removal> {
    let mut unwanted: Vec<Unwanted> = Vec::new();
    let mut images = Vec::new();
    for text in wanted.images {
        let meant = meant(archive, text)?;
        let meant = match wanted.platform {
            Some(platform) => for_platform(archive, meant, platform)?,
            None => meant,
        };
        add(
            archive,
            text,
            meant,
            wanted.force,
            &mut unwanted,
            &mut images,
        )?;
    }
    let mut removal = take_away(store, archive, &unwanted)?;
    for image in images {
        let id = archive.images[image].id.to_string();
        if !removal.images.contains(&id) {
            removal.images.push(id);
        }
    }
    Ok(removal)
}

/// What somebody means who names something to be removed.
enum Meant<'a> {
    /// Names of a root.
    Names(Vec<(&'a Root, Name)>),
    /// What an ID or digest points to.
    Targets(Vec<Target>),
}

fn meant<'a>(archive: &'a Archive, wanted: &str) -> Result<Meant<'a>> {
    let called = archive.roots_named(wanted);
    if !called.is_empty() {
        let names = called.iter().flat_map(|root| {
            let names = root.names.iter().filter(|name| name.matches(wanted));
            names.map(|name| (*root, name.clone()))
        });
        let mut names: Vec<(&Root, Name)> = names.collect();
        if names.is_empty() {
            // The bare `ref.name` of what has a full name.
            let all = called.iter();
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
        return Ok(Meant::Names(names));
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
            return Ok(Meant::Targets(targets));
        }
        let roots = targets.iter().map(|target| &archive.roots[target.root()]);
        let names = roots.flat_map(|root| {
            let names = root.names.iter().filter(|known| known.means(name));
            names.map(move |name| (root, name.clone()))
        });
        return Ok(Meant::Names(names.collect()));
    }
    let pick = Digest::parse(wanted).map_or_else(|_| Pick::Name(wanted.to_owned()), Pick::Digest);
    let targets = archive.targets(&pick);
    if targets.is_empty() {
        return Err(not_found());
    }
    if !archive.are_same_image(&targets) {
        // Says what there is to choose from.
        archive.target(&pick)?;
    }
    Ok(Meant::Targets(targets))
}

fn not_found(archive: &Archive, wanted: &str) -> Error {
    Error::new(Fault::NotFound {
        wanted: wanted.to_owned(),
        closest: archive.closest(wanted),
    })
}

/// The image for a platform, of what is meant.
fn for_platform<'a>(
    archive: &'a Archive,
    meant: Meant<'a>,
    platform: &Platform,
) -> Result<Meant<'a>> {
    let roots: Vec<&Root> = match &meant {
        Meant::Names(names) => names.iter().map(|(root, _)| *root).collect(),
        Meant::Targets(targets) => {
            let roots = targets.iter().map(|target| &archive.roots[target.root()]);
            roots.collect()
        }
    };
    let mut targets = Vec::new();
    for root in roots {
        let images = archive.images_of(root);
        let fits = |image: &&usize| archive.images[**image].platform.is_same_as(platform);
        let fitting: Vec<usize> = images.iter().filter(fits).copied().collect();
        if fitting.is_empty() {
            let here = images.iter().map(|&image| &archive.images[image].platform);
            return Err(Fault::NoSuchImage {
                wanted: platform.to_string(),
                candidates: here.map(ToString::to_string).collect(),
            }
            .into());
        }
        if fitting.len() == images.len() {
            // Nothing would be left of it.
            continue;
        }
        let position = archive
            .roots
            .iter()
            .position(|other| std::ptr::eq(other, root));
        for image in fitting {
            targets.extend(position.map(|root| Target::Image { root, image }));
        }
    }
    match targets.is_empty() {
        true => Ok(meant),
        false => Ok(Meant::Targets(targets)),
    }
}

/// Adds what is meant to what is to go: `unwanted`, and the images that go out of indexes.
fn add(
    archive: &Archive,
    text: &str,
    meant: Meant<'_>,
    force: bool,
    unwanted: &mut Vec<Unwanted>,
    gone: &mut Vec<usize>,
) -> Result<()> {
    let targets = match meant {
        Meant::Names(names) => {
            unwanted.extend(names.into_iter().map(|(_, name)| Unwanted::Name(name)));
            return Ok(());
        }
        Meant::Targets(targets) => targets,
    };
    let mut parts = Vec::new();
    let mut names = Vec::new();
    for target in targets {
        let root = &archive.roots[target.root()];
        match target {
            Target::Root(_) => {
                names.extend(&root.names);
                unwanted.extend(digest_of(archive, root).map(Unwanted::Image));
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
        all.extend(parts.iter().map(|(root, _)| known_as(archive, root)));
        let why = format!(
            "'{text}' has several names ({}): name one of them, or use --force",
            all.join(", ")
        );
        return Err(Fault::Usage(why).into());
    }
    for (root, image) in parts {
        take_part(archive, text, root, image, force, unwanted)?;
        gone.push(image);
    }
    Ok(())
}

/// One image out of an index, with its attestations there. Whatever else holds it loses it, too, which takes `force`.
fn take_part(
    archive: &Archive,
    text: &str,
    root: &Root,
    image: usize,
    force: bool,
    unwanted: &mut Vec<Unwanted>,
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
            true => names.push(known_as(archive, holder)),
            false => names.extend(holder.names.iter().map(ToString::to_string)),
        }
    }
    if names.len() > 1 && !force {
        let platform = &archive.images[image].platform;
        let why = format!(
            "'{text}': its image for {platform} is in {} too: use --force to remove it from all of them",
            names.join(" and ")
        );
        return Err(Fault::Usage(why).into());
    }
    let mut attestations: BTreeSet<usize> = BTreeSet::new();
    for holder in holders {
        attestations.extend(archive.attestations_about(holder, &digest));
        if holder.node == Some(node) || archive.images_of(holder) == [image] {
            unwanted.extend(digest_of(archive, holder).map(Unwanted::Image));
        }
    }
    let about = attestations
        .into_iter()
        .map(|node| archive.nodes[node].descriptor.digest.clone());
    unwanted.extend(about.map(Unwanted::Part));
    unwanted.push(Unwanted::Part(digest));
    // What is left may be no image any more, once everything that was named is out.
    let is_out = |&image: &usize| {
        let node = archive.images[image].node;
        node.is_some_and(|node| {
            let digest = &archive.nodes[node].descriptor.digest;
            unwanted.contains(&Unwanted::Part(digest.clone()))
        })
    };
    if archive.images_of(root).iter().all(is_out) {
        unwanted.extend(digest_of(archive, root).map(Unwanted::Image));
    }
    Ok(())
}

/// What to call a root: its first name, or its ID.
fn known_as(archive: &Archive, root: &Root) -> String {
    let name = root.names.first().map(ToString::to_string);
    name.unwrap_or_else(|| id_of(archive, root))
}

/// The digest under which a root is listed.
pub(super) fn digest_of(archive: &Archive, root: &Root) -> Option<Digest> {
    let node = root.node?;
    Some(archive.nodes[node].descriptor.digest.clone())
}

/// Removes from the store, and tells what that took away.
pub(super) fn take_away(
    store: &Store,
    archive: &Archive,
    unwanted: &[Unwanted],
) -> Result<Removal> {
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
        // A referrer without a name goes with what it is about.
        let mut meant = whole || root.names.is_empty();
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
pub(super) fn id_of(archive: &Archive, root: &Root) -> String {
    let images = archive.images_of(root);
    match (&images[..], root.node) {
        ([image], _) | ([image, ..], None) => archive.images[*image].id.to_string(),
        (_, Some(node)) => archive.nodes[node].descriptor.digest.to_string(),
        ([], None) => String::new(),
    }
}
