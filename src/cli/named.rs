//! All images of an archive, as they are called.

use std::collections::HashSet;

use super::open::Opened;
use crate::archive::{Archive, Image, ImageIdx};
use crate::error::Result;
use crate::spec::Platform;

/// An image of an archive, as it is called.
#[derive(Clone)]
pub struct Named<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// The image.
    pub image: &'a Image,
    /// Its first name, or its short ID without one; with its platform if the name has images for several.
    pub name: String,
}

impl Opened {
    /// Returns the selected images, each once, with the names that select them, and the platforms of those that have not
    /// the requested one.
    ///
    /// # Errors
    /// As [`Opened::chosen`].
    pub fn named(&self, platform: Option<&Platform>) -> Result<(Vec<Named<'_>>, Vec<String>)> {
        let archive = &*self.archive;
        let mut seen: HashSet<ImageIdx> = HashSet::new();
        let (mut images, mut others) = (Vec::new(), Vec::new());
        for chosen in self.chosen()? {
            let mut all = match chosen.image {
                Some(image) => vec![image],
                None => archive.images_of(chosen.root),
            };
            let is_several = all.len() > 1;
            if platform.is_some() {
                match archive.choose(&all, platform) {
                    Some(image) => all = vec![image],
                    None => others.append(&mut all),
                }
            }
            let name = chosen.names.first().map(ToString::to_string);
            for at in all {
                let Some(image) = archive.images.get(at).filter(|_| seen.insert(at)) else {
                    continue;
                };
                let mut name = name.clone().unwrap_or_else(|| image.id.short().to_owned());
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
        let others = others.into_iter().filter_map(|at| archive.images.get(at));
        let others = others.map(|image| image.platform.to_string());
        Ok((images, others.collect()))
    }
}
