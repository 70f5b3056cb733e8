//! The members of an archive that is a folder: a layout, skopeo's `dir:`, an unpacked docker-archive.
//!
//! A hostile folder could hold links to other places, FIFOs and devices. Names are walked one component at a time
//! from the root with links refused; a link that is itself a member is followed by its text, inside the root only.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Content;
use super::members::resolve;
use crate::blob::FileRange;
use crate::error::{Error, Fault, Result};

/// How many links are followed from one member to another.
const MAX_HOPS: usize = 8;
/// How deep folders are listed: `blobs/sha256/<hex>` is three, a v1 layer two.
const MAX_DEPTH: usize = 6;

/// A folder whose files are looked up as members.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    root: Arc<OwnedFd>,
    /// The folder looked into last: blobs are mostly asked for one after the other.
    last: Mutex<Option<(String, Arc<OwnedFd>)>>,
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
    pub fn get(&self, name: &str) -> Result<Option<Content>> {
        let mut name = name.to_owned();
        let mut target = None;
        for _ in 0..=MAX_HOPS {
            let Some((folder, base)) = self.parent(&name)? else {
                return self.gone(target);
            };
            let flags = OFlags::RDONLY
                | OFlags::NOFOLLOW
                | OFlags::NONBLOCK
                | OFlags::NOCTTY
                | OFlags::CLOEXEC;
            let fd = match rustix::fs::openat(&*folder, base, flags, Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::NOENT | Errno::NOTDIR) => return self.gone(target),
                Err(Errno::LOOP) => {
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
                Err(Errno::NXIO) => return Err(Fault::NotAFile { kind: "a socket" }.into()),
                Err(errno) => return Err(os_error("open", errno)),
            };
            let stat = rustix::fs::fstat(&fd).map_err(|errno| os_error("open", errno))?;
            let kind = match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => {
                    return Ok(Some(Content::Range(FileRange::whole(fd.into())?)));
                }
                FileType::Directory => "a folder",
                FileType::Fifo => "a FIFO",
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

    /// The names at the top of the folder.
    pub fn top_names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.path) else {
            return Vec::new();
        };
        let name = |name: OsString| String::from_utf8_lossy(&name.into_vec()).into_owned();
        entries
            .flatten()
            .map(|entry| name(entry.file_name()))
            .collect()
    }
}
