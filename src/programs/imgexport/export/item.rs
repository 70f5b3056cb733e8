//! Items of an export: rows with their metadata and contents.

use super::plan::Export;
use super::row::Row;
use crate::blob::FileRange;
use crate::error::Result;
use crate::layer::{EntryKind, Mtime, Segment};
use crate::tree::{Meta, Node, NodeKind, Owner, PathIdx};
use crate::write::entry::EntryOut;

/// Kind of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A file, directory or other node of the tree.
    Node(NodeKind),
    /// Whiteout: removes the path from lower layers.
    Whiteout,
    /// Opaque whiteout: removes the contents of the directory from lower layers.
    Opaque,
}

/// One row with its metadata.
#[derive(Debug, Clone)]
pub struct Item<'e> {
    pub(super) export: &'e Export,
    pub(super) row: usize,
    /// Path without a leading `/`; empty for the root directory. For a marker, the path it removes.
    pub path: Vec<u8>,
    /// Kind.
    pub kind: ItemKind,
    /// Owner, mode, time and extended attributes.
    pub meta: Meta,
    /// Size of the contents in bytes, with holes; 0 without contents.
    pub size: u64,
    /// Target of a symbolic link.
    pub link_target: &'e [u8],
    /// Major and minor number of a device.
    pub device: (u64, u64),
    /// Layer of the entry, from 0.
    pub layer: usize,
    /// Number of the file's names among the rows.
    pub link_count: u32,
    /// First of these names, unless it is this one.
    pub first_name: Option<Vec<u8>>,
}

impl Export {
    /// Returns all items, in the order in which they are written.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        (0..self.rows.len()).filter_map(|row| self.item(row))
    }

    /// Returns the item of a row, as numbered in [`super::Unpacked::not_applied`].
    pub fn item(&self, row: usize) -> Option<Item<'_>> {
        match *self.rows.get(row)? {
            Row::Whiteout(index) => Some(self.marker(row, index, ItemKind::Whiteout)),
            Row::Opaque(index) => Some(self.marker(row, index, ItemKind::Opaque)),
            Row::Node(index) => {
                let node = self.tree.at(index)?;
                Some(self.of_node(row, &node))
            }
            Row::Version(key) => self.of_version(row, self.tree.version_at(key)),
            Row::Record => Some(self.of_record(row)),
        }
    }

    fn marker(&self, row: usize, index: PathIdx, kind: ItemKind) -> Item<'_> {
        let past = self.tree.history_at(index);
        let path = past.map_or_else(Vec::new, |past| past.path());
        self.bare(row, path, kind)
    }

    /// Returns an item without metadata. As in engines, a marker is an empty file without permissions.
    pub(super) fn bare(&self, row: usize, path: Vec<u8>, kind: ItemKind) -> Item<'_> {
        Item {
            export: self,
            row,
            path,
            kind,
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
        }
    }

    fn of_node<'e>(&'e self, row: usize, node: &Node<'e>) -> Item<'e> {
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
        let first = self.first_of(row);
        let first = first.and_then(|first| self.rows.get(first)?.as_node(&self.tree));
        Item {
            meta,
            size: node.size(),
            link_target: node.link_target(),
            device: node.device(),
            layer: self.base + node.layer(),
            link_count: self.link_count(row),
            first_name: first.map(|first| first.path()),
            ..self.bare(row, node.path(), ItemKind::Node(node.kind()))
        }
    }

    /// Returns the number of names that a row's file has among the rows.
    pub(super) fn link_count(&self, row: usize) -> u32 {
        let group = self.rows.get(row).and_then(|row| self.group_of(row));
        group.map_or(1, |group| group.count)
    }

    /// Returns the row with the first name of a row's file, if it is another one.
    pub(super) fn first_of(&self, row: usize) -> Option<usize> {
        let group = self.rows.get(row).and_then(|row| self.group_of(row));
        let first = group.map(|group| group.first as usize);
        first.filter(|&first| first != row)
    }
}

impl Item<'_> {
    /// Returns the name in an archive: the path, or the name of the marker.
    pub fn name(&self) -> Vec<u8> {
        let marker = |directory: &[u8], name: &[u8]| {
            let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
            [directory, slash, name].concat()
        };
        match self.kind {
            ItemKind::Node(_) => self.path.clone(),
            ItemKind::Opaque => marker(&self.path, b".wh..wh..opq"),
            ItemKind::Whiteout => {
                let slash = self.path.iter().rposition(|&byte| byte == b'/');
                let (directory, part) = match slash {
                    Some(at) => (&self.path[..at], &self.path[at + 1..]),
                    None => (&[][..], &self.path[..]),
                };
                marker(directory, &[b".wh.", part].concat())
            }
        }
    }

    /// Returns the SHA-256 digest of the contents, if digests were requested.
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.node()?.digest()
    }

    /// Returns the number of the file: that of its first row, from 1.
    pub fn number(&self) -> u64 {
        self.export.first_of(self.row).unwrap_or(self.row) as u64 + 1
    }

    /// Tests if the name is the last one of its file among the rows.
    pub(super) fn is_last_name(&self) -> bool {
        let row = self.export.rows.get(self.row);
        let group = row.and_then(|row| self.export.group_of(row));
        group.is_none_or(|group| group.last as usize == self.row)
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind == ItemKind::Node(NodeKind::File)
    }

    /// Returns the stored parts of the contents, each with its offset in the file.
    pub(super) fn parts(&self) -> Result<Vec<(u64, FileRange)>> {
        let row = self.export.rows.get(self.row);
        if let Some(Row::Record) = row {
            return Ok(self.export.record().into_iter().collect());
        }
        let Some(place) = row.and_then(|row| row.location(&self.export.tree)) else {
            return Ok(Vec::new());
        };
        let all = [Segment {
            offset: 0,
            length: place.stored,
        }];
        let mut offset = place.offset;
        let mut parts = Vec::new();
        for segment in place.segments.as_deref().unwrap_or(&all) {
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

    /// Converts the item to a tar entry; `name` is [`Item::name`].
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
            ItemKind::Node(kind) => kind.into(),
            ItemKind::Whiteout | ItemKind::Opaque => EntryKind::File,
        };
        out.link_target = self.link_target;
        out.size = if self.is_file() { self.size } else { 0 };
        out
    }
}
