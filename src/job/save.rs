//! imgsave: images from anywhere into one archive.

use crate::archive::{Archive, Name, Pick, Root};
use crate::error::{Fault, Result};
use crate::spec::Platform;
use crate::write::Bundle;

/// Adds what a user named of an archive to a bundle.
///
/// `Pick::Only` means all that the archive lists. A repository without a tag means all its tags, as it does to docker
/// save; an ID or digest means the image without its names. `name` replaces the names of the one image there is.
///
/// # Errors
/// As [`Archive::root`]; `NoSuchImage` if the platform is not there; as [`Bundle::add`].
pub fn save(
    bundle: &mut Bundle,
    archive: &Archive,
    pick: &Pick,
    platform: Option<&Platform>,
    name: Option<&Name>,
) -> Result<()> {
    let chosen = roots(archive, pick)?;
    if let (Some(_), [_, _, ..]) = (name, &chosen[..]) {
        let candidates = archive.candidates(chosen.iter().map(|(root, _)| *root));
        return Err(Fault::SeveralImages { candidates }.into());
    }
    let named = chosen.iter().map(|(root, names)| (*root, names.as_slice()));
    archive.check_names(named)?;
    for (root, names) in chosen {
        let names = name.map_or(names, |name| vec![name.clone()]);
        let images = archive.images_of(root);
        let image = archive.choose(&images, platform);
        match (platform, image) {
            (Some(_), Some(image)) => bundle.add_image(archive, image, names)?,
            (Some(platform), None) => {
                let here = images
                    .iter()
                    .map(|&image| archive.images[image].platform.to_string())
                    .collect();
                return Err(Fault::NoSuchImage {
                    wanted: platform.to_string(),
                    candidates: here,
                }
                .into());
            }
            (None, image) => bundle.add(archive, root, image.or(images.first().copied()), names)?,
        }
    }
    Ok(())
}

fn roots<'a>(archive: &'a Archive, pick: &Pick) -> Result<Vec<(&'a Root, Vec<Name>)>> {
    let all_names = |root: &'a Root| (root, root.names.clone());
    let wanted = match pick {
        Pick::Only => return Ok(archive.roots.iter().map(all_names).collect()),
        Pick::Position(_) => return archive.root(pick).map(|root| vec![all_names(root)]),
        Pick::Digest(_) => return archive.root(pick).map(|root| vec![(root, Vec::new())]),
        Pick::Name(wanted) => wanted,
    };
    let matching = |root: &Root| -> Vec<Name> {
        root.names
            .iter()
            .filter(|name| name.means(wanted))
            .cloned()
            .collect()
    };
    let named: Vec<(&Root, Vec<Name>)> = archive
        .roots
        .iter()
        .map(|root| (root, matching(root)))
        .filter(|(_, names)| !names.is_empty())
        .collect();
    if !named.is_empty() {
        return Ok(named);
    }
    // The bare `ref.name` of an image that has a full name, or an ID.
    archive.root(pick).map(|root| match root.is_called(wanted) {
        true => vec![all_names(root)],
        false => vec![(root, Vec::new())],
    })
}
