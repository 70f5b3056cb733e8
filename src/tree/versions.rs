//! Versions: every entry of every layer, and what became of it.
//!
//! A version is one entry of one layer. Its path is where the entry took effect: that of the file, of the file that a
//! whiteout removes, or of the directory that an opaque whiteout empties. Entries that were not applied have the path
//! that they state, of which `..` may be a part. The number of versions is that of all entries of all layers.
//!
//! The layers agree with those of [`History::steps`](super::History::steps). If one layer does several things to a path, a whiteout
//! of a directory above comes first, then a whiteout of the path, then the layer's entries.
//!
//! # Cost
//!
//! Versions are found during the walk. Memory: the changes of the directories on the way to the current path, and the
//! versions of this path. Each version takes one search among the changes of its directory.

mod fate;
mod order;
mod version;

use std::cmp::Ordering;
use std::vec;

use super::applied::Tree;
use super::positions::{PathIdx, VersionIdx};
use fate::{Cut, Fate};
use order::{PathOrder, Visit};
pub use version::{EntryVersion, VersionKey, VersionKind, VersionState};

impl Tree {
    /// All entries of all layers with their states, by the bytes of their paths, then by layer and entry.
    pub fn versions(&self) -> Versions<'_> {
        Versions {
            tree: self,
            order: PathOrder::new(&self.paths),
            open: Vec::new(),
            name: None,
            unapplied: PathOrder::new(&self.unapplied.paths),
            unapplied_name: None,
            found: Vec::new().into_iter(),
        }
    }

    /// Number of entries of all layers, which is that of [`Tree::versions`].
    pub fn version_count(&self) -> u64 {
        let counts = self.listings.iter().map(|listing| listing.len() as u64);
        counts.sum()
    }
}

/// Versions in order, see [`Tree::versions`].
pub struct Versions<'t> {
    tree: &'t Tree,
    order: PathOrder<'t>,
    /// The directories on the way to the current path.
    open: Vec<Directory>,
    /// The next paths of the tree, and of the entries that were not applied.
    name: Option<PathIdx>,
    unapplied: PathOrder<'t>,
    unapplied_name: Option<PathIdx>,
    /// Versions of the current path.
    found: vec::IntoIter<EntryVersion<'t>>,
}

/// A directory whose contents are being visited.
struct Directory {
    cuts: Vec<Cut>,
    /// True for metadata of aufs, which is not in the tree.
    is_metadata: bool,
}

impl<'t> Versions<'t> {
    /// The next path of the tree. Opens and closes the directories on the way.
    fn next_name(&mut self) -> Option<PathIdx> {
        loop {
            match self.order.next()? {
                Visit::Path(name) => return Some(name),
                Visit::Enter(name) => {
                    let above = self.open.last();
                    let directory = Directory {
                        cuts: self.tree.cuts_in(name, cuts_of(above)),
                        is_metadata: self.is_metadata(name),
                    };
                    self.open.push(directory);
                }
                Visit::Leave => drop(self.open.pop()),
            }
        }
    }

    fn next_unapplied(&mut self) -> Option<PathIdx> {
        if self.tree.unapplied.entries.is_empty() {
            return None;
        }
        loop {
            if let Visit::Path(name) = self.unapplied.next()? {
                return Some(name);
            }
        }
    }

    fn is_metadata(&self, name: PathIdx) -> bool {
        let above = self.open.last().is_some_and(|above| above.is_metadata);
        above || super::apply::is_metadata(self.tree.paths.part(name))
    }

    /// Collects the versions of the next path. Returns false at the end.
    fn collect(&mut self) -> bool {
        if self.name.is_none() {
            self.name = self.next_name();
        }
        if self.unapplied_name.is_none() {
            self.unapplied_name = self.next_unapplied();
        }
        let order = match (self.name, self.unapplied_name) {
            (None, None) => return false,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(name), Some(other)) => {
                let path = self.tree.paths.path(name);
                path.cmp(&self.tree.unapplied.paths.path(other))
            }
        };
        let mut found = Vec::new();
        if order.is_le()
            && let Some(name) = self.name.take()
        {
            self.add_applied(name, &mut found);
            self.add_markers(name, &mut found);
        }
        if order.is_ge()
            && let Some(name) = self.unapplied_name.take()
        {
            self.add_unapplied(name, &mut found);
        }
        found.sort_unstable_by_key(|version| (version.layer, version.entry));
        self.found = found.into_iter();
        true
    }

    fn add_applied(&self, name: PathIdx, found: &mut Vec<EntryVersion<'t>>) {
        let is_metadata = self.is_metadata(name);
        for fate in self.tree.fates(name, cuts_of(self.open.last())) {
            let Some(version) = self.tree.version(fate.version) else {
                continue;
            };
            let Fate { state, by, .. } = match is_metadata {
                true => Fate::of(fate.version, VersionState::Unapplied),
                false => fate,
            };
            found.push(EntryVersion {
                tree: self.tree,
                name,
                layer: version.layer,
                entry: version.record,
                version: fate.version,
                state,
                by,
                kind: VersionKind::Entry(self.tree.entry_kind(version.layer, version.record)),
            });
        }
    }

    fn add_markers(&self, name: PathIdx, found: &mut Vec<EntryVersion<'t>>) {
        let markers = &self.tree.markers;
        let start = markers.partition_point(|marker| marker.name < name);
        let markers = markers.get(start..).unwrap_or_default();
        for marker in markers.iter().take_while(|marker| marker.name == name) {
            found.push(EntryVersion {
                tree: self.tree,
                name,
                layer: marker.layer,
                entry: marker.entry,
                version: VersionIdx::NONE,
                state: VersionState::Final,
                by: None,
                kind: match marker.is_opaque {
                    true => VersionKind::Opaque,
                    false => VersionKind::Whiteout,
                },
            });
        }
    }

    fn add_unapplied(&self, name: PathIdx, found: &mut Vec<EntryVersion<'t>>) {
        let entries = &self.tree.unapplied.entries;
        let start = entries.partition_point(|&(other, ..)| other < name);
        let entries = entries.get(start..).unwrap_or_default();
        for &(_, layer, entry) in entries.iter().take_while(|&&(other, ..)| other == name) {
            found.push(EntryVersion {
                tree: self.tree,
                name,
                layer,
                entry,
                version: VersionIdx::NONE,
                state: VersionState::Unapplied,
                by: None,
                kind: VersionKind::Entry(self.tree.entry_kind(layer, entry)),
            });
        }
    }
}

impl<'t> Iterator for Versions<'t> {
    type Item = EntryVersion<'t>;

    fn next(&mut self) -> Option<EntryVersion<'t>> {
        loop {
            if let Some(version) = self.found.next() {
                return Some(version);
            }
            if !self.collect() {
                return None;
            }
        }
    }
}

fn cuts_of(directory: Option<&Directory>) -> &[Cut] {
    directory.map_or(&[], |directory| &directory.cuts)
}
