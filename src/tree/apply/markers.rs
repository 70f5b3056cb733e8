//! Whiteouts of one layer, applied to lower layers.

use std::collections::{BTreeSet, HashSet};

use super::layer::parent_of;
use super::state::{Mark, TreeBuilder};
use crate::error::Result;
use crate::layer::{EntryKind, Whiteout};
use crate::tree::listing::Listing;
use crate::tree::positions::{EntryIdx, PathIdx, VersionIdx};
use crate::tree::version::{Change, Marker};

impl TreeBuilder {
    /// Applies a layer's whiteouts, except those below symbolic links of the layer itself. Returns the numbers of the
    /// latter, which can be applied only after the link.
    pub(super) fn markers(&mut self, listing: &Listing) -> Result<BTreeSet<EntryIdx>> {
        let has_links = listing.has_links();
        let mut held: Vec<(EntryIdx, Vec<u8>)> = Vec::new();
        listing.each(|at, record, path| match Whiteout::of(path) {
            Whiteout::None | Whiteout::Aufs => Ok(()),
            Whiteout::Invalid => {
                self.fault("whiteout without a name", path);
                self.add_unapplied(at, path)
            }
            _ => {
                self.within_length(path)?;
                if record.climbs {
                    self.fault("path leads outside of the root", path);
                    self.add_unapplied(at, path)?;
                } else if has_links {
                    held.push((at, path.to_vec()));
                } else {
                    self.marker(at, path, Whiteout::of(path))?;
                }
                Ok(())
            }
        })?;
        if held.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut links: HashSet<Vec<u8>> = HashSet::new();
        listing.each(|_, record, path| {
            if record.kind == EntryKind::Symlink {
                links.insert(path.to_vec());
            }
            Ok(())
        })?;
        let mut late = BTreeSet::new();
        for (at, path) in held {
            let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            let mut directories = ends.map(|(end, _)| path.get(..end).unwrap_or_default());
            if directories.any(|directory| links.contains(directory)) {
                late.insert(at);
            } else {
                self.marker(at, &path, Whiteout::of(&path))?;
            }
        }
        Ok(late)
    }

    fn marker(&mut self, at: EntryIdx, path: &[u8], marker: Whiteout<'_>) -> Result<()> {
        let directory = parent_of(path);
        match marker {
            Whiteout::Opaque => {
                let Some((name, _)) = self.enter(directory, path)? else {
                    return self.add_unapplied(at, path);
                };
                let latest = self.version(self.latest(name));
                if latest.is_none_or(|latest| {
                    latest.change != Change::Opaque || latest.layer != self.number()
                }) {
                    self.push_mark(name, Change::Opaque);
                }
                self.mark_removed(name, at, marker);
            }
            Whiteout::Removes(part) => {
                let Some((parent, _)) = self.enter(directory, path)? else {
                    return self.add_unapplied(at, path);
                };
                let name = self.child(parent, part)?;
                let latest = self.latest(name);
                if latest != VersionIdx::NONE && latest >= self.start {
                    // Whiteouts of this layer are below it: it stays, as a new directory without files of lower layers.
                    self.recreate(name);
                    self.blocked.remove(&name);
                } else {
                    self.push_mark(name, Change::Removed);
                }
                self.mark_removed(name, at, marker);
            }
            _ => {}
        }
        Ok(())
    }

    /// Applies a whiteout among the entries: paths that the layer wrote before stay.
    pub(super) fn late_marker(
        &mut self,
        at: EntryIdx,
        path: &[u8],
        marker: Whiteout<'_>,
    ) -> Result<()> {
        let Whiteout::Removes(part) = marker else {
            return self.marker(at, path, marker);
        };
        let Some((parent, above)) = self.enter(parent_of(path), path)? else {
            return self.add_unapplied(at, path);
        };
        let name = self.child(parent, part)?;
        let latest = self.latest(name);
        if latest == VersionIdx::NONE || latest < self.start {
            self.push_mark(name, Change::Removed);
        } else if let Some(state) = self.state(name, above).filter(|state| state.is_directory)
            && let Some(own) = self.version(state.version).copied()
        {
            // A directory without files of lower layers, with the attributes of this layer.
            self.push_mark(name, Change::Removed);
            match own.change {
                Change::Entry if state.version >= self.start => {
                    self.push(name, Change::Entry, own.record, own.inode);
                }
                _ => self.push_mark(name, Change::Implied),
            }
        }
        self.mark_removed(name, at, marker);
        Ok(())
    }

    /// Cuts off the files of lower layers below a name.
    fn mark_removed(&mut self, name: PathIdx, entry: EntryIdx, marker: Whiteout<'_>) {
        self.markers.push(Marker {
            name,
            layer: self.number(),
            entry,
            is_opaque: marker == Whiteout::Opaque,
        });
        let cut = self.cut_of(name);
        self.marks.entry(name).or_insert(Mark { entry, cut });
        self.cut(name, self.start);
    }

    /// Creates a directory again that one whiteout of this layer removes and others are below.
    fn recreate(&mut self, name: PathIdx) {
        let latest = self.version(self.latest(name)).copied();
        let Some(latest) = latest.filter(|latest| latest.change != Change::Removed) else {
            return;
        };
        let before = self
            .version(latest.prev)
            .filter(|_| latest.prev >= self.start);
        if latest.change != Change::Implied
            || before.is_none_or(|before| before.change != Change::Removed)
        {
            self.push_mark(name, Change::Removed);
            self.push_mark(name, Change::Implied);
        }
    }
}
