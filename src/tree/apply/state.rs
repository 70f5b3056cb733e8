//! The state of a tree while layers are applied: names, their versions, and the cuts that hide lower layers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, Result, within};
use crate::index_vec::IndexVec;
use crate::layer::Limits;
use crate::tree::applied::Tree;
use crate::tree::listing::Listing;
use crate::tree::paths::Paths;
use crate::tree::positions::{EntryIdx, PathIdx, VersionIdx};
use crate::tree::version::{Change, Marker, Unapplied, Version};

/// Tables of a tree while layers are applied.
pub(super) struct TreeBuilder {
    pub(super) listings: Vec<Arc<Listing>>,
    pub(super) paths: Paths,
    pub(super) versions: IndexVec<VersionIdx, Version>,
    pub(super) last: IndexVec<PathIdx, VersionIdx>,
    /// Versions below a name that are older than this one are hidden.
    pub(super) cuts: IndexVec<PathIdx, VersionIdx>,
    pub(super) linked: Vec<VersionIdx>,
    pub(super) restated: HashMap<VersionIdx, VersionIdx>,
    pub(super) markers: Vec<Marker>,
    pub(super) unapplied: Unapplied,
    pub(super) faults: Vec<Error>,
    pub(super) fault_count: u64,
    pub(super) notices: Vec<Error>,
    pub(super) notice_count: u64,
    pub(super) layers: usize,
    pub(super) base: usize,
    pub(super) limits: Limits,
    /// Number of path components walked because of symbolic links, in all layers.
    pub(super) followed: u64,
    /// The layer being applied and its first version.
    pub(super) layer: usize,
    pub(super) start: VersionIdx,
    /// Implied directories in the place of something else in lower layers, and the version of that.
    pub(super) blocked: BTreeMap<PathIdx, VersionIdx>,
    /// Names affected by the layer's whiteouts, for hard links that come before these.
    pub(super) marks: HashMap<PathIdx, Mark>,
    /// Symbolic links of the layer that have a notice.
    pub(super) noticed: HashSet<PathIdx>,
    /// Directories of the last path: end of the component, name, and latest cut from the root to it.
    pub(super) trail: Vec<(usize, PathIdx, VersionIdx)>,
    pub(super) trail_path: Vec<u8>,
}

/// Effect of a layer's first whiteout for a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// Number of the whiteout among the layer's entries.
    pub(super) entry: EntryIdx,
    /// The name's cut before it.
    pub(super) cut: VersionIdx,
}

/// State of a name at some moment.
#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) version: VersionIdx,
    pub(super) is_directory: bool,
}

impl TreeBuilder {
    pub(super) fn new(listings: Vec<Arc<Listing>>) -> Result<Self> {
        let (most, layers) = (u16::MAX, listings.len());
        within("layers", u64::from(most), layers as u64)?;
        let mut builder = TreeBuilder {
            limits: limits(&listings),
            listings,
            paths: Paths::default(),
            versions: IndexVec::default(),
            last: vec![VersionIdx::NONE].into(),
            cuts: vec![VersionIdx::FIRST].into(),
            linked: Vec::new(),
            restated: HashMap::new(),
            markers: Vec::new(),
            unapplied: Unapplied::default(),
            faults: Vec::new(),
            fault_count: 0,
            notices: Vec::new(),
            notice_count: 0,
            layers,
            base: 0,
            followed: 0,
            layer: 0,
            start: VersionIdx::FIRST,
            blocked: BTreeMap::new(),
            marks: HashMap::new(),
            noticed: HashSet::new(),
            trail: Vec::new(),
            trail_path: Vec::new(),
        };
        // The root exists from the beginning.
        builder.push_mark(PathIdx::ROOT, Change::Implied);
        Ok(builder)
    }

    /// Returns the state of a name if all versions older than `above` are hidden.
    pub(super) fn state(&self, name: PathIdx, above: VersionIdx) -> Option<State> {
        self.state_but(name, above, |_, _| false)
    }

    /// Returns the state of a name without the versions that `leave_out` returns true for.
    pub(super) fn state_but(
        &self,
        name: PathIdx,
        above: VersionIdx,
        leave_out: impl Fn(VersionIdx, &Version) -> bool,
    ) -> Option<State> {
        let mut at = self.latest(name);
        let mut found = None;
        loop {
            let version = self.version(at).filter(|_| at >= above);
            // A mark of a layer that wrote below a directory outlives the directory, which is then an implied one.
            let Some(version) = version else {
                return found;
            };
            let state = |is_directory| {
                Some(State {
                    version: at,
                    is_directory,
                })
            };
            match version.change {
                _ if leave_out(at, version) => {}
                Change::Removed => return found,
                Change::Implied => return state(true),
                Change::Entry => {
                    let is_directory = self.is_directory(at);
                    return found.filter(|_| !is_directory).or(state(is_directory));
                }
                Change::Passed | Change::Opaque => found = found.or(state(true)),
            }
            at = version.prev;
        }
    }

    pub(super) fn is_directory(&self, version: VersionIdx) -> bool {
        // Directories have no inode.
        self.version(version)
            .is_none_or(|version| version.inode == VersionIdx::NONE)
    }

    /// Adds a version without an entry.
    pub(super) fn push_mark(&mut self, name: PathIdx, change: Change) {
        self.push(name, change, EntryIdx::NONE, VersionIdx::NONE);
    }

    pub(super) fn push(
        &mut self,
        name: PathIdx,
        change: Change,
        record: EntryIdx,
        inode: VersionIdx,
    ) {
        let prev = self.latest(name);
        let version = self.versions.push(Version {
            prev,
            record,
            inode,
            layer: self.number(),
            change,
        });
        if let Some(last) = self.last.get_mut(name) {
            *last = version;
        }
    }

    pub(super) fn child(&mut self, parent: PathIdx, part: &[u8]) -> Result<PathIdx> {
        let name = self.paths.child(parent, part);
        while self.last.len() < self.paths.len() {
            self.last.push(VersionIdx::NONE);
            self.cuts.push(VersionIdx::FIRST);
        }
        within_limits(&self.paths, &self.limits)?;
        let changes = self.versions.len() as u64 + 8;
        within("changes of paths", u64::from(u32::MAX), changes)?;
        Ok(name)
    }

    /// Records an entry that was not applied, under its own path.
    pub(super) fn add_unapplied(&mut self, entry: EntryIdx, path: &[u8]) -> Result<()> {
        let (layer, Unapplied { paths, entries }) = (self.number(), &mut self.unapplied);
        let mut name = PathIdx::ROOT;
        for part in path
            .split(|&byte| byte == b'/')
            .filter(|part| !part.is_empty())
        {
            name = paths.child(name, part);
            within_limits(paths, &self.limits)?;
        }
        entries.push((name, layer, entry));
        Ok(())
    }

    /// Hides all older versions below a name, which may be on the trail.
    pub(super) fn cut(&mut self, name: PathIdx, version: VersionIdx) {
        self.set_cut(name, version);
        self.reset_trail();
    }

    pub(super) fn set_cut(&mut self, name: PathIdx, version: VersionIdx) {
        if let Some(cut) = self.cuts.get_mut(name) {
            *cut = version.max(*cut);
        }
    }

    pub(super) fn cut_of(&self, name: PathIdx) -> VersionIdx {
        self.cuts.get(name).copied().unwrap_or(VersionIdx::FIRST)
    }

    /// The latest cut of the directories above a name.
    pub(super) fn cut_above(&self, name: PathIdx) -> VersionIdx {
        let mut above = VersionIdx::FIRST;
        let mut at = name;
        while at != PathIdx::ROOT {
            at = self.paths.parent(at);
            above = above.max(self.cut_of(at));
        }
        above
    }

    pub(super) fn reset_trail(&mut self) {
        self.trail.clear();
        self.trail_path.clear();
    }

    pub(super) fn latest(&self, name: PathIdx) -> VersionIdx {
        self.last.get(name).copied().unwrap_or(VersionIdx::NONE)
    }

    pub(super) fn version(&self, at: VersionIdx) -> Option<&Version> {
        self.versions.get(at)
    }

    pub(super) fn next(&self) -> VersionIdx {
        self.versions.next_index()
    }

    pub(super) fn number(&self) -> u16 {
        u16::try_from(self.layer).unwrap_or(u16::MAX)
    }

    pub(super) fn fault(&mut self, why: &'static str, path: &[u8]) {
        self.add_fault(Error::entry(why), path);
    }

    pub(super) fn add_fault(&mut self, error: Error, path: &[u8]) {
        self.fault_count += 1;
        if self.faults.len() < Tree::FAULTS {
            let error = self.placed(error, path);
            self.faults.push(error);
        }
    }

    /// Adds a notice: engines differ on a path.
    pub(super) fn notice(&mut self, why: &'static str, path: &[u8]) {
        self.notice_count += 1;
        if self.notices.len() < Tree::FAULTS {
            let error = self.placed(Error::entry(why), path);
            self.notices.push(error);
        }
    }

    pub(super) fn placed(&self, error: Error, path: &[u8]) -> Error {
        let layer = format!("layer {} of {}", self.base + self.layer + 1, self.layers);
        error.at(crate::escape::bytes(path)).at(layer)
    }
}

fn within_limits(paths: &Paths, limits: &Limits) -> Result<()> {
    within("paths", limits.paths, paths.len() as u64)?;
    within("bytes of names", limits.path_text, paths.text())
}

/// The limits of the listings; if they differ, the highest of each.
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
