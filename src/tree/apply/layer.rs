//! One layer on the layers below it: its markers, then its entries in archive order.

use super::state::Applying;
use crate::error::{Fault, Result};
use crate::layer::{EntryKind, Whiteout, common_components};
use crate::tree::listing::{Listing, Record};
use crate::tree::paths::{NONE, TOP};
use crate::tree::version::What;

const REPLACES_LINK: &str = "the layer writes below a symbolic link of a lower layer: a directory without an entry \
    replaces the link, as in docker with overlay2; other engines follow the link";
const REPLACES_FILE: &str = "the layer writes below a path where a lower layer has something that is no directory: a \
    directory without an entry replaces it, as in docker with overlay2; other engines refuse the layer";

/// A dump directory as a fault of the tree. Engines refuse the whole layer, GNU tar makes a directory of it: without it the
/// directory's owner and mode would be others.
const DUMP_DIRECTORY: &str = "a dump directory of tar -g, which no engine unpacks";

impl Applying {
    pub(super) fn layer(&mut self, layer: usize, listing: &Listing) -> Result<()> {
        self.layer = layer;
        self.start = self.next();
        self.forget();
        self.marks.clear();
        self.noticed.clear();
        let late = self.markers(listing)?;
        // A marker for a folder above, before or after, takes away what is in the way.
        let mut blocked = std::mem::take(&mut self.blocked);
        blocked.retain(|&folder, &mut by| by >= self.cut_above(folder));
        self.blocked = blocked;
        self.forget();
        listing.each(|at, record, path| match Whiteout::of(path) {
            // An old driver keeps the contents of hard links among its notes; the notes themselves are hidden later.
            Whiteout::None | Whiteout::Aufs => {
                self.within_length(path)?;
                self.entry(listing, at, record, path)
            }
            marker if late.contains(&at) => self.late_marker(at, path, marker),
            _ => Ok(()),
        })?;
        for (folder, by) in std::mem::take(&mut self.blocked) {
            // An entry of its own, even a later one, says what belongs there.
            if self
                .version(self.latest(folder))
                .is_some_and(|version| version.what == What::Entry)
            {
                continue;
            }
            let path = self.paths.path(folder);
            let why = match self.link_text(by) {
                Some(_) => REPLACES_LINK,
                None => REPLACES_FILE,
            };
            self.notice(why, &path);
        }
        Ok(())
    }

    pub(super) fn within_length(&self, path: &[u8]) -> Result<()> {
        let (limit, found) = (self.limits.path_length, path.len() as u64);
        match found > limit {
            true => Err(self.placed(
                Fault::Limit {
                    what: "path in bytes",
                    limit,
                    found,
                }
                .into(),
                path,
            )),
            false => Ok(()),
        }
    }

    fn entry(&mut self, listing: &Listing, at: u32, record: &Record, path: &[u8]) -> Result<()> {
        match record.kind {
            EntryKind::Other(b'D') => {
                self.fault(DUMP_DIRECTORY, path);
                return Ok(());
            }
            // Volume labels and the like make nothing; the walk has noted them.
            EntryKind::Other(_) => return Ok(()),
            _ => {}
        }
        if record.climbs {
            self.fault("its name leads out of the tree", path);
            return Ok(());
        }
        if path.is_empty() {
            match record.kind {
                EntryKind::Directory => self.push(TOP, What::Entry, at, NONE),
                _ => self.fault("the top of the tree can only be a folder", b"."),
            }
            return Ok(());
        }
        let Some((parent, _)) = self.enter(parent_of(path), path)? else {
            return Ok(());
        };
        let part = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let inode = match record.kind {
            EntryKind::HardLink => {
                let known = self.paths.find(parent, part);
                match self.target(listing.link(record), known, at)? {
                    Ok(inode) => inode,
                    Err(why) => {
                        let target = String::from_utf8_lossy(listing.link(record)).into_owned();
                        self.add_fault(Fault::BadLink { target, why }.into(), path);
                        return Ok(());
                    }
                }
            }
            EntryKind::Directory => NONE,
            _ => self.next(),
        };
        let name = self.child(parent, part)?;
        let before = self.latest(name);
        let was_known = before != NONE;
        let version = self.next();
        self.push(name, What::Entry, at, inode);
        if record.kind == EntryKind::HardLink {
            self.linked.push(inode);
            self.restated.insert(inode, version);
        }
        if record.kind != EntryKind::Directory {
            if was_known {
                // It may have been a folder on the trail.
                self.cut(name, version);
            } else {
                self.set_cut(name, version);
            }
        } else if was_known && !self.is_folder(before) {
            // It may have been a symbolic link on the trail.
            self.forget();
        }
        Ok(())
    }

    /// Goes to a folder by its path, making what is missing: its name and the youngest cut from the top to it.
    ///
    /// Symbolic links of this layer are followed inside the root, as engines do that unpack each layer into a directory
    /// of its own; those of lower layers give way to a folder. `None` where the way ends at something else of this
    /// layer, which is a fault of `entry`.
    pub(super) fn enter(&mut self, folder: &[u8], entry: &[u8]) -> Result<Option<(u32, u32)>> {
        let same = common_components(&self.trail_path, folder);
        while self.trail.pop_if(|(end, ..)| *end > same).is_some() {}
        let (mut start, mut name, mut above) = match self.trail.last() {
            Some(&(end, name, above)) => (end + 1, name, above),
            None => (0, TOP, self.cut_of(TOP)),
        };
        self.trail_path.clear();
        self.trail_path.extend_from_slice(folder);
        while let Some(rest) = folder.get(start..).filter(|rest| !rest.is_empty()) {
            let length = rest
                .iter()
                .position(|&byte| byte == b'/')
                .unwrap_or(rest.len());
            let parent = name;
            name = self.child(parent, rest.get(..length).unwrap_or_default())?;
            if let Some(other) = self.step(name, above) {
                match self.behind(name, other, (parent, above))? {
                    Ok(led) => (name, above) = led,
                    Err(why) => {
                        self.fault(why, entry);
                        self.forget();
                        return Ok(None);
                    }
                }
            } else {
                above = above.max(self.cut_of(name));
            }
            self.trail.push((start + length, name, above));
            start += length + 1;
        }
        Ok(Some((name, above)))
    }

    /// Makes sure that a name is a folder in this layer; the version of what is there if that is something else of
    /// this layer.
    fn step(&mut self, name: u32, above: u32) -> Option<u32> {
        let latest = self.latest(name);
        let state = self.state(name, above);
        let is_own = latest != NONE && latest >= self.start && latest >= above;
        match state {
            Some(state) if state.is_folder && is_own => {}
            Some(state) if state.is_folder => self.push(name, What::Passed, NONE, NONE),
            Some(state) if is_own => return Some(state.version),
            Some(state) => {
                self.push(name, What::Implied, NONE, NONE);
                self.blocked.insert(name, state.version);
            }
            None => self.push(name, What::Implied, NONE, NONE),
        }
        None
    }
}

pub(super) fn parent_of(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    path.get(..slash.unwrap_or_default()).unwrap_or_default()
}
