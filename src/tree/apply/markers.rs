//! Markers of one layer: what they remove from lower layers.

use std::collections::{BTreeSet, HashSet};

use super::layer::parent_of;
use super::state::{Applying, Mark};
use crate::error::Result;
use crate::layer::{EntryKind, Whiteout};
use crate::tree::listing::Listing;
use crate::tree::paths::NONE;
use crate::tree::version::What;

impl Applying {
    /// Applies a layer's markers but those below symbolic links of the layer itself, whose numbers are given back:
    /// where these lead is known when their turn comes.
    pub(super) fn markers(&mut self, listing: &Listing) -> Result<BTreeSet<u32>> {
        let has_links = listing.has_links();
        let mut held: Vec<(u32, Vec<u8>)> = Vec::new();
        listing.each(|at, record, path| match Whiteout::of(path) {
            Whiteout::None | Whiteout::Aufs => Ok(()),
            Whiteout::Invalid => {
                self.fault("the whiteout names nothing", path);
                Ok(())
            }
            _ => {
                self.within_length(path)?;
                if record.climbs {
                    self.fault("its name leads out of the tree", path);
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
            let mut folders = ends.map(|(end, _)| path.get(..end).unwrap_or_default());
            if folders.any(|folder| links.contains(folder)) {
                late.insert(at);
            } else {
                self.marker(at, &path, Whiteout::of(&path))?;
            }
        }
        Ok(late)
    }

    fn marker(&mut self, at: u32, path: &[u8], marker: Whiteout<'_>) -> Result<()> {
        let folder = parent_of(path);
        match marker {
            Whiteout::Opaque => {
                let Some((name, _)) = self.enter(folder, path)? else {
                    return Ok(());
                };
                let latest = self.version(self.latest(name));
                if latest.is_none_or(|latest| {
                    latest.what != What::Opaque || latest.layer != self.number()
                }) {
                    self.push(name, What::Opaque, NONE, NONE);
                }
                self.marked(name, at);
            }
            Whiteout::Removes(part) => {
                let Some((parent, _)) = self.enter(folder, path)? else {
                    return Ok(());
                };
                let name = self.child(parent, part)?;
                let latest = self.latest(name);
                if latest != NONE && latest >= self.start {
                    // Markers of this layer are in it: it stays, as a folder that owes nothing to lower layers.
                    self.renew(name);
                    self.blocked.remove(&name);
                } else {
                    self.push(name, What::Removed, NONE, NONE);
                }
                self.marked(name, at);
            }
            _ => {}
        }
        Ok(())
    }

    /// Applies a marker in its turn among the entries: what the layer wrote there before stays.
    pub(super) fn late_marker(&mut self, at: u32, path: &[u8], marker: Whiteout<'_>) -> Result<()> {
        let Whiteout::Removes(part) = marker else {
            return self.marker(at, path, marker);
        };
        let Some((parent, above)) = self.enter(parent_of(path), path)? else {
            return Ok(());
        };
        let name = self.child(parent, part)?;
        let latest = self.latest(name);
        if latest == NONE || latest < self.start {
            self.push(name, What::Removed, NONE, NONE);
        } else if let Some(state) = self.state(name, above).filter(|state| state.is_folder)
            && let Some(own) = self.version(state.version).copied()
        {
            // A folder that owes nothing to lower layers, with the attributes that this layer gives it.
            self.push(name, What::Removed, NONE, NONE);
            match own.what {
                What::Entry if state.version >= self.start => {
                    self.push(name, What::Entry, own.record, own.inode);
                }
                _ => self.push(name, What::Implied, NONE, NONE),
            }
        }
        self.marked(name, at);
        Ok(())
    }

    /// Cuts off what lower layers have below a name.
    fn marked(&mut self, name: u32, entry: u32) {
        let cut = self.cut_of(name);
        self.marks.entry(name).or_insert(Mark { entry, cut });
        self.cut(name, self.start);
    }

    /// Makes a folder anew that a marker of this layer removes and others are in.
    fn renew(&mut self, name: u32) {
        let latest = self.version(self.latest(name)).copied();
        let Some(latest) = latest.filter(|latest| latest.what != What::Removed) else {
            return;
        };
        let before = self
            .version(latest.prev)
            .filter(|_| latest.prev >= self.start);
        if latest.what != What::Implied || before.is_none_or(|before| before.what != What::Removed)
        {
            self.push(name, What::Removed, NONE, NONE);
            self.push(name, What::Implied, NONE, NONE);
        }
    }
}
