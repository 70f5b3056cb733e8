//! Removal of files and directory trees that somebody else may be changing.
//!
//! A file is opened once, without following links, and everything below it is reached through descriptors of
//! directories on the same file system. No mode is changed by path.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::directory::parent_directory;

/// A file or directory that is held by descriptor, so that nobody can exchange it.
pub(super) struct Held {
    parent: OwnedFd,
    parent_owner: u32,
    name: std::ffi::OsString,
    /// The file itself, opened with `O_PATH`.
    handle: OwnedFd,
    stat: Stat,
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
/// Opens any file whatever its mode, and follows no link.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Held {
    /// Opens a path; `None` if it does not exist.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, Errno> {
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
        let handle = match rustix::fs::openat(&parent, name, HANDLE, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        Ok(Some(Held {
            parent_owner: stat_of(&parent)?.st_uid,
            parent,
            name: name.to_owned(),
            stat: stat_of(&handle)?,
            handle,
        }))
    }

    /// Reports whether it belongs to the current user, or to the owner of the directory, who could remove it as well.
    pub(super) fn is_ours(&self) -> bool {
        let own = rustix::process::geteuid().as_raw();
        self.stat.st_uid == own || self.stat.st_uid == self.parent_owner
    }

    fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::Directory
    }

    /// Opens it for locking or listing.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn reopen(&self) -> Result<File, Errno> {
        if self.is_directory() {
            return open_up(self.handle.as_fd()).map(File::from);
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::open(descriptor_path(self.handle.as_fd()), flags, Mode::empty()) {
            // Without /proc, by name, if that still is the file.
            Err(Errno::NOENT) => {
                let flags = flags | OFlags::NOFOLLOW;
                let file = rustix::fs::openat(&self.parent, &self.name, flags, Mode::empty())?;
                let now = rustix::fs::fstat(&file)?;
                match (now.st_dev, now.st_ino) == (self.stat.st_dev, self.stat.st_ino) {
                    true => Ok(File::from(file)),
                    false => Err(Errno::NOENT),
                }
            }
            opened => opened.map(File::from),
        }
    }

    /// Removes the file, or the directory with all its contents.
    ///
    /// # Errors
    /// `NOENT` if it was exchanged meanwhile; others of the system.
    pub(super) fn remove(&self) -> Result<(), Errno> {
        if self.is_directory() {
            remove_contents(open_up(self.handle.as_fd())?, self.stat.st_dev)?;
        }
        // The name may refer to another file by now.
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

/// Metadata of a file that was opened with `O_PATH`; Linux before 3.6 has no `fstat` for these.
fn stat_of(handle: &OwnedFd) -> Result<Stat, Errno> {
    rustix::fs::statat(handle, "", AtFlags::EMPTY_PATH)
}

/// Path by which the system opens the file of a descriptor again.
fn descriptor_path(handle: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", handle.as_raw_fd())
}

/// Opens a directory for reading by its handle; adds the owner's permissions where they are missing.
fn open_up(handle: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = DIRECTORY | OFlags::RDONLY;
    // "." is the directory itself; without permission to search it, only /proc leads there.
    match rustix::fs::openat(handle, ".", flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(CWD, descriptor_path(handle), Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(handle, ".", flags, Mode::empty())
        }
        Ok(fd) => {
            // Removing entries needs write permission.
            let mode = Mode::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
            if !mode.contains(Mode::RWXU) {
                // Root needs no permission bits; others own the directory, or removal fails later.
                let _ = rustix::fs::fchmod(&fd, mode | Mode::RWXU);
            }
            Ok(fd)
        }
        other => other,
    }
}

/// Removes the contents of a directory, except directories with another file system mounted on them.
///
/// Directories are moved up before they are emptied, so that depth costs neither descriptors nor stack.
fn remove_contents(top: OwnedFd, device: u64) -> Result<(), Errno> {
    let mut moved = 0_u64;
    loop {
        let names = list(&top)?;
        if names.is_empty() {
            return Ok(());
        }
        for (name, kind) in names {
            let removed = match kind {
                FileType::Directory => flatten_into(&top, &name, device, &mut moved),
                _ => rustix::fs::unlinkat(&top, &name, AtFlags::empty()),
            };
            match removed {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// Removes a directory in `top`, after removing its files and moving its directories to `top`.
fn flatten_into(
    top: &OwnedFd,
    name: &std::ffi::CStr,
    device: u64,
    moved: &mut u64,
) -> Result<(), Errno> {
    let handle = rustix::fs::openat(top, name, HANDLE | DIRECTORY, Mode::empty())?;
    if stat_of(&handle)?.st_dev != device {
        return Err(Errno::XDEV);
    }
    let directory = open_up(handle.as_fd())?;
    for (below, kind) in list(&directory)? {
        let removed = match kind {
            FileType::Directory => {
                // Moving a directory changes its ".." entry, which needs write permission.
                if let Ok(handle) = rustix::fs::openat(&directory, &below, HANDLE, Mode::empty()) {
                    open_up(handle.as_fd())?;
                }
                loop {
                    *moved += 1;
                    let free = format!(".imgkit-{moved}");
                    let flags = rustix::fs::RenameFlags::NOREPLACE;
                    match rustix::fs::renameat_with(&directory, &below, top, &free, flags) {
                        Err(Errno::EXIST) => {}
                        // File systems without this flag: an existing name is an error, or an empty directory.
                        Err(Errno::INVAL | Errno::NOSYS) => {
                            break rustix::fs::renameat(&directory, &below, top, &free);
                        }
                        other => break other,
                    }
                }
            }
            _ => rustix::fs::unlinkat(&directory, &below, AtFlags::empty()),
        };
        match removed {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    rustix::fs::unlinkat(top, name, AtFlags::REMOVEDIR)
}

/// Lists a directory: names and file types.
fn list(directory: &OwnedFd) -> Result<Vec<(std::ffi::CString, FileType)>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
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
