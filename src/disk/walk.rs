//! The walk through a directory.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::access::{Access, open_below};
use super::item::{Item, Options, is_portable};
use super::overlay::{OverlayMark, mark};
use super::patterns::Inherited;
use crate::error::{At, During, Error, Fault, Result, within};
use crate::escape;
use crate::layer::{EntryKind, Metadata, Mtime, Xattr, limits};

/// A directory after a walk: its files, in order. Contents are read later, from the file system.
///
/// Memory: about 110 bytes and the last component of the path for each file, whatever its size.
#[derive(Debug)]
pub struct Directory {
    root: OwnedFd,
    /// Path of the directory by its descriptor, or, without `/proc`, as given.
    top: PathBuf,
    /// Path of the directory, for errors.
    context: String,
    names: Vec<u8>,
    records: Vec<Record>,
    extras: Vec<Extra>,
    access: Access,
    /// Paths of sockets, which were skipped.
    pub skipped: Vec<Vec<u8>>,
}

/// A file of a directory, with its marker of an overlay mount.
pub type MarkedItem = (Item, OverlayMark);

#[derive(Debug, Clone, Copy)]
struct Record {
    parent: u32,
    name: u32,
    name_len: u16,
    mode: u16,
    kind: EntryKind,
    mark: OverlayMark,
    included: bool,
    uid: u32,
    gid: u32,
    mtime: Mtime,
    size: u64,
    /// Identity of the file and of its contents, to detect changes.
    dev: u64,
    ino: u64,
    changed: (i64, i64),
    rdev: u64,
    /// Number of the first name of a file with several names; [`NONE`] for other files.
    first: u32,
    /// Index into the extras, from 1; 0 for none.
    extra: u32,
}

/// Fields that few files have.
#[derive(Debug, Default)]
struct Extra {
    link_target: Vec<u8>,
    xattrs: Vec<Xattr>,
}

/// Number of the root as a parent, and of no file.
const NONE: u32 = u32::MAX;

impl Directory {
    /// Walks a directory; the path may be a link to one.
    ///
    /// # Errors
    /// `Io` with the path that could not be read as context, `Limit`, `Unsupported` for names that begin with `.wh.`, which
    /// layers cannot store, except in the upper directory of an overlay mount.
    pub fn read(path: &Path, options: &Options) -> Result<Self> {
        let context = path.to_string_lossy().into_owned();
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| Error::io("open", errno.into()).at(context.clone()))?;
        let top = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
        let mut directory = Directory {
            access: Access::below(&root),
            root,
            top: if top.exists() { top } else { path.to_owned() },
            context,
            names: Vec::new(),
            records: Vec::new(),
            extras: Vec::new(),
            skipped: Vec::new(),
        };
        let walked = directory.walk(options);
        walked.at(|| directory.context.clone())?;
        Ok(directory)
    }

    /// Number of files; [`Directory::item`] takes numbers below it.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Reports whether the directory is empty.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns the file of that number. Takes time proportional to the length of its path.
    pub fn item(&self, i: usize) -> Option<MarkedItem> {
        let record = self.records.get(i)?;
        let extra = record.extra.checked_sub(1);
        let extra = extra.and_then(|extra| self.extras.get(extra as usize));
        let is_device = record.kind.is_device();
        let number = |part: fn(u64) -> u32| match is_device {
            true => u64::from(part(record.rdev)),
            false => 0,
        };
        let item = Item {
            path: self.path(i),
            kind: record.kind,
            metadata: Metadata {
                mode: record.mode,
                uid: record.uid.into(),
                gid: record.gid.into(),
                mtime: record.mtime,
                xattrs: extra.map_or_else(Vec::new, |extra| extra.xattrs.clone()),
            },
            size: record.size,
            link_target: extra.map_or_else(Vec::new, |extra| extra.link_target.clone()),
            device: (number(rustix::fs::major), number(rustix::fs::minor)),
            inode: (record.first != NONE).then(|| record.first.into()),
        };
        Some((item, record.mark))
    }

    /// All files, in order.
    pub fn items(&self) -> impl Iterator<Item = MarkedItem> + '_ {
        (0..self.records.len()).filter_map(|i| self.item(i))
    }

    fn path(&self, i: usize) -> Vec<u8> {
        let mut parts = Vec::new();
        let mut at = i;
        while let Some(record) = self.records.get(at) {
            let start = record.name as usize;
            let name = self.names.get(start..start + usize::from(record.name_len));
            parts.push(name.unwrap_or_default());
            if record.parent == NONE {
                break;
            }
            at = record.parent as usize;
        }
        parts.reverse();
        parts.join(&b'/')
    }

    fn walk(&mut self, options: &Options) -> Result<()> {
        // Files yet to be visited, the next one last.
        let mut work: Vec<Step> = Vec::new();
        let mut links: HashMap<(u64, u64), u32> = HashMap::new();
        self.list(NONE, b"", &Inherited::default(), &mut work)?;
        while let Some(step) = work.pop() {
            let Step {
                parent,
                path,
                above,
            } = step;
            let context = || escape::bytes(&path).into_owned();
            let (excluded, below) = match options.excludes.is_empty() {
                true => (false, Inherited::default()),
                false => options.excludes.evaluate(&path, &above),
            };
            if excluded && !options.excludes.has_exceptions() {
                continue;
            }
            let Some(mut record) = self.record(&path, parent, options).at(context)? else {
                if !excluded {
                    self.skipped.push(path);
                }
                continue;
            };
            record.included = !excluded;
            if excluded && record.kind != EntryKind::Directory {
                continue;
            }
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            // In the upper directory of a fuse-overlayfs mount, empty files of such names are its markers.
            let is_marker = options.overlay
                && (record.kind, record.size) == (EntryKind::File, 0)
                && !matches!(name, b".wh." | b".wh.." | b".wh...");
            if !excluded
                && name.starts_with(b".wh.")
                && !is_marker
                && record.mark == OverlayMark::None
            {
                let what = "file name with the whiteout prefix '.wh.'";
                return Err(Error::unsupported(what).at(context()));
            }
            let index = self.records.len();
            within("files", options.limits.entries, index as u64 + 1)?;
            record.name = number(self.names.len())?;
            record.name_len = u16::try_from(name.len()).unwrap_or(u16::MAX);
            self.names.extend_from_slice(name);
            if record.first != NONE {
                let first = links.entry((record.dev, record.ino));
                record.first = *first.or_insert(number(index)?);
            }
            self.records.push(record);
            if record.kind == EntryKind::Directory && record.mark != OverlayMark::Removed {
                self.list(number(index)?, &path, &below, &mut work)
                    .at(context)?;
            }
        }
        if options.excludes.has_exceptions() {
            self.drop_excluded();
        }
        self.clear_single_links();
        Ok(())
    }

    /// Adds the contents of a directory to the work list, the first by name last.
    fn list(
        &self,
        parent: u32,
        path: &[u8],
        above: &Inherited,
        work: &mut Vec<Step>,
    ) -> Result<()> {
        let opened = match path {
            b"" => rustix::fs::openat(
                &self.root,
                c".",
                OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            ),
            path => self.open(path, OFlags::DIRECTORY | OFlags::RDONLY),
        };
        let opened = opened.during("open")?;
        let mut names: Vec<Vec<u8>> = Vec::new();
        for entry in Dir::new(opened).during("read")? {
            let entry = entry.during("read")?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(name.to_vec());
            }
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        work.extend(names.into_iter().map(|name| Step {
            parent,
            path: match path {
                b"" => name,
                path => [path, b"/", &name].concat(),
            },
            above: above.clone(),
        }));
        Ok(())
    }

    /// Opens a file below the directory without following links.
    fn open(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        open_below(&self.root, path, flags)
    }

    /// Reads the metadata of a file, without its name; `None` for a socket.
    fn record(&mut self, path: &[u8], parent: u32, options: &Options) -> Result<Option<Record>> {
        let failed = |errno: Errno| Error::io("read", errno.into());
        let name = CString::new(path).map_err(|_| failed(Errno::INVAL))?;
        let mut stat = self.stat(&name)?;
        let Some(kind) = kind_of(&stat) else {
            return Ok(None);
        };
        let needed = match kind {
            EntryKind::Directory => 0o500,
            EntryKind::File if stat.st_size > 0 => 0o400,
            _ => 0,
        };
        if self.access.grant(path, &stat, needed) {
            stat = self.stat(&name)?;
        }
        let mode = self.access.mode_of(&stat).unwrap_or(stat.st_mode);
        let mut extra = Extra::default();
        if kind == EntryKind::Symlink {
            let target = rustix::fs::readlinkat(&self.root, &name, Vec::new()).map_err(failed)?;
            extra.link_target = target.into_bytes();
        }
        extra.xattrs = self.xattrs(&name)?;
        let mark = match options.overlay {
            false => OverlayMark::None,
            true => mark_of(kind, &stat, &extra.xattrs)?,
        };
        extra.xattrs.retain(|xattr| is_portable(&xattr.name));
        let extra = self.add_extra(extra)?;
        let (uid, gid) = options.owner.unwrap_or((stat.st_uid, stat.st_gid));
        // Further links to a directory are not names of a file.
        let has_links =
            stat.st_nlink > 1 && kind != EntryKind::Directory && mark == OverlayMark::None;
        Ok(Some(Record {
            parent,
            name: 0,
            name_len: 0,
            mode: (mode & 0o7777) as u16,
            kind,
            mark,
            included: true,
            uid,
            gid,
            mtime: mtime_of(&stat, options),
            size: match kind {
                EntryKind::File => size_of(&stat),
                _ => 0,
            },
            dev: stat.st_dev,
            ino: stat.st_ino,
            changed: changed(&stat),
            rdev: stat.st_rdev,
            // Replaced by the number of the first name during the walk.
            first: if has_links { 0 } else { NONE },
            extra,
        }))
    }

    fn stat(&self, path: &CStr) -> Result<Stat> {
        rustix::fs::statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW).during("read")
    }

    /// Stores link target and attributes and returns their number from 1; 0 if there are none.
    fn add_extra(&mut self, extra: Extra) -> Result<u32> {
        if extra.link_target.is_empty() && extra.xattrs.is_empty() {
            return Ok(0);
        }
        self.extras.push(extra);
        number(self.extras.len())
    }

    /// Reads the extended attributes that belong into a layer or mark an overlay mount, sorted by name.
    fn xattrs(&self, path: &CStr) -> Result<Vec<Xattr>> {
        // No call lists the attributes of a link relative to a directory; the path of its descriptor does.
        let absolute = &self.top.join(OsStr::from_bytes(path.to_bytes()));
        let failed = |errno: Errno| Error::io("read attributes", errno.into());
        let mut list = vec![0; 1024];
        let length = loop {
            match rustix::fs::llistxattr(absolute, &mut list[..]) {
                Ok(length) => break length,
                Err(Errno::RANGE) if list.len() < limits::XATTR_SIZE => {
                    let longer = list.len() * 8;
                    list.resize(longer, 0);
                }
                Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
                // Also for paths that are too long for this: their attributes cannot be read.
                Err(errno) => return Err(failed(errno)),
            }
        };
        let mut xattrs = Vec::new();
        let names = list.get(..length).unwrap_or_default();
        for name in names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            if !(is_portable(name)
                || name.starts_with(b"trusted.overlay.")
                || name.starts_with(b"user.overlay."))
            {
                continue;
            }
            let mut value = vec![0; limits::XATTR_SIZE];
            match rustix::fs::lgetxattr(absolute, OsStr::from_bytes(name), &mut value[..]) {
                Ok(length) => {
                    value.truncate(length);
                    xattrs.push(Xattr {
                        name: name.to_vec(),
                        value: value.into_boxed_slice().into_vec(),
                    });
                }
                // Removed meanwhile, or not readable for this user.
                Err(Errno::NODATA | Errno::NOTSUP | Errno::ACCESS | Errno::PERM) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        xattrs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(xattrs)
    }

    /// Removes excluded directories without included contents.
    fn drop_excluded(&mut self) {
        for i in (0..self.records.len()).rev() {
            let Record {
                included, parent, ..
            } = self.records[i];
            if included && parent != NONE {
                self.records[parent as usize].included = true;
            }
        }
        let mut numbers = Vec::with_capacity(self.records.len());
        let mut next = 0;
        for record in &self.records {
            numbers.push(next);
            next += u32::from(record.included);
        }
        self.records.retain(|record| record.included);
        for record in &mut self.records {
            if record.parent != NONE {
                record.parent = numbers[record.parent as usize];
            }
        }
    }

    /// Clears the link number of files whose other names are outside the directory.
    fn clear_single_links(&mut self) {
        let mut count: HashMap<u32, u32> = HashMap::new();
        for record in self.records.iter().filter(|record| record.first != NONE) {
            *count.entry(record.first).or_default() += 1;
        }
        for record in &mut self.records {
            if count.get(&record.first) == Some(&1) {
                record.first = NONE;
            }
        }
    }

    /// Opens the contents of the file of that number.
    ///
    /// # Errors
    /// `Changed` if the file was replaced or changed since the walk; `Io`. The context is the path of directory and file.
    pub fn contents(&self, i: usize) -> Result<Contents> {
        let gone = || Error::new(Fault::StreamConsumed);
        let record = self.records.get(i).ok_or_else(gone)?;
        let path = self.path(i);
        let context = || format!("{}/{}", self.context, escape::bytes(&path));
        let file = self
            .open(&path, OFlags::RDONLY)
            .during("open")
            .at(context)?;
        let contents = Contents {
            file: file.into(),
            record: *record,
            left: record.size,
            context: context(),
        };
        contents.check().at(context)?;
        Ok(contents)
    }
}

struct Step {
    parent: u32,
    path: Vec<u8>,
    above: Inherited,
}

/// Reader of a file's contents: exactly as many bytes as the file had during the walk, or an error.
pub struct Contents {
    file: File,
    record: Record,
    left: u64,
    /// Path of the file, for errors.
    context: String,
}

impl Contents {
    fn check(&self) -> Result<()> {
        let stat = rustix::fs::fstat(self.file.as_fd()).during("read")?;
        let same = (stat.st_dev, stat.st_ino) == (self.record.dev, self.record.ino)
            && size_of(&stat) == self.record.size
            && changed(&stat) == self.record.changed;
        match same {
            true => Ok(()),
            false => Err(Fault::Changed.into()),
        }
    }
}

impl Read for Contents {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buf.len(), |left| left.min(buf.len()));
        let failed = |error: Error| error.at(self.context.clone()).into_io();
        if wanted == 0 {
            return match buf.is_empty() {
                true => Ok(0),
                false => self.check().map(|()| 0).map_err(failed),
            };
        }
        loop {
            match self.file.read(&mut buf[..wanted]) {
                Ok(0) => return Err(failed(Fault::Changed.into())),
                Ok(n) => {
                    self.left -= n as u64;
                    return Ok(n);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(Error::io("read", error))),
            }
        }
    }
}

/// Kind of a file; `None` for a socket.
fn kind_of(stat: &Stat) -> Option<EntryKind> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Some(EntryKind::File),
        FileType::Directory => Some(EntryKind::Directory),
        FileType::Symlink => Some(EntryKind::Symlink),
        FileType::CharacterDevice => Some(EntryKind::CharDevice),
        FileType::BlockDevice => Some(EntryKind::BlockDevice),
        FileType::Fifo => Some(EntryKind::Fifo),
        _ => None,
    }
}

/// Overlay marker of a file with these attributes.
fn mark_of(kind: EntryKind, stat: &Stat, xattrs: &[Xattr]) -> Result<OverlayMark> {
    let (major, minor) = (
        rustix::fs::major(stat.st_rdev),
        rustix::fs::minor(stat.st_rdev),
    );
    let device = (major.into(), minor.into());
    mark(kind, device, size_of(stat), |bare| {
        let is = |xattr: &&Xattr| {
            let name = xattr.name.strip_prefix(b"trusted.overlay.");
            let name = name.or_else(|| xattr.name.strip_prefix(b"user.overlay."));
            name == Some(bare.as_bytes())
        };
        xattrs.iter().find(is).map(|xattr| xattr.value.clone())
    })
}

fn mtime_of(stat: &Stat, options: &Options) -> Mtime {
    let mtime = Mtime {
        seconds: stat.st_mtime,
        nanos: match options.exact_times {
            true => u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
            false => 0,
        },
    };
    match options.latest {
        Some(latest) => mtime.min(Mtime::from_seconds(latest)),
        None => mtime,
    }
}

fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

fn changed(stat: &Stat) -> (i64, i64) {
    (stat.st_ctime, stat.st_ctime_nsec.cast_signed())
}

fn number(index: usize) -> Result<u32> {
    u32::try_from(index).map_err(|_| Error::limit("bytes of names", u32::MAX.into(), index as u64))
}
