//! One version of a path.

use std::ops::RangeInclusive;

use crate::layer::{AnomalyKind, EntryKind, OtherTimes};
use crate::tree::applied::Tree;
use crate::tree::listing::{Listing, Record};
use crate::tree::node::{Inode, Location, Meta, Node, NodeKind};
use crate::tree::positions::{EntryIdx, PathIdx, VersionIdx};

/// State of a version after all layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VersionState {
    /// Present in the image. Of whiteouts: applied.
    Final,
    /// A later layer wrote the path again.
    Replaced,
    /// A whiteout of a later layer removed the path.
    Removed,
    /// A directory above was removed, made opaque, or replaced by something else.
    Hidden,
    /// A later entry of the same layer has the same path.
    Repeated,
    /// No engine can apply the entry, or it creates nothing.
    Unapplied,
}

/// Kind of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionKind {
    /// An ordinary entry. A hard link is one, whatever it leads to.
    Entry(EntryKind),
    /// A whiteout: removes its path from lower layers.
    Whiteout,
    /// An opaque whiteout: removes the contents of its path from lower layers.
    Opaque,
}

/// One entry of one layer, and what became of it. Cheap to copy.
#[derive(Clone, Copy)]
pub struct EntryVersion<'t> {
    pub(super) tree: &'t Tree,
    pub(super) name: PathIdx,
    pub(super) layer: u16,
    pub(super) entry: EntryIdx,
    /// `NONE` for whiteouts and for entries that were not applied.
    pub(super) version: VersionIdx,
    pub(super) state: VersionState,
    pub(super) by: Option<u16>,
    pub(super) kind: VersionKind,
}

/// A version apart from its tree, for [`Tree::version_at`].
#[derive(Debug, Clone, Copy)]
pub struct VersionKey {
    name: PathIdx,
    layer: u16,
    entry: EntryIdx,
    version: VersionIdx,
    state: VersionState,
    by: Option<u16>,
    kind: VersionKind,
}

impl VersionState {
    /// All states, in their order.
    pub const ALL: [VersionState; 6] = [
        VersionState::Final,
        VersionState::Replaced,
        VersionState::Removed,
        VersionState::Hidden,
        VersionState::Repeated,
        VersionState::Unapplied,
    ];

    /// The word for it, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            VersionState::Final => "final",
            VersionState::Replaced => "replaced",
            VersionState::Removed => "removed",
            VersionState::Hidden => "hidden",
            VersionState::Repeated => "repeated",
            VersionState::Unapplied => "unapplied",
        }
    }
}

impl Tree {
    /// Returns a version of this tree.
    pub fn version_at(&self, key: VersionKey) -> EntryVersion<'_> {
        let VersionKey {
            name,
            layer,
            entry,
            version,
            state,
            by,
            kind,
        } = key;
        EntryVersion {
            tree: self,
            name,
            layer,
            entry,
            version,
            state,
            by,
            kind,
        }
    }

    pub(super) fn entry_kind(&self, layer: u16, entry: EntryIdx) -> EntryKind {
        let listing = self.listing(usize::from(layer));
        let record = listing.and_then(|listing| listing.record(entry));
        record.map_or(EntryKind::Other(0), |record| record.kind)
    }
}

impl<'t> EntryVersion<'t> {
    /// The version without its tree.
    pub fn key(&self) -> VersionKey {
        VersionKey {
            name: self.name,
            layer: self.layer,
            entry: self.entry,
            version: self.version,
            state: self.state,
            by: self.by,
            kind: self.kind,
        }
    }

    /// The path from the root without a leading `/`; empty for the root. Costs its length.
    pub fn path(&self) -> Vec<u8> {
        match self.is_applied() {
            true => self.tree.paths.path(self.name),
            false => self.tree.unapplied.paths.path(self.name),
        }
    }

    /// The last component of the path; empty for the root.
    pub fn name(&self) -> &'t [u8] {
        match self.is_applied() {
            true => self.tree.paths.part(self.name),
            false => self.tree.unapplied.paths.part(self.name),
        }
    }

    /// Number of the layer, from 0.
    pub fn layer(&self) -> usize {
        usize::from(self.layer)
    }

    /// Position of the entry in its layer, from 1.
    pub fn entry(&self) -> u64 {
        usize::from(self.entry) as u64 + 1
    }

    /// State after all layers.
    pub fn state(&self) -> VersionState {
        self.state
    }

    /// Number of the layer that ended the version, from 0: its own if the state is `Repeated`, and if the layer hides
    /// its own entry. `None` for `Final` and `Unapplied`.
    pub fn ended_by(&self) -> Option<usize> {
        self.by.map(usize::from)
    }

    /// Kind of the entry.
    pub fn kind(&self) -> VersionKind {
        self.kind
    }

    /// Kind of the file: of a hard link, that of the file it leads to. `None` for whiteouts, hard links that were not
    /// applied, and types that create nothing.
    pub fn file_kind(&self) -> Option<NodeKind> {
        if self.version != VersionIdx::NONE {
            return Some(self.tree.kind_of(self.version));
        }
        match self.kind {
            VersionKind::Entry(kind) => NodeKind::of_entry(kind),
            VersionKind::Whiteout | VersionKind::Opaque => None,
        }
    }

    /// The node of the image, for a file that is `Final`.
    pub fn node(&self) -> Option<Node<'t>> {
        let is_node = self.version != VersionIdx::NONE && self.state == VersionState::Final;
        self.tree.at(self.name).filter(|_| is_node)
    }

    /// Target of a hard link as its entry states it, which may be no clean path; `None` for other kinds.
    pub fn hard_link_target(&self) -> Option<&'t [u8]> {
        let (listing, record) = self.own()?;
        let is_hard_link = self.kind == VersionKind::Entry(EntryKind::HardLink);
        is_hard_link.then(|| listing.link(record))
    }

    /// Target of a symbolic link; empty for other kinds.
    pub fn symlink_target(&self) -> &'t [u8] {
        match self.file() {
            Some((_, listing, record)) if record.kind == EntryKind::Symlink => listing.link(record),
            _ => &[],
        }
    }

    /// Size of the contents in bytes, with their holes; of a hard link, of the file it leads to. Whiteouts are empty as a
    /// rule, but nothing forbids contents that no engine shows.
    pub fn size(&self) -> u64 {
        self.file().map_or(0, |(_, _, record)| record.size)
    }

    /// Major and minor number of a device; 0 for other kinds.
    pub fn device(&self) -> (u64, u64) {
        match self.file() {
            Some((_, listing, record)) if record.kind.is_device() => listing.extra(record).device,
            _ => (0, 0),
        }
    }

    /// Owner, mode, time and attributes: of a `Final` file as the image shows them ([`Node::meta`]), else as the entry
    /// states them.
    pub fn meta(&self) -> Meta {
        if let Some(node) = self.node() {
            return node.meta();
        }
        let own = self.own().map(|(listing, record)| listing.meta(record));
        own.unwrap_or_default()
    }

    /// Access, change and creation time, where the entry states them.
    pub fn other_times(&self) -> OtherTimes {
        let extra = self.own().map(|(listing, record)| listing.extra(record));
        extra.map_or_else(OtherTimes::default, |extra| extra.times)
    }

    /// Offsets in the uncompressed layer of the entry's first extension header, or of its own header without any, and of
    /// its own header. `None` unless the layer is a tar.
    pub fn headers(&self) -> Option<(u64, u64)> {
        self.tree.listing(self.layer())?.headers(self.entry)
    }

    /// Anomalies of the entry and its extension headers, among those that were kept
    /// ([`Anomalies::PER_KIND`](crate::layer::Anomalies::PER_KIND)).
    pub fn anomalies(&self) -> impl Iterator<Item = AnomalyKind> + use<'t> {
        let listing = self.tree.listing(self.layer());
        let kept = listing
            .into_iter()
            .flat_map(|listing| listing.anomalies().iter());
        let own = self.headers().map(|(first, header)| first..=header);
        kept.filter(move |anomaly| {
            let is_own = |own: &RangeInclusive<u64>| own.contains(&anomaly.header_offset);
            own.as_ref().is_some_and(is_own)
        })
        .map(|anomaly| anomaly.kind)
    }

    /// Location of the contents, which may be in a lower layer for a hard link; `None` without contents.
    pub fn location(&self) -> Option<Location> {
        let (layer, listing, record) = self.file()?;
        listing.location(layer, record)
    }

    /// The entry that holds the contents: number of its layer, from 0, and its position there, from 1. Another entry than
    /// the version's own for a hard link; `None` without contents.
    pub fn contents(&self) -> Option<(usize, u64)> {
        let (layer, _, record) = self.file()?;
        if record.kind != EntryKind::File {
            return None;
        }
        let made = self.tree.made(self.version);
        let entry = made.map_or(self.entry, |made| made.record);
        Some((layer, usize::from(entry) as u64 + 1))
    }

    /// SHA-256 digest of the contents, as [`Node::digest`].
    pub fn digest(&self) -> Option<[u8; 32]> {
        if self.version != VersionIdx::NONE {
            return self.tree.digest_of(self.version);
        }
        self.tree.listing(self.layer())?.digest(self.entry)
    }

    /// Identity shared with the file's other names; `None` for directories, whiteouts and entries that were not applied.
    pub fn inode(&self) -> Option<Inode> {
        let version = self.tree.version(self.version)?;
        (version.inode != VersionIdx::NONE).then_some(Inode(version.inode))
    }

    /// Returns true if the name is one of the tree's.
    fn is_applied(&self) -> bool {
        // Metadata of aufs has a version, but no node.
        self.version != VersionIdx::NONE || self.state != VersionState::Unapplied
    }

    fn own(&self) -> Option<(&'t Listing, &'t Record)> {
        let listing = self.tree.listing(self.layer())?;
        Some((listing, listing.record(self.entry)?))
    }

    /// The entry with the contents, and its layer: its own, or that of the file that a hard link leads to.
    fn file(&self) -> Option<(usize, &'t Listing, &'t Record)> {
        let (mut layer, mut found) = (self.layer(), self.own()?);
        if self.version != VersionIdx::NONE {
            let made = self.tree.made(self.version)?;
            layer = usize::from(made.layer);
            found = self.tree.record_of(made)?;
        }
        Some((layer, found.0, found.1))
    }
}
