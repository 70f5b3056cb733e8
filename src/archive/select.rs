//! Which image of an archive a user means.

use super::assemble::{Archive, Root};
use super::image::Image;
use crate::error::{Error, Fault, Result};
use crate::spec::{Digest, Platform};

/// How a user points at an image inside an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Pick {
    /// Not at all: there has to be one only.
    #[default]
    Only,
    /// By a name: `NAME[:TAG]`, a lone tag, or the text of a `ref.name`.
    Name(String),
    /// By position, from 0: in `index.json` where only that half was asked for, else in the order of the listing.
    Position(usize),
    /// By the digest of a manifest, an index or a config.
    Digest(Digest),
}

/// What was found: a root, and the image in it for the platform.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// What the archive lists; `None` for an image that was asked for by its digest and stands below an index.
    pub root: Option<&'a Root>,
    /// The image's position in [`Archive::images`].
    pub index: usize,
}

impl<'a> Selection<'a> {
    /// The image.
    pub fn image(&self) -> &'a Image {
        &self.archive.images[self.index]
    }
}

impl Archive {
    /// The root that a user means.
    ///
    /// # Errors
    /// `NoSuchImage`, `SeveralImages`, each with what would select those that are here.
    pub fn root(&self, pick: &Pick) -> Result<&Root> {
        let found: Vec<&Root> = match pick {
            Pick::Only => self.roots.iter().collect(),
            Pick::Position(position) => {
                let by_index = self.docker.is_none();
                let here = |i: usize, root: &Root| match by_index {
                    true => root.positions.contains(position),
                    false => i == *position,
                };
                self.roots
                    .iter()
                    .enumerate()
                    .filter(|(i, root)| here(*i, root))
                    .map(|(_, root)| root)
                    .collect()
            }
            Pick::Name(wanted) => {
                let by_name = |root: &&Root| root.names.iter().any(|name| name.matches(wanted));
                let found: Vec<&Root> = self.roots.iter().filter(by_name).collect();
                if found.is_empty() {
                    self.roots
                        .iter()
                        .filter(|root| self.has_id(root, wanted))
                        .collect()
                } else {
                    found
                }
            }
            Pick::Digest(digest) => self
                .roots
                .iter()
                .filter(|root| self.has_digest(root, digest))
                .collect(),
        };
        match found[..] {
            [root] => Ok(root),
            [] if *pick == Pick::Only => Err(Fault::NoSuchImage {
                wanted: String::new(),
                candidates: Vec::new(),
            }
            .into()),
            [] => Err(Fault::NoSuchImage {
                wanted: pick_text(pick),
                candidates: self.candidates(&self.roots),
            }
            .into()),
            [..] => {
                // One and the same image listed more than once needs no choice.
                let mut images = found.iter().map(|root| self.images_of(root));
                let first = images.next().unwrap_or_default();
                if !first.is_empty() && images.all(|images| images == first) {
                    return Ok(found[0]);
                }
                Err(Fault::SeveralImages {
                    candidates: self.candidates(found),
                }
                .into())
            }
        }
    }

    /// The image that a user means.
    ///
    /// Of an index, the one for `platform`; without it the host's, or the only one that is here.
    ///
    /// # Errors
    /// As [`Archive::root`]; `NoSuchImage` if the platform is not here; the first damage of the image, if it has any.
    pub fn select(&self, pick: &Pick, platform: Option<&Platform>) -> Result<Selection<'_>> {
        if let Pick::Digest(digest) = pick
            && let Some(index) = self
                .images
                .iter()
                .position(|image| self.image_has_digest(image, digest))
        {
            let root = self
                .roots
                .iter()
                .find(|root| self.images_of(root) == [index]);
            return self.undamaged(Selection {
                archive: self,
                root,
                index,
            });
        }
        let root = self.root(pick)?;
        let images = self.images_of(root);
        let index = self
            .choose(&images, platform)
            .ok_or_else(|| self.no_choice(root, &images, platform))?;
        self.undamaged(Selection {
            archive: self,
            root: Some(root),
            index,
        })
    }

    /// Of images that differ in platform, the one that is meant.
    pub fn choose(&self, images: &[usize], platform: Option<&Platform>) -> Option<usize> {
        let find = |wanted: &Platform| {
            images
                .iter()
                .copied()
                .find(|&i| self.images[i].platform.satisfies(wanted))
        };
        match (platform, images) {
            (Some(platform), [only]) if self.images[*only].platform == Platform::default() => {
                // The image does not say what it is for.
                find(platform)
                    .or(Some(*only))
                    .filter(|_| platform == &Platform::host())
            }
            (Some(platform), _) => find(platform),
            (None, [only]) => Some(*only),
            (None, _) => find(&Platform::host()),
        }
    }

    fn no_choice(&self, root: &Root, images: &[usize], platform: Option<&Platform>) -> Error {
        let platforms: Vec<String> = images
            .iter()
            .map(|&i| self.images[i].platform.to_string())
            .collect();
        match platform {
            Some(platform) => Fault::NoSuchImage {
                wanted: platform.to_string(),
                candidates: platforms,
            }
            .into(),
            None if images.is_empty() => {
                let wanted = root
                    .names
                    .first()
                    .map_or_else(String::new, ToString::to_string);
                let faults = root.node.and_then(|node| self.nodes[node].faults.first());
                match (faults, root.node.map(|node| &self.nodes[node])) {
                    (Some(error), _) => error.clone(),
                    (None, Some(node)) if matches!(node.kind, super::NodeKind::Absent) => {
                        Fault::BlobAbsent {
                            digest: node.descriptor.digest.to_string(),
                        }
                        .into()
                    }
                    (None, Some(node)) if !matches!(node.kind, super::NodeKind::Index(_)) => {
                        Fault::Unsupported {
                            what: format!("'{wanted}': it is no container image"),
                        }
                        .into()
                    }
                    _ => Fault::NoSuchImage {
                        wanted,
                        candidates: Vec::new(),
                    }
                    .into(),
                }
            }
            None => {
                let candidates = platforms
                    .into_iter()
                    .map(|platform| format!("--platform {platform}"))
                    .collect();
                Fault::SeveralImages { candidates }.into()
            }
        }
    }

    fn undamaged<'a>(&'a self, selection: Selection<'a>) -> Result<Selection<'a>> {
        // An archive that was cut short is refused whole, even if what was asked for came before the cut.
        match self
            .container
            .fault()
            .or_else(|| self.faults_of(selection.index).next())
        {
            Some(error) => Err(error.clone()),
            None => Ok(selection),
        }
    }

    fn image_has_digest(&self, image: &Image, digest: &Digest) -> bool {
        let node = image.node.map(|node| &self.nodes[node].descriptor.digest);
        node == Some(digest) || image.id.to_string() == digest.as_str()
    }

    fn has_digest(&self, root: &Root, digest: &Digest) -> bool {
        let node = root.node.map(|node| &self.nodes[node].descriptor.digest);
        node == Some(digest)
            || self
                .images_of(root)
                .iter()
                .any(|&i| self.image_has_digest(&self.images[i], digest))
    }

    /// Whether `wanted` is the ID of the root's image, or at least 4 digits of its start.
    fn has_id(&self, root: &Root, wanted: &str) -> bool {
        let prefix = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        let is_hex = prefix.len() >= 4 && prefix.bytes().all(|b| b.is_ascii_hexdigit());
        let node = root
            .node
            .map(|node| self.nodes[node].descriptor.digest.encoded());
        is_hex
            && (node.is_some_and(|hex| hex.starts_with(prefix))
                || self
                    .images_of(root)
                    .iter()
                    .any(|&i| self.images[i].id.hex().starts_with(prefix)))
    }

    /// What to type for each root.
    pub fn candidates<'a>(&self, roots: impl IntoIterator<Item = &'a Root>) -> Vec<String> {
        let select = |root: &Root| {
            let by_index = self.docker.is_none();
            let unique = root.names.first().filter(|name| {
                let text = name.to_string();
                self.roots
                    .iter()
                    .filter(|root| root.names.iter().any(|name| name.matches(&text)))
                    .count()
                    == 1
            });
            let position = match by_index {
                true => root.positions.first().copied(),
                false => self
                    .roots
                    .iter()
                    .position(|other| std::ptr::eq(other, root)),
            };
            match (unique, position) {
                (Some(name), _) => format!("{}:{name}", self.place),
                (None, position) => format!("{}:@{}", self.place, position.unwrap_or(0)),
            }
        };
        roots.into_iter().map(select).collect()
    }
}

fn pick_text(pick: &Pick) -> String {
    match pick {
        Pick::Only => String::new(),
        Pick::Name(name) => name.clone(),
        Pick::Position(position) => format!("@{position}"),
        Pick::Digest(digest) => digest.to_string(),
    }
}
