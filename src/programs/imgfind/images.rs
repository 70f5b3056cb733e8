//! The images of an archive.

use std::collections::HashSet;

use crate::archive::{Archive, Image, ImageIdx};
use crate::cli::Opened;
use crate::error::Result;
use crate::spec::Platform;

/// An image of an archive, as it is called.
pub(super) struct Named<'a> {
    pub(super) archive: &'a Archive,
    pub(super) image: &'a Image,
    pub(super) name: String,
}

/// Returns the selected images of an archive, each once, with the names that select them, and the platforms of those that
/// have not the requested one.
///
/// # Errors
/// As [`Opened::chosen`].
pub(super) fn images<'a>(
    opened: &'a Opened,
    platform: Option<&Platform>,
) -> Result<(Vec<Named<'a>>, Vec<String>)> {
    let archive = &opened.archive;
    let mut seen: HashSet<ImageIdx> = HashSet::new();
    let mut images = Vec::new();
    let mut others = Vec::new();
    for chosen in opened.chosen()? {
        let all = match chosen.image {
            Some(image) => vec![image],
            None => archive.images_of(chosen.root),
        };
        let is_several = all.len() > 1;
        let all = match (platform, archive.choose(&all, platform)) {
            (None, _) => all,
            (Some(_), Some(image)) => vec![image],
            (Some(_), None) => {
                others.extend(all);
                Vec::new()
            }
        };
        for at in all {
            let Some(image) = archive.images.get(at).filter(|_| seen.insert(at)) else {
                continue;
            };
            let mut name = match chosen.names.first() {
                Some(name) => name.to_string(),
                None => image.id.short().to_owned(),
            };
            if is_several {
                name = format!("{name} ({})", image.platform);
            }
            images.push(Named {
                archive,
                image,
                name,
            });
        }
    }
    let others = others.iter().filter_map(|&at| archive.images.get(at));
    let others = others.map(|image| image.platform.to_string());
    Ok((images, others.collect()))
}
