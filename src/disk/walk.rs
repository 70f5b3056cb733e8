//! The walk through a folder.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::access::{Access, open_below};
use super::exclude::Inherited;
use super::overlay::{OverlayMark, mark};
use super::{Item, Options, is_portable};
use crate::error::{At, Error, Fault, Result};
use crate::escape;
use crate::layer::{EntryKind, Metadata, Mtime, Xattr, limits};

/// A folder that was walked: what is in it, in order. Contents are read later, from the folder.
///
/// Memory: about 110 bytes and the last part of the name for each thing, whatever its size.
#[derive(Debug)]
pub struct Directory {
    root: OwnedFd,
    place: String,
    names: Vec<u8>,
    records: Vec<Record>,
    extras: Vec<Extra>,
    access: Access,
    /// Sockets, which were left out.
    pub skipped: Vec<Vec<u8>>,
}

/// One thing of a folder with the mark of an overlay mount.
pub type Walked = (Item, OverlayMark);

#[derive(Debug, Clone, Copy)]
struct Record {
    parent: u32,
    name: u32,
    name_len: u16,
    mode: u16,
    kind: EntryKind,
    mark: OverlayMark,
    wanted: bool,
    uid: u32,
    gid: u32,
    mtime: Mtime,
    size: u64,
    /// Of the file as it was seen: whether it is still the same is told by these.
    dev: u64,
    ino: u64,
    changed: (i64, i64),
    rdev: u64,
    /// The number of the first name of a file with several; `TOP` for others.
    first: u32,
    /// Where in the extras, from 1; 0 for what has none.
    extra: u32,
}

/// What few things have.
#[derive(Debug, Default)]
struct Extra {
    link_target: Vec<u8>,
    xattrs: Vec<Xattr>,
}

const TOP: u32 = u32::MAX;

impl Directory {
    /// Walks a folder; a link that leads to one is followed.
    ///
    /// # Errors
    /// `Io` placed at the path that could not be read, `Limit`, `Unsupported` for what a layer cannot say: a name that
    /// begins `.wh.`, but for the upper folder of an overlay mount.
    pub fn read(path: &Path, options: &Options) -> Result<Self> {
        let place = path.to_string_lossy().into_owned();
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| Error::io("open", errno.into()).at(place.clone()))?;
        let mut folder = Directory {
            access: Access::below(&root),
            root,
            place,
            names: Vec::new(),
            records: Vec::new(),
            extras: Vec::new(),
            skipped: Vec::new(),
        };
        let walked = folder.walk(options);
        walked.at(|| folder.place.clone())?;
        Ok(folder)
    }

    /// How many things are in it, by the numbers that [`Directory::item`] takes.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// One of them. Costs the length of its path.
    pub fn item(&self, i: usize) -> Option<Walked> {
        let record = self.records.get(i)?;
        let extra = record.extra.checked_sub(1);
        let extra = extra.and_then(|extra| self.extras.get(extra as usize));
        let is_device = matches!(record.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        let number = |part: fn(u64) -> u32| {
            if is_device {
                u64::from(part(record.rdev))
            } else {
                0
            }
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
            inode: (record.first != TOP).then(|| record.first.into()),
        };
        Some((item, record.mark))
    }

    /// Everything in order.
    pub fn items(&self) -> impl Iterator<Item = Walked> + '_ {
        (0..self.records.len()).filter_map(|i| self.item(i))
    }

    fn path(&self, i: usize) -> Vec<u8> {
        let mut parts = Vec::new();
        let mut at = i;
        while let Some(record) = self.records.get(at) {
            let start = record.name as usize;
            let name = self.names.get(start..start + usize::from(record.name_len));
            parts.push(name.unwrap_or_default());
            if record.parent == TOP {
                break;
            }
            at = record.parent as usize;
        }
        parts.reverse();
        parts.join(&b'/')
    }

    fn walk(&mut self, options: &Options) -> Result<()> {
        // Folders yet to be read, the next one last; each with what the patterns say of it.
        let mut work: Vec<Step> = Vec::new();
        let mut links: HashMap<(u64, u64), u32> = HashMap::new();
        self.list(TOP, b"", &Inherited::default(), &mut work)?;
        while let Some(step) = work.pop() {
            let Step {
                parent,
                path,
                above,
            } = step;
            let place = || escape::bytes(&path).into_owned();
            let (excluded, below) = match options.excludes.is_empty() {
                true => (false, Inherited::default()),
                false => options.excludes.look(&path, &above),
            };
            if excluded && !options.excludes.take_back() {
                continue;
            }
            let Some(mut record) = self.look(&path, parent, options).at(place)? else {
                if !excluded {
                    self.skipped.push(path);
                }
                continue;
            };
            record.wanted = !excluded;
            if excluded && record.kind != EntryKind::Directory {
                continue;
            }
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            // In the upper directory of a mount by fuse-overlayfs empty files of such names are its markers.
            let is_marker = options.overlay
                && (record.kind, record.size) == (EntryKind::File, 0)
                && !matches!(name, b".wh." | b".wh.." | b".wh...");
            if !excluded
                && name.starts_with(b".wh.")
                && !is_marker
                && record.mark == OverlayMark::None
            {
                let what = "a name that begins '.wh.', which layers remove files by".to_owned();
                return Err(Error::new(Fault::Unsupported { what }).at(place()));
            }
            let number = self.records.len();
            if number as u64 >= options.limits.entries {
                return Err(Error::new(Fault::Limit {
                    what: "files",
                    limit: options.limits.entries,
                    found: number as u64 + 1,
                }));
            }
            record.name = within(self.names.len())?;
            record.name_len = u16::try_from(name.len()).unwrap_or(u16::MAX);
            self.names.extend_from_slice(name);
            if record.first != TOP {
                let first = links.entry((record.dev, record.ino));
                record.first = *first.or_insert(within(number)?);
            }
            self.records.push(record);
            if record.kind == EntryKind::Directory && record.mark != OverlayMark::Removed {
                self.list(within(number)?, &path, &below, &mut work)
                    .at(place)?;
            }
        }
        if options.excludes.take_back() {
            self.keep_wanted();
        }
        self.one_name_is_no_link();
        Ok(())
    }

    /// Notes what is in a folder, so that the first by name is looked at next.
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
        let opened = opened.map_err(|errno| Error::io("open", errno.into()))?;
        let mut names: Vec<Vec<u8>> = Vec::new();
        for entry in Dir::new(opened).map_err(|errno| Error::io("read", errno.into()))? {
            let entry = entry.map_err(|errno| Error::io("read", errno.into()))?;
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

    /// Opens something below the folder, through no link.
    fn open(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        open_below(&self.root, path, flags)
    }

    /// Everything about one thing; `None` for a socket.
    fn look(&mut self, path: &[u8], parent: u32, options: &Options) -> Result<Option<Record>> {
        let failed = |errno: Errno| Error::io("read", errno.into());
        let name = CString::new(path).map_err(|_| failed(Errno::INVAL))?;
        let stat = rustix::fs::statat(&self.root, &name, AtFlags::SYMLINK_NOFOLLOW);
        let mut stat = stat.map_err(failed)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Directory,
            FileType::Symlink => EntryKind::Symlink,
            FileType::CharacterDevice => EntryKind::CharDevice,
            FileType::BlockDevice => EntryKind::BlockDevice,
            FileType::Fifo => EntryKind::Fifo,
            _ => return Ok(None),
        };
        let needed = match kind {
            EntryKind::Directory => 0o500,
            EntryKind::File if stat.st_size > 0 => 0o400,
            _ => 0,
        };
        if self.access.open(path, &stat, needed) {
            stat =
                rustix::fs::statat(&self.root, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        }
        let mode = self.access.mode_of(&stat).unwrap_or(stat.st_mode);
        let mut extra = Extra::default();
        if kind == EntryKind::Symlink {
            let target = rustix::fs::readlinkat(&self.root, &name, Vec::new()).map_err(failed)?;
            extra.link_target = target.into_bytes();
        }
        let all = self.xattrs(&name)?;
        let mark = match options.overlay {
            false => OverlayMark::None,
            true => {
                let (major, minor) = (
                    rustix::fs::major(stat.st_rdev),
                    rustix::fs::minor(stat.st_rdev),
                );
                let attribute = |bare: &str| {
                    let is = |xattr: &&Xattr| {
                        let name = xattr.name.strip_prefix(b"trusted.overlay.");
                        let name = name.or_else(|| xattr.name.strip_prefix(b"user.overlay."));
                        name == Some(bare.as_bytes())
                    };
                    all.iter().find(is).map(|xattr| xattr.value.clone())
                };
                mark(
                    kind,
                    (major.into(), minor.into()),
                    size_of(&stat),
                    attribute,
                )?
            }
        };
        extra.xattrs = all;
        extra.xattrs.retain(|xattr| is_portable(&xattr.name));
        let has_extra = !extra.link_target.is_empty() || !extra.xattrs.is_empty();
        if has_extra {
            self.extras.push(extra);
        }
        let (uid, gid) = options.owner.unwrap_or((stat.st_uid, stat.st_gid));
        let mut mtime = Mtime {
            seconds: stat.st_mtime,
            nanos: match options.exact_times {
                true => u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
                false => 0,
            },
        };
        if let Some(latest) = options.latest {
            mtime = mtime.min(Mtime {
                seconds: latest,
                nanos: 0,
            });
        }
        // Links of a folder to itself are no names of a file.
        let links = stat.st_nlink > 1 && kind != EntryKind::Directory && mark == OverlayMark::None;
        Ok(Some(Record {
            parent,
            name: 0,
            name_len: 0,
            mode: (mode & 0o7777) as u16,
            kind,
            mark,
            wanted: true,
            uid,
            gid,
            mtime,
            size: if kind == EntryKind::File {
                size_of(&stat)
            } else {
                0
            },
            dev: stat.st_dev,
            ino: stat.st_ino,
            changed: changed(&stat),
            rdev: stat.st_rdev,
            // The walk finds out which.
            first: if links { 0 } else { TOP },
            extra: if has_extra {
                within(self.extras.len())?
            } else {
                0
            },
        }))
    }

    /// All attributes that this user can see, by their names.
    fn xattrs(&self, path: &CStr) -> Result<Vec<Xattr>> {
        // No call lists the attributes of a link relative to a folder, but the folder's own path does.
        let mut absolute = format!("/proc/self/fd/{}/", self.root.as_raw_fd()).into_bytes();
        absolute.extend_from_slice(path.to_bytes());
        let absolute = OsStr::from_bytes(&absolute);
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
                // Too long a path for this way: then what it has cannot be known.
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
                // Gone meanwhile, or not for us to see.
                Err(Errno::NODATA | Errno::NOTSUP | Errno::ACCESS | Errno::PERM) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        xattrs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(xattrs)
    }

    /// Takes out the folders that are left out and hold nothing that is wanted.
    fn keep_wanted(&mut self) {
        for i in (0..self.records.len()).rev() {
            let Record { wanted, parent, .. } = self.records[i];
            if wanted && parent != TOP {
                self.records[parent as usize].wanted = true;
            }
        }
        let mut numbers = Vec::with_capacity(self.records.len());
        let mut next = 0;
        for record in &self.records {
            numbers.push(next);
            next += u32::from(record.wanted);
        }
        self.records.retain(|record| record.wanted);
        for record in &mut self.records {
            if record.parent != TOP {
                record.parent = numbers[record.parent as usize];
            }
        }
    }

    /// A file whose other names are elsewhere has one here.
    fn one_name_is_no_link(&mut self) {
        let mut count: HashMap<u32, u32> = HashMap::new();
        for record in self.records.iter().filter(|record| record.first != TOP) {
            *count.entry(record.first).or_default() += 1;
        }
        for record in &mut self.records {
            if count.get(&record.first) == Some(&1) {
                record.first = TOP;
            }
        }
    }

    /// Opens a file's contents.
    ///
    /// # Errors
    /// `Changed` if it is not the file any more that was seen; `Io`. The place is folder and path.
    pub fn contents(&self, i: usize) -> Result<Contents> {
        let gone = || Error::new(Fault::StreamConsumed);
        let record = self.records.get(i).ok_or_else(gone)?;
        let path = self.path(i);
        let place = || format!("{}/{}", self.place, escape::bytes(&path));
        let file = self
            .open(&path, OFlags::RDONLY)
            .map_err(|errno| Error::io("open", errno.into()))
            .at(place)?;
        let contents = Contents {
            file: file.into(),
            record: *record,
            left: record.size,
            place: place(),
        };
        contents.check().at(place)?;
        Ok(contents)
    }
}

struct Step {
    parent: u32,
    path: Vec<u8>,
    above: Inherited,
}

/// A file's contents: exactly as many bytes as it had when it was seen, or an error.
pub struct Contents {
    file: File,
    record: Record,
    left: u64,
    place: String,
}

impl Contents {
    fn check(&self) -> Result<()> {
        let stat = rustix::fs::fstat(self.file.as_fd())
            .map_err(|errno| Error::io("read", errno.into()))?;
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
        let failed = |error: Error| error.at(self.place.clone()).into_io();
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

fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

fn changed(stat: &Stat) -> (i64, i64) {
    (stat.st_ctime, stat.st_ctime_nsec.cast_signed())
}

fn within(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_| {
        Error::new(Fault::Limit {
            what: "bytes of names",
            limit: u32::MAX.into(),
            found: number as u64,
        })
    })
}
