//! The selected images of archives, collected in one bundle.

use crate::archive::{Archive, Chosen, ImageIdx, Name, Root};
use crate::error::{Error, Fault, Result};
use crate::spec::Platform;
use crate::write::{Bundle, ListedName, StatedNames};

/// Adds the selected images of an archive to a bundle, as [`collect`] does, and compares their names with all others.
///
/// # Errors
/// As [`collect`]; `Ambiguous` for two images of one name.
pub fn save(
    bundle: &mut Bundle,
    archive: &Archive,
    chosen: &[Chosen<'_>],
    platform: Option<&Platform>,
    name: Option<&ListedName>,
) -> Result<()> {
    collect(bundle, archive, chosen, platform, name)?;
    match name {
        // With `name` the caller checks that there is one image.
        Some(_) => Ok(()),
        None => bundle.check_names(),
    }
}

/// Adds the selected images of an archive to a bundle. Their names may differ only in a tree of repositories.
///
/// An ID or digest selects the image without its names, as in docker save. `name` replaces the names of the only image.
///
/// # Errors
/// `SeveralImages` for `name` with several images; `NoSuchImage` for a missing platform; as [`Bundle::add`].
pub fn collect(
    bundle: &mut Bundle,
    archive: &Archive,
    chosen: &[Chosen<'_>],
    platform: Option<&Platform>,
    name: Option<&ListedName>,
) -> Result<()> {
    if let (Some(_), [_, _, ..]) = (name, chosen) {
        let candidates = archive.candidates(chosen.iter().map(|one| one.root));
        return Err(Fault::SeveralImages { candidates }.into());
    }
    let named = chosen.iter().map(|one| (one.root, one.names.as_slice()));
    archive.check_names(named)?;
    let all: Vec<&Root> = chosen.iter().map(|one| one.root).collect();
    for one in chosen {
        let root = one.root;
        let of_archive = one.names.iter().filter(|_| !one.by_id);
        let stated = StatedNames::of(archive, root);
        let of_archive = of_archive.map(|name| stated.listed(name));
        let names = match name {
            Some(name) => vec![name.clone()],
            None => of_archive.collect(),
        };
        match one.image {
            // One of several images below an index, selected by its own ID.
            Some(image) => bundle.add_image(archive, image, names)?,
            None => add_root(bundle, archive, root, &all, platform, names).map(|_| ())?,
        }
    }
    Ok(())
}

/// Adds one of the selected roots: all of it, or of an index only the image for a platform. Returns the image; `None`
/// if there is none, for a root without images, which is added unchanged.
///
/// Of several roots with the same name, one for each platform, those for other platforms are omitted.
///
/// # Errors
/// `NoSuchImage` for a missing platform; as [`Bundle::add`].
pub fn add_root(
    bundle: &mut Bundle,
    archive: &Archive,
    root: &Root,
    all: &[&Root],
    platform: Option<&Platform>,
    names: Vec<ListedName>,
) -> Result<Option<ImageIdx>> {
    let images = archive.images_of(root);
    let chosen = archive.choose(&images, platform);
    let one = chosen.or(images.first().copied());
    let Some(platform) = platform.filter(|_| !images.is_empty()) else {
        bundle.add(archive, root, one, names)?;
        return Ok(one);
    };
    if let Some(image) = chosen {
        match archive.images[image].node == root.node {
            true => bundle.add(archive, root, Some(image), names)?,
            false => bundle.add_image(archive, image, names)?,
        }
        return Ok(Some(image));
    }
    let elsewhere = |other: &&&Root| {
        let shared = |name: &Name| other.names.iter().any(|known| known.same_as(name));
        root.names.iter().any(shared)
            && archive
                .choose(&archive.images_of(other), Some(platform))
                .is_some()
    };
    if all.iter().find(elsewhere).is_some() {
        return Ok(None);
    }
    let here = images
        .iter()
        .map(|&image| archive.images[image].platform.to_string());
    Err(Error::no_such_image(platform.to_string(), here.collect()))
}
