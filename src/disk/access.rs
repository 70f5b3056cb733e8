//! Temporary read permission for files that their owner may not read.
//!
//! An image may hold directories and files of mode 0000; a user who unpacked them without root owns them and cannot read
//! them. As in umoci, they get the permission while they are read, and their own mode back afterwards.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// Files and directories that were made readable; their modes are restored on drop.
#[derive(Debug)]
pub(super) struct Access {
    root: Option<OwnedFd>,
    /// Paths and original modes, directories before their contents.
    opened: Vec<(Vec<u8>, u32)>,
    /// Indices into the list by device and inode number, because a file may have several names.
    indices: HashMap<(u64, u64), usize>,
}

impl Access {
    /// Creates an empty list for files below `root`.
    pub(super) fn below(root: &OwnedFd) -> Self {
        Access {
            root: root.try_clone().ok(),
            opened: Vec::new(),
            indices: HashMap::new(),
        }
    }

    /// Original mode of a file that was made readable.
    pub(super) fn mode_of(&self, stat: &Stat) -> Option<u32> {
        let index = self.indices.get(&(stat.st_dev, stat.st_ino))?;
        self.opened.get(*index).map(|(_, mode)| *mode)
    }

    /// Adds missing permissions of the owner; returns whether the mode was changed. If the system refuses, reading fails
    /// later.
    pub(super) fn grant(&mut self, path: &[u8], stat: &Stat, needed: u32) -> bool {
        if stat.st_mode & needed == needed {
            return false;
        }
        let key = (stat.st_dev, stat.st_ino);
        let user = rustix::process::geteuid();
        if user.is_root() || user.as_raw() != stat.st_uid || self.indices.contains_key(&key) {
            return false;
        }
        let Some(root) = &self.root else {
            return false;
        };
        let mode = stat.st_mode & 0o7777;
        let is_changed = set_mode(root, path, mode | needed);
        if is_changed {
            self.indices.insert(key, self.opened.len());
            self.opened.push((path.to_vec(), mode));
        }
        is_changed
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        let Some(root) = &self.root else { return };
        for (path, mode) in self.opened.iter().rev() {
            set_mode(root, path, *mode);
        }
    }
}

/// Changes the mode of a file without following links; returns whether that succeeded.
fn set_mode(root: &OwnedFd, path: &[u8], mode: u32) -> bool {
    let Ok(file) = open_below(root, path, OFlags::PATH) else {
        return false;
    };
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::chmod(path, Mode::from_raw_mode(mode)).is_ok()
}

/// Opens a file below a directory without following links.
///
/// # Errors
/// Those of the system.
pub(super) fn open_below(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if !flags.contains(OFlags::PATH) {
        // openat2 refuses these flags together with O_PATH.
        flags |= OFlags::NONBLOCK | OFlags::NOCTTY;
    }
    let path = CString::new(path).map_err(|_| Errno::INVAL)?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, &path, flags, Mode::empty(), resolve) {
        // Kernels before 5.6, and sandboxes without the call.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(root, &path, flags, Mode::empty()),
        opened => opened,
    }
}
