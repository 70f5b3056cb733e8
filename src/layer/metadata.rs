//! Metadata of files, as tars, cpio archives and directories have it.

/// Kind of file that an entry creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EntryKind {
    /// A regular file, sparse or not.
    #[default]
    File,
    /// Another name of an entry, given by its path from the root.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
    /// Any other type, by its letter: GNU dump directories (`D`), volume labels (`V`), vendor types.
    Other(u8),
}

impl EntryKind {
    /// Kind of a tar type letter; `Other` for letters that tars do not define for files.
    pub(crate) fn of_letter(letter: u8) -> Self {
        match letter {
            b'0' => EntryKind::File,
            b'1' => EntryKind::HardLink,
            b'2' => EntryKind::Symlink,
            b'3' => EntryKind::CharDevice,
            b'4' => EntryKind::BlockDevice,
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            other => EntryKind::Other(other),
        }
    }

    /// The kind's letter in a tar header.
    pub(crate) fn letter(self) -> u8 {
        match self {
            EntryKind::File => b'0',
            EntryKind::HardLink => b'1',
            EntryKind::Symlink => b'2',
            EntryKind::CharDevice => b'3',
            EntryKind::BlockDevice => b'4',
            EntryKind::Directory => b'5',
            EntryKind::Fifo => b'6',
            EntryKind::Other(letter) => letter,
        }
    }

    /// Reports whether entries of this kind have a link target.
    pub(crate) fn is_link(self) -> bool {
        matches!(self, EntryKind::HardLink | EntryKind::Symlink)
    }

    /// Reports whether entries of this kind have device numbers.
    pub(crate) fn is_device(self) -> bool {
        matches!(self, EntryKind::CharDevice | EntryKind::BlockDevice)
    }
}

/// A modification time: `seconds` since 1970, negative before, plus `nanos`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mtime {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds, 0 to 999,999,999; 0 wherever only a tar header gave the time.
    pub nanos: u32,
}

impl Mtime {
    /// Time of whole seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Self {
        Mtime { seconds, nanos: 0 }
    }
}

/// Times of a file besides the modification time, where PAX records or GNU's header state them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OtherTimes {
    /// Last access.
    pub access: Option<Mtime>,
    /// Last change of attributes.
    pub change: Option<Mtime>,
    /// Creation of the file (`LIBARCHIVE.creationtime`).
    pub birth: Option<Mtime>,
}

impl OtherTimes {
    /// Returns true if no time is stated.
    pub fn is_empty(&self) -> bool {
        *self == OtherTimes::default()
    }
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Xattr {
    /// Name with its namespace, such as `security.capability`.
    pub name: Vec<u8>,
    /// Raw value, often not text.
    pub value: Vec<u8>,
}

/// Mode, owner, time and extended attributes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Permission bits with setuid, setgid and sticky: 12 bits.
    pub mode: u16,
    /// User ID of the owner.
    pub uid: u64,
    /// Group ID.
    pub gid: u64,
    /// Modification time.
    pub mtime: Mtime,
    /// Extended attributes, each name once.
    pub xattrs: Vec<Xattr>,
}

/// Returns permission bits as `ls -l` shows them, without the letter of the kind: `rwxr-sr-t`.
pub fn permissions(mode: u16) -> String {
    let bits = "rwxrwxrwx".chars().enumerate();
    let mut text: Vec<char> = bits
        .map(|(at, bit)| match mode & (0o400 >> at) {
            0 => '-',
            _ => bit,
        })
        .collect();
    for (at, special, set) in [(2, 0o4000, 's'), (5, 0o2000, 's'), (8, 0o1000, 't')] {
        if mode & special != 0 {
            text[at] = match text[at] {
                '-' => set.to_ascii_uppercase(),
                _ => set,
            };
        }
    }
    text.into_iter().collect()
}
