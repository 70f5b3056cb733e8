//! An export as files in a folder.
//!
//! What a hostile image could try here, and what stops it: nothing is ever looked up by a path. Each folder is opened
//! from the one above it, by one name that is neither `..` nor holds a `/`, without following a link, and everything is
//! made, linked and changed in an open folder by its last name. What is there already is refused, or with
//! [`Existing::Replace`] taken away first, so that nothing is written through it. Folders stay closed to others until
//! all is in them; owners, modes and times of folders are set last, the deepest first.

mod folders;
mod made;
mod target;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dev, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use folders::{Folders, open_folder};
use made::Made;
use target::Target;

use super::archive::copy;
use super::rows::{Item, ItemKind};
use super::{Export, shown};
use crate::blob::{Meter, NewDirectory, SerialWriter};
use crate::error::{At, Error, Fault, Result};
use crate::layer::acl;
use crate::parallel::in_parallel;
use crate::tree::NodeKind;

/// What to do with a folder that has something in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse it.
    #[default]
    Refuse,
    /// Unpack into it: folders that are there are kept and get new owners and modes, files that are there are taken
    /// away and made anew, and what the image does not have stays.
    Replace,
}

/// How to unpack.
#[derive(Debug, Clone)]
pub struct Unpack {
    /// The folder to be made or filled.
    pub target: PathBuf,
    /// What to do if it has something in it.
    pub existing: Existing,
    /// Leave out what only root can do, and say so: owners, devices, setuid and setgid, attributes but `user.`.
    pub rootless: bool,
}

/// What of one row was not applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotApplied {
    /// Its owner or group.
    pub owner: bool,
    /// Setuid or setgid.
    pub mode: bool,
    /// A device, which was not made at all.
    pub device: bool,
    /// Extended attributes.
    pub xattrs: bool,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Unpacked {
    /// Rows that are not all that the image says, in their order: number of the row and what is missing.
    pub not_applied: Vec<(usize, NotApplied)>,
}

/// The longest path that the system's calls take.
const PATH: usize = 4095;
/// The longest part of one.
const PART: usize = 255;
/// Rows, and bytes of contents, that one core takes on at a time.
const ROWS: usize = 256;
const BYTES: u64 = 32 << 20;

impl Export {
    /// The row of that number, as in [`Unpacked::not_applied`].
    pub fn row(&self, row: usize) -> Option<Item<'_>> {
        self.item(row)
    }

    /// Unpacks into a folder, on all cores.
    ///
    /// A folder that is not there, or is empty, gets its contents all at once: they are unpacked beside it under a
    /// temporary name, which is taken away again if anything fails. A folder that others are mounted on, and one with
    /// something in it, is filled in place. The export's contents are given up before all is synced.
    ///
    /// # Errors
    /// `DiffIdMismatch` for a layer that is another one; `Usage` for a folder with something in it, and for `/`; `Limit` for names longer than the system takes; `Entry`
    /// where a folder with something in it is in a file's place; `Io`, of which the place is the entry.
    pub fn unpack(&mut self, unpack: &Unpack, meter: &Meter) -> Result<Unpacked> {
        self.check_names()?;
        let place = || unpack.target.to_string_lossy().into_owned();
        let target = Target::find(unpack).at(place)?;
        let (target, new) = match target {
            Target::InPlace(folder) => (folder, None),
            Target::Beside { parent, name } => {
                let target = parent.join(name);
                let new = NewDirectory::beside(&target).at(place)?;
                (target, Some(new))
            }
        };
        let folder = match &new {
            Some(new) => new.path().to_owned(),
            None => target.clone(),
        };
        let proof = std::mem::take(&mut self.proof);
        let mut filled = || self.fill(&folder, unpack, meter).at(place);
        let result = proof.beside(&Meter::default(), &mut filled);
        let unpacked = result?;
        if let Some(new) = new {
            new.rename(&target).at(place)?;
        }
        Ok(unpacked)
    }

    fn check_names(&self) -> Result<()> {
        for item in self.items() {
            let name = item.name();
            let part = name.split(|&byte| byte == b'/').map(<[u8]>::len).max();
            for (what, limit, found) in [
                ("bytes of a path that is unpacked", PATH, name.len()),
                (
                    "bytes of a name that is unpacked",
                    PART,
                    part.unwrap_or_default(),
                ),
            ] {
                if found > limit {
                    let (limit, found) = (limit as u64, found as u64);
                    return Err(Error::new(Fault::Limit { what, limit, found }))
                        .at(|| shown(&name));
                }
            }
        }
        Ok(())
    }

    fn fill(&mut self, folder: &Path, unpack: &Unpack, meter: &Meter) -> Result<Unpacked> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let top =
            rustix::fs::open(folder, flags, Mode::empty()).map_err(|errno| io_error("open", errno));
        let job = Job {
            export: self,
            top: top?,
            replace: unpack.existing == Existing::Replace,
            rootless: unpack.rootless,
            own: (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            ),
            meter,
        };
        let mut folders = Folders::new(&job.top);
        for item in self
            .items()
            .filter(|item| item.kind == ItemKind::Node(NodeKind::Folder))
        {
            job.make_folder(&mut folders, &item)
                .at(|| shown(&item.path))?;
        }
        let mut not_applied: Vec<(usize, NotApplied)> = Vec::new();
        for result in in_parallel(&self.tasks(), |rows| job.make_files(rows.clone())) {
            not_applied.append(&mut result?);
        }
        let mut targets = Folders::new(&job.top);
        for (row, item) in self
            .items()
            .enumerate()
            .filter(|(_, item)| item.first_name.is_some())
        {
            let made = job.make_link(&mut folders, &mut targets, &item);
            let missing = made.at(|| shown(&item.path))?;
            not_applied.extend((missing != NotApplied::default()).then_some((row, missing)));
        }
        for row in (0..self.len()).rev() {
            let Some(item) = self.item(row) else { continue };
            if item.kind == ItemKind::Node(NodeKind::Folder) {
                let missing = job
                    .finish_folder(&mut folders, &item)
                    .at(|| shown(&item.path))?;
                not_applied.extend((missing != NotApplied::default()).then_some((row, missing)));
            }
        }
        let has_top = self.item(0).is_some_and(|item| item.path.is_empty());
        if !has_top && unpack.existing == Existing::Refuse {
            let made = rustix::fs::fchmod(&job.top, Mode::from_raw_mode(0o755));
            made.map_err(|errno| io_error("change the mode", errno))?;
        }
        let top = job.top;
        // What packed layers were decoded into: synced with the rest, it would be written to the disk for nothing.
        self.plain.clear();
        rustix::fs::syncfs(&top).map_err(|errno| io_error("write", errno))?;
        not_applied.sort_unstable_by_key(|(row, _)| *row);
        Ok(Unpacked { not_applied })
    }

    /// Runs of rows for one core each.
    fn tasks(&self) -> Vec<std::ops::Range<usize>> {
        let mut tasks = Vec::new();
        let (mut from, mut bytes) = (0, 0);
        for (row, item) in self.items().enumerate() {
            bytes += item.size;
            if row + 1 - from >= ROWS || bytes >= BYTES {
                tasks.push(from..row + 1);
                (from, bytes) = (row + 1, 0);
            }
        }
        tasks.push(from..self.len());
        tasks
    }
}

struct Job<'a> {
    export: &'a Export,
    top: OwnedFd,
    replace: bool,
    rootless: bool,
    /// Who makes the files.
    own: (u32, u32),
    meter: &'a Meter,
}

impl Job<'_> {
    fn make_folder(&self, folders: &mut Folders<'_>, item: &Item<'_>) -> Result<()> {
        let (parent, part) = split(&item.path);
        if part.is_empty() {
            return Ok(());
        }
        self.enter(folders, parent)?;
        let above = folders.enter(parent)?;
        match rustix::fs::mkdirat(above, part, Mode::RWXU) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) if self.replace => {
                if open_folder(above, part).is_ok() {
                    return Ok(());
                }
                remove_file(above, part)?;
                rustix::fs::mkdirat(above, part, Mode::RWXU)
                    .map_err(|errno| io_error("create", errno))
            }
            Err(errno) => Err(io_error("create", errno)),
        }
    }

    /// Makes a folder's missing parents, which only a part of the layers can lack.
    fn enter(&self, folders: &mut Folders<'_>, path: &[u8]) -> Result<()> {
        if folders.enter(path).is_ok() {
            return Ok(());
        }
        let ends = path
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let (parent, part) = split(path.get(..end).unwrap_or_default());
            let above = folders.enter(parent)?;
            match rustix::fs::mkdirat(above, part, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(io_error("create", errno)),
            }
        }
        folders.forget();
        folders.enter(path).map(|_| ())
    }

    fn make_files(&self, rows: std::ops::Range<usize>) -> Result<Vec<(usize, NotApplied)>> {
        let mut folders = Folders::new(&self.top);
        let mut not_applied = Vec::new();
        for row in rows {
            let Some(item) = self.export.item(row) else {
                continue;
            };
            if item.kind == ItemKind::Node(NodeKind::Folder) || item.first_name.is_some() {
                continue;
            }
            let missing = self
                .make_file(&mut folders, &item)
                .at(|| shown(&item.path))?;
            not_applied.extend((missing != NotApplied::default()).then_some((row, missing)));
        }
        Ok(not_applied)
    }

    fn make_file(&self, folders: &mut Folders<'_>, item: &Item<'_>) -> Result<NotApplied> {
        let name = item.name();
        let (parent, part) = split(&name);
        self.enter(folders, parent)?;
        let above = folders.enter(parent)?;
        if self.replace {
            remove_file(above, part)?;
        }
        match item.kind {
            ItemKind::Node(NodeKind::Symlink) => {
                let made = rustix::fs::symlinkat(item.link_target, above, part);
                made.map_err(|errno| io_error("create", errno))?;
                self.apply(&Made::Named(above, part, false), item)
            }
            ItemKind::Node(
                kind @ (NodeKind::CharDevice | NodeKind::BlockDevice | NodeKind::Fifo),
            ) => {
                if self.rootless && kind != NodeKind::Fifo {
                    return Ok(NotApplied {
                        device: true,
                        ..NotApplied::default()
                    });
                }
                let number = |number: u64| {
                    u32::try_from(number).map_err(|_| {
                        Error::new(Fault::Limit {
                            what: "device number",
                            limit: u64::from(u32::MAX),
                            found: number,
                        })
                    })
                };
                let device: Dev =
                    rustix::fs::makedev(number(item.device.0)?, number(item.device.1)?);
                let (file_type, device) = match kind {
                    NodeKind::CharDevice => (FileType::CharacterDevice, device),
                    NodeKind::BlockDevice => (FileType::BlockDevice, device),
                    _ => (FileType::Fifo, 0),
                };
                let made =
                    rustix::fs::mknodat(above, part, file_type, Mode::RUSR | Mode::WUSR, device);
                made.map_err(|errno| io_error("create", errno))?;
                self.apply(&Made::Named(above, part, true), item)
            }
            _ => {
                let flags = OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::WRONLY
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let made = rustix::fs::openat(above, part, flags, Mode::RUSR | Mode::WUSR);
                let file = File::from(made.map_err(|errno| io_error("create", errno))?);
                let mut end = 0;
                for (at, range) in item.parts()? {
                    copy(&range, &SerialWriter::new(&file), at, self.meter)?;
                    end = at + range.len();
                }
                if end < item.size {
                    file.set_len(item.size)
                        .map_err(|error| Error::io("write", error))?;
                }
                self.apply(&Made::Open(&file), item)
            }
        }
    }

    fn make_link(
        &self,
        folders: &mut Folders<'_>,
        targets: &mut Folders<'_>,
        item: &Item<'_>,
    ) -> Result<NotApplied> {
        let is_device = matches!(
            item.kind,
            ItemKind::Node(NodeKind::CharDevice | NodeKind::BlockDevice)
        );
        if self.rootless && is_device {
            return Ok(NotApplied {
                device: true,
                ..NotApplied::default()
            });
        }
        let (parent, part) = split(&item.path);
        let first = item.first_name.as_deref().unwrap_or_default();
        let (first_parent, first_part) = split(first);
        let target = targets.enter(first_parent)?;
        self.enter(folders, parent)?;
        let above = folders.enter(parent)?;
        if self.replace {
            remove_file(above, part)?;
        }
        // Without a flag a link itself is linked to, and not what it points to.
        let made = rustix::fs::linkat(target, first_part, above, part, AtFlags::empty());
        made.map_err(|errno| io_error("link", errno))?;
        Ok(NotApplied::default())
    }

    fn finish_folder(&self, folders: &mut Folders<'_>, item: &Item<'_>) -> Result<NotApplied> {
        let (parent, part) = split(&item.path);
        if part.is_empty() {
            return self.apply(&Made::Folder(&self.top), item);
        }
        let above = folders.enter(parent)?;
        let folder =
            open_folder(above, part).map_err(|errno| io_error("open the folder", errno))?;
        self.apply(&Made::Folder(&folder), item)
    }

    /// Sets owner, attributes, mode and time, in this order: a new owner takes capabilities and setuid away.
    fn apply(&self, made: &Made<'_>, item: &Item<'_>) -> Result<NotApplied> {
        let mut missing = NotApplied::default();
        let meta = &item.meta;
        let owner = (meta.owner.uid, meta.owner.gid);
        if self.rootless {
            missing.owner = owner != (self.own.0.into(), self.own.1.into());
        } else {
            let id = |what, id: u64| match u32::try_from(id) {
                Ok(id) if id != u32::MAX => Ok(id),
                _ => Err(Error::new(Fault::Limit {
                    what,
                    limit: u64::from(u32::MAX - 1),
                    found: id,
                })),
            };
            let owner = Some(Uid::from_raw(id("owner", owner.0)?));
            let group = Some(Gid::from_raw(id("group", meta.owner.gid)?));
            made.change_owner(owner, group)
                .map_err(|errno| io_error("change the owner", errno))?;
        }
        for xattr in &meta.xattrs {
            if self.rootless && !xattr.name.starts_with(b"user.") {
                missing.xattrs = true;
                continue;
            }
            let list = acl::attribute(&xattr.name, &xattr.value);
            let (name, value) = match &list {
                Some((name, value)) => (name.as_bytes(), value),
                None if xattr.name.starts_with(acl::PREFIX) => {
                    missing.xattrs = true;
                    continue;
                }
                None => (&*xattr.name, &xattr.value),
            };
            match made.set_xattr(name, value) {
                Ok(()) => {}
                // The file system has none of them, or another program rules over them.
                Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => missing.xattrs = true,
                Err(errno) => return Err(io_error("set an attribute", errno)),
            }
        }
        let mut mode = meta.mode;
        if self.rootless && mode & 0o6000 != 0 {
            mode &= 0o1777;
            missing.mode = true;
        }
        made.change_mode(Mode::from_raw_mode(mode.into()))
            .map_err(|errno| io_error("change the mode", errno))?;
        let time = Timespec {
            tv_sec: meta.mtime.seconds,
            tv_nsec: meta.mtime.nanos.into(),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        made.set_times(&times)
            .map_err(|errno| io_error("set the time", errno))?;
        Ok(missing)
    }
}

/// Takes away what is in a file's place, unless it is a folder with something in it.
fn remove_file(above: &OwnedFd, part: &[u8]) -> Result<()> {
    let removed = match rustix::fs::unlinkat(above, part, AtFlags::empty()) {
        // What the system says of a folder differs.
        Err(Errno::ISDIR | Errno::PERM) => rustix::fs::unlinkat(above, part, AtFlags::REMOVEDIR),
        other => other,
    };
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(Fault::Entry {
            why: "a folder with something in it is in its place",
        }
        .into()),
        Err(errno) => Err(io_error("remove", errno)),
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (
            path.get(..at).unwrap_or_default(),
            path.get(at + 1..).unwrap_or_default(),
        ),
        None => (&[], path),
    }
}

fn io_error(action: &'static str, errno: Errno) -> Error {
    Error::io(action, errno.into())
}
