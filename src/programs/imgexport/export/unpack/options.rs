//! Options and result of unpacking.

use std::path::PathBuf;

use rustix::io::Errno;

use crate::error::Error;

/// Treatment of a directory that is not empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse it.
    #[default]
    Refuse,
    /// Unpack into it: existing directories are kept and get new owners and modes, existing files are replaced, and files
    /// that the image does not have stay.
    Replace,
}

/// Options of unpacking.
#[derive(Debug, Clone)]
pub struct Unpack {
    /// Directory to create or fill.
    pub target: PathBuf,
    /// Treatment of a directory that is not empty.
    pub existing: Existing,
    /// Skip and report operations that require root: owners, devices, setuid and setgid, attributes other than `user.*`.
    pub rootless: bool,
}

/// Metadata of one row that was not applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotApplied {
    /// Owner or group.
    pub owner: bool,
    /// Setuid or setgid.
    pub mode: bool,
    /// Device, which was not created.
    pub device: bool,
    /// Extended attributes.
    pub xattrs: bool,
}

/// Result of unpacking.
#[derive(Debug, Default)]
pub struct Unpacked {
    /// Rows that were not applied in full, in order: number of the row and the missing metadata.
    pub not_applied: Vec<(usize, NotApplied)>,
}

/// Converts an error of the system.
pub(super) fn io_error(action: &'static str, errno: Errno) -> Error {
    Error::io(action, errno.into())
}
