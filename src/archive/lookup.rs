//! Roots and nodes found by name and digest without looking at all of them: programs ask for many in one archive.

use std::collections::HashMap;

use super::assemble::{Archive, Root};
use super::chosen::Id;
use super::name::{Name, NameKey};
use crate::spec::{Digest, Reference};

/// Made when somebody first asks.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    nodes: HashMap<Digest, usize>,
    /// The roots by each of their names, and by the texts of their `ref.name`.
    names: HashMap<NameKey, Vec<usize>>,
    ids: Vec<Id>,
}

impl Lookup {
    fn of(archive: &Archive) -> Self {
        let mut lookup = Lookup::default();
        for (i, node) in archive.nodes.iter().enumerate() {
            lookup.nodes.insert(node.descriptor.digest.clone(), i);
        }
        for (i, root) in archive.roots.iter().enumerate() {
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
    fn lookup(&self) -> &Lookup {
        self.lookup.get_or_init(|| Lookup::of(self))
    }

    /// The node of a digest.
    pub fn node_of(&self, digest: &Digest) -> Option<usize> {
        self.lookup().nodes.get(digest).copied()
    }

    /// What each ID and digest points to, in the order of their digits.
    pub(super) fn ids(&self) -> &[Id] {
        &self.lookup().ids
    }

    /// The roots for which [`Root::is_called`] holds, in the order of the listing.
    pub fn called(&self, wanted: &str) -> Vec<&Root> {
        let names = &self.lookup().names;
        let by = |key: NameKey| names.get(&key).map_or(&[][..], Vec::as_slice);
        let mut found = by(NameKey::Text(wanted.to_owned())).to_vec();
        if let Ok(reference) = Reference::parse(wanted) {
            found.extend(by(NameKey::Reference(reference.tagged())));
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|i| &self.roots[i]).collect()
    }
}
