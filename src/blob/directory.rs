//! Directories: parents of paths, creation, and sync.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::fault_injection::fail_point;
use crate::error::{Error, Result};

/// Returns the directory that a path is in; `.` for a bare file name.
pub(crate) fn parent_directory(path: &Path) -> &Path {
    or_current(path.parent().unwrap_or("".as_ref()))
}

/// Returns the directory itself, or `.` for an empty path.
pub(super) fn or_current(directory: &Path) -> &Path {
    match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    }
}

/// Creates a directory in `parent` unless it exists. If root does so in another user's directory, that user becomes
/// the owner.
///
/// That user may exchange names at any moment, so the new directory is held by descriptor, and only given away if root
/// owns it.
///
/// # Errors
/// Those of the system.
pub fn make_directory(parent: &Path, name: &str) -> std::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::open(parent, flags, Mode::empty())?;
    match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    if let Some((user, group)) = other_owner(&rustix::fs::fstat(&parent)?) {
        let made = rustix::fs::openat(&parent, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        if rustix::fs::fstat(&made)?.st_uid == 0 {
            let _ = rustix::fs::fchown(&made, Some(user), Some(group));
        }
    }
    Ok(())
}

/// Owner of a directory if root runs this program and the directory belongs to another user.
pub(super) fn other_owner(stat: &rustix::fs::Stat) -> Option<(Uid, Gid)> {
    let is_other = rustix::process::geteuid().is_root() && stat.st_uid != 0;
    is_other.then(|| (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid)))
}

/// Syncs a directory, so that renames and new names in it survive a power cut.
///
/// # Errors
/// `Io`.
pub fn sync_directory(directory: &Path) -> Result<()> {
    let directory = or_current(directory);
    let synced = fail_point(directory)
        .and_then(|()| File::open(directory))
        .and_then(|directory| directory.sync_all());
    synced.map_err(|error| Error::io("write", error).at(directory.to_string_lossy()))
}
