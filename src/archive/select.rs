//! Which image of an archive a user means.

use std::collections::HashMap;

use super::assemble::{Archive, Root};
use super::chosen::Target;
use super::graph::{Node, NodeKind};
use super::image::Image;
use super::name::{Name, NameKey};
use crate::error::{Candidates, Error, Fault, Result};
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

impl Pick {
    /// As it would be typed after the archive.
    pub(super) fn text(&self) -> String {
        match self {
            Pick::Only => String::new(),
            Pick::Name(name) => name.clone(),
            Pick::Position(position) => format!("@{position}"),
            Pick::Digest(digest) => digest.to_string(),
        }
    }
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
    /// Refuses to tell by name what two images share a name: loaders take the first, the last, or one of each half.
    ///
    /// One name for several platforms, each of which is stated, is no such case.
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
                let apart = stated.is_some_and(|(first, other)| first != other);
                if !apart && !self.is_same(first, root) {
                    let why = format!(
                        "'{name}' is the name of two different images, and readers differ in which they take; :@N, \
                         docker-archive: and oci: choose"
                    );
                    return Err(Fault::Ambiguous { why }.into());
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
        let what_it_is = |root: &Root| (root.node, root.image);
        what_it_is(one) == what_it_is(other) || {
            let (ids, others) = (ids(one), ids(other));
            !ids.is_empty() && ids == others
        }
    }

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
            Pick::Name(wanted) => self.called(wanted),
            Pick::Digest(_) => Vec::new(),
        };
        match found[..] {
            [root] => Ok(root),
            [] if *pick == Pick::Only => Err(Fault::NoSuchImage {
                wanted: String::new(),
                candidates: Candidates::default(),
            }
            .into()),
            [] => self.target(pick).map(|target| &self.roots[target.root()]),
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
        self.undamaged(self.find(pick, platform)?)
    }

    /// The same for an image that may be damaged.
    ///
    /// # Errors
    /// As [`Archive::root`]; `NoSuchImage` if the platform is not here.
    pub fn find(&self, pick: &Pick, platform: Option<&Platform>) -> Result<Selection<'_>> {
        let by_id = match pick {
            Pick::Digest(_) => true,
            Pick::Name(wanted) => self.called(wanted).is_empty(),
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
            .ok_or_else(|| self.no_choice(root, &images, platform))?;
        Ok(Selection {
            archive: self,
            root: Some(root),
            index,
        })
    }

    /// Of images that differ in platform, the one that is meant.
    pub fn choose(&self, images: &[usize], platform: Option<&Platform>) -> Option<usize> {
        let find = |wanted: &Platform| {
            let ranked = images.iter().copied();
            let ranked = ranked.filter_map(|i| Some((self.images[i].platform.rank(wanted)?, i)));
            // The first of those that serve equally well.
            let best = ranked.min_by_key(|(rank, _)| *rank).map(|(_, i)| i);
            best.or_else(|| {
                // Where no variant was asked for, the only one there is will be meant.
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
                candidates: platforms.into_iter().collect(),
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
                    (None, Some(node)) if matches!(node.kind, NodeKind::Absent) => {
                        Fault::BlobAbsent {
                            digest: node.descriptor.digest.to_string(),
                        }
                        .into()
                    }
                    (None, Some(node)) if !matches!(node.kind, NodeKind::Index(_)) => {
                        Fault::Unsupported {
                            what: format!("'{wanted}' is not a container image"),
                        }
                        .into()
                    }
                    _ => Fault::NoSuchImage {
                        wanted,
                        candidates: Candidates::default(),
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
            .or_else(|| {
                self.indexes_above(&selection)
                    .find_map(|node| node.faults.first())
            }) {
            Some(error) => Err(error.clone()),
            None => Ok(selection),
        }
    }

    /// The indexes that lead from what was selected to its image: with one that is damaged another image may be meant.
    fn indexes_above(&self, selection: &Selection<'_>) -> impl Iterator<Item = &Node> {
        let mut seen = std::collections::HashSet::new();
        let mut work: Vec<usize> = selection
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

    /// What to say when nothing here is what was asked for: what there is, and what comes closest.
    pub fn no_such_image<'a>(
        &self,
        wanted: &str,
        roots: impl IntoIterator<Item = &'a Root>,
    ) -> Error {
        let mut candidates = self.candidates(roots);
        let closest = self.closest(wanted);
        candidates.closest = closest.map(|name| format!("{}:{name}", self.place));
        Fault::NoSuchImage {
            wanted: wanted.to_owned(),
            candidates,
        }
        .into()
    }

    /// The one name here that a wrong one may have been meant to be.
    pub fn closest(&self, wanted: &str) -> Option<String> {
        let names = self.roots.iter().flat_map(|root| &root.names);
        closest(names, wanted).map(ToString::to_string)
    }

    /// What to type for each root; only the first ones are put into words.
    pub fn candidates<'a>(&self, roots: impl IntoIterator<Item = &'a Root>) -> Candidates {
        let mut roots = roots.into_iter();
        let listed: Vec<&Root> = roots.by_ref().take(Candidates::LISTED).collect();
        let total = listed.len() + roots.count();
        // How many roots go by each name.
        let mut holders: HashMap<NameKey, usize> = HashMap::new();
        for root in &self.roots {
            let mut keys: Vec<NameKey> = root.names.iter().map(Name::key).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                *holders.entry(key).or_default() += 1;
            }
        }
        let position = |root: &Root| match self.docker.is_none() {
            true => root.positions.first().copied(),
            false => self
                .roots
                .iter()
                .position(|other| std::ptr::eq(other, root)),
        };
        let select = |root: &&Root| {
            let unique = root
                .names
                .first()
                .filter(|name| holders.get(&name.key()) == Some(&1));
            match unique {
                Some(name) => format!("{}:{name}", self.place),
                None => format!("{}:@{}", self.place, position(root).unwrap_or(0)),
            }
        };
        Candidates {
            first: listed.iter().map(select).collect(),
            total,
            closest: None,
        }
    }
}

impl Root {
    /// Whether the user means this one by a name: one of its names, or the bare text of a `ref.name`, by which skopeo
    /// selects whatever else an image is called.
    pub fn is_called(&self, wanted: &str) -> bool {
        self.ref_names.iter().any(|text| text == wanted)
            || self.names.iter().any(|name| name.matches(wanted))
    }

    /// The same for a name that goes with a digest: without a tag it stands for the repository.
    pub fn goes_by(&self, name: &str) -> bool {
        self.is_called(name) || self.names.iter().any(|known| known.means(name))
    }
}

/// The one name that a wrong one may have been meant to be: the only tag of the repository, or the only name that is
/// a typing error away.
fn closest<'a>(names: impl Iterator<Item = &'a Name> + Clone, wanted: &str) -> Option<&'a Name> {
    let only = |mut found: Box<dyn Iterator<Item = &'a Name> + '_>| {
        found.next().filter(|_| found.next().is_none())
    };
    let repository = wanted
        .rsplit_once(':')
        .map_or(wanted, |(repository, _)| repository);
    let same = names.clone().filter(|name| {
        name.repository()
            .is_some_and(|known| known == repository || known.ends_with(&format!("/{repository}")))
    });
    let near = |most| {
        names
            .clone()
            .filter(move |name| distance(&name.to_string(), wanted) <= most)
    };
    match wanted.len() {
        0 | 300.. => None,
        _ => only(Box::new(same))
            .or_else(|| only(Box::new(near(1))))
            .or_else(|| only(Box::new(near(2)))),
    }
}

/// Number of characters that have to be changed, added or taken away; more than 2 if the lengths alone say so.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return 3;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
