//! What a user means of what an archive lists, for programs that take several images.

use super::assemble::{Archive, Root};
use super::name::{Name, Wanted};
use super::select::Pick;
use crate::error::{Fault, Result};
use crate::spec::Digest;

/// One item of an archive's list that a user means.
#[derive(Debug, Clone)]
pub struct Chosen<'a> {
    /// What the archive lists.
    pub root: &'a Root,
    /// Those of its names that are meant.
    pub names: Vec<Name>,
    /// The one image that is meant, by its ID or digest, where the root is an index with others, too.
    pub image: Option<usize>,
    /// Whether it was meant by its ID or digest, and not by a name.
    pub by_id: bool,
}

/// What an ID or digest points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A root, by its position: by its own digest, or by the only image in it.
    Root(usize),
    /// One of several images below a root.
    Image {
        /// The root's position.
        root: usize,
        /// The image's position.
        image: usize,
    },
}

impl Target {
    /// The position of the root.
    pub fn root(self) -> usize {
        match self {
            Target::Root(root) | Target::Image { root, .. } => root,
        }
    }
}

impl Archive {
    /// What a user means: `Pick::Only` all there is, a repository without a tag all its tags, an ID or digest the image
    /// that has it.
    ///
    /// # Errors
    /// `NoSuchImage`, `SeveralImages`, as [`Archive::root`].
    pub fn chosen(&self, pick: &Pick) -> Result<Vec<Chosen<'_>>> {
        let all_names = |root| Chosen {
            root,
            names: root.names.clone(),
            image: None,
            by_id: false,
        };
        match pick {
            Pick::Only => return Ok(self.roots.iter().map(all_names).collect()),
            Pick::Position(_) => return self.root(pick).map(|root| vec![all_names(root)]),
            Pick::Digest(_) => {}
            Pick::Name(wanted) => {
                let wants = Wanted::parse(wanted);
                let named = self.roots.iter().filter_map(|root| {
                    let names = root.names.iter().filter(|name| wants.means(name));
                    let names: Vec<Name> = names.cloned().collect();
                    (!names.is_empty()).then(|| Chosen {
                        names,
                        ..all_names(root)
                    })
                });
                let named: Vec<Chosen<'_>> = named.collect();
                if !named.is_empty() {
                    return Ok(named);
                }
                // The bare `ref.name` of an image that has a full name.
                let called = self.called(wanted);
                if !called.is_empty() {
                    return Ok(called.into_iter().map(all_names).collect());
                }
            }
        }
        let target = self.target(pick)?;
        Ok(vec![Chosen {
            image: match target {
                Target::Root(_) => None,
                Target::Image { image, .. } => Some(image),
            },
            by_id: true,
            ..all_names(&self.roots[target.root()])
        }])
    }

    /// The one thing that an ID or digest points to. Manifests that share a config are one image, of which the first one
    /// that is undamaged is taken.
    ///
    /// # Errors
    /// `NoSuchImage`; `SeveralImages` for a start that several IDs have.
    pub fn target(&self, pick: &Pick) -> Result<Target> {
        let targets = self.targets(pick);
        if targets.is_empty() {
            return Err(self.no_such_image(&pick.text(), &self.roots));
        }
        if !self.are_one(&targets) {
            let roots = targets.iter().map(|target| &self.roots[target.root()]);
            let candidates = self.candidates(roots);
            return Err(Fault::SeveralImages { candidates }.into());
        }
        let undamaged = |target: &&Target| {
            let images = match target {
                Target::Root(root) => self.images_of(&self.roots[*root]),
                Target::Image { image, .. } => vec![*image],
            };
            images
                .iter()
                .all(|&image| self.faults_of(image).next().is_none())
        };
        let first = targets.iter().find(undamaged).or(targets.first());
        first.copied().ok_or_else(|| {
            let candidates = Default::default();
            Fault::SeveralImages { candidates }.into()
        })
    }

    /// Whether all of them are the same image.
    pub fn are_one(&self, targets: &[Target]) -> bool {
        let mut identities: Vec<Option<String>> = targets
            .iter()
            .map(|target| self.identity(*target))
            .collect();
        identities.sort_unstable();
        identities.dedup();
        identities.len() <= 1
    }

    /// The ID of the image that is meant; of an index with several images, its own digest.
    fn identity(&self, target: Target) -> Option<String> {
        let root = match target {
            Target::Image { image, .. } => return Some(self.images[image].id.to_string()),
            Target::Root(root) => &self.roots[root],
        };
        match (&self.images_of(root)[..], root.node) {
            ([image], _) | ([image, ..], None) => Some(self.images[*image].id.to_string()),
            (_, Some(node)) => Some(self.nodes[node].descriptor.digest.to_string()),
            ([], None) => None,
        }
    }

    /// Everything that an ID, a digest or the start of one points to, in the order of the roots.
    pub fn targets(&self, pick: &Pick) -> Vec<Target> {
        let (algorithm, prefix) = match pick {
            Pick::Digest(digest) => (Some(digest.algorithm()), digest.encoded()),
            Pick::Name(wanted) => match id_prefix(wanted) {
                Some(parts) => parts,
                None => return Vec::new(),
            },
            Pick::Only | Pick::Position(_) => return Vec::new(),
        };
        let ids = self.ids();
        let from = ids.partition_point(|id| id.hex.as_str() < prefix);
        let whole = matches!(pick, Pick::Digest(_));
        let meant = ids[from..]
            .iter()
            .take_while(|id| id.hex.starts_with(prefix))
            .filter(|id| {
                let is_kind = algorithm.is_none_or(|wanted| id.algorithm == wanted);
                is_kind && (!whole || id.hex.len() == prefix.len())
            });
        let mut targets: Vec<Target> = meant.map(|id| id.target).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// What each ID and digest points to, in the order of their digits.
    pub(super) fn list_ids(&self) -> Vec<Id> {
        let mut ids = Vec::new();
        let mut add = |digest: &Digest, target| {
            ids.push(Id {
                hex: digest.encoded().to_owned(),
                algorithm: digest.algorithm().to_owned(),
                target,
            });
        };
        let mut labels = Vec::new();
        for (position, root) in self.roots.iter().enumerate() {
            let whole = Target::Root(position);
            if let Some(node) = root.node {
                add(&self.nodes[node].descriptor.digest, whole);
            }
            let images = self.images_of(root);
            for &image in &images {
                let target = match images.len() {
                    1 => whole,
                    _ => Target::Image {
                        root: position,
                        image,
                    },
                };
                let found = &self.images[image];
                match &found.id {
                    super::ImageId::Config(digest) => add(digest, target),
                    super::ImageId::V1(hex) => labels.push(Id {
                        hex: hex.clone(),
                        algorithm: "sha256".into(),
                        target,
                    }),
                }
                if let Some(node) = found.node {
                    add(&self.nodes[node].descriptor.digest, target);
                }
            }
        }
        ids.extend(labels);
        ids.sort_unstable_by(|a, b| (&a.hex, a.target).cmp(&(&b.hex, b.target)));
        ids
    }
}

/// An ID or digest and what it points to.
#[derive(Debug)]
pub(super) struct Id {
    hex: String,
    algorithm: String,
    target: Target,
}

/// The algorithm, where one is typed, and the digits of what may be an ID or its start. Any start will do that only one
/// image has, as with docker.
fn id_prefix(wanted: &str) -> Option<(Option<&str>, &str)> {
    let (algorithm, digits) = match wanted.split_once(':') {
        Some((algorithm @ ("sha256" | "sha512"), digits)) => (Some(algorithm), digits),
        Some(_) => return None,
        None => (None, wanted),
    };
    let is_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then_some((algorithm, digits))
}
