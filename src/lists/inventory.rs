//! The images of archives, by the references that name them.

use std::collections::HashMap;

use crate::archive::{Archive, Chosen, Format, Image, ImageIdx, Name, NodeKind, Root};
use crate::spec::{Digest, Platform, Reference};

/// Default registry, which names in trees of repositories get that have none.
const HUB: &str = "docker.io";

/// Images of archives: one item for each name and for each untagged image.
#[derive(Debug, Default)]
pub struct Inventory {
    platform: Option<Platform>,
    items: Vec<Item>,
    /// By the full name with its tag.
    names: HashMap<String, Vec<usize>>,
    /// By name without a host, of trees of repositories.
    paths: HashMap<String, Vec<usize>>,
    /// By the digest of a manifest or index, with the image of a manifest below an index.
    digests: HashMap<Digest, Vec<(usize, Option<ImageIdx>)>>,
}

/// One name of an image, or an untagged image.
#[derive(Debug)]
struct Item {
    target: Target,
    name: Option<Name>,
    /// Digest that the name leads to; `None` in a docker-archive without manifests.
    digest: Option<Digest>,
    held: Held,
}

/// Position of an image in what was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Number of the archive, as given to [`Inventory::add`].
    pub archive: usize,
    /// Position among the images that were added of it.
    pub chosen: usize,
}

/// An image that a reference names.
#[derive(Debug, Clone)]
pub struct Pick<'a> {
    /// Its position.
    pub target: Target,
    /// Its name; `None` if it is untagged, or named by its digest only.
    pub name: Option<&'a Name>,
    /// The image below an index that has the digest.
    pub image: Option<ImageIdx>,
}

/// Part of an image that an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// All of it.
    Whole,
    /// Images for these platforms, not for the requested one.
    OtherPlatform(Vec<String>),
    /// Something is missing.
    Part,
}

impl Inventory {
    /// Creates an empty inventory. With a platform, only images for it count.
    pub fn new(platform: Option<&Platform>) -> Self {
        Inventory {
            platform: platform.cloned(),
            ..Inventory::default()
        }
    }

    /// Adds selected images of an archive, which gets this number.
    pub fn add(&mut self, number: usize, archive: &Archive, chosen: &[Chosen<'_>]) {
        let is_tree = matches!(archive.format, Format::Tree(_));
        for (position, one) in chosen.iter().enumerate() {
            let target = Target {
                archive: number,
                chosen: position,
            };
            let held = self.held(archive, one);
            let digest = one
                .root
                .node
                .map(|node| &archive.nodes[node].descriptor.digest);
            let first = self.items.len();
            let names = one.names.iter().cloned().map(Some);
            let untagged = one.names.is_empty().then_some(None);
            for name in names.chain(untagged) {
                let item = self.items.len();
                if let Some(Name::Full(reference)) = &name {
                    if let Ok(outside) = reference.outside() {
                        self.names.entry(key(&outside)).or_default().push(item);
                    }
                    if reference.is_in_tree() || is_tree && reference.domain() == HUB {
                        self.paths.entry(path(reference)).or_default().push(item);
                    }
                }
                self.items.push(Item {
                    target,
                    name,
                    digest: digest.cloned(),
                    held: held.clone(),
                });
            }
            for node in archive.nodes_below(one.root.node) {
                let node_digest = &archive.nodes[node].descriptor.digest;
                let below = match &archive.nodes[node].kind {
                    NodeKind::Missing => continue,
                    NodeKind::Image(image) if Some(node_digest) != digest => Some(*image),
                    _ => None,
                };
                let is_whole = below.is_none_or(|image| archive.images[image].is_complete());
                if is_whole {
                    let found = self.digests.entry(node_digest.clone()).or_default();
                    found.extend((first..self.items.len()).map(|item| (item, below)));
                }
            }
        }
    }

    /// Tests how much of a selected image is there.
    fn held(&self, archive: &Archive, one: &Chosen<'_>) -> Held {
        let images = match one.image {
            Some(image) => vec![image],
            None => archive.images_of(one.root),
        };
        let is_whole = |image: &ImageIdx| archive.images[*image].is_complete();
        match &self.platform {
            _ if images.is_empty() => artifact(archive, one.root),
            None if images.iter().any(is_whole) => Held::Whole,
            None => Held::Part,
            Some(platform) => match archive.choose(&images, Some(platform)) {
                Some(image) if is_whole(&image) => Held::Whole,
                Some(_) => Held::Part,
                None => {
                    let images = images.iter().map(|image| &archive.images[*image]);
                    let platforms = images.map(|image: &Image| image.platform.to_string());
                    Held::OtherPlatform(platforms.collect())
                }
            },
        }
    }

    /// Returns the images that a reference with a tag or digest names, and how much of the best of them is there;
    /// `None` if there are none.
    ///
    /// A digest counts wherever it is found. A name counts with its host, but in trees of repositories, whose names
    /// have none, with the path alone.
    pub fn find(&self, reference: &Reference) -> (Vec<Pick<'_>>, Option<&Held>) {
        let Some(digest) = reference.digest() else {
            let items = self.named(reference);
            let picks = items.iter().map(|item| self.pick(*item, None, true));
            return (picks.collect(), self.best(items));
        };
        let found = self.digests.get(digest).map_or(&[][..], Vec::as_slice);
        let held = self.best(found.iter().map(|(item, _)| item));
        let is_named = |item: usize, with_tag: bool| {
            let name = match &self.items.get(item).and_then(|item| item.name.as_ref()) {
                Some(Name::Full(name)) => name,
                _ => return false,
            };
            (name.has_same_repository(reference) || path_of(name) == path_of(reference))
                && (!with_tag || name.tag_or_latest() == reference.tag())
        };
        let tagged = found.iter().any(|(item, _)| is_named(*item, true));
        let mut picks: Vec<Pick<'_>> = Vec::new();
        for (item, image) in found {
            let keeps_name = image.is_none() && is_named(*item, tagged);
            let pick = self.pick(*item, *image, keeps_name);
            let known = |other: &Pick<'_>| other.target == pick.target;
            match picks.iter_mut().find(|other| known(other)) {
                Some(other) if other.name.is_none() => *other = pick,
                Some(_) if pick.name.is_none() => {}
                _ => picks.push(pick),
            }
        }
        (picks, held)
    }

    /// Returns the digests that the name and tag of a reference lead to; `None` for images without manifests.
    pub fn digests_of(&self, reference: &Reference) -> Vec<Option<&Digest>> {
        let items = self.named(reference).iter();
        let items = items.filter_map(|item| self.items.get(*item));
        items.map(|item| item.digest.as_ref()).collect()
    }

    /// Tests if a reference names an image.
    pub fn has(&self, reference: &Reference) -> bool {
        !self.find(reference).0.is_empty()
    }

    fn named(&self, reference: &Reference) -> &[usize] {
        if reference.tag_or_latest().is_none() {
            return &[];
        }
        let exact = self.names.get(&key(reference));
        exact
            .or_else(|| self.paths.get(&path(reference)))
            .map_or(&[], Vec::as_slice)
    }

    fn pick(&self, item: usize, image: Option<ImageIdx>, keeps_name: bool) -> Pick<'_> {
        let item = &self.items[item];
        Pick {
            target: item.target,
            name: item.name.as_ref().filter(|_| keeps_name),
            image,
        }
    }

    fn best<'a>(&self, items: impl IntoIterator<Item = &'a usize>) -> Option<&Held> {
        let held = items.into_iter().filter_map(|item| self.items.get(*item));
        held.map(|item| &item.held).min_by_key(|held| match held {
            Held::Whole => 0,
            Held::OtherPlatform(_) => 1,
            Held::Part => 2,
        })
    }
}

/// Returns how much is there of a root without images.
fn artifact(archive: &Archive, root: &Root) -> Held {
    let is_document = |node: &crate::archive::NodeIdx| {
        matches!(
            archive.nodes[*node].kind,
            NodeKind::Artifact(_) | NodeKind::Attestation(_)
        )
    };
    match archive.nodes_below(root.node).iter().any(is_document) {
        true => Held::Whole,
        false => Held::Part,
    }
}

/// Key of a name with its tag.
fn key(reference: &Reference) -> String {
    let tag = reference.tag_or_latest().unwrap_or_default();
    format!("{}:{tag}", reference.repository())
}

/// Key of a name without its host, with its tag.
fn path(reference: &Reference) -> String {
    let tag = reference.tag_or_latest().unwrap_or_default();
    format!("{}:{tag}", path_of(reference))
}

/// Path of a name as a tree has it: that of the default registry may lack the default directory.
fn path_of(reference: &Reference) -> &str {
    let path = reference.path();
    match path.strip_prefix("library/") {
        Some(short) if !short.contains('/') => short,
        _ => path,
    }
}
