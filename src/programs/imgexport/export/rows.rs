//! One row of an export: what is written for one path.

use crate::blob::FileRange;
use crate::error::Result;
use crate::layer::{EntryKind, Mtime, Segment};
use crate::tree::{Meta, Node, NodeKind, Owner, Tree};
use crate::write::entry::EntryOut;

use super::Export;

/// What is written for a path, as a number and a kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    index: u32,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Node,
    Whiteout,
    Opaque,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// What the tree has there.
    Node(NodeKind),
    /// A marker that removes what lower layers have there.
    Whiteout,
    /// A marker that removes what lower layers have in the folder.
    Opaque,
}

/// One row with everything about it.
#[derive(Debug, Clone)]
pub struct Item<'e> {
    export: &'e Export,
    row: usize,
    /// The path it is about, without a leading `/`; empty for the top.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: ItemKind,
    /// Owner, mode, time and attributes.
    pub meta: Meta,
    /// Size of the contents with their holes; 0 for what has none.
    pub size: u64,
    /// The text of a symbolic link.
    pub link_target: &'e [u8],
    /// Major and minor number of a device.
    pub device: (u64, u64),
    /// The layer that wrote it, from 0.
    pub layer: usize,
    /// How many names the file has among the rows.
    pub link_count: u32,
    /// The first of these names, if this is another one.
    pub first_name: Option<Vec<u8>>,
}

impl Row {
    fn new(index: usize, what: What) -> Self {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Row { index, what }
    }

    pub(super) fn node(index: usize) -> Self {
        Row::new(index, What::Node)
    }

    pub(super) fn whiteout(index: usize) -> Self {
        Row::new(index, What::Whiteout)
    }

    pub(super) fn opaque(index: usize) -> Self {
        Row::new(index, What::Opaque)
    }

    pub(super) fn as_node<'t>(&self, tree: &'t Tree) -> Option<Node<'t>> {
        tree.at(self.index as usize)
            .filter(|_| self.what == What::Node)
    }
}

impl Export {
    pub(super) fn item(&self, row: usize) -> Option<Item<'_>> {
        let at = self.rows.get(row)?;
        let past = self.tree.past_at(at.index as usize)?;
        let bare = |kind| Item {
            export: self,
            row,
            path: past.path(),
            kind,
            // A marker is an empty file that nobody may read, as engines write it.
            meta: Meta {
                mode: 0,
                owner: Owner::default(),
                mtime: Mtime::default(),
                xattrs: Vec::new(),
            },
            size: 0,
            link_target: &[],
            device: (0, 0),
            layer: 0,
            link_count: 1,
            first_name: None,
        };
        let node = match at.what {
            What::Whiteout => return Some(bare(ItemKind::Whiteout)),
            What::Opaque => return Some(bare(ItemKind::Opaque)),
            What::Node => past.node()?,
        };
        let group = self.group_of(&node);
        let first = group
            .map(|group| group.first as usize)
            .filter(|&first| first != row);
        let first = first.and_then(|first| self.rows.get(first)?.as_node(&self.tree));
        let mut meta = node.meta();
        if let Some(clamp) = self.clamp {
            meta.mtime = Mtime {
                seconds: meta.mtime.seconds.min(clamp),
                nanos: 0,
            };
            meta.owner.user_name = Box::default();
            meta.owner.group_name = Box::default();
            meta.xattrs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        }
        Some(Item {
            meta,
            size: node.size(),
            link_target: node.link_target(),
            device: node.device(),
            layer: self.base + node.layer(),
            link_count: group.map_or(1, |group| group.count),
            first_name: first.map(|first| first.path()),
            ..bare(ItemKind::Node(node.kind()))
        })
    }
}

impl Item<'_> {
    /// The name under which an archive has it: of a marker, the marker's own.
    pub fn name(&self) -> Vec<u8> {
        let marker = |folder: &[u8], name: &[u8]| {
            let slash: &[u8] = if folder.is_empty() { b"" } else { b"/" };
            [folder, slash, name].concat()
        };
        match self.kind {
            ItemKind::Node(_) => self.path.clone(),
            ItemKind::Opaque => marker(&self.path, b".wh..wh..opq"),
            ItemKind::Whiteout => {
                let slash = self.path.iter().rposition(|&byte| byte == b'/');
                let (folder, part) = match slash {
                    Some(at) => (&self.path[..at], &self.path[at + 1..]),
                    None => (&[][..], &self.path[..]),
                };
                marker(folder, &[b".wh.", part].concat())
            }
        }
    }

    /// The SHA-256 digest of the contents, if digests were asked for.
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.node()?.digest()
    }

    /// The file's number: that of its first row, from 1.
    pub fn number(&self) -> u64 {
        let group = self.node().and_then(|node| self.export.group_of(&node));
        group.map_or(self.row as u64, |group| u64::from(group.first)) + 1
    }

    /// Whether it is the last name of its file among the rows.
    pub(super) fn is_last_name(&self) -> bool {
        let group = self.node().and_then(|node| self.export.group_of(&node));
        group.is_none_or(|group| group.last as usize == self.row)
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind == ItemKind::Node(NodeKind::File)
    }

    /// The stored parts of the contents and where in the file each belongs.
    pub(super) fn parts(&self) -> Result<Vec<(u64, FileRange)>> {
        let Some(place) = self.node().and_then(|node| node.place()) else {
            return Ok(Vec::new());
        };
        let whole = [Segment {
            offset: 0,
            length: place.stored,
        }];
        let mut offset = place.offset;
        let mut parts = Vec::new();
        for segment in place.segments.as_deref().unwrap_or(&whole) {
            if segment.length > 0 {
                parts.push((
                    segment.offset,
                    self.export.range(place.layer, offset, segment.length)?,
                ));
            }
            offset += segment.length;
        }
        Ok(parts)
    }

    fn node(&self) -> Option<Node<'_>> {
        self.export.rows.get(self.row)?.as_node(&self.export.tree)
    }

    /// As a tar entry; `name` is [`Item::name`].
    pub(super) fn entry<'a>(&'a self, name: &'a [u8]) -> EntryOut<'a> {
        let mut out = EntryOut {
            path: name,
            mode: self.meta.mode,
            uid: self.meta.owner.uid,
            gid: self.meta.owner.gid,
            user_name: &self.meta.owner.user_name,
            group_name: &self.meta.owner.group_name,
            mtime: self.meta.mtime,
            device: self.device,
            xattrs: &self.meta.xattrs,
            ..EntryOut::default()
        };
        if let Some(first) = &self.first_name {
            out.kind = EntryKind::HardLink;
            out.link_target = first;
            out.device = (0, 0);
            return out;
        }
        out.kind = match self.kind {
            ItemKind::Node(NodeKind::Folder) => EntryKind::Directory,
            ItemKind::Node(NodeKind::Symlink) => EntryKind::Symlink,
            ItemKind::Node(NodeKind::CharDevice) => EntryKind::CharDevice,
            ItemKind::Node(NodeKind::BlockDevice) => EntryKind::BlockDevice,
            ItemKind::Node(NodeKind::Fifo) => EntryKind::Fifo,
            ItemKind::Node(NodeKind::File) | ItemKind::Whiteout | ItemKind::Opaque => {
                EntryKind::File
            }
        };
        out.link_target = self.link_target;
        out.size = if self.is_file() { self.size } else { 0 };
        out
    }
}
