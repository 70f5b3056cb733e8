//! The members of an archive that is a folder: a layout, skopeo's `dir:`, an unpacked docker-archive.
//!
//! A hostile folder could hold links to other places, FIFOs and devices. Names are walked one component at a time
//! from the root with links refused; a link that is itself a member is followed by its text, inside the root only.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Content;
use super::members::resolve;
use crate::blob::FileRange;
use crate::error::{Error, Fault, Result};
use crate::layer::clean_path;

/// How deep folders are listed: `blobs/sha256/<hex>` is three, a v1 layer two.
const MAX_DEPTH: usize = 6;

/// How many names of a folder that is no image are looked at to tell what it is instead.
const MAX_BEGINNINGS: usize = 10_000;

/// A folder whose files are looked up as members.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    root: Arc<OwnedFd>,
    /// The folder looked into last: blobs are mostly asked for one after the other.
    last: Mutex<Option<(String, Arc<OwnedFd>)>>,
}

/// A file of a folder, opened when it is read: a layout may hold more files than a program may have open.
#[derive(Debug)]
pub struct FolderFile {
    folder: Arc<OwnedFd>,
    name: String,
    len: u64,
    /// Device and inode.
    identity: (u64, u64),
}

impl FolderFile {
    /// Device, inode and length; `None` for the index, which is replaced.
    pub(super) fn place(&self) -> Option<(u64, u64, u64)> {
        let (device, inode) = self.identity;
        (self.name != "index.json").then_some((device, inode, self.len))
    }

    /// Its length when it was looked up.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it was empty then.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Device and inode: the same for all names of one file.
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Opens it, links not followed.
    ///
    /// # Errors
    /// `Io`, also if it is another file by now; `Truncated` if it is of another length.
    pub fn open(&self) -> Result<FileRange> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*self.folder, &*self.name, flags, Mode::empty());
        let fd = fd.map_err(|errno| os_error("open", errno))?;
        let stat = rustix::fs::fstat(&fd).map_err(|errno| os_error("open", errno))?;
        let len = u64::try_from(stat.st_size).unwrap_or_default();
        // It is replaced whole when an image is added beside us, and is as good then as before. Whether it was does not
        // show: the second one after ours may have been given our one's inode.
        if self.name == "index.json" {
            return FileRange::whole(fd.into());
        }
        let is_same = (stat.st_dev, stat.st_ino) == self.identity;
        if !is_same && len == self.len {
            let replaced = std::io::Error::other("another file has taken its place meanwhile");
            return Err(Error::io("read", replaced));
        }
        if len != self.len {
            return Err(Fault::Truncated {
                what: "the file",
                expected: self.len,
                found: len,
            }
            .into());
        }
        FileRange::whole(fd.into())
    }
}

fn os_error(action: &'static str, errno: Errno) -> Error {
    Error::io(action, errno.into())
}

impl Folder {
    /// Opens a folder; a link to one is followed, because the user typed it.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| os_error("open", errno))?;
        Ok(Folder {
            path: path.to_owned(),
            root: Arc::new(root),
            last: Mutex::new(None),
        })
    }

    /// What a name is, links not followed.
    pub fn kind(&self, name: &str) -> Option<FileType> {
        let (folder, base) = self.parent(name).ok()??;
        let stat = rustix::fs::statat(&*folder, base, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileType::from_raw_mode(stat.st_mode))
    }

    /// The content of a file; see the module for links.
    ///
    /// # Errors
    /// `NotAFile` for anything that is no regular file, `BadLink` for links that lead out, `Io`.
    pub fn get(&self, name: &str, hops: u64) -> Result<Option<Content>> {
        let clean = clean_path(name.as_bytes());
        let mut name = String::from_utf8_lossy(&clean.path).into_owned();
        let mut target = None;
        for _ in 0..=hops {
            let Some((folder, base)) = self.parent(&name)? else {
                return self.gone(target);
            };
            let stat = match rustix::fs::statat(&*folder, base, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT | Errno::NOTDIR) => return self.gone(target),
                Err(errno) => return Err(os_error("open", errno)),
            };
            let kind = match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => {
                    let file = FolderFile {
                        folder,
                        name: base.to_owned(),
                        len: u64::try_from(stat.st_size).unwrap_or_default(),
                        identity: (stat.st_dev, stat.st_ino),
                    };
                    return Ok(Some(Content::File(Arc::new(file))));
                }
                FileType::Symlink => {
                    let link = rustix::fs::readlinkat(&*folder, base, Vec::new());
                    let link = link.map_err(|errno| os_error("read", errno))?.into_bytes();
                    let text = String::from_utf8_lossy(&link).into_owned();
                    let inside = name.rfind('/').map_or("", |slash| &name[..slash]);
                    let next = (!link.starts_with(b"/"))
                        .then(|| resolve(inside.as_bytes(), &link))
                        .flatten();
                    let next = next.and_then(|next| String::from_utf8(next).ok());
                    let why = "it leads out of the folder";
                    name = next.ok_or_else(|| {
                        Error::new(Fault::BadLink {
                            target: text.clone(),
                            why,
                        })
                    })?;
                    target = Some(text);
                    continue;
                }
                FileType::Directory => "a directory",
                FileType::Fifo => "a FIFO",
                FileType::Socket => "a socket",
                _ => "a device",
            };
            return Err(Fault::NotAFile { kind }.into());
        }
        let why = "too many links in a row";
        Err(Fault::BadLink {
            target: target.unwrap_or_default(),
            why,
        }
        .into())
    }

    fn gone(&self, target: Option<String>) -> Result<Option<Content>> {
        match target {
            None => Ok(None),
            Some(target) => Err(Fault::BadLink {
                target,
                why: "it leads to no file",
            }
            .into()),
        }
    }

    /// The open folder that holds `name`, and the last component; `None` if the folder is not there.
    fn parent<'a>(&self, name: &'a str) -> Result<Option<(Arc<OwnedFd>, &'a str)>> {
        let name = name.trim_end_matches('/');
        let (inside, base) = name.rsplit_once('/').unwrap_or(("", name));
        if base.is_empty()
            || base == "."
            || name.split('/').any(|part| part == "..")
            || name.contains('\0')
        {
            return Ok(None);
        }
        let mut last = self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((cached, fd)) = &*last
            && cached == inside
        {
            return Ok(Some((Arc::clone(fd), base)));
        }
        let mut folder = Arc::clone(&self.root);
        for part in inside
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
        {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(&*folder, part, flags, Mode::empty()) {
                Ok(fd) => folder = Arc::new(fd),
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let stat = rustix::fs::statat(&*folder, part, AtFlags::SYMLINK_NOFOLLOW);
                    return match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                        Ok(FileType::Symlink) => Err(Error::new(Fault::NotAFile {
                            kind: "a symbolic link",
                        })
                        .at(part)),
                        _ => Ok(None),
                    };
                }
                Err(errno) => return Err(os_error("open", errno)),
            }
        }
        *last = Some((inside.to_owned(), Arc::clone(&folder)));
        Ok(Some((folder, base)))
    }

    /// The names of all files below the folder, sorted; links are listed, not followed.
    ///
    /// # Errors
    /// `Limit` past `limit` names; `Io`.
    pub fn names(&self, limit: u64) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut work = vec![(String::new(), self.path.clone(), 0)];
        while let Some((prefix, path, depth)) = work.pop() {
            let entries = std::fs::read_dir(&path)
                .map_err(|error| Error::io("list", error).at(prefix.clone()))?;
            for entry in entries {
                let entry = entry.map_err(|error| Error::io("list", error))?;
                let base = String::from_utf8_lossy(entry.file_name().as_bytes()).into_owned();
                let name = if prefix.is_empty() {
                    base
                } else {
                    format!("{prefix}/{base}")
                };
                let kind = entry
                    .file_type()
                    .map_err(|error| Error::io("list", error))?;
                if kind.is_dir() && depth < MAX_DEPTH {
                    work.push((name, entry.path(), depth + 1));
                } else if !kind.is_dir() {
                    names.push(name);
                }
                if names.len() as u64 > limit {
                    return Err(Fault::Limit {
                        what: "files",
                        limit,
                        found: limit + 1,
                    }
                    .into());
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The names of files and folders, down to `depth` parts; what cannot be listed is left out.
    pub(super) fn beginnings(&self, depth: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut work = vec![(String::new(), self.path.clone(), 1)];
        while let Some((prefix, path, level)) = work.pop() {
            let Ok(entries) = std::fs::read_dir(&path) else {
                continue;
            };
            for entry in entries.flatten().take(MAX_BEGINNINGS) {
                let base = String::from_utf8_lossy(entry.file_name().as_bytes()).into_owned();
                let name = if prefix.is_empty() {
                    base
                } else {
                    format!("{prefix}/{base}")
                };
                if level < depth && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    work.push((name.clone(), entry.path(), level + 1));
                }
                names.push(name);
            }
            if names.len() > MAX_BEGINNINGS {
                break;
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn an_index_that_was_replaced_is_read_as_it_is_now() {
        let top = tempfile::tempdir().expect("a folder");
        let bound = Limits::default().of_document();
        let write = |name: &str, text: &str| {
            std::fs::write(top.path().join(name), text).expect("a file");
        };
        write("index.json", "before");
        write("other", "before");
        let folder = Folder::open(top.path()).expect("a folder");
        let get = |name| folder.get(name, 1).expect("a file").expect("a file");
        let (index, other) = (get("index.json"), get("other"));
        // The same inode, as the second replacement may be given.
        write("index.json", "afterwards");
        write("other", "afterwards");
        assert_eq!(&*index.bytes(bound).expect("the index"), b"afterwards");
        let error = other.bytes(bound).expect_err("another file");
        assert!(matches!(error.fault(), Fault::Truncated { .. }), "{error}");
    }
}
