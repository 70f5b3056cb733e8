//! Selection of one image of an archive.

use std::collections::HashMap;

use super::graph::{Node, NodeKind};
use super::image::Image;
use super::model::{Archive, Format, Root};
use super::name::{Name, NameKey};
use super::options::TreeKind;
use super::pick::Pick;
use super::positions::{ImageIdx, NodeIdx, RootIdx};
use super::target::Target;
use crate::error::{Candidates, Error, Fault, Result};
use crate::spec::Platform;

/// Selected root, and the image in it for the platform.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// The root; `None` for an image below an index that was selected by digest.
    pub root: Option<&'a Root>,
    /// Position of the image in [`Archive::images`].
    pub index: ImageIdx,
}

impl<'a> Selection<'a> {
    /// The image.
    pub fn image(&self) -> &'a Image {
        &self.archive.images[self.index]
    }
}

impl Archive {
    /// Refuses names that two different images share: loaders take the first, the last, or one of each half.
    ///
    /// One name for several platforms is accepted if each of them is stated.
    ///
    /// # Errors
    /// `Ambiguous`.
    pub fn check_names<'a>(
        &self,
        named: impl IntoIterator<Item = (&'a Root, &'a [Name])>,
    ) -> Result<()> {
        let mut seen: HashMap<NameKey, &Root> = HashMap::new();
        for (root, names) in named {
            for name in names {
                let first = *seen.entry(name.key()).or_insert(root);
                let platform = |root: &Root| {
                    let node = self.nodes.get(root.node?)?;
                    node.descriptor.platform.as_ref()
                };
                let stated = platform(first).zip(platform(root));
                let differ_in_platform = stated.is_some_and(|(first, other)| first != other);
                if !differ_in_platform && !self.is_same(first, root) {
                    let why = format!(
                        "'{name}' is the name of two different images; select one with :@N, docker-archive: or oci:"
                    );
                    return Err(Error::ambiguous(why));
                }
            }
        }
        Ok(())
    }

    fn is_same(&self, one: &Root, other: &Root) -> bool {
        let ids = |root| {
            let images = self.images_of(root).into_iter();
            images
                .map(|image| &self.images[image].id)
                .collect::<Vec<_>>()
        };
        let target = |root: &Root| (root.node, root.image);
        target(one) == target(other) || {
            let (ids, others) = (ids(one), ids(other));
            !ids.is_empty() && ids == others
        }
    }

    /// Returns the selected root.
    ///
    /// # Errors
    /// `NoSuchImage`, `SeveralImages`, each with the candidates.
    pub fn root(&self, pick: &Pick) -> Result<&Root> {
        let found: Vec<&Root> = match pick {
            Pick::Only => match self.format {
                Format::Tree(TreeKind::Registry) => self
                    .roots
                    .iter()
                    .filter(|root| !root.names.is_empty())
                    .collect(),
                _ => self.roots.iter().collect(),
            },
            Pick::Position(position) => {
                let by_index = self.docker.is_none();
                let is_meant = |(i, root): &(RootIdx, &Root)| match by_index {
                    true => root.positions.contains(position),
                    false => *i == RootIdx::from(*position),
                };
                let meant = self.roots.iter_enumerated().filter(is_meant);
                meant.map(|(_, root)| root).collect()
            }
            Pick::Name(wanted) => self.roots_named(wanted),
            Pick::Digest(_) => Vec::new(),
        };
        if *pick == Pick::Only {
            // Otherwise the only one that is left would be taken for the only one.
            self.check_list(None)?;
        }
        match found[..] {
            [root] => Ok(root),
            [] if *pick == Pick::Only => {
                Err(Error::no_such_image(String::new(), Candidates::default()))
            }
            [] => self.target(pick).map(|target| &self.roots[target.root()]),
            [..] => {
                // One image listed several times is no ambiguity.
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

    /// Returns the selected image.
    ///
    /// Of an index, it is the image for `platform`; without a platform, the one for the host, or the only one.
    ///
    /// # Errors
    /// As [`Archive::root`]; `NoSuchImage` if there is no image for the platform; the first damage of the image.
    pub fn select(&self, pick: &Pick, platform: Option<&Platform>) -> Result<Selection<'_>> {
        self.check_undamaged(self.find(pick, platform)?)
    }

    /// Returns the selected image, which may be damaged.
    ///
    /// # Errors
    /// As [`Archive::root`]; `NoSuchImage` if there is no image for the platform.
    pub fn find(&self, pick: &Pick, platform: Option<&Platform>) -> Result<Selection<'_>> {
        let by_id = match pick {
            Pick::Digest(_) => true,
            Pick::Name(wanted) => self.roots_named(wanted).is_empty(),
            _ => false,
        };
        if by_id {
            let target = self.target(pick)?;
            let image = match target {
                Target::Image { image, .. } => Some(image),
                Target::Root(root) => match self.images_of(&self.roots[root])[..] {
                    [only] => Some(only),
                    _ => None,
                },
            };
            if let Some(index) = image {
                let is_alone = |root: &&Root| self.images_of(root) == [index];
                return Ok(Selection {
                    archive: self,
                    root: self.roots.iter().find(is_alone),
                    index,
                });
            }
        }
        let root = self.root(pick)?;
        let images = self.images_of(root);
        let index = self
            .choose(&images, platform)
            .ok_or_else(|| self.no_choice_error(root, &images, platform))?;
        Ok(Selection {
            archive: self,
            root: Some(root),
            index,
        })
    }

    /// Returns the image for a platform; without a platform the one for the host, or the only one.
    pub fn choose(&self, images: &[ImageIdx], platform: Option<&Platform>) -> Option<ImageIdx> {
        let find = |wanted: &Platform| {
            let ranked = images.iter().copied();
            let ranked = ranked.filter_map(|i| Some((self.images[i].platform.rank(wanted)?, i)));
            // The first of those that serve equally well.
            let best = ranked.min_by_key(|(rank, _)| *rank).map(|(_, i)| i);
            best.or_else(|| {
                // Without a wanted variant, the only image of the architecture will do.
                let mut same = images.iter().copied().filter(|&i| {
                    let Platform {
                        os, architecture, ..
                    } = &self.images[i].platform;
                    wanted.variant.is_none()
                        && wanted.os_version.is_none()
                        && (os, architecture) == (&wanted.os, &wanted.architecture)
                });
                same.next().filter(|_| same.next().is_none())
            })
        };
        match (platform, images) {
            (Some(platform), [only]) if self.images[*only].platform == Platform::default() => {
                // The image does not state its platform.
                find(platform)
                    .or(Some(*only))
                    .filter(|_| platform == &Platform::host())
            }
            (Some(platform), _) => find(platform),
            (None, [only]) => Some(*only),
            (None, _) => find(&Platform::host()),
        }
    }

    fn no_choice_error(
        &self,
        root: &Root,
        images: &[ImageIdx],
        platform: Option<&Platform>,
    ) -> Error {
        let platforms: Vec<String> = images
            .iter()
            .map(|&i| self.images[i].platform.to_string())
            .collect();
        match platform {
            Some(platform) => {
                Error::no_such_image(platform.to_string(), platforms.into_iter().collect())
            }
            None if images.is_empty() => {
                let wanted = root
                    .names
                    .first()
                    .map_or_else(String::new, ToString::to_string);
                let faults = root.node.and_then(|node| self.nodes[node].faults.first());
                match (faults, root.node.map(|node| &self.nodes[node])) {
                    (Some(error), _) => error.clone(),
                    (None, Some(node)) if matches!(node.kind, NodeKind::Missing) => {
                        Error::blob_missing(&node.descriptor.digest)
                    }
                    (None, Some(node)) if !matches!(node.kind, NodeKind::Index(_)) => {
                        Error::unsupported(format!("'{wanted}' is not a container image"))
                    }
                    _ => Error::no_such_image(wanted, Candidates::default()),
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

    fn check_undamaged<'a>(&'a self, selection: Selection<'a>) -> Result<Selection<'a>> {
        // A truncated archive is refused as a whole, even if the image precedes the end.
        match self
            .container
            .fault()
            .or_else(|| self.faults_of(selection.index).next())
            .or_else(|| {
                self.indexes_above(&selection)
                    .find_map(|node| node.faults.first())
            }) {
            Some(error) => Err(error.clone()),
            None => Ok(selection),
        }
    }

    /// Returns the indexes that lead from the root to the image: if one is damaged, another image may be meant.
    fn indexes_above(&self, selection: &Selection<'_>) -> impl Iterator<Item = &Node> {
        let mut seen = std::collections::HashSet::new();
        let mut work: Vec<NodeIdx> = selection
            .root
            .and_then(|root| root.node)
            .into_iter()
            .collect();
        std::iter::from_fn(move || {
            while let Some(at) = work.pop() {
                let Some(node) = self.nodes.get(at).filter(|_| seen.insert(at)) else {
                    continue;
                };
                if let NodeKind::Index(edges) = &node.kind {
                    work.extend(edges.iter().map(|edge| edge.node));
                    return Some(node);
                }
            }
            None
        })
    }
}
