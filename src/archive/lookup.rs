//! Roots, nodes and images by name, ID and digest, with an index because programs look up many in one archive.

use super::container::Holder;
use super::image::ImageId;
use super::model::{Archive, Root};
use super::name::{Name, NameKey};
use super::pick::Pick;
use super::positions::NodeIdx;
use super::target::{KnownId, Lookup, Target};
use crate::error::{Fault, Result};
use crate::spec::{Digest, Reference};

impl Lookup {
    fn of(archive: &Archive) -> Self {
        let mut lookup = Lookup::default();
        for (i, node) in archive.nodes.iter_enumerated() {
            lookup.nodes.insert(node.descriptor.digest.clone(), i);
        }
        for (i, root) in archive.roots.iter_enumerated() {
            for name in &root.names {
                if let Name::Full(reference) = name
                    && reference.is_in_tree()
                    && let Ok(outside) = reference.outside()
                {
                    let key = NameKey::Reference(outside.tagged());
                    lookup.outside.entry(key).or_default().push(i);
                }
            }
            let texts = root.ref_names.iter().cloned().map(NameKey::Text);
            for key in root.names.iter().map(Name::key).chain(texts) {
                let roots = lookup.names.entry(key).or_default();
                if roots.last() != Some(&i) {
                    roots.push(i);
                }
            }
        }
        lookup.ids = archive.list_ids();
        lookup
    }
}

impl Archive {
    /// Returns a name with the registry in front that the names of the tree got; `None` without one.
    pub(super) fn below_registry(&self, wanted: &str) -> Option<String> {
        let registry = match &self.container.holder {
            Holder::Tree(tree) => tree.registry.as_deref()?,
            _ => return None,
        };
        Some(format!("{registry}/{wanted}"))
    }

    fn lookup(&self) -> &Lookup {
        self.lookup.get_or_init(|| Lookup::of(self))
    }

    /// Returns the node with that digest.
    pub fn node_of(&self, digest: &Digest) -> Option<NodeIdx> {
        self.lookup().nodes.get(digest).copied()
    }

    /// IDs and digests with their targets, in the order of their digits.
    pub(super) fn ids(&self) -> &[KnownId] {
        &self.lookup().ids
    }

    /// Returns the roots for which [`Root::matches_name`] holds, in the order of the listing. In a tree a root with
    /// exactly this name has precedence.
    pub fn roots_named(&self, wanted: &str) -> Vec<&Root> {
        let lookup = self.lookup();
        let by = |key: NameKey| lookup.names.get(&key).map_or(&[][..], Vec::as_slice);
        let mut found = by(NameKey::Text(wanted.to_owned())).to_vec();
        for reference in [Reference::parse(wanted), Reference::in_tree(wanted)] {
            let key = reference.map(|reference| NameKey::Reference(reference.tagged()));
            found.extend(key.map_or(&[][..], by));
        }
        if let (true, Ok(reference)) = (found.is_empty(), Reference::parse(wanted)) {
            let outside = lookup.outside.get(&NameKey::Reference(reference.tagged()));
            found.extend(outside.into_iter().flatten());
        }
        if let (true, Some(text)) = (found.is_empty(), self.below_registry(wanted))
            && let Ok(reference) = Reference::parse(&text)
        {
            found.extend(by(NameKey::Reference(reference.tagged())));
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|i| &self.roots[i]).collect()
    }

    /// Returns the one target of an ID or digest. Manifests that share a config are one image; the first undamaged one
    /// is returned.
    ///
    /// # Errors
    /// `NoSuchImage`; `SeveralImages` for a prefix of several IDs.
    pub fn target(&self, pick: &Pick) -> Result<Target> {
        let targets = self.targets(pick);
        if targets.is_empty() {
            return Err(self.no_such_image(&pick.text(), &self.roots));
        }
        if !self.are_same_image(&targets) {
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

    /// Tests if all targets are the same image.
    pub fn are_same_image(&self, targets: &[Target]) -> bool {
        let mut identities: Vec<Option<String>> = targets
            .iter()
            .map(|target| self.identity(*target))
            .collect();
        identities.sort_unstable();
        identities.dedup();
        identities.len() <= 1
    }

    /// Returns the ID of the image; for an index with several images, the digest of the index.
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

    /// Returns all targets of an ID, a digest or a prefix of one, in the order of the roots.
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

    /// Lists IDs and digests with their targets, in the order of their digits.
    pub(super) fn list_ids(&self) -> Vec<KnownId> {
        let mut ids = Vec::new();
        let mut add = |digest: &Digest, target| {
            ids.push(KnownId {
                hex: digest.encoded().to_owned(),
                algorithm: digest.algorithm().to_owned(),
                target,
            });
        };
        let mut labels = Vec::new();
        for (position, root) in self.roots.iter_enumerated() {
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
                    ImageId::Config(digest) => add(digest, target),
                    ImageId::V1(hex) => labels.push(KnownId {
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

/// Splits an ID or prefix of one into the algorithm, if given, and the digits. Any unique prefix is accepted, as by
/// docker.
fn id_prefix(wanted: &str) -> Option<(Option<&str>, &str)> {
    let (algorithm, digits) = match wanted.split_once(':') {
        Some((algorithm @ ("sha256" | "sha512"), digits)) => (Some(algorithm), digits),
        Some(_) => return None,
        None => (None, wanted),
    };
    let is_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then_some((algorithm, digits))
}
