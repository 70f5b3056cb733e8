//! Layers applied to one another, in one pass over their listings.
//!
//! Of each layer first the markers: they speak of lower layers only, wherever they stand (image specification,
//! "Whiteouts"); those below a symbolic link of the layer itself wait for that link. Then its entries in archive order. Nothing is ever taken out: what goes away is cut off by a number.
//! Versions are numbered in the order in which they come, so "all that is in here and older than that" is one
//! comparison, however much it is and however often it is said.

mod follow;
mod markers;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use markers::Mark;

use super::listing::{Listing, Record};
use super::paths::{NONE, Paths, TOP};
use crate::error::{Error, Fault, Result};
use crate::layer::{EntryKind, Limits, Whiteout, common_components};

/// One thing that a layer did to a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    /// What was done to the same path before.
    pub prev: u32,
    /// The layer's entry; `NONE` where there is none.
    pub record: u32,
    /// The version that made the file this is a name of: itself, but for hard links.
    pub inode: u32,
    pub layer: u16,
    pub what: What,
}

/// What it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Wrote it.
    Entry,
    /// Made a folder that no entry speaks of.
    Implied,
    /// Wrote something in a folder that was there.
    Passed,
    /// Removed what lower layers have there.
    Removed,
    /// Removed all that lower layers have in it.
    Opaque,
}

/// The files after applying layers, and all that was there before. See the [module](super).
///
/// ```no_run
/// use imgkit::archive::{Open, Pick};
/// use imgkit::tree::{Reading, Tree};
///
/// let archive = Open::default().path("app.tar".as_ref())?;
/// let image = archive.select(&Pick::Only, None)?.image();
/// let tree = Tree::apply(Reading::default().list_all(image)?)?;
/// if let Some(node) = tree.get(b"etc/os-release") {
///     println!("{:?} of {} bytes from layer {}", node.kind(), node.size(), node.layer());
/// }
/// # Ok::<(), imgkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Tree {
    pub(super) listings: Vec<Arc<Listing>>,
    pub(super) paths: Paths,
    pub(super) versions: Vec<Version>,
    /// The latest version of each name.
    pub(super) last: Vec<u32>,
    /// The version that each name stands for in the end; `NONE` where nothing is.
    pub(super) now: Vec<u32>,
    /// Files with several names in the end, each with its names in the order of the walk.
    pub(super) links: HashMap<u32, Vec<u32>>,
    /// The last hard link made to a file, whose owner, mode and time the file has since.
    pub(super) restated: HashMap<u32, u32>,
    faults: Vec<Error>,
    fault_count: u64,
    notices: Vec<Error>,
    notice_count: u64,
    pub(crate) limits: Limits,
}

impl Tree {
    /// How many faults are kept.
    pub const FAULTS: usize = 100;

    /// Applies layers, the base first.
    ///
    /// What no two engines would make the same of is a fault of the tree, and the entry is left out; see
    /// [`Tree::sound`].
    ///
    /// # Errors
    /// `Limit` for more paths than [`Limits::paths`] or names of more than [`Limits::path_text`] bytes in all layers,
    /// or more than 65,535 layers.
    pub fn apply(listings: Vec<Arc<Listing>>) -> Result<Self> {
        let all = listings.len();
        Self::apply_part(listings, 0, all)
    }

    /// The same for some layers of `all`, of which `base` are below: faults name them by their place among all.
    ///
    /// # Errors
    /// As [`Tree::apply`].
    pub fn apply_part(listings: Vec<Arc<Listing>>, base: usize, all: usize) -> Result<Self> {
        let mut applying = Applying::new(listings)?;
        (applying.base, applying.layers) = (base, all);
        for layer in 0..applying.listings.len() {
            if let Some(listing) = applying.listings.get(layer).map(Arc::clone) {
                applying.layer(layer, &listing)?;
            }
        }
        Ok(applying.finish())
    }

    /// What is wrong with the layers, in their order; at most [`Tree::FAULTS`]. Each is placed at layer and entry.
    pub fn faults(&self) -> &[Error] {
        &self.faults
    }

    /// How many faults there are, kept or not.
    pub fn fault_count(&self) -> u64 {
        self.fault_count
    }

    /// Entries that not all engines put where this tree has them, in their order; at most [`Tree::FAULTS`]. Each is
    /// placed at layer and path.
    pub fn notices(&self) -> &[Error] {
        &self.notices
    }

    /// Number of [`Tree::notices`], kept or not.
    pub fn notice_count(&self) -> u64 {
        self.notice_count
    }

    /// The same tree, if nothing is wrong with it.
    ///
    /// # Errors
    /// The first of [`Tree::faults`]: `Entry` or `BadLink`.
    pub fn sound(self) -> Result<Self> {
        match self.faults.first() {
            Some(error) => Err(error.clone()),
            None => Ok(self),
        }
    }
}

/// What there is while layers are being applied.
struct Applying {
    listings: Vec<Arc<Listing>>,
    paths: Paths,
    versions: Vec<Version>,
    last: Vec<u32>,
    /// Everything below a name that is older than this version is gone.
    cuts: Vec<u32>,
    linked: Vec<u32>,
    restated: HashMap<u32, u32>,
    faults: Vec<Error>,
    fault_count: u64,
    notices: Vec<Error>,
    notice_count: u64,
    layers: usize,
    base: usize,
    limits: Limits,
    /// Parts of paths that were walked because of symbolic links, in all layers.
    followed: u64,
    /// The layer being applied and its first version.
    layer: usize,
    start: u32,
    /// Folders implied where lower layers have something else, and the version of that.
    blocked: BTreeMap<u32, u32>,
    /// What the layer's markers removed below, for hard links that stand before them.
    marks: HashMap<u32, Mark>,
    /// Symbolic links on the way of the layer's entries that a notice was given of.
    noticed: HashSet<u32>,
    /// The folders of the last path: where each one's part ends, its name, and the youngest cut from the top to it.
    trail: Vec<(usize, u32, u32)>,
    trail_path: Vec<u8>,
}

const REPLACES_LINK: &str = "the layer writes below a symbolic link of a lower layer: a directory without an entry \
    replaces the link, as in docker with overlay2; other engines follow the link";
const REPLACES_FILE: &str = "the layer writes below a path where a lower layer has something that is no directory: a \
    directory without an entry replaces it, as in docker with overlay2; other engines refuse the layer";

/// A dump directory as a fault of the tree. Engines refuse the whole layer, GNU tar makes a directory of it: without it the
/// directory's owner and mode would be others.
const DUMP_DIRECTORY: &str = "a dump directory of tar -g, which no engine unpacks";

/// What a name stands for at some moment.
#[derive(Clone, Copy)]
struct State {
    version: u32,
    is_folder: bool,
}

impl Applying {
    fn new(listings: Vec<Arc<Listing>>) -> Result<Self> {
        let (most, layers) = (u16::MAX, listings.len());
        if layers > usize::from(most) {
            return Err(Error::new(Fault::Limit {
                what: "layers",
                limit: u64::from(most),
                found: layers as u64,
            }));
        }
        let mut applying = Applying {
            limits: limits(&listings),
            listings,
            paths: Paths::default(),
            versions: Vec::new(),
            last: vec![NONE],
            cuts: vec![0],
            linked: Vec::new(),
            restated: HashMap::new(),
            faults: Vec::new(),
            fault_count: 0,
            notices: Vec::new(),
            notice_count: 0,
            layers,
            base: 0,
            followed: 0,
            layer: 0,
            start: 0,
            blocked: BTreeMap::new(),
            marks: HashMap::new(),
            noticed: HashSet::new(),
            trail: Vec::new(),
            trail_path: Vec::new(),
        };
        // The top is there before anything is.
        applying.push(TOP, What::Implied, NONE, NONE);
        Ok(applying)
    }

    fn layer(&mut self, layer: usize, listing: &Listing) -> Result<()> {
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

    fn within_length(&self, path: &[u8]) -> Result<()> {
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
    fn enter(&mut self, folder: &[u8], entry: &[u8]) -> Result<Option<(u32, u32)>> {
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

    /// What a name stands for, if everything below older than `above` is gone.
    fn state(&self, name: u32, above: u32) -> Option<State> {
        self.state_but(name, above, |_, _| false)
    }

    /// The same without the versions that are to be left out.
    fn state_but(
        &self,
        name: u32,
        above: u32,
        leave_out: impl Fn(u32, &Version) -> bool,
    ) -> Option<State> {
        let mut at = self.latest(name);
        let mut found = None;
        loop {
            let version = self.version(at).filter(|_| at >= above);
            // A mark that a layer passed through outlives what it passed through: then the folder is an implied one.
            let Some(version) = version else {
                return found;
            };
            let state = |is_folder| {
                Some(State {
                    version: at,
                    is_folder,
                })
            };
            match version.what {
                _ if leave_out(at, version) => {}
                What::Removed => return found,
                What::Implied => return state(true),
                What::Entry => {
                    let is_folder = self.is_folder(at);
                    return found.filter(|_| !is_folder).or(state(is_folder));
                }
                What::Passed | What::Opaque => found = found.or(state(true)),
            }
            at = version.prev;
        }
    }

    fn is_folder(&self, version: u32) -> bool {
        // Kept as its own inode only by what is no folder.
        self.version(version)
            .is_none_or(|version| version.inode == NONE)
    }

    fn push(&mut self, name: u32, what: What, record: u32, inode: u32) {
        let version = self.next();
        let prev = self.latest(name);
        self.versions.push(Version {
            prev,
            record,
            inode,
            layer: self.number(),
            what,
        });
        if let Some(last) = self.last.get_mut(name as usize) {
            *last = version;
        }
    }

    fn child(&mut self, parent: u32, part: &[u8]) -> Result<u32> {
        let name = self.paths.child(parent, part);
        while self.last.len() < self.paths.len() {
            self.last.push(NONE);
            self.cuts.push(0);
        }
        for (what, limit, found) in [
            ("paths", self.limits.paths, self.paths.len() as u64),
            ("bytes of names", self.limits.path_text, self.paths.text()),
            (
                "changes of paths",
                u64::from(NONE),
                self.versions.len() as u64 + 8,
            ),
        ] {
            if found > limit {
                return Err(Error::new(Fault::Limit { what, limit, found }));
            }
        }
        Ok(name)
    }

    /// Cuts off what is below a name, which may be on the trail.
    fn cut(&mut self, name: u32, version: u32) {
        self.set_cut(name, version);
        self.forget();
    }

    fn set_cut(&mut self, name: u32, version: u32) {
        if let Some(cut) = self.cuts.get_mut(name as usize) {
            *cut = version.max(*cut);
        }
    }

    fn cut_of(&self, name: u32) -> u32 {
        self.cuts.get(name as usize).copied().unwrap_or_default()
    }

    /// The youngest cut of the folders above a name.
    fn cut_above(&self, name: u32) -> u32 {
        let mut above = 0;
        let mut at = name;
        while at != TOP {
            at = self.paths.parent(at);
            above = above.max(self.cut_of(at));
        }
        above
    }

    fn forget(&mut self) {
        self.trail.clear();
        self.trail_path.clear();
    }

    fn latest(&self, name: u32) -> u32 {
        self.last.get(name as usize).copied().unwrap_or(NONE)
    }

    fn version(&self, at: u32) -> Option<&Version> {
        self.versions.get(at as usize)
    }

    fn next(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap_or(NONE)
    }

    fn number(&self) -> u16 {
        u16::try_from(self.layer).unwrap_or(u16::MAX)
    }

    fn fault(&mut self, why: &'static str, path: &[u8]) {
        self.add_fault(Fault::Entry { why }.into(), path);
    }

    fn add_fault(&mut self, error: Error, path: &[u8]) {
        self.fault_count += 1;
        if self.faults.len() < Tree::FAULTS {
            let error = self.placed(error, path);
            self.faults.push(error);
        }
    }

    /// Notes that engines differ about a path.
    fn notice(&mut self, why: &'static str, path: &[u8]) {
        self.notice_count += 1;
        if self.notices.len() < Tree::FAULTS {
            let error = self.placed(Fault::Entry { why }.into(), path);
            self.notices.push(error);
        }
    }

    fn placed(&self, error: Error, path: &[u8]) -> Error {
        let layer = format!("layer {} of {}", self.base + self.layer + 1, self.layers);
        error.at(crate::escape::bytes(path)).at(layer)
    }

    fn finish(mut self) -> Tree {
        let names = u32::try_from(self.paths.len()).unwrap_or(NONE);
        let mut now = vec![NONE; self.paths.len()];
        // A folder comes before what is in it, so one pass is enough.
        for name in 0..names {
            let parent = self.paths.parent(name);
            let mut above = 0;
            if name != TOP {
                above = self.cut_of(parent);
                let parent_now = now.get(parent as usize).copied().unwrap_or(NONE);
                let notes = parent_now == NONE || is_notes(self.paths.part(name));
                self.set_cut(name, above);
                if notes {
                    continue;
                }
            }
            if let Some(state) = self.state(name, above)
                && let Some(slot) = now.get_mut(name as usize)
            {
                *slot = state.version;
            }
        }
        self.paths.seal();
        let mut tree = Tree {
            listings: self.listings,
            limits: self.limits,
            paths: self.paths,
            versions: self.versions,
            last: self.last,
            now,
            links: self
                .linked
                .into_iter()
                .map(|inode| (inode, Vec::new()))
                .collect(),
            restated: self.restated,
            faults: self.faults,
            fault_count: self.fault_count,
            notices: self.notices,
            notice_count: self.notice_count,
        };
        let mut links = std::mem::take(&mut tree.links);
        for node in tree.walk() {
            if let Some(names) = node.inode().and_then(|inode| links.get_mut(&inode.0)) {
                names.push(node.name);
            }
        }
        links.retain(|_, names| names.len() > 1);
        tree.links = links;
        tree
    }
}

/// What the listings accept at most; where they were made with other limits, the highest of each.
fn limits(listings: &[Arc<Listing>]) -> Limits {
    let mut all = listings.iter().map(|listing| *listing.limits());
    let Some(mut most) = all.next() else {
        return Limits::default();
    };
    for its in all {
        most.paths = most.paths.max(its.paths);
        most.path_text = most.path_text.max(its.path_text);
        most.path_length = most.path_length.max(its.path_length);
        most.decode.ratio = most.decode.ratio.max(its.decode.ratio);
    }
    most
}

fn is_notes(part: &[u8]) -> bool {
    part.starts_with(b".wh.") && Whiteout::of(part) == Whiteout::Aufs
}

fn parent_of(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    path.get(..slash.unwrap_or_default()).unwrap_or_default()
}
