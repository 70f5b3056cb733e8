//! Members of an archive that is a directory: an OCI layout, skopeo's `dir:`, an extracted docker-archive.
//!
//! A hostile directory could hold links to other paths, FIFOs and devices. Names are walked one component at a time
//! from the root with links refused; a link that is itself a member is followed by its text, inside the root only.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::content::Content;
use super::directory_file::{DirectoryFile, os_error};
use super::member::resolve;
use crate::error::{During, Error, Fault, Result};
use crate::layer::clean_path;

/// Depth to which directories are listed: `blobs/sha256/<hex>` is three, a v1 layer two.
const MAX_DEPTH: usize = 6;

/// Number of names looked at to tell the kind of a directory that is no image.
const MAX_BEGINNINGS: usize = 10_000;

/// Directory whose files are looked up as members.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    root: Arc<OwnedFd>,
    /// The directory of the last lookup: consecutive lookups are mostly of blobs in one directory.
    last: Mutex<Option<(String, Arc<OwnedFd>)>>,
}

impl Directory {
    /// Opens a directory. A link to one is followed, because the user typed it.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| os_error("open", errno))?;
        Ok(Directory {
            path: path.to_owned(),
            root: Arc::new(root),
            last: Mutex::new(None),
        })
    }

    /// Path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file type of a name, links not followed.
    pub fn kind(&self, name: &str) -> Option<FileType> {
        let (directory, base) = self.parent(name).ok()??;
        let stat = rustix::fs::statat(&*directory, base, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileType::from_raw_mode(stat.st_mode))
    }

    /// Returns the content of a file; `None` if it is missing. For links see the module.
    ///
    /// # Errors
    /// `NotAFile` for anything but a regular file, `BadLink` for links that lead out, `Io`.
    pub fn get(&self, name: &str, hops: u64) -> Result<Option<Content>> {
        let clean = clean_path(name.as_bytes());
        let mut name = String::from_utf8_lossy(&clean.path).into_owned();
        let mut target = None;
        for _ in 0..=hops {
            let Some((directory, base)) = self.parent(&name)? else {
                return self.missing(target);
            };
            let stat = match rustix::fs::statat(&*directory, base, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT | Errno::NOTDIR) => return self.missing(target),
                Err(errno) => return Err(os_error("open", errno)),
            };
            let kind = match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => {
                    let file = DirectoryFile {
                        directory,
                        name: base.to_owned(),
                        path: String::from_utf8_lossy(&clean.path).into_owned(),
                        len: u64::try_from(stat.st_size).unwrap_or_default(),
                        identity: (stat.st_dev, stat.st_ino),
                    };
                    return Ok(Some(Content::File(Arc::new(file))));
                }
                FileType::Symlink => {
                    let link = rustix::fs::readlinkat(&*directory, base, Vec::new());
                    let link = link.map_err(|errno| os_error("read", errno))?.into_bytes();
                    let text = String::from_utf8_lossy(&link).into_owned();
                    let inside = name.rfind('/').map_or("", |slash| &name[..slash]);
                    let next = (!link.starts_with(b"/"))
                        .then(|| resolve(inside.as_bytes(), &link))
                        .flatten();
                    let next = next.and_then(|next| String::from_utf8(next).ok());
                    let why = "leads out of the directory";
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
            return Err(Error::not_a_file(kind));
        }
        let why = "too many links in a row";
        Err(Fault::BadLink {
            target: target.unwrap_or_default(),
            why,
        }
        .into())
    }

    fn missing(&self, target: Option<String>) -> Result<Option<Content>> {
        match target {
            None => Ok(None),
            Some(target) => Err(Fault::BadLink {
                target,
                why: "leads to no file",
            }
            .into()),
        }
    }

    /// Opens the directory that holds `name` and returns it with the last component; `None` if it is missing.
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
        let mut directory = Arc::clone(&self.root);
        for part in inside
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
        {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(&*directory, part, flags, Mode::empty()) {
                Ok(fd) => directory = Arc::new(fd),
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let stat = rustix::fs::statat(&*directory, part, AtFlags::SYMLINK_NOFOLLOW);
                    return match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                        Ok(FileType::Symlink) => Err(Error::not_a_file("a symbolic link").at(part)),
                        _ => Ok(None),
                    };
                }
                Err(errno) => return Err(os_error("open", errno)),
            }
        }
        *last = Some((inside.to_owned(), Arc::clone(&directory)));
        Ok(Some((directory, base)))
    }

    /// Returns the entries of a directory and their kinds, sorted; none if it is missing or a link. An empty name is the
    /// directory itself. Names that are not UTF-8 are left out.
    ///
    /// # Errors
    /// `Limit` past `limit` entries; `Io`.
    pub(super) fn list(&self, name: &str, limit: u64) -> Result<Vec<(String, FileType)>> {
        let (parent, base) = match name.is_empty() {
            true => (Arc::clone(&self.root), "."),
            false => match self.parent(name)? {
                Some(found) => found,
                None => return Ok(Vec::new()),
            },
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let listed = match rustix::fs::openat(&*parent, base, flags, Mode::empty()) {
            Ok(fd) => Dir::new(fd),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
            Err(errno) => Err(errno),
        };
        let failed = |errno| os_error("list", errno).at(name);
        let mut entries = Vec::new();
        for entry in listed.map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(base) = entry.file_name().to_str() else {
                continue;
            };
            if matches!(base, "." | "..") {
                continue;
            }
            if entries.len() as u64 >= limit {
                return Err(Error::limit("files", limit, limit + 1));
            }
            let kind = match entry.file_type() {
                // Some file systems do not store it with the name.
                FileType::Unknown => self.kind(&format!("{name}/{base}")),
                kind => Some(kind),
            };
            entries.push((base.to_owned(), kind.unwrap_or(FileType::Unknown)));
        }
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(entries)
    }

    /// Returns the names of all files below the directory, sorted; links are listed, not followed.
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
                let entry = entry.during("list")?;
                let name = joined(&prefix, &entry);
                let kind = entry.file_type().during("list")?;
                if kind.is_dir() && depth < MAX_DEPTH {
                    work.push((name, entry.path(), depth + 1));
                } else if !kind.is_dir() {
                    names.push(name);
                }
                if names.len() as u64 > limit {
                    return Err(Error::limit("files", limit, limit + 1));
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Returns the names of files and directories, down to `depth` components; unreadable directories are left out.
    pub(super) fn beginnings(&self, depth: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut work = vec![(String::new(), self.path.clone(), 1)];
        while let Some((prefix, path, level)) = work.pop() {
            let Ok(entries) = std::fs::read_dir(&path) else {
                continue;
            };
            for entry in entries.flatten().take(MAX_BEGINNINGS) {
                let name = joined(&prefix, &entry);
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

/// Returns the name of an entry below a directory, which is empty for the archive's own.
fn joined(prefix: &str, entry: &std::fs::DirEntry) -> String {
    let base = entry.file_name();
    let base = String::from_utf8_lossy(base.as_bytes());
    match prefix {
        "" => base.into_owned(),
        prefix => format!("{prefix}/{base}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn replaced_index_is_read_in_its_current_version() {
        let top = tempfile::tempdir().expect("a directory");
        let bound = Limits::default().of_document();
        let write = |name: &str, text: &str| {
            std::fs::write(top.path().join(name), text).expect("a file");
        };
        write("index.json", "before");
        write("other", "before");
        let directory = Directory::open(top.path()).expect("a directory");
        let get = |name| directory.get(name, 1).expect("a file").expect("a file");
        let (index, other) = (get("index.json"), get("other"));
        // Overwriting keeps the inode, which a replacement may have as well.
        write("index.json", "afterwards");
        write("other", "afterwards");
        assert_eq!(&*index.bytes(bound).expect("the index"), b"afterwards");
        let error = other.bytes(bound).expect_err("another file");
        assert!(matches!(error.fault(), Fault::Truncated { .. }), "{error}");
    }
}
