//! Referrers: manifests about other manifests, such as signatures, SBOMs and attestations.
//!
//! A manifest or index names its `subject` (image specification); a referrer may have referrers itself. Tools without
//! that field use tags: `sha256-<hex>` of the referrers tag schema (distribution specification), `sha256-<hex>.sig` and
//! similar of cosign. `index.json` does not show that a referrer is needed, so removing images has to consult this
//! module.

use std::collections::{HashMap, HashSet};

use super::graph::{Edge, NodeKind};
use super::model::{Archive, Root};
use super::name::Name;
use super::positions::{NodeIdx, RootIdx};
use crate::index_vec::IndexVec;
use crate::spec::{Digest, Document, annotations};

/// Returns the digest of a referrer tag's subject: `sha256-<hex>`, alone or with a suffix after a dot.
pub fn subject_of_tag(tag: &str) -> Option<Digest> {
    let (algorithm, rest) = tag.split_once('-')?;
    let hex = rest.split('.').next()?;
    let is_known = matches!((algorithm, hex.len()), ("sha256", 64) | ("sha512", 128));
    is_known
        .then(|| Digest::from_hex(algorithm, hex).ok())
        .flatten()
}

/// Returns the digest of the subject for a name of any kind.
fn subject_of_name(name: &Name) -> Option<Digest> {
    match name {
        Name::Full(reference) => subject_of_tag(reference.tag()?),
        Name::Tag(text) | Name::Text(text) => subject_of_tag(text),
    }
}

/// Retention of a root when some roots are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Kept.
    Keep,
    /// Removed, unless it refers to a root that is kept.
    Remove,
    /// Kept or removed with its subject; removed if its subject is not in the archive.
    FollowSubject,
}

impl Archive {
    /// Returns the digest of a node's subject, if it is a referrer.
    pub fn subject_of(&self, node: NodeIdx) -> Option<Digest> {
        let node = &self.nodes[node];
        let subject = match &node.kind {
            NodeKind::Image(image) => self.images[*image].manifest.as_ref()?.subject.as_ref(),
            NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => {
                manifest.subject.as_ref()
            }
            // The graph keeps only the edges of an index.
            NodeKind::Index(_) => match Document::parse_known(node.bytes.as_ref()?).ok()? {
                Document::Index(index) => {
                    return index.subject.map(|subject| subject.digest);
                }
                _ => None,
            },
            NodeKind::Schema1 | NodeKind::Missing | NodeKind::Opaque => None,
        };
        subject.map(|subject| subject.digest.clone())
    }

    /// Tests if all names of a root are referrer tags.
    pub fn is_named_as_referrer(&self, root: &Root) -> bool {
        !root.names.is_empty()
            && root
                .names
                .iter()
                .all(|name| subject_of_name(name).is_some())
    }

    /// Returns the subjects of a root, by its manifest and its tags, as far as they are in the graph.
    pub fn subjects_of(&self, root: &Root) -> Vec<NodeIdx> {
        let stated = root.node.and_then(|node| self.subject_of(node));
        let tagged = root.names.iter().filter_map(subject_of_name);
        let subjects = stated.into_iter().chain(tagged);
        subjects
            .filter_map(|digest| self.node_of(&digest))
            .collect()
    }

    /// Returns which roots are kept, in the order of the roots.
    ///
    /// A referrer to a kept root is kept, and so are its own referrers. Linear in the size of the graph.
    pub fn retained(&self, retention: impl Fn(&Root) -> Retention) -> IndexVec<RootIdx, bool> {
        let mut kept = IndexVec::from_elem(false, &self.roots);
        // Roots waiting for a node to be kept.
        let mut waiting: HashMap<NodeIdx, Vec<RootIdx>> = HashMap::new();
        let mut work = Vec::new();
        for (i, root) in self.roots.iter_enumerated() {
            if retention(root) == Retention::Keep {
                work.push(i);
                continue;
            }
            for subject in self.subjects_of(root) {
                waiting.entry(subject).or_default().push(i);
            }
        }
        let mut seen = HashSet::new();
        while let Some(root) = work.pop() {
            if std::mem::replace(&mut kept[root], true) {
                continue;
            }
            let mut below: Vec<NodeIdx> = self.roots[root].node.into_iter().collect();
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
        kept
    }

    /// Returns the nodes of the attestations about a manifest in the indexes below a root.
    pub fn attestations_about(&self, root: &Root, manifest: &Digest) -> Vec<NodeIdx> {
        let mut found = Vec::new();
        for node in self.nodes_below(root.node) {
            let NodeKind::Index(edges) = &self.nodes[node].kind else {
                continue;
            };
            let about = |edge: &&Edge| {
                let digest = edge.descriptor.annotation(annotations::REFERENCE_DIGEST);
                edge.is_attestation() && digest == Some(manifest.as_str())
            };
            found.extend(edges.iter().filter(about).map(|edge| edge.node));
        }
        found
    }

    /// Returns the nodes below some nodes, including them, each once.
    pub fn nodes_below(&self, tops: impl IntoIterator<Item = NodeIdx>) -> Vec<NodeIdx> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut work: Vec<NodeIdx> = tops.into_iter().collect();
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
