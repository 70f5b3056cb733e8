//! Directories of images: an OCI layout for each repository, or a `dir:` image for each name.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::index::Policy;
use super::local::Store;
use super::remove::{Removal, Selection, remove};
use super::upkeep::{PruneOptions, prune};
use crate::archive::{Content, Name, Open, TreeKind, holds_image, image_paths};
use crate::blob::{FileRange, Meter, make_directory};
use crate::error::{At, Error, Result};
use crate::spec::Digest;
use crate::write::registry::{Plan, each_image};
use crate::write::{Bundle, layout};

/// Refuses a path at which no such directory can be written: an image, and a file.
///
/// # Errors
/// `Exists`.
pub fn check_tree(path: &Path) -> Result<()> {
    let kind = match path.metadata() {
        Ok(found) if !found.is_dir() => "a file that is not a directory",
        Ok(_) if holds_image(path) => "an image, not a directory of images",
        _ => return Ok(()),
    };
    Err(Error::exists(kind).at(path.to_string_lossy()))
}

/// Writes the images of a bundle below a directory, new or existing. A layout of a repository gets the new images beside
/// its own; a blob that several of them need is one file with several names, where the file system allows it. The
/// `dir:` image of a name is written if there is none, and must be the same image otherwise.
///
/// Each repository or name is complete when it appears; an error leaves those that were complete before.
///
/// # Errors
/// `Exists` for a name with another image, or a directory that is no image; as [`Store::add`], [`layout::dir`].
pub fn add_to_tree(
    bundle: &Bundle,
    kind: TreeKind,
    top: &Path,
    plan: &Plan,
    meter: &Meter,
) -> Result<()> {
    let mut places: HashMap<Digest, PathBuf> = HashMap::new();
    // A file that was there before is linked after a look at its bytes only.
    let mut unread: HashSet<Digest> = HashSet::new();
    for (repository, part) in plan.parts(bundle) {
        refuse_links(top, &repository)?;
        if kind == TreeKind::Dirs {
            add_dirs(&top.join(&repository), &part, meter)?;
            continue;
        }
        let path = top.join(&repository);
        check_repository(&path)?;
        let store = Store::at(&path);
        store.blob_directory()?;
        for blob in part.blobs() {
            let place = path.join(blob.digest.blob_path());
            let exists = place.exists();
            if !exists
                && unread.remove(&blob.digest)
                && let Some(first) = places.get(&blob.digest)
                && !is_intact(first, &blob.digest)
            {
                places.remove(&blob.digest);
            }
            if let Some(first) = places.get(&blob.digest).filter(|_| !exists) {
                let directory = format!("blobs/{}", blob.digest.algorithm());
                // Without a link the blob is written a second time.
                let made = make_directory(&path, &directory);
                let _ = made.and_then(|()| std::fs::hard_link(first, &place));
            }
            if !places.contains_key(&blob.digest) {
                places.insert(blob.digest.clone(), place);
                if exists {
                    unread.insert(blob.digest.clone());
                }
            }
        }
        store.add(&part, Policy::Replace, meter)?;
    }
    Ok(())
}

/// Refuses a link of the file system in the place of a directory on the way to a repository, or of one in its layout: it
/// may lead out of the tree.
fn refuse_links(top: &Path, repository: &str) -> Result<()> {
    let mut path = top.to_owned();
    for part in repository.split('/') {
        path.push(part);
        refuse_link(&path)?;
    }
    for inside in ["blobs", "index.json", "oci-layout"] {
        refuse_link(&path.join(inside))?;
    }
    let algorithms = std::fs::read_dir(path.join("blobs"));
    let mut algorithms = algorithms.into_iter().flatten().flatten();
    algorithms.try_for_each(|algorithm| refuse_link(&algorithm.path()))
}

fn refuse_link(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(about) if about.is_symlink() => {
            Err(Error::not_a_file("a symbolic link").at(path.to_string_lossy()))
        }
        _ => Ok(()),
    }
}

/// Tests if a file has the bytes of that digest.
fn is_intact(path: &Path, digest: &Digest) -> bool {
    let range = File::open(path)
        .map_err(|error| Error::io("open", error))
        .and_then(FileRange::whole);
    let found = range.and_then(|range| Content::Range(range).digest(digest));
    found.is_ok_and(|found| found == *digest)
}

/// Writes a `dir:` image for each tag of a repository.
fn add_dirs(repository: &Path, part: &Bundle, meter: &Meter) -> Result<()> {
    for (tags, image) in each_image(part) {
        for tag in tags {
            add_dir(repository, tag, &image, meter)?;
        }
    }
    Ok(())
}

fn add_dir(repository: &Path, tag: &str, image: &Bundle, meter: &Meter) -> Result<()> {
    let mut path = repository.as_os_str().to_owned();
    path.push(format!(":{tag}"));
    let path = PathBuf::from(path);
    let context = || path.to_string_lossy().into_owned();
    refuse_link(&path)?;
    let manifest = image.listed.first().map(|listed| &listed.descriptor.digest);
    if let Ok(stored) = std::fs::read(path.join("manifest.json")) {
        return match manifest.is_some_and(|digest| crate::blob::sha256(&stored) == *digest) {
            true => Ok(()),
            false => Err(Error::exists("another image").at(context())),
        };
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|error| Error::io("create", error).at(context()))?;
    }
    layout::dir(image, &path, meter)
}

/// Refuses a directory that is neither a layout nor without files: those of repositories below it are no files.
fn check_repository(path: &Path) -> Result<()> {
    let context = || path.to_string_lossy().into_owned();
    if path.join("index.json").exists() || !path.exists() {
        return Ok(());
    }
    let entries =
        std::fs::read_dir(path).map_err(|error| Error::io("open", error).at(context()))?;
    for entry in entries {
        let entry = entry
            .map_err(|error| Error::io("read", error))
            .at(context)?;
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            return Err(
                Error::exists("a directory that is neither empty nor an OCI layout").at(context()),
            );
        }
    }
    Ok(())
}

/// Removes a tag of a tree: from the layout of its repository as [`remove`] does, or with its `dir:` image. Returns the
/// IDs of removed images.
///
/// # Errors
/// As [`remove`].
pub fn remove_from_tree(
    top: &Path,
    kind: TreeKind,
    repository: &str,
    tag: &str,
) -> Result<Vec<String>> {
    if kind == TreeKind::Dirs {
        let name = format!("{repository}:{tag}");
        let names = [name.clone(), format!("{repository}_{tag}")];
        let path = names.iter().map(|name| top.join(name));
        // A link is no image of the tree, and what it leads to is not removed.
        let is_directory = |path: &Path| path.symlink_metadata().is_ok_and(|about| about.is_dir());
        let path = path.into_iter().find(|path| is_directory(path));
        let path = path.ok_or_else(|| Error::not_found(&name, None))?;
        let archive = Open::default().path(&path)?;
        remove_directory(&path).map_err(|error| Error::io("remove", error).at(name))?;
        return Ok(archive
            .images
            .iter()
            .map(|image| image.id.to_string())
            .collect());
    }
    refuse_links(top, repository)?;
    let store = Store::at(top.join(repository));
    let archive = Open::default().path(store.path())?;
    let wanted = Selection {
        images: &[tag.to_owned()],
        platform: None,
        force: false,
    };
    Ok(remove(&store, &archive, &wanted)?.images)
}

/// Removes a directory, which keeps its name until its manifest is gone.
fn remove_directory(path: &Path) -> std::io::Result<()> {
    std::fs::remove_file(path.join("manifest.json"))?;
    std::fs::remove_dir_all(path)
}

/// Removes untagged images, and blobs that nothing refers to, from all repositories of a tree, as [`prune`] does.
///
/// # Errors
/// `Unsupported` for `dir:` images, which have names only; as [`prune`].
pub fn prune_tree(top: &Path, kind: TreeKind, options: &PruneOptions) -> Result<Removal> {
    let place = || top.to_string_lossy().into_owned();
    if kind == TreeKind::Dirs {
        let what = "dir: images, which all have names: imgrm removes them";
        return Err(Error::unsupported(what).at(place()));
    }
    let repositories = image_paths(top, kind).at(place)?;
    // Nothing is removed from a tree of which a part is damaged.
    let tried = PruneOptions {
        dry_run: true,
        ..options.clone()
    };
    for repository in &repositories {
        refuse_links(top, repository)?;
        let store = Store::at(top.join(repository));
        prune(&store, &Open::default().path(store.path())?, &tried)?;
    }
    let mut removal = Removal::default();
    for repository in repositories {
        let store = Store::at(top.join(&repository));
        let archive = Open::default().path(store.path())?;
        let pruned = prune(&store, &archive, options)?;
        let names = pruned.untagged.into_iter().map(|name| match name {
            Name::Tag(tag) => Name::from_repo_tag(&format!("{repository}:{tag}")),
            name => name,
        });
        removal.untagged.extend(names);
        removal.images.extend(pruned.images);
        removal.freed.bytes += pruned.freed.bytes;
        removal.freed.blobs.extend(pruned.freed.blobs);
    }
    Ok(removal)
}
