//! Folders opened one from another, never by a path and never through a link.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::io_error;
use crate::error::Result;
use crate::layer::common_components;

/// How many folders above the current one are kept open.
const OPEN: usize = 64;

/// Open folders on the way from the top to the current one.
pub(super) struct Folders<'a> {
    top: &'a OwnedFd,
    path: Vec<u8>,
    /// The end of each part in the path, and its folder, if it is kept open.
    open: Vec<(usize, Option<OwnedFd>)>,
}

impl<'a> Folders<'a> {
    pub(super) fn new(top: &'a OwnedFd) -> Self {
        Folders {
            top,
            path: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Opens a folder, part by part from the deepest one that is open already.
    pub(super) fn enter(&mut self, folder: &[u8]) -> Result<&OwnedFd> {
        let same = common_components(&self.path, folder);
        let is_of_no_use = |(end, fd): &mut (usize, Option<OwnedFd>)| *end > same || fd.is_none();
        while self.open.pop_if(is_of_no_use).is_some() {}
        self.path.clear();
        self.path.extend_from_slice(folder);
        let mut start = self.open.last().map_or(0, |(end, _)| end + 1);
        while let Some(rest) = folder.get(start..).filter(|rest| !rest.is_empty()) {
            let length = rest
                .iter()
                .position(|&byte| byte == b'/')
                .unwrap_or(rest.len());
            let part = rest.get(..length).unwrap_or_default();
            let above = self
                .open
                .last()
                .and_then(|(_, fd)| fd.as_ref())
                .unwrap_or(self.top);
            let opened = open_folder(above, part);
            let opened = opened.map_err(|errno| {
                self.path.clear();
                self.open.clear();
                io_error("open the folder", errno)
            })?;
            // Of a deep path only the upper folders and the last one stay open.
            if self.open.len() > OPEN
                && let Some((_, fd)) = self.open.last_mut()
            {
                *fd = None;
            }
            self.open.push((start + length, Some(opened)));
            start += length + 1;
        }
        Ok(self
            .open
            .last()
            .and_then(|(_, fd)| fd.as_ref())
            .unwrap_or(self.top))
    }

    /// Forgets what is open, because something may have been replaced.
    pub(super) fn forget(&mut self) {
        self.path.clear();
        self.open.clear();
    }
}

/// Opens a folder in an open one.
pub(super) fn open_folder(above: impl AsFd, part: &[u8]) -> Result<OwnedFd, Errno> {
    // Clean paths have no such parts; this is the one place where it would matter.
    if matches!(part, b"" | b"." | b"..") || part.contains(&b'/') {
        return Err(Errno::INVAL);
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(above, part, flags, Mode::empty())
}
