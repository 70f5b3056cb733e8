//! Creation of files, directories and links in the target.

use std::fs::File;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dev, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::directories::{Directories, open_directory};
use super::new_entry::NewEntry;
use super::options::{Existing, NotApplied, Unpack, Unpacked, io_error};
use super::target::Target;
use crate::blob::{Meter, NewDirectory, SerialWriter};
use crate::error::{At, During, Error, Result, within};
use crate::layer::acl;
use crate::parallel::in_parallel;
use crate::programs::imgexport::export::copy::copy;
use crate::programs::imgexport::export::item::{Item, ItemKind};
use crate::programs::imgexport::export::plan::Export;
use crate::programs::imgexport::export::select::display;
use crate::tree::NodeKind;

/// Length of the longest path that system calls take, in bytes.
const MAX_PATH: usize = 4095;
/// Length of the longest file name, in bytes.
const MAX_NAME: usize = 255;
/// Most rows of one task.
const TASK_ROWS: usize = 256;
/// Most bytes of contents of one task.
const TASK_BYTES: u64 = 32 << 20;

impl Export {
    /// Unpacks into a directory, on all cores.
    ///
    /// A missing or empty directory appears complete: files are unpacked into a temporary directory beside it, which is
    /// renamed at the end and removed on an error. A mount point, and a directory that is not empty, is filled in place.
    /// The export cannot read its contents afterwards.
    ///
    /// # Errors
    /// `DiffIdMismatch` for a damaged layer; `Usage` for a directory that is not empty, and for `/`; `Limit` for names that
    /// are too long for the system; `Entry` for a file whose path is that of a directory that is not empty; `Io`, with the
    /// entry as context.
    pub fn unpack(&mut self, unpack: &Unpack, meter: &Meter) -> Result<Unpacked> {
        self.check_names()?;
        let place = || unpack.target.to_string_lossy().into_owned();
        let target = Target::find(unpack).at(place)?;
        let (target, new) = match target {
            Target::InPlace(target) => (target, None),
            Target::Beside { parent, name } => {
                let target = parent.join(name);
                let new = NewDirectory::beside(&target).at(place)?;
                (target, Some(new))
            }
        };
        let directory = match &new {
            Some(new) => new.path().to_owned(),
            None => target.clone(),
        };
        let proof = std::mem::take(&mut self.proof);
        let mut filled = || self.fill(&directory, unpack, meter).at(place);
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
                ("bytes of a path that is unpacked", MAX_PATH, name.len()),
                (
                    "bytes of a name that is unpacked",
                    MAX_NAME,
                    part.unwrap_or_default(),
                ),
            ] {
                within(what, limit as u64, found as u64).at(|| display(&name))?;
            }
        }
        Ok(())
    }

    /// Creates all entries in an existing directory.
    fn fill(&mut self, directory: &Path, unpack: &Unpack, meter: &Meter) -> Result<Unpacked> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let top = rustix::fs::open(directory, flags, Mode::empty())
            .map_err(|errno| io_error("open", errno));
        let unpacker = Unpacker {
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
        let mut directories = Directories::new(&unpacker.top);
        for item in self
            .items()
            .filter(|item| item.kind == ItemKind::Node(NodeKind::Directory))
        {
            unpacker
                .make_directory(&mut directories, &item)
                .at(|| display(&item.path))?;
        }
        let mut not_applied: Vec<(usize, NotApplied)> = Vec::new();
        for result in in_parallel(&self.tasks(), |rows| unpacker.make_files(rows.clone())) {
            not_applied.append(&mut result?);
        }
        let mut targets = Directories::new(&unpacker.top);
        for (row, item) in self
            .items()
            .enumerate()
            .filter(|(_, item)| item.first_name.is_some())
        {
            let made = unpacker.make_link(&mut directories, &mut targets, &item);
            let missing = made.at(|| display(&item.path))?;
            not_applied.extend((missing != NotApplied::default()).then_some((row, missing)));
        }
        for row in (0..self.len()).rev() {
            let Some(item) = self.item(row) else { continue };
            if item.kind == ItemKind::Node(NodeKind::Directory) {
                let missing = unpacker
                    .finish_directory(&mut directories, &item)
                    .at(|| display(&item.path))?;
                not_applied.extend((missing != NotApplied::default()).then_some((row, missing)));
            }
        }
        let has_top = self.item(0).is_some_and(|item| item.path.is_empty());
        if !has_top && unpack.existing == Existing::Refuse {
            let made = rustix::fs::fchmod(&unpacker.top, unpacker.implied_mode());
            made.map_err(|errno| io_error("change the mode", errno))?;
        }
        let top = unpacker.top;
        // Closes the temporary files of decoded layers, which would otherwise be synced to the disk with the rest.
        self.plain.clear();
        rustix::fs::syncfs(&top).map_err(|errno| io_error("write", errno))?;
        not_applied.sort_unstable_by_key(|(row, _)| *row);
        Ok(Unpacked { not_applied })
    }

    /// Divides the rows into tasks.
    fn tasks(&self) -> Vec<Range<usize>> {
        let mut tasks = Vec::new();
        let (mut from, mut bytes) = (0, 0);
        for (row, item) in self.items().enumerate() {
            bytes += item.size;
            if row + 1 - from >= TASK_ROWS || bytes >= TASK_BYTES {
                tasks.push(from..row + 1);
                (from, bytes) = (row + 1, 0);
            }
        }
        tasks.push(from..self.len());
        tasks
    }
}

/// Creation of files in the directory.
struct Unpacker<'a> {
    export: &'a Export,
    top: OwnedFd,
    replace: bool,
    rootless: bool,
    /// User and group of the process.
    own: (u32, u32),
    meter: &'a Meter,
}

impl Unpacker<'_> {
    /// Mode of directories that no entry is there for.
    fn implied_mode(&self) -> Mode {
        Mode::from_raw_mode(if self.export.is_plain() { 0o700 } else { 0o755 })
    }

    fn make_directory(&self, directories: &mut Directories<'_>, item: &Item<'_>) -> Result<()> {
        let (parent, part) = split(&item.path);
        if part.is_empty() {
            return Ok(());
        }
        self.enter(directories, parent)?;
        let above = directories.enter(parent)?;
        match rustix::fs::mkdirat(above, part, Mode::RWXU) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) if self.replace => {
                if open_directory(above, part).is_ok() {
                    return Ok(());
                }
                remove_file(above, part)?;
                rustix::fs::mkdirat(above, part, Mode::RWXU)
                    .map_err(|errno| io_error("create", errno))
            }
            Err(errno) => Err(io_error("create", errno)),
        }
    }

    /// Opens a directory, and creates missing parents, which only some layers of an image can lack.
    fn enter(&self, directories: &mut Directories<'_>, path: &[u8]) -> Result<()> {
        if directories.enter(path).is_ok() {
            return Ok(());
        }
        let ends = path
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let (parent, part) = split(path.get(..end).unwrap_or_default());
            let above = directories.enter(parent)?;
            match rustix::fs::mkdirat(above, part, self.implied_mode()) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(io_error("create", errno)),
            }
        }
        directories.forget();
        directories.enter(path).map(|_| ())
    }

    fn make_files(&self, rows: Range<usize>) -> Result<Vec<(usize, NotApplied)>> {
        let mut directories = Directories::new(&self.top);
        let mut not_applied = Vec::new();
        for row in rows {
            let Some(item) = self.export.item(row) else {
                continue;
            };
            if item.kind == ItemKind::Node(NodeKind::Directory) || item.first_name.is_some() {
                continue;
            }
            let missing = self
                .make_file(&mut directories, &item)
                .at(|| display(&item.path))?;
            not_applied.extend((missing != NotApplied::default()).then_some((row, missing)));
        }
        Ok(not_applied)
    }

    fn make_file(&self, directories: &mut Directories<'_>, item: &Item<'_>) -> Result<NotApplied> {
        let name = item.name();
        let (parent, part) = split(&name);
        self.enter(directories, parent)?;
        let above = directories.enter(parent)?;
        if self.replace {
            remove_file(above, part)?;
        }
        match item.kind {
            ItemKind::Node(NodeKind::Symlink) => {
                let made = rustix::fs::symlinkat(item.link_target, above, part);
                made.map_err(|errno| io_error("create", errno))?;
                self.apply(&NewEntry::Named(above, part, false), item)
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
                    u32::try_from(number)
                        .map_err(|_| Error::limit("device number", u64::from(u32::MAX), number))
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
                self.apply(&NewEntry::Named(above, part, true), item)
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
                    file.set_len(item.size).during("write")?;
                }
                self.apply(&NewEntry::Open(&file), item)
            }
        }
    }

    fn make_link(
        &self,
        directories: &mut Directories<'_>,
        targets: &mut Directories<'_>,
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
        self.enter(directories, parent)?;
        let above = directories.enter(parent)?;
        if self.replace {
            remove_file(above, part)?;
        }
        // Without a flag, a symbolic link is linked itself, not its target.
        let made = rustix::fs::linkat(target, first_part, above, part, AtFlags::empty());
        made.map_err(|errno| io_error("link", errno))?;
        Ok(NotApplied::default())
    }

    fn finish_directory(
        &self,
        directories: &mut Directories<'_>,
        item: &Item<'_>,
    ) -> Result<NotApplied> {
        let (parent, part) = split(&item.path);
        if part.is_empty() {
            return self.apply(&NewEntry::Directory(&self.top), item);
        }
        let above = directories.enter(parent)?;
        let directory =
            open_directory(above, part).map_err(|errno| io_error("open the directory", errno))?;
        self.apply(&NewEntry::Directory(&directory), item)
    }

    /// Sets owner, attributes, mode and time, in this order: a change of owner clears capabilities and setuid.
    fn apply(&self, made: &NewEntry<'_>, item: &Item<'_>) -> Result<NotApplied> {
        let mut missing = NotApplied::default();
        let meta = &item.meta;
        let owner = (meta.owner.uid, meta.owner.gid);
        if self.rootless {
            missing.owner = owner != (self.own.0.into(), self.own.1.into());
        } else {
            let id = |what, id: u64| match u32::try_from(id) {
                Ok(id) if id != u32::MAX => Ok(id),
                _ => Err(Error::limit(what, u64::from(u32::MAX - 1), id)),
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
                // Not supported by the file system, or reserved for other programs.
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

/// Removes an existing file, or a directory that is empty.
fn remove_file(above: &OwnedFd, part: &[u8]) -> Result<()> {
    let removed = match rustix::fs::unlinkat(above, part, AtFlags::empty()) {
        // Systems differ in the error for a directory.
        Err(Errno::ISDIR | Errno::PERM) => rustix::fs::unlinkat(above, part, AtFlags::REMOVEDIR),
        other => other,
    };
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {
            Err(Error::entry("a directory that is not empty has its path"))
        }
        Err(errno) => Err(io_error("remove", errno)),
    }
}

/// Splits a path into parent and last part.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (
            path.get(..at).unwrap_or_default(),
            path.get(at + 1..).unwrap_or_default(),
        ),
        None => (&[], path),
    }
}
