//! Files of a directory, opened when they are read.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::blob::FileRange;
use crate::error::{Error, Result};

/// File of a directory, opened when it is read: a layout may hold more files than a program may have open.
#[derive(Debug)]
pub struct DirectoryFile {
    pub(super) directory: Arc<OwnedFd>,
    pub(super) name: String,
    /// Path that it was looked up by, below the directory that the user named.
    pub(super) path: String,
    pub(super) len: u64,
    /// Device and inode.
    pub(super) identity: (u64, u64),
}

impl DirectoryFile {
    /// Returns device, inode and length; `None` for `index.json`, which may be replaced.
    pub(super) fn position(&self) -> Option<(u64, u64, u64)> {
        let (device, inode) = self.identity;
        (self.name != "index.json").then_some((device, inode, self.len))
    }

    /// Path that it was looked up by, below the directory that the user named.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Length in bytes when it was looked up.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Tests if it was empty when it was looked up.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns device and inode: equal for all names of one file.
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Opens the file, links not followed.
    ///
    /// # Errors
    /// `Io`, also if another file has replaced it; `Truncated` if its length differs.
    pub fn open(&self) -> Result<FileRange> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let open = |flags| rustix::fs::openat(&*self.directory, &*self.name, flags, Mode::empty());
        // What is read may be evidence. Only the owner and root may leave its access time as it is.
        let fd = match open(flags | OFlags::NOATIME) {
            Err(Errno::PERM) => open(flags),
            opened => opened,
        };
        let fd = fd.map_err(|errno| os_error("open", errno))?;
        let stat = rustix::fs::fstat(&fd).map_err(|errno| os_error("open", errno))?;
        let len = u64::try_from(stat.st_size).unwrap_or_default();
        // `index.json` is replaced as a whole when another program adds an image, and the new one serves as well.
        // Comparing inodes could not tell: a second replacement may be given the inode of the first.
        if self.name == "index.json" {
            return FileRange::whole(fd.into());
        }
        let is_same = (stat.st_dev, stat.st_ino) == self.identity;
        if !is_same && len == self.len {
            let replaced = std::io::Error::other("replaced by another file meanwhile");
            return Err(Error::io("read", replaced));
        }
        if len != self.len {
            return Err(Error::truncated("the file", self.len, len));
        }
        FileRange::whole(fd.into())
    }
}

pub(super) fn os_error(action: &'static str, errno: Errno) -> Error {
    Error::io(action, errno.into())
}
