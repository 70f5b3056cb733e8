//! Looking at a tree: what is there, what was there, and which layer did it.

use std::cmp::Ordering;

use super::applied::Tree;
use super::listing::{Listing, Owner, Record};
use super::paths::{NONE, TOP};
use super::version::{Version, What};
use crate::layer::{EntryKind, Mtime, Segment, Xattr, clean_path};

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeKind {
    /// A folder.
    Folder,
    /// A regular file, sparse or not.
    File,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A FIFO.
    Fifo,
}

/// A path of a tree that is there in the end. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    pub(super) tree: &'t Tree,
    pub(super) name: u32,
}

/// What a node hides of what lower layers may have at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hides {
    /// Nothing: what is in a folder there stays, and so does the folder itself if this one is implied.
    Nothing,
    /// What is in a folder there; the folder itself stays if this one is implied.
    Contents,
    /// All: the layers removed what was there before they made this, or made it of another kind in between.
    Everything,
}

/// What names of one file have in common; within one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Inode(pub(super) u32);

/// Owner, mode and time of a node. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits with setuid, setgid and sticky: 12 bits.
    pub mode: u16,
    /// Owner and group.
    pub owner: Owner,
    /// Modification time.
    pub mtime: Mtime,
    /// Extended attributes, each name once.
    pub xattrs: Vec<Xattr>,
}

/// Where the contents of a file are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// In which layer, from 0.
    pub layer: usize,
    /// From which byte of the plain tar.
    pub offset: u64,
    /// How many bytes; less than the file's size in a sparse one.
    pub stored: u64,
    /// The stored parts of a sparse file, in order; `None` for an ordinary one.
    pub segments: Option<Vec<Segment>>,
}

impl Tree {
    /// How many layers were applied.
    pub fn layers(&self) -> usize {
        self.listings.len()
    }

    /// A layer's listing.
    pub fn listing(&self, layer: usize) -> Option<&Listing> {
        self.listings.get(layer).map(|listing| &**listing)
    }

    /// The folder at the top.
    pub fn top(&self) -> Node<'_> {
        Node {
            tree: self,
            name: TOP,
        }
    }

    /// What is at a path, which need not be clean: `/etc/` and `./etc` are `etc`, and `/` is the top.
    ///
    /// Symbolic links are not followed. `None` where nothing is.
    pub fn get(&self, path: &[u8]) -> Option<Node<'_>> {
        let name = self.paths.lookup(&clean_path(path).path)?;
        self.node(name)
    }

    /// The node of that number, see [`Node::index`].
    pub fn at(&self, index: usize) -> Option<Node<'_>> {
        self.node(u32::try_from(index).ok()?)
    }

    /// Everything that is there, the top first, then each folder's contents after it, by the bytes of their names:
    /// the order of `docker export`. See [`cmp_paths`] for it.
    pub fn walk(&self) -> Walk<'_> {
        Walk {
            tree: self,
            rest: vec![std::slice::from_ref(&TOP_NAME)],
            all: false,
        }
    }

    /// All names of the file in the order of the walk; empty for a file with one name.
    pub fn names_of(&self, inode: Inode) -> impl Iterator<Item = Node<'_>> {
        let names = self.links.get(&inode.0).map_or(&[][..], Vec::as_slice);
        names.iter().map(|&name| Node { tree: self, name })
    }

    pub(super) fn node(&self, name: u32) -> Option<Node<'_>> {
        let now = self.now.get(name as usize).copied()?;
        (now != NONE).then_some(Node { tree: self, name })
    }

    pub(super) fn version(&self, at: u32) -> Option<&Version> {
        self.versions.get(at as usize)
    }

    pub(super) fn record_of(&self, version: &Version) -> Option<(&Listing, &Record)> {
        let listing = self.listing(usize::from(version.layer))?;
        Some((listing, listing.record(version.record)?))
    }

    /// The version that gives a version's contents: its own, or that of the file it is a hard link to.
    pub(super) fn made(&self, version: u32) -> Option<&Version> {
        let own = self.version(version)?;
        match own.inode {
            NONE => Some(own),
            inode => self.version(inode),
        }
    }

    pub(super) fn kind_of(&self, version: u32) -> NodeKind {
        let made = self.made(version).and_then(|made| self.record_of(made));
        match made.map(|(_, record)| record.kind) {
            None | Some(EntryKind::Directory) => NodeKind::Folder,
            Some(EntryKind::Symlink) => NodeKind::Symlink,
            Some(EntryKind::CharDevice) => NodeKind::CharDevice,
            Some(EntryKind::BlockDevice) => NodeKind::BlockDevice,
            Some(EntryKind::Fifo) => NodeKind::Fifo,
            Some(EntryKind::File | EntryKind::HardLink | EntryKind::Other(_)) => NodeKind::File,
        }
    }

    pub(super) fn place_of(&self, version: u32) -> Option<Place> {
        let made = self.made(version)?;
        let (listing, record) = self.record_of(made)?;
        if record.kind != EntryKind::File {
            return None;
        }
        let segments = listing.extra(record).segments;
        let stored = match &segments {
            Some(segments) => segments.iter().map(|segment| segment.length).sum(),
            None => record.size,
        };
        Some(Place {
            layer: usize::from(made.layer),
            offset: record.data,
            stored,
            segments,
        })
    }

    pub(super) fn digest_of(&self, version: u32) -> Option<[u8; 32]> {
        let made = self.made(version)?;
        self.listing(usize::from(made.layer))?.digest(made.record)
    }

    /// Owner, mode, time and attributes, `stated` being who says so last.
    pub(super) fn meta_of(&self, made: u32, stated: u32) -> Meta {
        let record = |version| {
            self.version(version)
                .and_then(|version| self.record_of(version))
        };
        let (Some((made_in, made)), Some((stated_in, stated))) = (record(made), record(stated))
        else {
            // As the engines make folders that no entry speaks of.
            return Meta {
                mode: 0o755,
                owner: Owner::default(),
                mtime: Mtime::default(),
                xattrs: Vec::new(),
            };
        };
        let mut xattrs = stated_in.extra(stated).xattrs;
        if xattrs.is_empty() {
            xattrs = made_in.extra(made).xattrs;
        }
        Meta {
            mode: stated.mode,
            owner: stated_in.owner(stated).cloned().unwrap_or_default(),
            mtime: stated.mtime(),
            xattrs,
        }
    }
}

pub(super) static TOP_NAME: u32 = TOP;

impl<'t> Node<'t> {
    /// The path from the top without a leading `/`; empty for the top itself. Costs its length.
    pub fn path(&self) -> Vec<u8> {
        self.tree.paths.path(self.name)
    }

    /// The last part of the path; empty for the top.
    pub fn part(&self) -> &'t [u8] {
        self.tree.paths.part(self.name)
    }

    /// The folder it is in; `None` for the top.
    pub fn parent(&self) -> Option<Node<'t>> {
        (self.name != TOP).then(|| Node {
            tree: self.tree,
            name: self.tree.paths.parent(self.name),
        })
    }

    /// A number below [`Tree::size`] that no other node of this tree has; a folder's is lower than those in it.
    pub fn index(&self) -> usize {
        self.name as usize
    }

    /// What is in a folder, by the bytes of the names.
    pub fn children(&self) -> impl Iterator<Item = Node<'t>> + use<'t> {
        let tree = self.tree;
        let children = tree.paths.children(self.name);
        children.iter().filter_map(move |&name| tree.node(name))
    }

    /// What it is.
    pub fn kind(&self) -> NodeKind {
        self.tree.kind_of(self.now())
    }

    /// The layer whose entry it is, from 0. Of a hard link, the one that made the link.
    pub fn layer(&self) -> usize {
        self.tree
            .version(self.now())
            .map_or(0, |version| usize::from(version.layer))
    }

    /// Whether no entry of any layer speaks of it: a folder that is only there for what is in it.
    pub fn is_implied(&self) -> bool {
        self.tree
            .version(self.now())
            .is_none_or(|version| version.record == NONE)
    }

    /// What the folder hides of layers below those of this tree. Matters where the tree is of upper layers only.
    pub fn hides(&self) -> Hides {
        if self.kind() != NodeKind::Folder {
            return Hides::Everything;
        }
        let mut hides = Hides::Nothing;
        for (at, version) in self
            .tree
            .chain(self.tree.last.get(self.name as usize).copied())
        {
            match version.what {
                What::Removed => return Hides::Everything,
                What::Entry if self.tree.kind_of(at) != NodeKind::Folder => {
                    return Hides::Everything;
                }
                What::Opaque => hides = Hides::Contents,
                _ => {}
            }
        }
        hides
    }

    /// Owner, mode, time and attributes.
    ///
    /// Names of one file share them: they are what the last hard link made to it says, as engines have it.
    pub fn meta(&self) -> Meta {
        let now = self.now();
        let inode = self.tree.version(now).map_or(NONE, |version| version.inode);
        match inode {
            NONE => self.tree.meta_of(now, now),
            inode => {
                let stated = self.tree.restated.get(&inode).copied().unwrap_or(inode);
                self.tree.meta_of(inode, stated)
            }
        }
    }

    /// Size of a file's contents with their holes; 0 for what has none.
    pub fn size(&self) -> u64 {
        self.record().map_or(0, |(_, record)| record.size)
    }

    /// The text of a symbolic link; empty for everything else.
    pub fn link_target(&self) -> &'t [u8] {
        match self.record() {
            Some((listing, record)) if record.kind == EntryKind::Symlink => listing.link(record),
            _ => &[],
        }
    }

    /// Major and minor number of a device; 0 for everything else.
    pub fn device(&self) -> (u64, u64) {
        match self.record() {
            Some((listing, record)) if record.kind != EntryKind::Symlink => {
                listing.extra(record).device
            }
            _ => (0, 0),
        }
    }

    /// What it shares with its other names; `None` for a folder.
    pub fn inode(&self) -> Option<Inode> {
        let version = self.tree.version(self.now())?;
        (version.inode != NONE).then_some(Inode(version.inode))
    }

    /// How many names the file has.
    pub fn link_count(&self) -> usize {
        let names = self.inode().and_then(|inode| self.tree.links.get(&inode.0));
        names.map_or(1, Vec::len)
    }

    /// The file's first name in the order of the walk, if this is another one.
    pub fn first_name(&self) -> Option<Node<'t>> {
        let names = self.tree.links.get(&self.inode()?.0)?;
        let first = names.first().copied().filter(|&first| first != self.name)?;
        self.tree.node(first)
    }

    /// Whether both are said by the same entries of the same listings: then nothing differs, contents included.
    ///
    /// Told without a look at what the entries say; false does not mean that anything differs.
    pub fn is_same_entry(&self, other: &Node<'_>) -> bool {
        let entries = |node: &Node<'_>| -> Option<[(*const Listing, u32); 2]> {
            let tree = node.tree;
            let now = node.now();
            let version = tree.version(now)?;
            let (made, stated) = match version.inode {
                NONE => (now, now),
                inode => (inode, tree.restated.get(&inode).copied().unwrap_or(inode)),
            };
            let entry = |at: u32| {
                let version = tree.version(at).filter(|version| version.record != NONE)?;
                let listing = tree.listing(usize::from(version.layer))?;
                Some((std::ptr::from_ref(listing), version.record))
            };
            Some([entry(made)?, entry(stated)?])
        };
        entries(self).is_some_and(|own| Some(own) == entries(other))
    }

    /// Where the contents are; `None` for what has none.
    pub fn place(&self) -> Option<Place> {
        self.tree.place_of(self.now())
    }

    /// The SHA-256 digest of a file's contents, if digests were asked for and the file is not sparse.
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.tree.digest_of(self.now())
    }

    fn now(&self) -> u32 {
        self.tree
            .now
            .get(self.name as usize)
            .copied()
            .unwrap_or(NONE)
    }

    fn record(&self) -> Option<(&'t Listing, &'t Record)> {
        let made = self.tree.made(self.now())?;
        self.tree.record_of(made)
    }
}

impl Tree {
    /// A name's versions, the latest first.
    pub(super) fn chain(&self, latest: Option<u32>) -> impl Iterator<Item = (u32, &Version)> {
        let found = |at: u32| self.version(at).map(|version| (at, version));
        std::iter::successors(latest.and_then(found), move |(_, version)| {
            found(version.prev)
        })
    }

    /// How many numbers nodes can have, see [`Node::index`].
    pub fn size(&self) -> usize {
        self.paths.len()
    }

    /// The first version of a layer that has one at `at`.
    pub(super) fn layer_start(&self, at: u32, layer: u16) -> u32 {
        let before = self.versions.get(..=at as usize).unwrap_or_default();
        let start = before.partition_point(|version| version.layer < layer);
        // The top's own version belongs to no layer, and comes first.
        u32::try_from(start)
            .unwrap_or(NONE)
            .max(u32::from(layer == 0))
    }
}

/// Nodes in order, see [`Tree::walk`].
pub struct Walk<'t> {
    pub(super) tree: &'t Tree,
    /// What is left of each folder on the way to the current one. No recursion, and no more than the tree is deep.
    pub(super) rest: Vec<&'t [u32]>,
    /// Paths that are not there too.
    pub(super) all: bool,
}

impl<'t> Walk<'t> {
    fn next_name(&mut self) -> Option<u32> {
        loop {
            let run = self.rest.last_mut()?;
            let Some((&name, rest)) = run.split_first() else {
                self.rest.pop();
                continue;
            };
            *run = rest;
            if !self.all && self.tree.node(name).is_none() {
                continue;
            }
            let children = self.tree.paths.children(name);
            if !children.is_empty() {
                self.rest.push(children);
            }
            return Some(name);
        }
    }

    pub(super) fn names(mut self) -> impl Iterator<Item = u32> {
        std::iter::from_fn(move || self.next_name())
    }
}

impl<'t> Iterator for Walk<'t> {
    type Item = Node<'t>;

    fn next(&mut self) -> Option<Node<'t>> {
        let name = self.next_name()?;
        Some(Node {
            tree: self.tree,
            name,
        })
    }
}

/// The order in which [`Tree::walk`] gives paths: part by part, so that a folder is followed by what is in it.
pub fn cmp_paths(a: &[u8], b: &[u8]) -> Ordering {
    // As if `/` came before every byte, and the end before that.
    let key = |&byte: &u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    a.iter().map(key).cmp(b.iter().map(key))
}
