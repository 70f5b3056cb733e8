//! Manifests that are about others: signatures, SBOMs, attestations.
//!
//! A manifest or index names what it is about as its `subject` (image specification), and a referrer of a referrer is
//! possible. Where that is not possible, a tag says it: `sha256-<hex>` of the referrers tag schema (distribution
//! specification), `sha256-<hex>.sig` and the like of cosign. Nothing in `index.json` says that a referrer is needed, so
//! who removes images has to ask here.

use std::collections::{HashMap, HashSet};

use super::assemble::{Archive, Root};
use super::graph::NodeKind;
use super::name::Name;
use crate::spec::{Digest, Document, annotations};

/// The digest of what a tag of a referrer is about: `sha256-<hex>`, alone or with a suffix after a dot.
pub fn subject_of_tag(tag: &str) -> Option<Digest> {
    let (algorithm, rest) = tag.split_once('-')?;
    let hex = rest.split('.').next()?;
    let is_known = matches!((algorithm, hex.len()), ("sha256", 64) | ("sha512", 128));
    is_known
        .then(|| Digest::from_hex(algorithm, hex).ok())
        .flatten()
}

/// The same of a name of any kind.
fn subject_of_name(name: &Name) -> Option<Digest> {
    match name {
        Name::Full(reference) => subject_of_tag(reference.tag()?),
        Name::Tag(text) | Name::Text(text) => subject_of_tag(text),
    }
}

/// What is to become of the roots of an archive when some of them are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Stays,
    /// It goes, unless it is about something that stays.
    Goes,
    /// It goes with what it is about, and stays with it; one that is about nothing here is as if it were to go.
    Follows,
}

impl Archive {
    /// The digest of what a node is about, if it is a referrer.
    pub fn subject_of(&self, node: usize) -> Option<Digest> {
        let node = &self.nodes[node];
        let subject = match &node.kind {
            NodeKind::Image(image) => self.images[*image].manifest.as_ref()?.subject.as_ref(),
            NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => {
                manifest.subject.as_ref()
            }
            // The graph keeps only what an index leads to.
            NodeKind::Index(_) => match Document::parse_known(node.bytes.as_ref()?).ok()? {
                Document::Index(index) => {
                    return index.subject.map(|subject| subject.digest);
                }
                _ => None,
            },
            NodeKind::Schema1 | NodeKind::Absent | NodeKind::Opaque => None,
        };
        subject.map(|subject| subject.digest.clone())
    }

    /// Whether all names of a root are tags by which referrers are found.
    pub fn is_named_as_referrer(&self, root: &Root) -> bool {
        !root.names.is_empty()
            && root
                .names
                .iter()
                .all(|name| subject_of_name(name).is_some())
    }

    /// What a root is about: the subject of its manifest, and what its tags say. Only what is in the archive's graph.
    pub fn subjects_of(&self, root: &Root) -> Vec<usize> {
        let stated = root.node.and_then(|node| self.subject_of(node));
        let tagged = root.names.iter().filter_map(subject_of_name);
        let subjects = stated.into_iter().chain(tagged);
        subjects
            .filter_map(|digest| self.node_of(&digest))
            .collect()
    }

    /// Which roots stay when `fate` says what is to become of each, in the order of the roots.
    ///
    /// What is about something that stays, stays; so does what is about that. Linear in the graph.
    pub fn staying(&self, fate: impl Fn(&Root) -> Fate) -> Vec<bool> {
        let mut stays = vec![false; self.roots.len()];
        // The roots that wait for a node to stay.
        let mut waiting: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut work = Vec::new();
        for (i, root) in self.roots.iter().enumerate() {
            if fate(root) == Fate::Stays {
                work.push(i);
                continue;
            }
            for subject in self.subjects_of(root) {
                waiting.entry(subject).or_default().push(i);
            }
        }
        let mut seen = HashSet::new();
        while let Some(root) = work.pop() {
            if std::mem::replace(&mut stays[root], true) {
                continue;
            }
            let mut below: Vec<usize> = self.roots[root].node.into_iter().collect();
            while let Some(node) = below.pop() {
                if !seen.insert(node) {
                    continue;
                }
                work.extend(waiting.remove(&node).unwrap_or_default());
                if let NodeKind::Index(edges) = &self.nodes[node].kind {
                    below.extend(edges.iter().map(|edge| edge.node));
                }
            }
        }
        stays
    }

    /// The attestations in the indexes below a root that are about a manifest, by their nodes.
    pub fn attestations_about(&self, root: &Root, manifest: &Digest) -> Vec<usize> {
        let mut found = Vec::new();
        for node in self.nodes_below(root.node) {
            let NodeKind::Index(edges) = &self.nodes[node].kind else {
                continue;
            };
            let about = |edge: &&super::Edge| {
                let digest = edge.descriptor.annotation(annotations::REFERENCE_DIGEST);
                edge.is_attestation() && digest == Some(manifest.as_str())
            };
            found.extend(edges.iter().filter(about).map(|edge| edge.node));
        }
        found
    }

    /// The nodes that some nodes lead to, themselves included, each once.
    pub fn nodes_below(&self, tops: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut work: Vec<usize> = tops.into_iter().collect();
        while let Some(node) = work.pop() {
            if !seen.insert(node) {
                continue;
            }
            found.push(node);
            if let NodeKind::Index(edges) = &self.nodes[node].kind {
                work.extend(edges.iter().map(|edge| edge.node));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_referrers() {
        let hex = "0123456789abcdef".repeat(4);
        let digest = format!("sha256:{hex}");
        for (tag, expected) in [
            (format!("sha256-{hex}"), Some(&digest)),
            (format!("sha256-{hex}.sig"), Some(&digest)),
            (format!("sha256-{hex}.att"), Some(&digest)),
            (format!("sha256-{}", &hex[1..]), None),
            (format!("sha256-{hex}x"), None),
            ("v1-2".to_owned(), None),
            ("latest".to_owned(), None),
        ] {
            let found = subject_of_tag(&tag).map(|digest| digest.to_string());
            assert_eq!(found.as_ref(), expected, "{tag}");
        }
    }
}
