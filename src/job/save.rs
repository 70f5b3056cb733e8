//! imgsave: images from anywhere into one archive.

use crate::archive::{Archive, Chosen, Name};
use crate::error::{Fault, Result};
use crate::spec::Platform;
use crate::write::Bundle;

/// Adds what a user chose of an archive to a bundle.
///
/// An ID or digest means the image without its names, as it does to docker save. `name` replaces the names of the one
/// image there is.
///
/// # Errors
/// `SeveralImages` for `name` with several; `NoSuchImage` if the platform is not there; as [`Bundle::add`].
pub fn save(
    bundle: &mut Bundle,
    archive: &Archive,
    chosen: &[Chosen<'_>],
    platform: Option<&Platform>,
    name: Option<&Name>,
) -> Result<()> {
    if let (Some(_), [_, _, ..]) = (name, chosen) {
        let candidates = archive.candidates(chosen.iter().map(|one| one.root));
        return Err(Fault::SeveralImages { candidates }.into());
    }
    let named = chosen.iter().map(|one| (one.root, one.names.as_slice()));
    archive.check_names(named)?;
    for one in chosen {
        let root = one.root;
        let names = match (name, one.by_id) {
            (Some(name), _) => vec![name.clone()],
            (None, true) => Vec::new(),
            (None, false) => one.names.clone(),
        };
        if let Some(image) = one.image {
            // One of several below an index, by its own ID.
            bundle.add_image(archive, image, names)?;
            continue;
        }
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
