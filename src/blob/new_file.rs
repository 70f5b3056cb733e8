//! Files that appear whole under their name, or not at all.
//!
//! A file is written without a name where the file system can do that, synced, and only then given its name: whatever
//! ends the program before, even `kill -9` or a power cut, leaves nothing behind. Elsewhere a temporary name beside the
//! target is used, which [`is_leftover`] recognises.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{At, Error, Fault, Result};

/// How names of files in the making begin.
const PREFIX: &str = ".imgkit-";

/// Whether a file name is that of a file in the making, whose maker may be gone.
pub fn is_leftover(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// A file in the making.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    folder: PathBuf,
    /// The temporary name, where one was needed; removed when dropped.
    name: Option<PathBuf>,
}

impl NewFile {
    /// Starts a file that will get a name in `folder`, with permission bits `mode`.
    ///
    /// # Errors
    /// `Io` if the folder is not there or not writable.
    pub fn in_folder(folder: &Path, mode: u32) -> Result<Self> {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let failed = |error| Error::io("create a file", error).at(folder.to_string_lossy());
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(folder, flags, Mode::from_bits_truncate(mode)) {
            Ok(fd) => {
                return Ok(NewFile {
                    file: fd.into(),
                    folder: folder.to_owned(),
                    name: None,
                });
            }
            // Not every file system can do it, and not every kernel lets it be linked later.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT)
                if folder.is_dir() => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        loop {
            let name = folder.join(unique_name());
            match OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&name)
            {
                Ok(file) => {
                    return Ok(NewFile {
                        file,
                        folder: folder.to_owned(),
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
        self.file.sync_all().map_err(failed)?;
        let temporary = match self.name.take() {
            Some(name) => name,
            None => loop {
                let name = self.folder.join(unique_name());
                match self.link(&name) {
                    Err(Errno::EXIST) => {}
                    other => break other.map(|()| name).map_err(|errno| failed(errno.into()))?,
                }
            },
        };
        std::fs::rename(&temporary, &target).map_err(|error| {
            let _ = std::fs::remove_file(&temporary);
            failed(error)
        })
    }

    /// Syncs the file and gives it a further name in its folder, unless there is a file of that name. Returns whether
    /// there was none.
    ///
    /// # Errors
    /// As [`NewFile::replace`].
    pub fn link_as(&self, name: &str) -> Result<bool> {
        let target = self.folder.join(name);
        let failed = |error| Error::io("write", error).at(target.to_string_lossy());
        self.file.sync_all().map_err(failed)?;
        let linked = match &self.name {
            Some(temporary) => rustix::fs::link(temporary, &target),
            None => self.link(&target),
        };
        match linked {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    fn link(&self, name: &Path) -> Result<(), Errno> {
        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        rustix::fs::linkat(CWD, own, CWD, name, AtFlags::SYMLINK_FOLLOW)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = std::fs::remove_file(name);
        }
    }
}

/// Writes a small file that appears whole.
///
/// # Errors
/// `Usage` for a path without a file name; `Io`. The place is the path.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let place = || path.to_string_lossy().into_owned();
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name
        .ok_or_else(|| Error::new(Fault::Usage("not a file name".into())))
        .at(place)?;
    let folder = path.parent().unwrap_or("".as_ref());
    let file = NewFile::in_folder(folder, 0o644).at(place)?;
    std::io::Write::write_all(&mut file.file(), bytes)
        .map_err(|error| Error::io("write", error))
        .at(place)?;
    file.replace(name)?;
    sync_folder(folder)
}

/// Makes renames and new names in a folder last.
///
/// # Errors
/// `Io`.
pub fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Error::io("write", error).at(folder.to_string_lossy()))
}

/// A name that no other file of this process or of another has, and that [`is_leftover`] recognises.
pub fn unique_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    format!(
        "{PREFIX}{}-{nanos:x}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}
