//! Symbolic links on the way of a path, followed inside the root as if it were the root of the file system: an absolute
//! target starts at the top, and `..` at the top stays there.
//!
//! Each layer's own links are followed in its entries' paths, and all links in the targets of hard links and of other
//! links: docker, podman, umoci and GNU tar agree about a layer that is whole in itself. Where a link leads into lower
//! layers, docker with overlay2 refuses the layer, because it unpacks each into a directory of its own; engines that
//! unpack onto the lower layers find the directory, and so does this tree.

use super::state::{Applying, State};
use crate::error::{Error, Fault, Result};
use crate::layer::clean_path;
use crate::tree::paths::{NONE, TOP};
use crate::tree::version::What;

/// Links that are followed for one path, as in Linux.
const LINKS: usize = 40;

/// Parts of paths that are walked because of links, in all layers: what a hostile chain of links can cost.
const FOLLOWED: u64 = 100_000_000;

const MISSING: &str = "nothing is there";
const FOLLOWS: &str = "the layer writes below a symbolic link of its own, which is followed";
const FOLLOWS_LOWER: &str = "the layer writes below a symbolic link of its own, which leads to a directory that only \
    lower layers have: docker with overlay2 refuses the layer, other engines follow the link";

/// When a path is looked up.
#[derive(Clone, Copy)]
pub(super) enum Moment {
    /// With all that the layer's markers remove.
    Now,
    /// Before the markers that stand behind this entry of the layer.
    Before(u32),
}

/// What a path leads to.
struct Found {
    name: u32,
    /// The youngest cut from the top to its folder; to itself, if it is a folder.
    above: u32,
    state: State,
    /// Whether a folder or link on the way is of lower layers only.
    is_lower: bool,
}

/// A way through folders that ends as `Err` where it leads nowhere.
type Led<T> = Result<std::result::Result<T, &'static str>>;

impl Applying {
    /// Follows something of this layer that stands where a folder should be, if it is a symbolic link: the folder that
    /// it leads to, and the youngest cut from the top to that.
    pub(super) fn behind(&mut self, link: u32, version: u32, from: (u32, u32)) -> Led<(u32, u32)> {
        let Some(text) = self.link_text(version) else {
            return Ok(Err(
                "something that is no folder is where its folder should be",
            ));
        };
        let found = match self.locate(from, text, 1, true, None, Moment::Now)? {
            Ok(found) if found.state.is_folder => found,
            Ok(_) => {
                return Ok(Err(
                    "a symbolic link where its directory should be leads to no directory",
                ));
            }
            Err(MISSING) => {
                return Ok(Err(
                    "a symbolic link where its directory should be leads nowhere",
                ));
            }
            Err(why) => return Ok(Err(why)),
        };
        // All that is between the top and there is a folder of this layer, too.
        let mut at = found.name;
        loop {
            let latest = self.latest(at);
            if at != TOP && (latest == NONE || latest < self.start) {
                self.push(at, What::Passed, NONE, NONE);
            }
            if at == TOP {
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

    /// The file that a hard link's target is a name of when its entry, the layer's `entry`th, comes.
    pub(super) fn target(&mut self, target: &[u8], link: Option<u32>, entry: u32) -> Led<u32> {
        let target = clean_path(target);
        if target.climbs {
            return Ok(Err("it leads out of the tree"));
        }
        if target.path.is_empty() {
            return Ok(Err("it is a folder"));
        }
        let mut found = self.find_target(&target.path, link, Moment::Now)?;
        if matches!(found, Err(MISSING)) && !self.marks.is_empty() {
            // What a marker behind the link removes was there when the link was made.
            found = self.find_target(&target.path, link, Moment::Before(entry))?;
        }
        Ok(found.and_then(|found| match found.state.is_folder {
            _ if link == Some(found.name) => Err("it is the link itself"),
            true => Err("it is a folder"),
            false => self
                .version(found.state.version)
                .map(|version| version.inode)
                .ok_or(MISSING),
        }))
    }

    fn find_target(&mut self, path: &[u8], link: Option<u32>, moment: Moment) -> Led<Found> {
        let from = (TOP, self.cut_of(TOP));
        self.locate(from, path.to_vec(), 0, false, link, moment)
    }

    /// Walks a path from a folder, with the youngest cut from the top to it. `links` is how many were followed already,
    /// `last` whether one at the very end is followed too; `gone` is a name that nothing can be below.
    fn locate(
        &mut self,
        from: (u32, u32),
        path: Vec<u8>,
        links: usize,
        last: bool,
        gone: Option<u32>,
        moment: Moment,
    ) -> Led<Found> {
        let (mut rest, mut at, mut links) = (path, 0, links);
        let (mut name, mut above) = from;
        let mut state = State {
            version: self.latest(name),
            is_folder: true,
        };
        let mut is_lower = false;
        if links > 0 && rest.first() == Some(&b'/') {
            (name, above) = (TOP, self.cut_of(TOP));
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
                self.spend(1)?;
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
                    while up != TOP {
                        up = self.paths.parent(up);
                        above = above.max(self.cut_of(up));
                        self.spend(1)?;
                    }
                    continue;
                }
                _ if gone == Some(name) => return Ok(Err("the link takes its place away")),
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
            if seen.is_folder {
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
                return Ok(Err("the link takes its place away"));
            }
            let Some(text) = self.link_text(seen.version) else {
                return Ok(Err(MISSING));
            };
            links += 1;
            if links > LINKS {
                return Ok(Err("too many symbolic links on the way"));
            }
            self.spend(text.len() as u64 / 16)?;
            if text.first() == Some(&b'/') {
                (name, above) = (TOP, self.cut_of(TOP));
            }
            let behind = rest.get(at..).unwrap_or_default();
            rest = [&text, b"/".as_slice(), behind].concat();
            at = 0;
        }
    }

    /// Counts what is done for the sake of links.
    fn spend(&mut self, parts: u64) -> Result<()> {
        self.followed += parts;
        match self.followed > FOLLOWED {
            true => Err(Error::new(Fault::Limit {
                what: "parts of paths behind symbolic links",
                limit: FOLLOWED,
                found: self.followed,
            })),
            false => Ok(()),
        }
    }

    /// The text of the symbolic link that a version is; `None` if it is something else.
    pub(super) fn link_text(&self, version: u32) -> Option<Vec<u8>> {
        let inode = self.version(version)?.inode;
        let made = self.version(inode)?;
        let listing = self.listings.get(usize::from(made.layer))?;
        let record = listing.record(made.record)?;
        let is_link = record.kind == crate::layer::EntryKind::Symlink;
        is_link.then(|| listing.link(record).to_vec())
    }

    fn state_at(&self, name: u32, above: u32, moment: Moment) -> Option<State> {
        match moment {
            Moment::Now => self.state(name, above),
            Moment::Before(entry) => self.state_but(name, above, |at, version| {
                version.what == What::Removed && at >= self.start && self.is_later(name, entry)
            }),
        }
    }

    fn cut_at(&self, name: u32, moment: Moment) -> u32 {
        let cut = self.cut_of(name);
        match (moment, self.marks.get(&name)) {
            (Moment::Before(entry), Some(mark)) if mark.entry > entry && cut == self.start => {
                mark.cut
            }
            _ => cut,
        }
    }

    /// Whether the layer's first marker for a name stands behind an entry.
    fn is_later(&self, name: u32, entry: u32) -> bool {
        self.marks.get(&name).is_some_and(|mark| mark.entry > entry)
    }
}
