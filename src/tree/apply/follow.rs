//! Symbolic links within paths, followed inside the root as if it were the root of the file system: an absolute target
//! starts at the root, and `..` at the root stays there.
//!
//! A layer's own links are followed in the paths of its entries, and all links in the targets of hard links and of
//! other links: docker, podman, umoci and GNU tar agree on that for a self-contained layer. Where a link leads into
//! lower layers, docker with overlay2 refuses the layer, because it unpacks each into a directory of its own. Engines
//! that unpack onto the lower layers find the directory, and so does this tree.

use super::state::{State, TreeBuilder};
use crate::error::{Result, within};
use crate::layer::clean_path;
use crate::tree::positions::{EntryIdx, PathIdx, VersionIdx};
use crate::tree::version::Change;

/// Maximum number of links followed for one path, as in Linux.
const LINKS: usize = 40;

/// Maximum number of path components walked because of links, in all layers: it bounds a hostile chain of links.
const FOLLOWED: u64 = 100_000_000;

const MISSING: &str = "no such file";
const FOLLOWS: &str = "the layer writes below a symbolic link of its own, which is followed";
const FOLLOWS_LOWER: &str = "the layer writes below a symbolic link of its own, which leads to a directory that only \
    lower layers have: docker with overlay2 refuses the layer, other engines follow the link";

/// Moment of a lookup.
#[derive(Clone, Copy)]
pub(super) enum Moment {
    /// After all of the layer's whiteouts.
    Now,
    /// Before the whiteouts that come after this entry of the layer.
    Before(EntryIdx),
}

/// Result of a lookup.
struct Found {
    name: PathIdx,
    /// The latest cut from the root to the parent directory; for a directory, to itself.
    above: VersionIdx,
    state: State,
    /// True if a directory or link on the way is of lower layers only.
    is_lower: bool,
}

/// A value, or the reason why the path does not lead to one.
type Lookup<T> = Result<std::result::Result<T, &'static str>>;

impl TreeBuilder {
    /// Follows an entry of this layer in the place of a directory, if it is a symbolic link. Returns the directory that
    /// it leads to, and the latest cut from the root to that.
    pub(super) fn follow_link(
        &mut self,
        link: PathIdx,
        version: VersionIdx,
        from: (PathIdx, VersionIdx),
    ) -> Lookup<(PathIdx, VersionIdx)> {
        let Some(text) = self.link_text(version) else {
            return Ok(Err("a parent is not a directory"));
        };
        let found = match self.locate(from, text, 1, true, None, Moment::Now)? {
            Ok(found) if found.state.is_directory => found,
            Ok(_) => {
                return Ok(Err(
                    "a parent is a symbolic link to a file that is not a directory",
                ));
            }
            Err(MISSING) => {
                return Ok(Err("a parent is a symbolic link to a missing directory"));
            }
            Err(why) => return Ok(Err(why)),
        };
        // All directories from the root to there become directories of this layer, too.
        let mut at = found.name;
        loop {
            let latest = self.latest(at);
            if at != PathIdx::ROOT && (latest == VersionIdx::NONE || latest < self.start) {
                self.push_mark(at, Change::Passed);
            }
            if at == PathIdx::ROOT {
                break;
            }
            at = self.paths.parent(at);
        }
        if self.noticed.insert(link) {
            let path = self.paths.path(link);
            let why = if found.is_lower {
                FOLLOWS_LOWER
            } else {
                FOLLOWS
            };
            self.notice(why, &path);
        }
        Ok(Ok((found.name, found.above)))
    }

    /// Returns the file that the target of a hard link names when its entry, the layer's entry number `entry`, is
    /// applied.
    pub(super) fn target(
        &mut self,
        target: &[u8],
        link: Option<PathIdx>,
        entry: EntryIdx,
    ) -> Lookup<VersionIdx> {
        let target = clean_path(target);
        if target.climbs {
            return Ok(Err("target is outside of the root"));
        }
        if target.path.is_empty() {
            return Ok(Err("target is a directory"));
        }
        let mut found = self.find_target(&target.path, link, Moment::Now)?;
        if matches!(found, Err(MISSING)) && !self.marks.is_empty() {
            // A path removed by a later whiteout still existed when the link was made.
            found = self.find_target(&target.path, link, Moment::Before(entry))?;
        }
        Ok(found.and_then(|found| match found.state.is_directory {
            _ if link == Some(found.name) => Err("target is the link itself"),
            true => Err("target is a directory"),
            false => self
                .version(found.state.version)
                .map(|version| version.inode)
                .ok_or(MISSING),
        }))
    }

    fn find_target(&mut self, path: &[u8], link: Option<PathIdx>, moment: Moment) -> Lookup<Found> {
        let from = (PathIdx::ROOT, self.cut_of(PathIdx::ROOT));
        self.locate(from, path.to_vec(), 0, false, link, moment)
    }

    /// Walks a path from a directory, with the latest cut from the root to it. `links` is the number of links followed
    /// so far; with `last` a link at the end is followed, too; nothing can be below the name `gone`.
    fn locate(
        &mut self,
        from: (PathIdx, VersionIdx),
        path: Vec<u8>,
        links: usize,
        last: bool,
        gone: Option<PathIdx>,
        moment: Moment,
    ) -> Lookup<Found> {
        let (mut rest, mut at, mut links) = (path, 0, links);
        let (mut name, mut above) = from;
        let mut state = State {
            version: self.latest(name),
            is_directory: true,
        };
        let mut is_lower = false;
        if links > 0 && rest.first() == Some(&b'/') {
            (name, above) = (PathIdx::ROOT, self.cut_of(PathIdx::ROOT));
        }
        loop {
            let left = rest.get(at..).unwrap_or_default();
            let skip = left.iter().take_while(|&&byte| byte == b'/').count();
            let left = left.get(skip..).unwrap_or_default();
            if left.is_empty() {
                return Ok(Ok(Found {
                    name,
                    above,
                    state,
                    is_lower,
                }));
            }
            if links > 0 {
                self.count_steps(1)?;
            }
            let length = left.iter().take_while(|&&byte| byte != b'/').count();
            let part = left.get(..length).unwrap_or_default();
            let is_end = left.iter().skip(length).all(|&byte| byte == b'/');
            at += skip + length;
            match part {
                b"." => continue,
                b".." => {
                    name = self.paths.parent(name);
                    above = self.cut_of(name);
                    let mut up = name;
                    while up != PathIdx::ROOT {
                        up = self.paths.parent(up);
                        above = above.max(self.cut_of(up));
                        self.count_steps(1)?;
                    }
                    continue;
                }
                _ if gone == Some(name) => return Ok(Err("target is below the link itself")),
                _ => {}
            }
            let Some(child) = self.paths.find(name, part) else {
                return Ok(Err(MISSING));
            };
            let Some(seen) = self.state_at(child, above, moment) else {
                return Ok(Err(MISSING));
            };
            let latest = self.latest(child);
            is_lower |= latest < self.start;
            if seen.is_directory {
                (name, state) = (child, seen);
                above = above.max(self.cut_at(child, moment));
                continue;
            }
            if is_end && !last {
                return Ok(Ok(Found {
                    name: child,
                    above,
                    state: seen,
                    is_lower,
                }));
            }
            if gone == Some(child) {
                return Ok(Err("target is below the link itself"));
            }
            let Some(text) = self.link_text(seen.version) else {
                return Ok(Err(MISSING));
            };
            links += 1;
            if links > LINKS {
                return Ok(Err("too many levels of symbolic links"));
            }
            self.count_steps(text.len() as u64 / 16)?;
            if text.first() == Some(&b'/') {
                (name, above) = (PathIdx::ROOT, self.cut_of(PathIdx::ROOT));
            }
            let behind = rest.get(at..).unwrap_or_default();
            rest = [&text, b"/".as_slice(), behind].concat();
            at = 0;
        }
    }

    /// Counts components walked because of links.
    fn count_steps(&mut self, parts: u64) -> Result<()> {
        self.followed += parts;
        let what = "path components behind symbolic links";
        within(what, FOLLOWED, self.followed)
    }

    /// Returns the target of a symbolic link; `None` for other versions.
    pub(super) fn link_text(&self, version: VersionIdx) -> Option<Vec<u8>> {
        let inode = self.version(version)?.inode;
        let made = self.version(inode)?;
        let listing = self.listings.get(usize::from(made.layer))?;
        let record = listing.record(made.record)?;
        let is_link = record.kind == crate::layer::EntryKind::Symlink;
        is_link.then(|| listing.link(record).to_vec())
    }

    fn state_at(&self, name: PathIdx, above: VersionIdx, moment: Moment) -> Option<State> {
        match moment {
            Moment::Now => self.state(name, above),
            Moment::Before(entry) => self.state_but(name, above, |at, version| {
                version.change == Change::Removed && at >= self.start && self.is_later(name, entry)
            }),
        }
    }

    fn cut_at(&self, name: PathIdx, moment: Moment) -> VersionIdx {
        let cut = self.cut_of(name);
        match (moment, self.marks.get(&name)) {
            (Moment::Before(entry), Some(mark)) if mark.entry > entry && cut == self.start => {
                mark.cut
            }
            _ => cut,
        }
    }

    /// Returns true if the layer's first whiteout for a name comes after an entry.
    fn is_later(&self, name: PathIdx, entry: EntryIdx) -> bool {
        self.marks.get(&name).is_some_and(|mark| mark.entry > entry)
    }
}
