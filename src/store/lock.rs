//! Locks between programs that use one store. The system drops them with the program, however it ends.
//!
//! They are taken on the store's folders themselves, so no file of ours is left in a layout.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// The file that says that a folder is an OCI layout.
pub(super) const OCI_LAYOUT: &str = "oci-layout";

/// Locked while blobs are added (shared) or deleted (exclusive).
pub(super) const BLOBS: &str = "blobs";
/// Locked while `index.json` is changed.
pub(super) const INDEX: &str = "";

/// A lock that is held until it is dropped.
pub(super) struct Lock {
    folder: File,
}

impl Lock {
    /// Waits until nobody holds it exclusively.
    pub(super) fn shared(store: &Path, folder: &str) -> Result<Self> {
        Lock::take(store, folder, FlockOperation::LockShared)
    }

    /// Waits until nobody holds it.
    pub(super) fn exclusive(store: &Path, folder: &str) -> Result<Self> {
        Lock::take(store, folder, FlockOperation::LockExclusive)
    }

    /// Makes a shared lock an exclusive one, if nobody else holds it. The lock is lost if it fails.
    pub(super) fn alone(self) -> Option<Self> {
        flock(&self.folder, FlockOperation::NonBlockingLockExclusive)
            .ok()
            .map(|()| self)
    }

    fn take(store: &Path, folder: &str, how: FlockOperation) -> Result<Self> {
        let folder = File::open(store.join(folder)).map_err(|error| Error::io("lock", error))?;
        loop {
            match flock(&folder, how) {
                Ok(()) => return Ok(Lock { folder }),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::io("lock", errno.into())),
            }
        }
    }
}
