//! The state of a tree while layers are applied: names, their versions, and the cuts that hide lower layers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, Result, within};
use crate::layer::Limits;
use crate::tree::applied::Tree;
use crate::tree::listing::Listing;
use crate::tree::paths::{NONE, Paths, ROOT};
use crate::tree::version::{Change, Version};

/// Tables of a tree while layers are applied.
pub(super) struct TreeBuilder {
    pub(super) listings: Vec<Arc<Listing>>,
    pub(super) paths: Paths,
    pub(super) versions: Vec<Version>,
    pub(super) last: Vec<u32>,
    /// Versions below a name that are older than this one are hidden.
    pub(super) cuts: Vec<u32>,
    pub(super) linked: Vec<u32>,
    pub(super) restated: HashMap<u32, u32>,
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
    pub(super) start: u32,
    /// Implied directories in the place of something else in lower layers, and the version of that.
    pub(super) blocked: BTreeMap<u32, u32>,
    /// Names affected by the layer's whiteouts, for hard links that come before these.
    pub(super) marks: HashMap<u32, Mark>,
    /// Symbolic links of the layer that have a notice.
    pub(super) noticed: HashSet<u32>,
    /// Directories of the last path: end of the component, name, and latest cut from the root to it.
    pub(super) trail: Vec<(usize, u32, u32)>,
    pub(super) trail_path: Vec<u8>,
}

/// Effect of a layer's first whiteout for a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// Number of the whiteout among the layer's entries.
    pub(super) entry: u32,
    /// The name's cut before it.
    pub(super) cut: u32,
}

/// State of a name at some moment.
#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) version: u32,
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
        // The root exists from the beginning.
        builder.push(ROOT, Change::Implied, NONE, NONE);
        Ok(builder)
    }

    /// Returns the state of a name if all versions older than `above` are hidden.
    pub(super) fn state(&self, name: u32, above: u32) -> Option<State> {
        self.state_but(name, above, |_, _| false)
    }

    /// Returns the state of a name without the versions that `leave_out` returns true for.
    pub(super) fn state_but(
        &self,
        name: u32,
        above: u32,
        leave_out: impl Fn(u32, &Version) -> bool,
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

    pub(super) fn is_directory(&self, version: u32) -> bool {
        // Directories have no inode.
        self.version(version)
            .is_none_or(|version| version.inode == NONE)
    }

    pub(super) fn push(&mut self, name: u32, change: Change, record: u32, inode: u32) {
        let version = self.next();
        let prev = self.latest(name);
        self.versions.push(Version {
            prev,
            record,
            inode,
            layer: self.number(),
            change,
        });
        if let Some(last) = self.last.get_mut(name as usize) {
            *last = version;
        }
    }

    pub(super) fn child(&mut self, parent: u32, part: &[u8]) -> Result<u32> {
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
            within(what, limit, found)?;
        }
        Ok(name)
    }

    /// Hides all older versions below a name, which may be on the trail.
    pub(super) fn cut(&mut self, name: u32, version: u32) {
        self.set_cut(name, version);
        self.reset_trail();
    }

    pub(super) fn set_cut(&mut self, name: u32, version: u32) {
        if let Some(cut) = self.cuts.get_mut(name as usize) {
            *cut = version.max(*cut);
        }
    }

    pub(super) fn cut_of(&self, name: u32) -> u32 {
        self.cuts.get(name as usize).copied().unwrap_or_default()
    }

    /// The latest cut of the directories above a name.
    pub(super) fn cut_above(&self, name: u32) -> u32 {
        let mut above = 0;
        let mut at = name;
        while at != ROOT {
            at = self.paths.parent(at);
            above = above.max(self.cut_of(at));
        }
        above
    }

    pub(super) fn reset_trail(&mut self) {
        self.trail.clear();
        self.trail_path.clear();
    }

    pub(super) fn latest(&self, name: u32) -> u32 {
        self.last.get(name as usize).copied().unwrap_or(NONE)
    }

    pub(super) fn version(&self, at: u32) -> Option<&Version> {
        self.versions.get(at as usize)
    }

    pub(super) fn next(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap_or(NONE)
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
