//! Locks between programs that use one store. The system drops them with the program, however it ends.

use std::fs::{File, OpenOptions};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// Held while blobs are added (shared) or deleted (exclusive).
pub(super) const BLOBS: &str = "imgkit-blobs.lock";
/// Held while `index.json` is changed.
pub(super) const INDEX: &str = "imgkit-index.lock";

/// A lock that is held until it is dropped.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until nobody holds it exclusively.
    pub(super) fn shared(store: &Path, name: &str) -> Result<Self> {
        Lock::take(store, name, FlockOperation::LockShared)
    }

    /// Waits until nobody holds it.
    pub(super) fn exclusive(store: &Path, name: &str) -> Result<Self> {
        Lock::take(store, name, FlockOperation::LockExclusive)
    }

    fn take(store: &Path, name: &str, how: FlockOperation) -> Result<Self> {
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(store.join(name));
        let file = open.map_err(|error| Error::io("lock", error).at(name))?;
        loop {
            match flock(&file, how) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::io("lock", errno.into()).at(name)),
            }
        }
    }
}
