//! Files with other contents than their packages list.

use std::collections::HashMap;

use crate::facts::{ContentDigest, Digests};
use crate::layer::Mtime;
use crate::owners::LayerOwners;
use crate::tree::{EntryVersion, NodeKind, Tree, VersionKind};

/// Layer from 0, and number of the entry from 1.
type Key = (usize, u64);
/// Altered files, each with the latest time of the unaltered files of its packages, as of its layer.
pub(super) type Altered = HashMap<Key, Mtime>;

pub(super) fn key(version: &EntryVersion<'_>) -> Key {
    (version.layer(), version.entry())
}

/// Finds the altered files of an image: a package lists them with digests, and their contents have none of these. Files
/// without digests are none, nor are those of packages without an unaltered file.
pub(super) fn altered(
    tree: &Tree,
    owners: &LayerOwners<'_>,
    digests: impl Fn(&EntryVersion<'_>) -> Option<Digests>,
) -> Altered {
    let mut latest: HashMap<(&str, usize), Mtime> = HashMap::new();
    let mut found: Vec<(Key, Vec<&str>)> = Vec::new();
    for version in tree.versions() {
        let is_file = version.file_kind() == Some(NodeKind::File);
        if !is_file || !matches!(version.kind(), VersionKind::Entry(_)) {
            continue;
        }
        let layer = version.layer();
        let listed: Vec<(&str, ContentDigest)> = owners
            .of(&version.path(), layer)
            .into_iter()
            .filter_map(|(name, digest)| Some((name, digest?)))
            .collect();
        if listed.is_empty() {
            continue;
        }
        let Some(own) = digests(&version) else {
            continue;
        };
        let names = listed.iter().map(|(name, _)| *name);
        match listed.iter().any(|(_, digest)| own.has(digest)) {
            true => {
                let time = version.meta().mtime;
                for name in names {
                    let latest = latest.entry((name, layer)).or_insert(time);
                    *latest = time.max(*latest);
                }
            }
            false => found.push((key(&version), names.collect())),
        }
    }
    let with_time = |(key, names): (Key, Vec<&str>)| {
        let layers = || 0..=key.0;
        let times = names
            .iter()
            .flat_map(|&name| layers().map(move |layer| (name, layer)));
        let time = times.filter_map(|of| latest.get(&of)).max()?;
        Some((key, *time))
    };
    found.into_iter().filter_map(with_time).collect()
}
