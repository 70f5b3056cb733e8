//! What its owner may not read, made readable for the time being.
//!
//! An image may hold directories and files of mode 0000, and who unpacked them without root owns them and cannot read
//! them. As umoci does, they get the permission while they are read, and their own mode back afterwards.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// Files and directories below one that were made readable; dropping it gives them their modes back.
#[derive(Debug)]
pub(super) struct Access {
    root: Option<OwnedFd>,
    /// Their paths and modes, in the order in which they were opened: what is in a directory comes after it.
    opened: Vec<(Vec<u8>, u32)>,
    /// Positions in the list, by device and inode number, because a file may have several names.
    numbers: HashMap<(u64, u64), usize>,
}

impl Access {
    /// Nothing was opened below `root` yet.
    pub(super) fn below(root: &OwnedFd) -> Self {
        Access {
            root: root.try_clone().ok(),
            opened: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// The mode that something had before it was made readable, if it was.
    pub(super) fn mode_of(&self, stat: &Stat) -> Option<u32> {
        let number = self.numbers.get(&(stat.st_dev, stat.st_ino))?;
        self.opened.get(*number).map(|(_, mode)| *mode)
    }

    /// Gives the owner the permissions that reading needs, where they are missing; whether that was done.
    ///
    /// Where it is refused reading will say so.
    pub(super) fn open(&mut self, path: &[u8], stat: &Stat, needed: u32) -> bool {
        if stat.st_mode & needed == needed {
            return false;
        }
        let key = (stat.st_dev, stat.st_ino);
        let user = rustix::process::geteuid();
        if user.is_root() || user.as_raw() != stat.st_uid || self.numbers.contains_key(&key) {
            return false;
        }
        let Some(root) = &self.root else {
            return false;
        };
        let mode = stat.st_mode & 0o7777;
        let is_done = set(root, path, mode | needed);
        if is_done {
            self.numbers.insert(key, self.opened.len());
            self.opened.push((path.to_vec(), mode));
        }
        is_done
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        let Some(root) = &self.root else { return };
        for (path, mode) in self.opened.iter().rev() {
            set(root, path, *mode);
        }
    }
}

/// Changes the mode of what is at a path, through no link; whether that was done.
fn set(root: &OwnedFd, path: &[u8], mode: u32) -> bool {
    let Ok(file) = open_below(root, path, OFlags::PATH) else {
        return false;
    };
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::chmod(path, Mode::from_raw_mode(mode)).is_ok()
}

/// Opens something below a directory, through no link.
pub(super) fn open_below(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if !flags.contains(OFlags::PATH) {
        // Nothing is opened for a path alone, and openat2 refuses what would say how.
        flags |= OFlags::NONBLOCK | OFlags::NOCTTY;
    }
    let path = CString::new(path).map_err(|_| Errno::INVAL)?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, &path, flags, Mode::empty(), resolve) {
        // Kernels before 5.6, and sandboxes that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(root, &path, flags, Mode::empty()),
        opened => opened,
    }
}
