//! Files that appear whole under their name, or not at all.
//!
//! A file is written without a name where the file system can do that, synced, and only then given its name: whatever
//! ends the program before, even `kill -9` or a power cut, leaves nothing behind. Elsewhere, and for the moment in which
//! a file takes the place of another, a temporary name beside the target is used, which [`is_leftover`] recognises.
//!
//! Whoever makes a file holds a lock on it, which the system drops with the program: so a leftover, whose maker is gone,
//! can be told from what another program is working on, and [`remove_leftover`] takes the one and leaves the other.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock};
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;

use super::fault_injection::{fail_point, lacks_tmpfile};
use super::unfinished::{self, Unfinished, remove_leftover};
use crate::error::{At, Error, Fault, Result};

/// How names of files in the making begin.
const PREFIX: &str = ".imgkit-";

/// Whether a file name is that of a file in the making, whose maker may be gone.
pub fn is_leftover(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// How the names of files in the making begin that are to become `target`, and of no others.
fn making(target: &Path) -> String {
    // Of a fixed length, because names may be as long as the file system allows already.
    let name = target.file_name().unwrap_or(target.as_os_str());
    let digest = super::sha256(name.as_encoded_bytes());
    format!("{PREFIX}{}.", &digest.encoded()[..16])
}

/// Removes what earlier runs that were killed left beside `target` on the way to it. What cannot be removed stays.
fn sweep(target: &Path) {
    let prefix = making(target);
    let folder = parent_directory(target);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_bytes())
        {
            let _ = remove_leftover(&entry.path());
        }
    }
}

/// Makes a directory in another and, if root does so in another user's, gives it to that user.
///
/// That user may exchange names at any moment, so what is given away is known by its descriptor, and is root's.
///
/// # Errors
/// Those of the system, but for a directory that is there.
pub fn make_directory(parent: &Path, name: &str) -> std::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::open(parent, flags, Mode::empty())?;
    match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    if let Some((user, group)) = other(&rustix::fs::fstat(&parent)?) {
        let made = rustix::fs::openat(&parent, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        if rustix::fs::fstat(&made)?.st_uid == 0 {
            let _ = rustix::fs::fchown(&made, Some(user), Some(group));
        }
    }
    Ok(())
}

/// The owner of a directory, if root runs this and it is another's.
fn other_owner(folder: &Path) -> Option<(Uid, Gid)> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    other(&rustix::fs::stat(folder).ok()?)
}

fn other(stat: &rustix::fs::Stat) -> Option<(Uid, Gid)> {
    let is_given = rustix::process::geteuid().is_root() && stat.st_uid != 0;
    is_given.then(|| (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid)))
}

/// A folder in the making; gone with all that is in it when dropped.
#[derive(Debug)]
pub struct NewDirectory {
    /// Where it is meanwhile; `None` once it has its name.
    temporary: Option<Unfinished>,
    /// Holds the lock that says so.
    _lock: File,
}

impl NewDirectory {
    /// Starts a folder that will become `target`; what earlier runs that were killed left on the way is removed.
    ///
    /// # Errors
    /// `Io`.
    pub fn beside(target: &Path) -> Result<Self> {
        sweep(target);
        let failed = |error| Error::io("create", error);
        let prefix = making(target);
        loop {
            let temporary = Unfinished::new(parent_directory(target).join(unique(&prefix)));
            let path = temporary.path();
            match std::fs::DirBuilder::new().mode(0o700).create(path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(error)),
            }
            let open = match File::open(path) {
                Ok(open) => open,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            lock(&open).map_err(failed)?;
            // Before it was locked another program may have taken it for a leftover.
            if path.exists() {
                return Ok(NewDirectory {
                    temporary: Some(temporary),
                    _lock: open,
                });
            }
        }
    }

    /// Where it is meanwhile.
    pub fn path(&self) -> &Path {
        self.temporary
            .as_ref()
            .map_or(Path::new(""), Unfinished::path)
    }

    /// Gives it its name, which an empty folder may bear already.
    ///
    /// # Errors
    /// `Io`.
    pub fn become_target(self, target: &Path) -> Result<()> {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(self.path(), mode).map_err(|error| Error::io("write", error))?;
        self.rename(target)
    }

    /// The same with the mode that it has.
    ///
    /// # Errors
    /// `Io`.
    pub fn rename(mut self, target: &Path) -> Result<()> {
        std::fs::rename(self.path(), target).map_err(|error| Error::io("write", error))?;
        // It has its name now; there is nothing left to remove.
        self.temporary = None;
        sync_directory(parent_directory(target))
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // What cannot be removed is a leftover, for the next run.
            let _ = unfinished::remove(temporary.path());
        }
    }
}

/// The folder that a path is in.
pub(crate) fn parent_directory(path: &Path) -> &Path {
    let parent = path.parent().unwrap_or("".as_ref());
    match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    }
}

/// A file in the making.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    folder: PathBuf,
    /// How a temporary name begins.
    prefix: String,
    /// The temporary name, where one was needed; removed when dropped.
    name: Option<Unfinished>,
}

impl NewFile {
    /// Starts a file that will get a name in `folder`, with permission bits `mode`. What root makes in another user's
    /// directory belongs to that user, so that root can add to a layout whose owner goes on with it.
    ///
    /// # Errors
    /// `Io` if the folder is not there or not writable.
    pub fn in_directory(folder: &Path, mode: u32) -> Result<Self> {
        let made = NewFile::start(folder, PREFIX.to_owned(), mode)?;
        if let Some((user, group)) = other_owner(folder) {
            // Some file systems have one owner for everything.
            let _ = rustix::fs::fchown(&made.file, Some(user), Some(group));
        }
        Ok(made)
    }

    /// Starts a file that will become `target`; what earlier runs that were killed left on the way to it is removed.
    ///
    /// # Errors
    /// As [`NewFile::in_directory`].
    pub fn beside(target: &Path, mode: u32) -> Result<Self> {
        sweep(target);
        NewFile::start(parent_directory(target), making(target), mode)
    }

    fn start(folder: &Path, prefix: String, mode: u32) -> Result<Self> {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let failed = |error| Error::io("create a file", error).at(folder.to_string_lossy());
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let unnamed = match lacks_tmpfile(folder) {
            true => Err(Errno::OPNOTSUPP),
            false => rustix::fs::open(folder, flags, Mode::from_bits_truncate(mode)),
        };
        match unnamed {
            Ok(fd) => {
                let file = File::from(fd);
                lock(&file).map_err(failed)?;
                return Ok(NewFile {
                    file,
                    folder: folder.to_owned(),
                    prefix,
                    name: None,
                });
            }
            // Not every file system can do it, and not every kernel lets it be linked later.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT)
                if folder.is_dir() => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        loop {
            let name = Unfinished::new(folder.join(unique(&prefix)));
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
                    if gone(&file) {
                        // Before it was locked it was taken for a leftover.
                        continue;
                    }
                    return Ok(NewFile {
                        file,
                        folder: folder.to_owned(),
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

    /// An error of writing to it that says where it is: beside the place that is to be read, the one that has no room.
    pub fn write_error(&self, error: std::io::Error) -> std::io::Error {
        let place = self.folder.to_string_lossy();
        Error::io("write", error).at(place).into_io()
    }

    /// Whether the file has no name yet, so that no other program can have opened it.
    pub fn is_unnamed(&self) -> bool {
        self.name.is_none()
    }

    /// Whether the file was made in that folder.
    pub fn is_in(&self, folder: &Path) -> bool {
        self.folder == folder
    }

    /// Syncs the file and gives it its name in its folder, replacing what is there. The folder is not synced.
    ///
    /// # Errors
    /// `Io`: a full disk shows here at the latest.
    pub fn replace(mut self, name: &str) -> Result<()> {
        let target = self.folder.join(name);
        let failed = |error| Error::io("write", error).at(target.to_string_lossy());
        fail_point(&target).map_err(failed)?;
        self.file.sync_all().map_err(failed)?;
        let temporary = match self.name.take() {
            Some(name) => name,
            None => {
                // Where nothing is in the way no other name is needed, not even for a moment.
                match self.link(&target) {
                    Ok(()) => return Ok(()),
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(failed(errno.into())),
                }
                loop {
                    let name = Unfinished::new(self.folder.join(unique(&self.prefix)));
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

    /// Syncs the file and gives it a further name in its folder. Returns whether it has it: not if there is a file of
    /// that name, or where files have one name only.
    ///
    /// # Errors
    /// As [`NewFile::replace`].
    pub fn link_as(&self, name: &str) -> Result<bool> {
        let target = self.folder.join(name);
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

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = fail_point(name.path()).and_then(|()| std::fs::remove_file(name.path()));
        }
    }
}

/// Writes a small file that appears whole.
///
/// # Errors
/// `Usage` for a path without a file name; `Io`. The place is the path.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    PendingFile::new(path, bytes)?.commit()
}

/// A small file that is written and has no name yet: dropped, it never was.
#[derive(Debug)]
pub struct PendingFile {
    file: Unplaced,
    path: PathBuf,
}

/// What has been written so far.
#[derive(Debug)]
enum Unplaced {
    /// A file and the name that it will get.
    File(NewFile, String),
    /// Bytes for a device or FIFO, which has no whole to be replaced as.
    Bytes(File, Vec<u8>),
}

impl PendingFile {
    /// Writes it beside its place.
    ///
    /// # Errors
    /// As [`write_atomically`].
    pub fn new(path: &Path, bytes: &[u8]) -> Result<Self> {
        let place = || path.to_string_lossy().into_owned();
        let mut written = PendingFile::reserve(path)?;
        written.write(bytes)?;
        // A full disk shows now, and not when something else has its name already.
        if let Unplaced::File(file, _) = &written.file {
            let synced = file.file().sync_all();
            synced
                .map_err(|error| Error::io("write", error))
                .at(place)?;
        }
        Ok(written)
    }

    /// Sees to it that it can be written, before it is known what it will hold.
    ///
    /// # Errors
    /// As [`write_atomically`].
    pub fn reserve(path: &Path) -> Result<Self> {
        let place = || path.to_string_lossy().into_owned();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name
            .ok_or_else(|| Error::new(Fault::Usage("not a file name".into())))
            .at(place)?;
        let there = std::fs::metadata(path);
        let like_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if like_folder || there.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
            let error = std::io::ErrorKind::IsADirectory.into();
            return Err(Error::io("write", error).at(place()));
        }
        let file = match there.is_ok_and(|there| !there.is_file()) {
            true => {
                let device = OpenOptions::new().write(true).open(path);
                let device = device.map_err(|error| Error::io("open", error)).at(place)?;
                Unplaced::Bytes(device, Vec::new())
            }
            false => Unplaced::File(NewFile::beside(path, 0o644).at(place)?, name.to_owned()),
        };
        Ok(PendingFile {
            file,
            path: path.to_owned(),
        })
    }

    /// Adds to it.
    ///
    /// # Errors
    /// `Io`. The place is the path.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.file {
            Unplaced::Bytes(_, kept) => {
                kept.extend_from_slice(bytes);
                Ok(())
            }
            Unplaced::File(file, _) => std::io::Write::write_all(&mut file.file(), bytes),
        };
        let written = written.map_err(|error| Error::io("write", error));
        written.at(|| self.path.to_string_lossy().into_owned())
    }

    /// Gives it its name, in the place of what has it now.
    ///
    /// # Errors
    /// `Io`. The place is the path.
    pub fn commit(self) -> Result<()> {
        match self.file {
            Unplaced::File(file, name) => {
                file.replace(&name)?;
                sync_directory(parent_directory(&self.path))
            }
            Unplaced::Bytes(mut device, bytes) => std::io::Write::write_all(&mut device, &bytes)
                .map_err(|error| Error::io("write", error))
                .at(|| self.path.to_string_lossy().into_owned()),
        }
    }
}

/// Makes renames and new names in a folder last.
///
/// # Errors
/// `Io`.
pub fn sync_directory(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let synced = fail_point(folder)
        .and_then(|()| File::open(folder))
        .and_then(|folder| folder.sync_all());
    synced.map_err(|error| Error::io("write", error).at(folder.to_string_lossy()))
}

/// Says that a file's maker is at work.
fn lock(file: &File) -> std::io::Result<()> {
    loop {
        match flock(file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            // A file system without locks has none that could be asked for.
            Err(Errno::OPNOTSUPP | Errno::NOLCK | Errno::INVAL) | Ok(()) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Whether a file has no name any more.
fn gone(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

/// A name that no other file of this process or of another has.
fn unique(prefix: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    format!(
        "{prefix}{}-{nanos:x}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}
