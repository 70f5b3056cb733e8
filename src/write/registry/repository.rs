//! Links and tags of one repository.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::blob::sha256;
use crate::spec::Digest;

/// Links of one repository.
#[derive(Debug, Default)]
pub(super) struct Repository {
    /// Layers and configs.
    pub layers: BTreeSet<Digest>,
    /// Manifests and indexes, each after those that it lists.
    pub revisions: Vec<Digest>,
    pub tags: BTreeMap<String, PlannedTag>,
    /// Manifests about others, by their subjects.
    pub referrers: BTreeMap<Digest, BTreeSet<Digest>>,
    /// Manifests and indexes that were added.
    pub seen: HashSet<Digest>,
}

impl Repository {
    /// Adds a manifest about another one.
    pub(super) fn add_referrer(&mut self, subject: &Digest, referrer: &Digest) {
        let referrers = self.referrers.entry(subject.clone()).or_default();
        referrers.insert(referrer.clone());
    }

    /// Adds an index with a tag.
    pub(super) fn add_index(&mut self, tag: String, bytes: &[u8]) -> PlannedTag {
        let planned = PlannedTag {
            digest: sha256(bytes),
            size: bytes.len() as u64,
        };
        if !self.revisions.contains(&planned.digest) {
            self.revisions.push(planned.digest.clone());
        }
        self.tags.insert(tag, planned.clone());
        planned
    }
}

/// A tag to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTag {
    /// Digest of the manifest or index.
    pub digest: Digest,
    /// Size in bytes of the manifest or index.
    pub size: u64,
}
