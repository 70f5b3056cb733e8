//! Files that appear under their names only when they are complete.
//!
//! A file is written as an anonymous temporary file where the file system supports it, synced, and only then linked to
//! its name: whatever ends the program before, even `kill -9` or a power cut, leaves nothing behind. On other file
//! systems, and for the moment in which a file replaces another, a temporary name beside the target is used, which
//! [`is_leftover`](super::is_leftover) recognises.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::directory::{or_current, other_owner, parent_directory};
use super::fault_injection::{fail_point, lacks_tmpfile};
use super::temporary::{PREFIX, Unfinished, lock, prefix_of, remove_leftovers_of, unique_name};
use crate::error::{Error, Result};

/// An unfinished file, anonymous where the file system supports it; discarded when dropped.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    /// Directory in which the file gets its name.
    directory: PathBuf,
    /// Prefix of a temporary name.
    prefix: String,
    /// The temporary name, where one was needed.
    name: Option<Unfinished>,
}

impl NewFile {
    /// Creates a file that will get a name in `directory`, with permission bits `mode`. If root does so in another user's
    /// directory, that user becomes the owner, so that root can add to the OCI layouts of other users.
    ///
    /// # Errors
    /// `Io` if the directory does not exist or is not writable.
    pub fn in_directory(directory: &Path, mode: u32) -> Result<Self> {
        let made = NewFile::create(directory, PREFIX.to_owned(), mode)?;
        let stat = rustix::fs::stat(or_current(directory)).ok();
        if let Some((user, group)) = stat.as_ref().and_then(other_owner) {
            // Some file systems have one owner for all files.
            let _ = rustix::fs::fchown(&made.file, Some(user), Some(group));
        }
        Ok(made)
    }

    /// Creates a file that will become `target`, in the same directory. Removes leftovers of killed runs.
    ///
    /// # Errors
    /// `Io` if the directory does not exist or is not writable.
    pub fn beside(target: &Path, mode: u32) -> Result<Self> {
        remove_leftovers_of(target);
        NewFile::create(parent_directory(target), prefix_of(target), mode)
    }

    fn create(directory: &Path, prefix: String, mode: u32) -> Result<Self> {
        let directory = or_current(directory);
        let failed = |error| Error::io("create a file", error).at(directory.to_string_lossy());
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let unnamed = match lacks_tmpfile(directory) || !Path::new("/proc/self/fd").exists() {
            true => Err(Errno::OPNOTSUPP),
            false => rustix::fs::open(directory, flags, Mode::from_bits_truncate(mode)),
        };
        match unnamed {
            Ok(fd) => {
                let file = File::from(fd);
                lock(&file).map_err(failed)?;
                return Ok(NewFile {
                    file,
                    directory: directory.to_owned(),
                    prefix,
                    name: None,
                });
            }
            // Some file systems lack O_TMPFILE, and some kernels do not link such files later; without /proc none does.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT)
                if directory.is_dir() => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        loop {
            let name = Unfinished::new(directory.join(unique_name(&prefix)));
            fail_point(name.path()).map_err(failed)?;
            match OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(name.path())
            {
                Ok(file) => {
                    lock(&file).map_err(failed)?;
                    if has_no_name(&file) {
                        // Another program removed it as a leftover before it was locked.
                        continue;
                    }
                    return Ok(NewFile {
                        file,
                        directory: directory.to_owned(),
                        prefix,
                        name: Some(name),
                    });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Adds the file's directory to a write error: it is the one that has no space left, and not the input's.
    pub fn write_error(&self, error: std::io::Error) -> std::io::Error {
        let directory = self.directory.to_string_lossy();
        Error::io("write", error).at(directory).into_io()
    }

    /// Reports whether the file has no name yet, so that no other program can have opened it.
    pub fn is_unnamed(&self) -> bool {
        self.name.is_none()
    }

    /// Reports whether the file was created in that directory.
    pub fn is_in(&self, directory: &Path) -> bool {
        self.directory == directory
    }

    /// Syncs the file and gives it its name, replacing an existing file. The directory is not synced.
    ///
    /// # Errors
    /// `Io`; a full disk shows here at the latest.
    pub fn replace(self, name: &str) -> Result<()> {
        let target = self.directory.join(name);
        let synced = fail_point(&target).and_then(|()| self.file.sync_all());
        synced.map_err(|error| Error::io("write", error).at(target.to_string_lossy()))?;
        self.place(name)
    }

    /// Gives the file its name, replacing an existing file, without syncing it: for many small files that are synced
    /// together.
    ///
    /// # Errors
    /// `Io`.
    pub fn place(mut self, name: &str) -> Result<()> {
        let target = self.directory.join(name);
        let failed = |error| Error::io("write", error).at(target.to_string_lossy());
        let temporary = match self.name.take() {
            Some(name) => name,
            None => {
                // Without an existing file no temporary name is needed, not even for a moment.
                match self.link(&target) {
                    Ok(()) => return Ok(()),
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(failed(errno.into())),
                }
                loop {
                    let name = Unfinished::new(self.directory.join(unique_name(&self.prefix)));
                    match self.link(name.path()) {
                        Err(Errno::EXIST) => {}
                        other => {
                            break other.map(|()| name).map_err(|errno| failed(errno.into()))?;
                        }
                    }
                }
            }
        };
        let temporary = temporary.path();
        let renamed = fail_point(&target).and_then(|()| std::fs::rename(temporary, &target));
        renamed.map_err(|error| {
            let _ = fail_point(temporary).and_then(|()| std::fs::remove_file(temporary));
            failed(error)
        })
    }

    /// Syncs the file and adds a hard link in its directory. Returns whether the link was made: not if a file of that name
    /// exists, or where hard links are unsupported.
    ///
    /// # Errors
    /// `Io`; a full disk shows here at the latest.
    pub fn link_as(&self, name: &str) -> Result<bool> {
        let target = self.directory.join(name);
        let failed = |error| Error::io("write", error).at(target.to_string_lossy());
        fail_point(&target).map_err(failed)?;
        self.file.sync_all().map_err(failed)?;
        let linked = match &self.name {
            Some(temporary) => fail_point(&target)
                .map_err(failed)
                .map(|()| rustix::fs::link(temporary.path(), &target))?,
            None => self.link(&target),
        };
        match linked {
            Ok(()) => Ok(true),
            Err(Errno::EXIST | Errno::PERM | Errno::NOTSUP | Errno::NOSYS) => Ok(false),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    fn link(&self, name: &Path) -> Result<(), Errno> {
        fail_point(name).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        rustix::fs::linkat(CWD, own, CWD, name, AtFlags::SYMLINK_FOLLOW)
    }
}

/// Replaces a file with a link, which `link` makes at a temporary path.
///
/// # Errors
/// Those of the system and of `link`.
pub fn replace_with_link(
    path: &Path,
    link: impl FnOnce(&Path) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let name = unique_name(&prefix_of(path));
    let temporary = Unfinished::new(parent_directory(path).join(name));
    link(temporary.path())?;
    std::fs::rename(temporary.path(), path).inspect_err(|_| {
        let _ = std::fs::remove_file(temporary.path());
    })
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = fail_point(name.path()).and_then(|()| std::fs::remove_file(name.path()));
        }
    }
}

/// Reports whether the file's last name was removed.
fn has_no_name(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}
