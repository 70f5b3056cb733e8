//! The history of a path: the changes that layers made to it.

use super::applied::Tree;
use super::listing::{Listing, Record};
use super::node::{Inode, Location, Meta, Node, NodeKind, ROOT_NAME, Walk};
use super::positions::{PathIdx, VersionIdx};
use super::version::{Change, Version};
use crate::layer::{EntryKind, clean_path};

/// A layer's effect on a path, direct or by a change to a directory above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The path did not exist, and the layer created it.
    Added,
    /// The path existed, and the layer wrote it again: other contents, another kind, or only attributes.
    Replaced,
    /// A whiteout removed the path.
    Removed,
    /// A directory above was removed, made opaque, or replaced by something else.
    Hidden,
}

/// One change in the history of a path.
#[derive(Clone, Copy)]
pub struct Step<'t> {
    /// Number of the layer, from 0.
    pub layer: usize,
    /// Effect of the layer.
    pub event: Event,
    tree: &'t Tree,
    version: VersionIdx,
}

/// A path of any layer, present or not after all layers.
#[derive(Clone, Copy)]
pub struct History<'t> {
    pub(super) tree: &'t Tree,
    pub(super) name: PathIdx,
}

impl Tree {
    /// Returns the path with a number, present or not, see [`History::index`].
    pub fn history_at(&self, name: PathIdx) -> Option<History<'_>> {
        (usize::from(name) < self.size()).then_some(History { tree: self, name })
    }

    /// All paths of all layers, present or not, in the order of [`Tree::walk`].
    ///
    /// Whiteouts for paths that no layer has are among them.
    pub fn all_paths(&self) -> impl Iterator<Item = History<'_>> {
        let walk = Walk {
            tree: self,
            rest: vec![std::slice::from_ref(&ROOT_NAME)],
            all: true,
        };
        walk.names().map(|name| History { tree: self, name })
    }

    /// Returns the history of a path, present or not; `None` for a path that is in no layer.
    pub fn history(&self, path: &[u8]) -> Option<History<'_>> {
        let name = self.paths.lookup(&clean_path(path).path)?;
        Some(History { tree: self, name })
    }
}

impl<'t> Node<'t> {
    /// The history of the node's path.
    pub fn history(&self) -> History<'t> {
        History {
            tree: self.tree,
            name: self.name,
        }
    }
}

impl<'t> History<'t> {
    /// The path from the root without a leading `/`; empty for the root.
    pub fn path(&self) -> Vec<u8> {
        self.tree.paths.path(self.name)
    }

    /// This path and all paths below it, present or not, in the order of [`Tree::all_paths`].
    pub fn at_or_below(&self) -> impl Iterator<Item = History<'t>> + use<'t> {
        let tree = self.tree;
        let below = Walk {
            tree,
            rest: vec![tree.paths.children(self.name)],
            all: true,
        };
        let names = std::iter::once(self.name).chain(below.names());
        names.map(move |name| History { tree, name })
    }

    /// Number of the path, that of the node if there is one.
    pub fn index(&self) -> PathIdx {
        self.name
    }

    /// Number of the parent directory; `None` for the root.
    pub fn parent_index(&self) -> Option<PathIdx> {
        (self.name != PathIdx::ROOT).then(|| self.tree.paths.parent(self.name))
    }

    /// The node after all layers.
    pub fn node(&self) -> Option<Node<'t>> {
        self.tree.at(self.name)
    }

    /// Returns true if the last change is a whiteout, which also hides the path in layers below those of this tree.
    ///
    /// False if a directory above is removed, too.
    pub fn is_removed(&self) -> bool {
        let latest = self.tree.last.get(self.name);
        let latest = latest.and_then(|&latest| self.tree.version(latest));
        let removed = latest.is_some_and(|version| version.change == Change::Removed);
        let parent = self.tree.at(self.tree.paths.parent(self.name));
        removed && parent.is_some_and(|parent| parent.kind() == NodeKind::Directory)
    }

    /// The changes, from the base layer upward. A layer may have several.
    pub fn steps(&self) -> Vec<Step<'t>> {
        let tree = self.tree;
        let latest = |name: PathIdx| tree.last.get(name).copied();
        let mut own: Vec<(VersionIdx, &Version)> = tree.chain(latest(self.name)).collect();
        own.reverse();
        // Changes that hide everything below a directory, and up to which version: a whiteout spares its own layer.
        let mut cuts: Vec<(VersionIdx, VersionIdx, u16)> = Vec::new();
        let mut above = self.name;
        while above != PathIdx::ROOT {
            above = tree.paths.parent(above);
            for (at, version) in tree.chain(latest(above)) {
                let until = match version.change {
                    Change::Removed | Change::Opaque => tree.layer_start(version.layer),
                    Change::Entry if tree.kind_of(at) != NodeKind::Directory => at,
                    _ => continue,
                };
                cuts.push((until, at, version.layer));
            }
        }
        cuts.sort_unstable();
        let mut cuts = cuts.into_iter().peekable();
        let mut life = Vec::new();
        let mut here: Option<VersionIdx> = None;
        let step = |layer: u16, event, version| Step {
            layer: usize::from(layer),
            event,
            tree,
            version,
        };
        let hide = |cut: (VersionIdx, _, u16), here: &mut Option<VersionIdx>, life: &mut Vec<_>| {
            if let Some(was) = here.take_if(|was| *was < cut.0) {
                life.push(step(cut.2, Event::Hidden, was));
            }
        };
        for (at, version) in own {
            while let Some(cut) = cuts.next_if(|cut| cut.0 <= at) {
                hide(cut, &mut here, &mut life);
            }
            let event = match (version.change, here) {
                (Change::Entry | Change::Implied, None) => Event::Added,
                (Change::Passed | Change::Opaque, None) => Event::Added,
                (Change::Entry, Some(_)) | (Change::Implied, Some(_)) => Event::Replaced,
                (Change::Removed, Some(was)) => {
                    life.push(step(version.layer, Event::Removed, was));
                    here = None;
                    continue;
                }
                (Change::Removed, None) | (Change::Passed | Change::Opaque, Some(_)) => continue,
            };
            life.push(step(version.layer, event, at));
            here = Some(at);
        }
        for cut in cuts {
            hide(cut, &mut here, &mut life);
        }
        life
    }
}

impl<'t> Step<'t> {
    /// Kind of the file: after `Added` and `Replaced` the new one, else the removed one.
    pub fn kind(&self) -> NodeKind {
        self.tree.kind_of(self.version)
    }

    /// Size of the contents in bytes.
    pub fn size(&self) -> u64 {
        self.record().map_or(0, |(_, record)| record.size)
    }

    /// Target of a symbolic link; empty for other kinds.
    pub fn link_target(&self) -> &'t [u8] {
        match self.record() {
            Some((listing, record)) if record.kind == EntryKind::Symlink => listing.link(record),
            _ => &[],
        }
    }

    /// Major and minor number of a device; 0 for other kinds.
    pub fn device(&self) -> (u64, u64) {
        match self.record() {
            Some((listing, record)) if record.kind.is_device() => listing.extra(record).device,
            _ => (0, 0),
        }
    }

    fn record(&self) -> Option<(&'t Listing, &'t Record)> {
        self.tree.record_of(self.tree.made(self.version)?)
    }

    /// Returns true for a further name of an existing file.
    pub fn is_hard_link(&self) -> bool {
        let version = self.tree.version(self.version);
        version.is_some_and(|version| {
            version.inode != VersionIdx::NONE && version.inode != self.version
        })
    }

    /// Owner, mode, time and attributes as the entry states them.
    pub fn meta(&self) -> Meta {
        self.tree.meta_of(self.version, self.version)
    }

    /// Identity shared with the file's other names; `None` for a directory.
    pub fn inode(&self) -> Option<Inode> {
        let version = self.tree.version(self.version)?;
        (version.inode != VersionIdx::NONE).then_some(Inode(version.inode))
    }

    /// Location of the contents; `None` without contents.
    pub fn location(&self) -> Option<Location> {
        self.tree.location_of(self.version)
    }

    /// SHA-256 digest of the contents, as [`Node::digest`].
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.tree.digest_of(self.version)
    }
}
