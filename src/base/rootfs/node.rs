//! Nodes of a root filesystem under construction.

use super::contents::Contents;
use crate::layer::{EntryKind, Metadata, Xattr};

/// File type of a node, with its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Directory.
    Directory,
    /// Regular file.
    File(Contents),
    /// Symbolic link with its target.
    Symlink(Vec<u8>),
    /// Character device, major and minor number.
    CharDevice(u64, u64),
    /// Block device, major and minor number.
    BlockDevice(u64, u64),
    /// FIFO.
    Fifo,
}

/// Origin of a node: number of a package, an input or an emulation, assigned by the operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(pub u32);

/// Node of the tree. Contents of equal nodes are compared as described at [`Contents`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// File type and data.
    pub kind: Kind,
    /// Mode: 12 bits, permissions with setuid, setgid and sticky.
    pub mode: u16,
    /// User ID of the owner.
    pub uid: u32,
    /// Group ID.
    pub gid: u32,
    /// Modification time, in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes.
    pub xattrs: Vec<Xattr>,
    /// Origin.
    pub origin: Origin,
}

impl Kind {
    /// Returns the kind of a link, directory, device or FIFO of an archive; `None` for other entries.
    pub fn of_entry(kind: EntryKind, target: &[u8], (major, minor): (u64, u64)) -> Option<Self> {
        Some(match kind {
            EntryKind::Directory => Kind::Directory,
            EntryKind::Symlink => Kind::Symlink(target.to_vec()),
            EntryKind::CharDevice => Kind::CharDevice(major, minor),
            EntryKind::BlockDevice => Kind::BlockDevice(major, minor),
            EntryKind::Fifo => Kind::Fifo,
            EntryKind::File | EntryKind::HardLink | EntryKind::Other(_) => return None,
        })
    }
}

impl Node {
    /// Creates a node owned by root.
    pub fn of(kind: Kind, mode: u16) -> Self {
        Node {
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: 0,
            xattrs: Vec::new(),
            origin: Origin::default(),
        }
    }

    /// Creates a node with the metadata of an entry and a checked owner.
    pub fn of_entry(kind: Kind, metadata: &Metadata, (uid, gid): (u32, u32)) -> Self {
        Node {
            mtime: metadata.mtime.seconds,
            xattrs: metadata.xattrs.clone(),
            ..Node::of(kind, metadata.mode).owned(uid, gid)
        }
    }

    /// Creates a directory owned by root.
    pub fn directory(mode: u16) -> Self {
        Node::of(Kind::Directory, mode)
    }

    /// Creates a regular file owned by root.
    pub fn file(mode: u16, bytes: impl Into<Vec<u8>>) -> Self {
        Node::of(Kind::File(Contents::from(bytes.into())), mode)
    }

    /// Creates a symbolic link owned by root.
    pub fn symlink(target: impl AsRef<[u8]>) -> Self {
        Node::of(Kind::Symlink(target.as_ref().to_vec()), 0o777)
    }

    /// Sets the owner.
    #[must_use]
    pub fn owned(self, uid: u32, gid: u32) -> Self {
        Node { uid, gid, ..self }
    }

    /// Sets the modification time.
    #[must_use]
    pub fn at(self, mtime: i64) -> Self {
        Node { mtime, ..self }
    }

    /// Sets the origin.
    #[must_use]
    pub fn from(self, origin: Origin) -> Self {
        Node { origin, ..self }
    }

    /// Returns the contents of a regular file; `None` for other types.
    pub fn contents(&self) -> Option<&Contents> {
        match &self.kind {
            Kind::File(contents) => Some(contents),
            _ => None,
        }
    }
}
