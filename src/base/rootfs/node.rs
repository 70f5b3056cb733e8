//! What a path of a root filesystem in the making is.

use super::contents::Contents;
use crate::layer::Xattr;

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A regular file.
    File(Contents),
    /// A symbolic link and its text.
    Symlink(Vec<u8>),
    /// A character device, major and minor number.
    CharDevice(u64, u64),
    /// A block device, major and minor number.
    BlockDevice(u64, u64),
    /// A FIFO.
    Fifo,
}

/// Who brought a node: the number of a package, an input or a stand-in, counted by the job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(pub u32);

/// What is at a path. Equal nodes have equal contents only if they are held in the same way, see [`Contents`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky: 12 bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes.
    pub xattrs: Vec<Xattr>,
    /// Who brought it.
    pub origin: Origin,
}

impl Node {
    fn of(kind: Kind, mode: u16) -> Self {
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

    /// A folder of root's.
    pub fn folder(mode: u16) -> Self {
        Node::of(Kind::Folder, mode)
    }

    /// A file of root's that holds these bytes.
    pub fn file(mode: u16, bytes: impl Into<Vec<u8>>) -> Self {
        Node::of(Kind::File(Contents::from(bytes.into())), mode)
    }

    /// A symbolic link of root's.
    pub fn symlink(target: impl AsRef<[u8]>) -> Self {
        Node::of(Kind::Symlink(target.as_ref().to_vec()), 0o777)
    }

    /// The same owned by others.
    #[must_use]
    pub fn owned(self, uid: u32, gid: u32) -> Self {
        Node { uid, gid, ..self }
    }

    /// The same with that time.
    #[must_use]
    pub fn at(self, mtime: i64) -> Self {
        Node { mtime, ..self }
    }

    /// The same brought by that one.
    #[must_use]
    pub fn from(self, origin: Origin) -> Self {
        Node { origin, ..self }
    }

    /// Its contents, if it is a regular file.
    pub fn contents(&self) -> Option<&Contents> {
        match &self.kind {
            Kind::File(contents) => Some(contents),
            _ => None,
        }
    }
}
