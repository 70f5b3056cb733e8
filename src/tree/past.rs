//! The life of a path: what each layer did to it.

use super::applied::Tree;
use super::node::{Inode, Meta, Node, NodeKind, Place, TOP_NAME, Walk};
use super::paths::{NONE, TOP};
use super::version::{Version, What};
use crate::layer::clean_path;

/// What a layer did to a path, directly or by what it did to a folder above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Did {
    /// It was not there, and the layer put it there.
    Added,
    /// It was there, and the layer wrote it again: other contents, another kind, or attributes alone.
    Replaced,
    /// A marker removed it.
    Removed,
    /// It went away because a folder above did: removed, made opaque, or replaced by something else.
    Hidden,
}

/// One step in the life of a path.
#[derive(Clone, Copy)]
pub struct Step<'t> {
    /// Which layer, from 0.
    pub layer: usize,
    /// What it did.
    pub did: Did,
    tree: &'t Tree,
    version: u32,
}

/// A path that some layer speaks of, there or not.
#[derive(Clone, Copy)]
pub struct Past<'t> {
    pub(super) tree: &'t Tree,
    pub(super) name: u32,
}

impl Tree {
    /// The path of that number, there or not, see [`Past::index`].
    pub fn past_at(&self, index: usize) -> Option<Past<'_>> {
        let name = u32::try_from(index).ok().filter(|_| index < self.size())?;
        Some(Past { tree: self, name })
    }

    /// The same with every path that any layer ever had, there or not, as `(path, what is there)`.
    ///
    /// Markers for paths that no layer has are among them.
    pub fn ever(&self) -> impl Iterator<Item = Past<'_>> {
        let walk = Walk {
            tree: self,
            rest: vec![std::slice::from_ref(&TOP_NAME)],
            all: true,
        };
        walk.names().map(|name| Past { tree: self, name })
    }

    /// A path that may or may not be there, with its life; `None` for one that no layer speaks of.
    pub fn past(&self, path: &[u8]) -> Option<Past<'_>> {
        let name = self.paths.lookup(&clean_path(path).path)?;
        Some(Past { tree: self, name })
    }
}

impl<'t> Node<'t> {
    /// The path's life, the same as [`Past::life`].
    pub fn past(&self) -> Past<'t> {
        Past {
            tree: self.tree,
            name: self.name,
        }
    }
}

impl<'t> Past<'t> {
    /// The path from the top without a leading `/`; empty for the top.
    pub fn path(&self) -> Vec<u8> {
        self.tree.paths.path(self.name)
    }

    /// Its number, that of the node if there is one.
    pub fn index(&self) -> usize {
        self.name as usize
    }

    /// The number of the folder it is in; `None` for the top.
    pub fn parent_index(&self) -> Option<usize> {
        (self.name != TOP).then(|| self.tree.paths.parent(self.name) as usize)
    }

    /// What is there in the end.
    pub fn node(&self) -> Option<Node<'t>> {
        self.tree.node(self.name)
    }

    /// Whether a marker says in the end that nothing of layers below those of this tree is to be there.
    ///
    /// False where a folder above says so already.
    pub fn is_removed(&self) -> bool {
        let latest = self
            .tree
            .last
            .get(self.name as usize)
            .copied()
            .unwrap_or(NONE);
        let removed = self
            .tree
            .version(latest)
            .is_some_and(|version| version.what == What::Removed);
        let parent = self.tree.node(self.tree.paths.parent(self.name));
        removed && parent.is_some_and(|parent| parent.kind() == NodeKind::Folder)
    }

    /// What each layer did to it, the oldest first. A layer that says several things about it comes several times.
    pub fn life(&self) -> Vec<Step<'t>> {
        let tree = self.tree;
        let latest = |name: u32| tree.last.get(name as usize).copied();
        let mut own: Vec<(u32, &Version)> = tree.chain(latest(self.name)).collect();
        own.reverse();
        // What made everything below folders go away, and up to which version: a marker spares its own layer.
        let mut cuts: Vec<(u32, u32, u16)> = Vec::new();
        let mut above = self.name;
        while above != TOP {
            above = tree.paths.parent(above);
            for (at, version) in tree.chain(latest(above)) {
                let until = match version.what {
                    What::Removed | What::Opaque => tree.layer_start(at, version.layer),
                    What::Entry if tree.kind_of(at) != NodeKind::Folder => at,
                    _ => continue,
                };
                cuts.push((until, at, version.layer));
            }
        }
        cuts.sort_unstable();
        let mut cuts = cuts.into_iter().peekable();
        let mut life = Vec::new();
        let mut here: Option<u32> = None;
        let step = |layer: u16, did, version| Step {
            layer: usize::from(layer),
            did,
            tree,
            version,
        };
        let hide = |cut: (u32, u32, u16), here: &mut Option<u32>, life: &mut Vec<Step<'t>>| {
            if let Some(was) = here.filter(|&was| was < cut.0) {
                life.push(step(cut.2, Did::Hidden, was));
                *here = None;
            }
        };
        for (at, version) in own {
            while let Some(cut) = cuts.next_if(|cut| cut.0 <= at) {
                hide(cut, &mut here, &mut life);
            }
            let did = match (version.what, here) {
                (What::Entry | What::Implied, None) => Did::Added,
                (What::Passed | What::Opaque, None) => Did::Added,
                (What::Entry, Some(_)) | (What::Implied, Some(_)) => Did::Replaced,
                (What::Removed, Some(was)) => {
                    life.push(step(version.layer, Did::Removed, was));
                    here = None;
                    continue;
                }
                (What::Removed, None) | (What::Passed | What::Opaque, Some(_)) => continue,
            };
            life.push(step(version.layer, did, at));
            here = Some(at);
        }
        for cut in cuts {
            hide(cut, &mut here, &mut life);
        }
        life
    }
}

impl<'t> Step<'t> {
    /// What it was then: after `Added` and `Replaced` what the layer made of it, else what went away.
    pub fn kind(&self) -> NodeKind {
        self.tree.kind_of(self.version)
    }

    /// Size of the contents then.
    pub fn size(&self) -> u64 {
        let made = self
            .tree
            .made(self.version)
            .and_then(|made| self.tree.record_of(made));
        made.map_or(0, |(_, record)| record.size)
    }

    /// Whether it was a further name of a file that was there.
    pub fn is_hard_link(&self) -> bool {
        let version = self.tree.version(self.version);
        version.is_some_and(|version| version.inode != NONE && version.inode != self.version)
    }

    /// Owner, mode, time and attributes as its entry states them.
    pub fn meta(&self) -> Meta {
        self.tree.meta_of(self.version, self.version)
    }

    /// What it shared with its other names; `None` for a folder.
    pub fn inode(&self) -> Option<Inode> {
        let version = self.tree.version(self.version)?;
        (version.inode != NONE).then_some(Inode(version.inode))
    }

    /// Where its contents are; `None` for what has none.
    pub fn place(&self) -> Option<Place> {
        self.tree.place_of(self.version)
    }

    /// The digest of its contents, as [`Node::digest`].
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.tree.digest_of(self.version)
    }
}
