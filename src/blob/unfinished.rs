//! Temporary names: the list of those in use, and the removal of what has one.
//!
//! A program that is interrupted removes what it was making ([`discard_unfinished`]); a later run removes what a killed
//! one left ([`remove_leftover`]). Threat: in a directory that others write to, anybody can make something that looks
//! like a leftover and exchange it while it is removed. So only what belongs to the user, or to whom the directory
//! belongs, is removed; it is opened once, without following links, and everything below is reached through
//! descriptors of directories on the same file system. No mode is changed by path.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, Stat, flock};
use rustix::io::Errno;

use super::fault_injection::fail_point;
use super::new_file::parent_directory;
use crate::error::{At, Error, Result};

/// Paths that are being made, to be removed if the program ends before they get their names; `None` once it ends.
static UNFINISHED: Mutex<Option<BTreeSet<PathBuf>>> = Mutex::new(Some(BTreeSet::new()));
/// Called before the first path of the program is listed.
static BEFORE_FIRST: OnceLock<fn()> = OnceLock::new();

/// A temporary path that is listed until this is dropped.
#[derive(Debug)]
pub(super) struct Unfinished(PathBuf);

impl Unfinished {
    /// Lists a path that is about to be made.
    pub(super) fn new(path: PathBuf) -> Self {
        if let Some(prepare) = BEFORE_FIRST.get() {
            prepare();
        }
        if let Some(paths) = paths().as_mut() {
            paths.insert(path.clone());
            return Unfinished(path);
        }
        // The program is about to end, and nothing is to be made any more.
        loop {
            std::thread::park();
        }
    }

    /// The path.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(paths) = paths().as_mut() {
            paths.remove(&self.0);
        }
    }
}

fn paths() -> std::sync::MutexGuard<'static, Option<BTreeSet<PathBuf>>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets what is called each time before something gets a temporary name: a program prepares for interrupts there, and
/// not when it starts, where most never need it. The first call counts.
pub fn before_unfinished(prepare: fn()) {
    let _ = BEFORE_FIRST.set(prepare);
}

/// Removes everything in the making, for a program that is about to end: a thread that would make more waits forever.
/// Other threads may still be writing: what they add is removed as well, as long as that leads to an end. Returns what
/// is left.
pub fn discard_unfinished() -> Vec<PathBuf> {
    // Each pass takes away directories that a writer would need; one that outruns all of these does not exist.
    const PASSES: usize = 1000;
    /// Time in which a thread makes what it has just listed.
    const MAKING: std::time::Duration = std::time::Duration::from_millis(20);
    let Some(paths) = paths().take() else {
        return Vec::new();
    };
    let is_left = |path: &&PathBuf| (0..PASSES).all(|_| remove_at(path).is_err());
    let _ = paths.iter().filter(is_left).count();
    if !paths.is_empty() {
        std::thread::sleep(MAKING);
    }
    paths.iter().filter(is_left).cloned().collect()
}

/// Removes a file or directory in the making if its maker is gone. Returns whether it did: not if another user made it.
///
/// # Errors
/// `Io`.
pub fn remove_leftover(path: &Path) -> Result<bool> {
    let failed = |error| Error::io("remove", error).at(path.to_string_lossy());
    let Some(found) = Found::at(path).map_err(|errno| failed(errno.into()))? else {
        return Ok(false);
    };
    if !found.is_ours() {
        return Ok(false);
    }
    // A directory may be closed to its owner already, and is opened up through its descriptor.
    let Ok(open) = found.open() else {
        return Ok(false);
    };
    match flock(&open, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(false),
        Err(errno) => return Err(failed(errno.into())),
    }
    fail_point(path).map_err(failed)?;
    match found.remove() {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// Removes what has a temporary name of this program, a file or a directory with all that is in it.
///
/// # Errors
/// `Io`. The place is the path.
pub(super) fn remove(path: &Path) -> Result<()> {
    remove_at(path)
        .map_err(|errno| Error::io("remove", errno.into()))
        .at(|| path.to_string_lossy().into_owned())
}

fn remove_at(path: &Path) -> Result<(), Errno> {
    match Found::at(path)? {
        Some(found) => match found.remove() {
            Err(Errno::NOENT) => Ok(()),
            other => other,
        },
        None => Ok(()),
    }
}

/// Something that has a temporary name, as it was when it was looked at.
struct Found {
    parent: OwnedFd,
    owner_of_parent: u32,
    name: std::ffi::OsString,
    /// The thing itself, without the right to read it.
    held: OwnedFd,
    stat: Stat,
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
/// Opens anything, whatever its mode is, and follows no link.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Found {
    /// `None` if nothing is there.
    fn at(path: &Path) -> Result<Option<Self>, Errno> {
        let Some(name) = path.file_name() else {
            return Err(Errno::INVAL);
        };
        let parent = rustix::fs::open(
            parent_directory(path),
            DIRECTORY | OFlags::PATH,
            Mode::empty(),
        );
        let parent = match parent {
            Err(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        let held = match rustix::fs::openat(&parent, name, HANDLE, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        Ok(Some(Found {
            owner_of_parent: rustix::fs::fstat(&parent)?.st_uid,
            parent,
            name: name.to_owned(),
            stat: rustix::fs::fstat(&held)?,
            held,
        }))
    }

    /// Whether who runs the program made it, or whom the directory belongs to, who could remove it as well.
    fn is_ours(&self) -> bool {
        let own = rustix::process::geteuid().as_raw();
        self.stat.st_uid == own || self.stat.st_uid == self.owner_of_parent
    }

    fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::Directory
    }

    /// Opens it for a lock, or to be listed.
    fn open(&self) -> Result<File, Errno> {
        if self.is_directory() {
            return open_up(self.held.as_fd()).map(File::from);
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(own_path(self.held.as_fd()), flags, Mode::empty()).map(File::from)
    }

    fn remove(&self) -> Result<(), Errno> {
        if self.is_directory() {
            empty(open_up(self.held.as_fd())?, self.stat.st_dev)?;
        }
        // It may have been exchanged: what is there now is not what was looked at.
        let now = rustix::fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW)?;
        if (now.st_dev, now.st_ino) != (self.stat.st_dev, self.stat.st_ino) {
            return Err(Errno::NOENT);
        }
        let flags = match self.is_directory() {
            true => AtFlags::REMOVEDIR,
            false => AtFlags::empty(),
        };
        rustix::fs::unlinkat(&self.parent, &self.name, flags)
    }
}

/// The path by which the system opens again what a descriptor stands for, and nothing else.
fn own_path(held: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", held.as_raw_fd())
}

/// Opens a directory for reading of which there is a handle. One that is closed to its owner is opened up.
fn open_up(held: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = DIRECTORY | OFlags::RDONLY;
    // "." of a directory is itself; without the right to search it, only /proc leads there.
    match rustix::fs::openat(held, ".", flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(CWD, own_path(held), Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(held, ".", flags, Mode::empty())
        }
        Ok(fd) => {
            // Entries can be removed by who may write to it.
            let mode = Mode::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
            if !mode.contains(Mode::RWXU) {
                // Root needs no mode, and others own it or cannot do more.
                let _ = rustix::fs::fchmod(&fd, mode | Mode::RWXU);
            }
            Ok(fd)
        }
        other => other,
    }
}

/// Removes everything in a directory, and leaves what another file system is mounted on.
///
/// Directories are moved up before they are emptied, so that depth costs neither descriptors nor stack.
fn empty(top: OwnedFd, device: u64) -> Result<(), Errno> {
    let mut moved = 0_u64;
    loop {
        let names = list(&top)?;
        if names.is_empty() {
            return Ok(());
        }
        for (name, kind) in names {
            let gone = match kind {
                FileType::Directory => empty_into(&top, &name, device, &mut moved),
                _ => rustix::fs::unlinkat(&top, &name, AtFlags::empty()),
            };
            match gone {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// Removes a directory of `top`, after its files are removed and its directories have become `top`'s own.
fn empty_into(
    top: &OwnedFd,
    name: &std::ffi::CStr,
    device: u64,
    moved: &mut u64,
) -> Result<(), Errno> {
    let held = rustix::fs::openat(top, name, HANDLE | DIRECTORY, Mode::empty())?;
    if rustix::fs::fstat(&held)?.st_dev != device {
        return Err(Errno::XDEV);
    }
    let folder = open_up(held.as_fd())?;
    for (below, kind) in list(&folder)? {
        let gone = match kind {
            FileType::Directory => {
                // Its own entry ".." changes, which who may not write to it cannot have.
                if let Ok(held) = rustix::fs::openat(&folder, &below, HANDLE, Mode::empty()) {
                    open_up(held.as_fd())?;
                }
                loop {
                    *moved += 1;
                    let free = format!(".imgkit-{moved}");
                    let flags = rustix::fs::RenameFlags::NOREPLACE;
                    match rustix::fs::renameat_with(&folder, &below, top, &free, flags) {
                        Err(Errno::EXIST) => {}
                        // File systems that cannot promise it: a name that is in use is an error then, or empty.
                        Err(Errno::INVAL | Errno::NOSYS) => {
                            break rustix::fs::renameat(&folder, &below, top, &free);
                        }
                        other => break other,
                    }
                }
            }
            _ => rustix::fs::unlinkat(&folder, &below, AtFlags::empty()),
        };
        match gone {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    rustix::fs::unlinkat(top, name, AtFlags::REMOVEDIR)
}

/// The entries of a directory and their kinds.
fn list(folder: &OwnedFd) -> Result<Vec<(std::ffi::CString, FileType)>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(errno),
                }
            }
            kind => kind,
        };
        names.push((name.to_owned(), kind));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("metadata").permissions().mode() & 0o777
    }

    #[test]
    fn removes_deep_and_closed_directories_and_nothing_behind_links() {
        let folder = tempfile::tempdir().expect("a directory");
        let outside = folder.path().join("outside");
        fs::create_dir_all(outside.join("kept")).expect("directories");
        fs::set_permissions(&outside, PermissionsExt::from_mode(0o705)).expect("a mode");
        let top = folder.path().join(".imgkit-1.x");
        let mut deep = top.clone();
        for _ in 0..600 {
            deep.push("d");
        }
        fs::create_dir_all(&deep).expect("directories");
        fs::write(deep.join("f"), "f").expect("a file");
        fs::create_dir_all(top.join("closed/inner")).expect("directories");
        fs::write(top.join("closed/inner/f"), "f").expect("a file");
        symlink(&outside, top.join("link")).expect("a link");
        symlink(&outside, top.join("closed/link")).expect("a link");
        for name in ["closed/inner", "closed"] {
            fs::set_permissions(top.join(name), PermissionsExt::from_mode(0o0)).expect("a mode");
        }
        assert!(remove_leftover(&top).expect("removed"));
        assert!(!top.exists());
        assert!(outside.join("kept").is_dir());
        assert_eq!(mode(&outside), 0o705);
    }

    #[test]
    fn a_link_with_the_name_of_a_leftover_is_no_way_to_its_target() {
        let folder = tempfile::tempdir().expect("a directory");
        let outside = folder.path().join("outside");
        fs::create_dir_all(outside.join("kept")).expect("directories");
        let link = folder.path().join(".imgkit-1.x");
        symlink(&outside, &link).expect("a link");
        let _ = remove_leftover(&link);
        assert!(outside.join("kept").is_dir());
        assert!(!remove_leftover(&folder.path().join(".imgkit-none")).expect("nothing"));
    }
}
