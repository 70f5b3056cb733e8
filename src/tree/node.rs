//! Nodes of a tree: the files after applying all layers.

use std::cmp::Ordering;

use super::applied::Tree;
use super::listing::{Listing, Owner, Record};
use super::positions::{EntryIdx, PathIdx, VersionIdx};
use super::version::{Change, Version};
use crate::layer::{EntryKind, Mtime, Segment, Xattr, clean_path};

/// Kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeKind {
    /// A directory.
    Directory,
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

impl From<NodeKind> for EntryKind {
    fn from(kind: NodeKind) -> Self {
        match kind {
            NodeKind::Directory => EntryKind::Directory,
            NodeKind::File => EntryKind::File,
            NodeKind::Symlink => EntryKind::Symlink,
            NodeKind::CharDevice => EntryKind::CharDevice,
            NodeKind::BlockDevice => EntryKind::BlockDevice,
            NodeKind::Fifo => EntryKind::Fifo,
        }
    }
}

impl NodeKind {
    /// Kind of the file that an entry creates; `None` for hard links and types that create nothing.
    pub(super) fn of_entry(kind: EntryKind) -> Option<Self> {
        Some(match kind {
            EntryKind::Directory => NodeKind::Directory,
            EntryKind::File => NodeKind::File,
            EntryKind::Symlink => NodeKind::Symlink,
            EntryKind::CharDevice => NodeKind::CharDevice,
            EntryKind::BlockDevice => NodeKind::BlockDevice,
            EntryKind::Fifo => NodeKind::Fifo,
            EntryKind::HardLink | EntryKind::Other(_) => return None,
        })
    }
}

/// A file after applying all layers. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    pub(super) tree: &'t Tree,
    pub(super) name: PathIdx,
}

/// Effect of a node on lower layers that may have its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hides {
    /// A directory that keeps its contents in lower layers, and itself if it is implied.
    Nothing,
    /// A directory whose contents in lower layers are hidden; the directory itself stays if it is implied.
    Contents,
    /// Everything is hidden: the layers removed the path before they created it, or it had another kind in between.
    Everything,
}

/// Identity of a file, the same for all of its names; valid within one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Inode(pub(super) VersionIdx);

/// Owner, mode, time and attributes of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

/// Location of a file's contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Number of the layer, from 0.
    pub layer: usize,
    /// Offset in bytes in the uncompressed tar.
    pub offset: u64,
    /// Number of stored bytes; less than the file's size for a sparse file.
    pub stored: u64,
    /// Stored segments of a sparse file, in order; `None` for an ordinary one.
    pub segments: Option<Vec<Segment>>,
}

impl Tree {
    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.listings.len()
    }

    /// Returns a layer's listing.
    pub fn listing(&self, layer: usize) -> Option<&Listing> {
        self.listings.get(layer).map(|listing| &**listing)
    }

    /// The root directory.
    pub fn root(&self) -> Node<'_> {
        Node {
            tree: self,
            name: PathIdx::ROOT,
        }
    }

    /// Returns the node at a path, which need not be clean: `/etc/` and `./etc` are `etc`, and `/` is the root.
    ///
    /// Symbolic links are not followed.
    pub fn get(&self, path: &[u8]) -> Option<Node<'_>> {
        let name = self.paths.lookup(&clean_path(path).path)?;
        self.at(name)
    }

    /// Returns the node with a number, see [`Node::index`].
    pub fn at(&self, name: PathIdx) -> Option<Node<'_>> {
        let now = self.now.get(name).copied()?;
        (now != VersionIdx::NONE).then_some(Node { tree: self, name })
    }

    /// All nodes, the root first, each directory before its contents, sorted by the bytes of their names: the order of
    /// `docker export` and of [`cmp_paths`].
    pub fn walk(&self) -> Walk<'_> {
        Walk {
            tree: self,
            rest: vec![std::slice::from_ref(&ROOT_NAME)],
            all: false,
        }
    }

    /// All names of a file in the order of the walk; none for a file with one name.
    pub fn names_of(&self, inode: Inode) -> impl Iterator<Item = Node<'_>> {
        let names = self.links.get(&inode.0).map_or(&[][..], Vec::as_slice);
        names.iter().map(|&name| Node { tree: self, name })
    }

    pub(super) fn version(&self, at: VersionIdx) -> Option<&Version> {
        self.versions.get(at)
    }

    pub(super) fn record_of(&self, version: &Version) -> Option<(&Listing, &Record)> {
        let listing = self.listing(usize::from(version.layer))?;
        Some((listing, listing.record(version.record)?))
    }

    /// The version with a version's contents: itself, or the file that it is a hard link to.
    pub(super) fn made(&self, version: VersionIdx) -> Option<&Version> {
        let own = self.version(version)?;
        match own.inode {
            VersionIdx::NONE => Some(own),
            inode => self.version(inode),
        }
    }

    pub(super) fn kind_of(&self, version: VersionIdx) -> NodeKind {
        let made = self.made(version).and_then(|made| self.record_of(made));
        let kind = made.map_or(EntryKind::Directory, |(_, record)| record.kind);
        NodeKind::of_entry(kind).unwrap_or(NodeKind::File)
    }

    pub(super) fn location_of(&self, version: VersionIdx) -> Option<Location> {
        let made = self.made(version)?;
        let (listing, record) = self.record_of(made)?;
        listing.location(usize::from(made.layer), record)
    }

    pub(super) fn digest_of(&self, version: VersionIdx) -> Option<[u8; 32]> {
        let made = self.made(version)?;
        self.listing(usize::from(made.layer))?.digest(made.record)
    }

    /// Owner, mode, time and attributes, as the version `stated` sets them.
    pub(super) fn meta_of(&self, made: VersionIdx, stated: VersionIdx) -> Meta {
        let record = |version| {
            self.version(version)
                .and_then(|version| self.record_of(version))
        };
        let (Some((made_in, made)), Some((stated_in, stated))) = (record(made), record(stated))
        else {
            // Engines create implied directories with these attributes.
            return Meta {
                mode: 0o755,
                ..Meta::default()
            };
        };
        let mut meta = stated_in.meta(stated);
        if meta.xattrs.is_empty() {
            meta.xattrs = made_in.extra(made).xattrs;
        }
        meta
    }
}

impl Listing {
    /// Location of a file's own contents and their size with holes, by the number of the entry from 1, as in the layer 0
    /// of a tree; `None` for entries that are no files.
    pub(crate) fn contents(&self, entry: u64) -> Option<(Location, u64)> {
        let at = usize::try_from(entry.checked_sub(1)?).ok()?;
        let record = self.record(EntryIdx::from(at))?;
        Some((self.location(0, record)?, record.size))
    }

    /// Owner, mode, time and attributes as an entry states them.
    pub(super) fn meta(&self, record: &Record) -> Meta {
        Meta {
            mode: record.mode,
            owner: self.owner(record).cloned().unwrap_or_default(),
            mtime: record.mtime(),
            xattrs: self.extra(record).xattrs,
        }
    }

    /// Location of an entry's own contents, this being the listing of the layer with a number.
    pub(super) fn location(&self, layer: usize, record: &Record) -> Option<Location> {
        if record.kind != EntryKind::File {
            return None;
        }
        let segments = self.extra(record).segments;
        let stored = match &segments {
            Some(segments) => segments.iter().map(|segment| segment.length).sum(),
            None => record.size,
        };
        Some(Location {
            layer,
            offset: record.data,
            stored,
            segments,
        })
    }
}

pub(super) static ROOT_NAME: PathIdx = PathIdx::ROOT;

impl<'t> Node<'t> {
    /// The path from the root without a leading `/`; empty for the root. Costs its length.
    pub fn path(&self) -> Vec<u8> {
        self.tree.paths.path(self.name)
    }

    /// The last component of the path; empty for the root.
    pub fn name(&self) -> &'t [u8] {
        self.tree.paths.part(self.name)
    }

    /// The parent directory; `None` for the root.
    pub fn parent(&self) -> Option<Node<'t>> {
        (self.name != PathIdx::ROOT).then(|| Node {
            tree: self.tree,
            name: self.tree.paths.parent(self.name),
        })
    }

    /// Number of the node, unique in the tree and below [`Tree::size`]. A directory's is lower than those of its
    /// contents.
    pub fn index(&self) -> PathIdx {
        self.name
    }

    /// Contents of a directory, by the bytes of the names.
    pub fn children(&self) -> impl Iterator<Item = Node<'t>> + use<'t> {
        let tree = self.tree;
        let children = tree.paths.children(self.name);
        children.iter().filter_map(move |&name| tree.at(name))
    }

    /// Kind of the file.
    pub fn kind(&self) -> NodeKind {
        self.tree.kind_of(self.now())
    }

    /// Number of the layer with the entry, from 0. Of a hard link, the layer that made the link.
    pub fn layer(&self) -> usize {
        self.tree
            .version(self.now())
            .map_or(0, |version| usize::from(version.layer))
    }

    /// Returns true for a directory that no layer has an entry for: it exists only for its contents.
    pub fn is_implied(&self) -> bool {
        self.tree
            .version(self.now())
            .is_none_or(|version| version.record == EntryIdx::NONE)
    }

    /// Effect on layers below those of this tree, for trees of upper layers only.
    pub fn hides(&self) -> Hides {
        if self.kind() != NodeKind::Directory {
            return Hides::Everything;
        }
        let mut hides = Hides::Nothing;
        let latest = self.tree.last.get(self.name).copied();
        for (at, version) in self.tree.chain(latest) {
            match version.change {
                Change::Removed => return Hides::Everything,
                Change::Entry if self.tree.kind_of(at) != NodeKind::Directory => {
                    return Hides::Everything;
                }
                Change::Opaque => hides = Hides::Contents,
                _ => {}
            }
        }
        hides
    }

    /// Owner, mode, time and attributes.
    ///
    /// Names of one file share them: they are those of the last hard link made to it, as in engines.
    pub fn meta(&self) -> Meta {
        let now = self.now();
        match self.inode() {
            None => self.tree.meta_of(now, now),
            Some(Inode(inode)) => {
                let stated = self.tree.restated.get(&inode).copied().unwrap_or(inode);
                self.tree.meta_of(inode, stated)
            }
        }
    }

    /// Size of a file's contents in bytes, with their holes; 0 without contents.
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
            Some((listing, record)) if record.kind != EntryKind::Symlink => {
                listing.extra(record).device
            }
            _ => (0, 0),
        }
    }

    /// Identity shared with the file's other names; `None` for a directory.
    pub fn inode(&self) -> Option<Inode> {
        let version = self.tree.version(self.now())?;
        (version.inode != VersionIdx::NONE).then_some(Inode(version.inode))
    }

    /// Number of names of the file.
    pub fn link_count(&self) -> usize {
        let names = self.inode().and_then(|inode| self.tree.links.get(&inode.0));
        names.map_or(1, Vec::len)
    }

    /// The file's first name in the order of the walk, if this is another one.
    pub fn first_name(&self) -> Option<Node<'t>> {
        let names = self.tree.links.get(&self.inode()?.0)?;
        let first = names.first().copied().filter(|&first| first != self.name)?;
        self.tree.at(first)
    }

    /// Returns true if both nodes come from the same entries of the same listings: then nothing differs, contents
    /// included.
    ///
    /// Entries are not compared; false does not mean that the nodes differ.
    pub fn is_same_entry(&self, other: &Node<'_>) -> bool {
        let entries = |node: &Node<'_>| -> Option<[(*const Listing, EntryIdx); 2]> {
            let tree = node.tree;
            let now = node.now();
            let version = tree.version(now)?;
            let (made, stated) = match version.inode {
                VersionIdx::NONE => (now, now),
                inode => (inode, tree.restated.get(&inode).copied().unwrap_or(inode)),
            };
            let entry = |at| {
                let own = tree.version(at)?;
                let listing = tree.listing(usize::from(own.layer))?;
                (own.record != EntryIdx::NONE).then_some((std::ptr::from_ref(listing), own.record))
            };
            Some([entry(made)?, entry(stated)?])
        };
        entries(self).is_some_and(|own| Some(own) == entries(other))
    }

    /// Location of the contents; `None` without contents.
    pub fn location(&self) -> Option<Location> {
        self.tree.location_of(self.now())
    }

    /// SHA-256 digest of a file's contents, if the listings have digests. Holes are zeros; a sparse file
    /// beyond [`HOLES`](crate::limits::HOLES) has none.
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.tree.digest_of(self.now())
    }

    fn now(&self) -> VersionIdx {
        let now = self.tree.now.get(self.name);
        now.copied().unwrap_or(VersionIdx::NONE)
    }

    fn record(&self) -> Option<(&'t Listing, &'t Record)> {
        let made = self.tree.made(self.now())?;
        self.tree.record_of(made)
    }
}

impl Tree {
    /// Versions of a name, the latest first.
    pub(super) fn chain(
        &self,
        latest: Option<VersionIdx>,
    ) -> impl Iterator<Item = (VersionIdx, &Version)> {
        let found = |at| self.version(at).map(|version| (at, version));
        std::iter::successors(latest.and_then(found), move |(_, version)| {
            found(version.prev)
        })
    }

    /// Upper bound of the numbers of nodes, see [`Node::index`].
    pub fn size(&self) -> usize {
        self.paths.len()
    }

    /// The first version that a layer made.
    pub(super) fn layer_start(&self, layer: u16) -> VersionIdx {
        let start = self
            .versions
            .partition_point(|version| version.layer < layer);
        // The root's initial version belongs to no layer, and comes first.
        start.max(usize::from(layer == 0)).into()
    }
}

/// Nodes in order, see [`Tree::walk`].
pub struct Walk<'t> {
    pub(super) tree: &'t Tree,
    /// Rest of each directory on the way to the current node. No recursion; no more items than the tree is deep.
    pub(super) rest: Vec<&'t [PathIdx]>,
    /// True to include paths that are not present.
    pub(super) all: bool,
}

impl<'t> Walk<'t> {
    fn next_name(&mut self) -> Option<PathIdx> {
        loop {
            let run = self.rest.last_mut()?;
            let Some((&name, rest)) = run.split_first() else {
                self.rest.pop();
                continue;
            };
            *run = rest;
            if !self.all && self.tree.at(name).is_none() {
                continue;
            }
            let children = self.tree.paths.children(name);
            if !children.is_empty() {
                self.rest.push(children);
            }
            return Some(name);
        }
    }

    pub(super) fn names(mut self) -> impl Iterator<Item = PathIdx> {
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

/// The order of [`Tree::walk`]: component by component, so that the contents of a directory follow it.
pub fn cmp_paths(a: &[u8], b: &[u8]) -> Ordering {
    // As if `/` came before every byte, and the end before that.
    let key = |&byte: &u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    a.iter().map(key).cmp(b.iter().map(key))
}
