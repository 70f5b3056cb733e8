//! Owner, attributes, mode and time of what was just made, by what is open of it.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, Gid, Mode, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

/// What was just made.
pub(super) enum Made<'a> {
    Open(&'a File),
    Folder(&'a OwnedFd),
    /// By its name in an open folder; whether it has a mode.
    Named(&'a OwnedFd, &'a [u8], bool),
}

impl Made<'_> {
    pub(super) fn change_owner(&self, owner: Option<Uid>, group: Option<Gid>) -> Result<(), Errno> {
        match self {
            Made::Open(file) => rustix::fs::fchown(file, owner, group),
            Made::Folder(folder) => rustix::fs::fchown(folder, owner, group),
            Made::Named(above, part, _) => {
                rustix::fs::chownat(above, *part, owner, group, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    pub(super) fn set_xattr(&self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        match self {
            Made::Open(file) => rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()),
            Made::Folder(folder) => rustix::fs::fsetxattr(folder, name, value, XattrFlags::empty()),
            Made::Named(above, part, _) => {
                // There is no call for a name in an open folder.
                let folder = format!("/proc/self/fd/{}/", above.as_raw_fd());
                let path = [folder.as_bytes(), part].concat();
                rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())
            }
        }
    }

    pub(super) fn change_mode(&self, mode: Mode) -> Result<(), Errno> {
        match self {
            Made::Open(file) => rustix::fs::fchmod(file, mode),
            Made::Folder(folder) => rustix::fs::fchmod(folder, mode),
            Made::Named(above, part, true) => {
                rustix::fs::chmodat(above, *part, mode, AtFlags::empty())
            }
            Made::Named(..) => Ok(()),
        }
    }

    pub(super) fn set_times(&self, times: &Timestamps) -> Result<(), Errno> {
        match self {
            Made::Open(file) => rustix::fs::futimens(file, times),
            Made::Folder(folder) => rustix::fs::futimens(folder, times),
            Made::Named(above, part, _) => {
                rustix::fs::utimensat(above, *part, times, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }
}
