//! Locks between programs that use one store. The system releases them when the program ends, however it ends.
//!
//! They are taken on the store's directories, so a layout has no further files.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{During, Error, Result};

/// Name of the file that marks a directory as an OCI layout.
pub(super) const OCI_LAYOUT: &str = "oci-layout";

/// Directory of the files that protect blobs.
pub(super) const INGEST: &str = "ingest";

/// Locked while blobs are added (shared) or deleted (exclusive).
pub(super) const BLOBS: &str = "blobs";
/// Locked while `index.json` is changed.
pub(super) const INDEX: &str = "";

/// A lock, released when it is dropped.
pub(super) struct Lock {
    directory: File,
}

impl Lock {
    /// Takes a shared lock; waits for an exclusive one.
    pub(super) fn shared(store: &Path, directory: &str) -> Result<Self> {
        Lock::take(store, directory, FlockOperation::LockShared)
    }

    /// Takes an exclusive lock; waits for all others.
    pub(super) fn exclusive(store: &Path, directory: &str) -> Result<Self> {
        Lock::take(store, directory, FlockOperation::LockExclusive)
    }

    /// Turns a shared lock into an exclusive one, if no other program holds it. The lock is lost if that fails.
    pub(super) fn try_upgrade(self) -> Option<Self> {
        flock(&self.directory, FlockOperation::NonBlockingLockExclusive)
            .ok()
            .map(|()| self)
    }

    fn take(store: &Path, directory: &str, how: FlockOperation) -> Result<Self> {
        let directory = File::open(store.join(directory)).during("lock")?;
        loop {
            match flock(&directory, how) {
                Ok(()) => return Ok(Lock { directory }),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::io("lock", errno.into())),
            }
        }
    }
}
