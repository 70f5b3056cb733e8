//! Metadata of a new file, set through its descriptor or its open parent.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, Gid, Mode, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

/// A file, directory or other entry that was just created.
pub(super) enum NewEntry<'a> {
    Open(&'a File),
    Directory(&'a OwnedFd),
    /// Name in an open directory; true if the entry has a mode.
    Named(&'a OwnedFd, &'a [u8], bool),
}

impl NewEntry<'_> {
    pub(super) fn change_owner(&self, owner: Option<Uid>, group: Option<Gid>) -> Result<(), Errno> {
        match self {
            NewEntry::Open(file) => rustix::fs::fchown(file, owner, group),
            NewEntry::Directory(directory) => rustix::fs::fchown(directory, owner, group),
            NewEntry::Named(above, part, _) => {
                rustix::fs::chownat(above, *part, owner, group, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    pub(super) fn set_xattr(&self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        match self {
            NewEntry::Open(file) => rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()),
            NewEntry::Directory(directory) => {
                rustix::fs::fsetxattr(directory, name, value, XattrFlags::empty())
            }
            NewEntry::Named(above, part, _) => {
                // No system call takes a name in an open directory.
                let parent = format!("/proc/self/fd/{}/", above.as_raw_fd());
                let path = [parent.as_bytes(), part].concat();
                rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())
            }
        }
    }

    pub(super) fn change_mode(&self, mode: Mode) -> Result<(), Errno> {
        match self {
            NewEntry::Open(file) => rustix::fs::fchmod(file, mode),
            NewEntry::Directory(directory) => rustix::fs::fchmod(directory, mode),
            NewEntry::Named(above, part, true) => {
                rustix::fs::chmodat(above, *part, mode, AtFlags::empty())
            }
            NewEntry::Named(..) => Ok(()),
        }
    }

    pub(super) fn set_times(&self, times: &Timestamps) -> Result<(), Errno> {
        match self {
            NewEntry::Open(file) => rustix::fs::futimens(file, times),
            NewEntry::Directory(directory) => rustix::fs::futimens(directory, times),
            NewEntry::Named(above, part, _) => {
                rustix::fs::utimensat(above, *part, times, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }
}
