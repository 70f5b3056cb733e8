//! Directories that are opened from their parents, never by a path and never through a link.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::options::io_error;
use crate::error::Result;
use crate::layer::common_components;

/// Most directories that are kept open.
const MAX_OPEN: usize = 64;

/// Open directories on the path from the top to the current one.
pub(super) struct Directories<'a> {
    top: &'a OwnedFd,
    path: Vec<u8>,
    /// The end of each part in the path, and its directory, if it is kept open.
    open: Vec<(usize, Option<OwnedFd>)>,
}

impl<'a> Directories<'a> {
    pub(super) fn new(top: &'a OwnedFd) -> Self {
        Directories {
            top,
            path: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Opens a directory, part by part from the deepest one that is open already.
    pub(super) fn enter(&mut self, directory: &[u8]) -> Result<&OwnedFd> {
        let same = common_components(&self.path, directory);
        let is_useless = |(end, fd): &mut (usize, Option<OwnedFd>)| *end > same || fd.is_none();
        while self.open.pop_if(is_useless).is_some() {}
        self.path.clear();
        self.path.extend_from_slice(directory);
        let mut start = self.open.last().map_or(0, |(end, _)| end + 1);
        while let Some(rest) = directory.get(start..).filter(|rest| !rest.is_empty()) {
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
            let opened = open_directory(above, part);
            let opened = opened.map_err(|errno| {
                self.path.clear();
                self.open.clear();
                io_error("open the directory", errno)
            })?;
            // Of a deep path only the upper directories and the last one stay open.
            if self.open.len() > MAX_OPEN
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

    /// Closes all directories, because some may have been replaced.
    pub(super) fn forget(&mut self) {
        self.path.clear();
        self.open.clear();
    }
}

/// Opens a directory in its open parent.
pub(super) fn open_directory(above: impl AsFd, part: &[u8]) -> Result<OwnedFd, Errno> {
    // Clean paths have no such parts, but here they would escape the target.
    if matches!(part, b"" | b"." | b"..") || part.contains(&b'/') {
        return Err(Errno::INVAL);
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(above, part, flags, Mode::empty())
}
