//! One layer applied to the layers below it: its whiteouts, then its entries in archive order.

use super::state::TreeBuilder;
use crate::error::{Fault, Result, within};
use crate::layer::{EntryKind, Whiteout, common_components};
use crate::tree::listing::{Listing, Record};
use crate::tree::positions::{EntryIdx, PathIdx, VersionIdx};
use crate::tree::version::Change;

const REPLACES_LINK: &str = "the layer writes below a symbolic link of a lower layer: a directory without an entry \
    replaces the link, as in docker with overlay2; other engines follow the link";
const REPLACES_FILE: &str = "the layer writes below a path where a lower layer has something that is no directory: a \
    directory without an entry replaces it, as in docker with overlay2; other engines refuse the layer";

/// A dump directory is a fault. Engines refuse the whole layer, GNU tar makes a directory; without it the directory
/// would have another owner and mode.
const DUMP_DIRECTORY: &str = "a dump directory of tar -g, which no engine unpacks";

impl TreeBuilder {
    pub(super) fn layer(&mut self, layer: usize, listing: &Listing) -> Result<()> {
        self.layer = layer;
        self.start = self.next();
        self.reset_trail();
        self.marks.clear();
        self.noticed.clear();
        let late = self.markers(listing)?;
        // A whiteout for a directory above, before or after, removes the obstacle.
        let mut blocked = std::mem::take(&mut self.blocked);
        blocked.retain(|&directory, &mut by| by >= self.cut_above(directory));
        self.blocked = blocked;
        self.reset_trail();
        listing.each(|at, record, path| match Whiteout::of(path) {
            // aufs keeps the contents of hard links among its metadata; the metadata itself is hidden later.
            Whiteout::None | Whiteout::Aufs => {
                self.within_length(path)?;
                self.entry(listing, at, record, path)?;
                if self.is_latest(at) {
                    return Ok(());
                }
                self.add_unapplied(at, path)
            }
            marker if late.contains(&at) => self.late_marker(at, path, marker),
            _ => Ok(()),
        })?;
        for (directory, by) in std::mem::take(&mut self.blocked) {
            // An entry for the directory, even a later one, decides what it is.
            if self
                .version(self.latest(directory))
                .is_some_and(|version| version.change == Change::Entry)
            {
                continue;
            }
            let path = self.paths.path(directory);
            let why = match self.link_text(by) {
                Some(_) => REPLACES_LINK,
                None => REPLACES_FILE,
            };
            self.notice(why, &path);
        }
        Ok(())
    }

    /// Returns true if the latest version is that of an entry of this layer.
    fn is_latest(&self, entry: EntryIdx) -> bool {
        let latest = self.versions.last();
        latest.is_some_and(|latest| latest.record == entry && latest.layer == self.number())
    }

    pub(super) fn within_length(&self, path: &[u8]) -> Result<()> {
        within("path in bytes", self.limits.path_length, path.len() as u64)
            .map_err(|error| self.placed(error, path))
    }

    fn entry(
        &mut self,
        listing: &Listing,
        at: EntryIdx,
        record: &Record,
        path: &[u8],
    ) -> Result<()> {
        match record.kind {
            EntryKind::Other(b'D') => {
                self.fault(DUMP_DIRECTORY, path);
                return Ok(());
            }
            // Volume labels and the like create nothing; the walk has recorded them.
            EntryKind::Other(_) => return Ok(()),
            _ => {}
        }
        if record.climbs {
            self.fault("path leads outside of the root", path);
            return Ok(());
        }
        if path.is_empty() {
            match record.kind {
                EntryKind::Directory => {
                    self.push(PathIdx::ROOT, Change::Entry, at, VersionIdx::NONE)
                }
                _ => self.fault("the root must be a directory", b"."),
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
            EntryKind::Directory => VersionIdx::NONE,
            _ => self.next(),
        };
        let name = self.child(parent, part)?;
        let before = self.latest(name);
        let was_known = before != VersionIdx::NONE;
        let version = self.next();
        self.push(name, Change::Entry, at, inode);
        if record.kind == EntryKind::HardLink {
            self.linked.push(inode);
            self.restated.insert(inode, version);
        }
        if record.kind != EntryKind::Directory {
            if was_known {
                // It may have been a directory on the trail.
                self.cut(name, version);
            } else {
                self.set_cut(name, version);
            }
        } else if was_known && !self.is_directory(before) {
            // It may have been a symbolic link on the trail.
            self.reset_trail();
        }
        Ok(())
    }

    /// Enters a directory by its path and creates missing ones. Returns its name and the latest cut from the root to
    /// it.
    ///
    /// Symbolic links of this layer are followed inside the root, as by engines that unpack each layer into a directory
    /// of its own; those of lower layers are replaced by a directory. `None` if another entry of this layer is in the
    /// way, which is a fault of `entry`.
    pub(super) fn enter(
        &mut self,
        directory: &[u8],
        entry: &[u8],
    ) -> Result<Option<(PathIdx, VersionIdx)>> {
        let same = common_components(&self.trail_path, directory);
        while self.trail.pop_if(|(end, ..)| *end > same).is_some() {}
        let (mut start, mut name, mut above) = match self.trail.last() {
            Some(&(end, name, above)) => (end + 1, name, above),
            None => (0, PathIdx::ROOT, self.cut_of(PathIdx::ROOT)),
        };
        self.trail_path.clear();
        self.trail_path.extend_from_slice(directory);
        while let Some(rest) = directory.get(start..).filter(|rest| !rest.is_empty()) {
            let length = rest
                .iter()
                .position(|&byte| byte == b'/')
                .unwrap_or(rest.len());
            let parent = name;
            name = self.child(parent, rest.get(..length).unwrap_or_default())?;
            if let Some(other) = self.enter_component(name, above) {
                match self.follow_link(name, other, (parent, above))? {
                    Ok(led) => (name, above) = led,
                    Err(why) => {
                        self.fault(why, entry);
                        self.reset_trail();
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

    /// Makes a name a directory in this layer. Returns the version in its place if that is another entry of this layer.
    fn enter_component(&mut self, name: PathIdx, above: VersionIdx) -> Option<VersionIdx> {
        let latest = self.latest(name);
        let state = self.state(name, above);
        let is_own = latest != VersionIdx::NONE && latest >= self.start && latest >= above;
        match state {
            Some(state) if state.is_directory && is_own => {}
            Some(state) if state.is_directory => self.push_mark(name, Change::Passed),
            Some(state) if is_own => return Some(state.version),
            Some(state) => {
                self.push_mark(name, Change::Implied);
                self.blocked.insert(name, state.version);
            }
            None => self.push_mark(name, Change::Implied),
        }
        None
    }
}

pub(super) fn parent_of(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    path.get(..slash.unwrap_or_default()).unwrap_or_default()
}
