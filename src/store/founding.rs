//! New stores, removed again if the program fails before they have an image.
//!
//! Blobs from a stream are kept below `blobs/` before they are known to be valid, so the directories of a new store
//! exist before its first image. A program that fails removes those that it created, if they are empty and no other
//! program is adding to them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::lock::{BLOBS, Lock, OCI_LAYOUT};

/// Stores that this program created, at least in part.
static UNFINISHED: Mutex<Vec<Unfinished>> = Mutex::new(Vec::new());

struct Unfinished {
    store: PathBuf,
    /// Directories that were created, the innermost first.
    made: Vec<PathBuf>,
    /// True if it had been marked as a layout before.
    marked: bool,
}

/// Records the missing directories of a store before they are created.
pub(super) fn record(store: &Path) {
    let parts = ["blobs/sha256", "blobs", ""].map(|part| store.join(part));
    let made: Vec<PathBuf> = parts.into_iter().filter(|part| !part.exists()).collect();
    if made.is_empty() {
        return;
    }
    let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    unfinished.push(Unfinished {
        store: store.to_owned(),
        made,
        marked: store.join(OCI_LAYOUT).exists(),
    });
}

/// Removes the empty directories of stores that this program created. To be called when it fails.
pub fn remove_unfinished() {
    let unfinished =
        std::mem::take(&mut *UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner));
    for Unfinished {
        store,
        made,
        marked,
    } in unfinished
    {
        // Other programs that are adding hold the lock, and create missing directories again.
        let alone = Lock::shared(&store, BLOBS).ok().and_then(Lock::try_upgrade);
        if alone.is_none() || store.join("index.json").exists() {
            continue;
        }
        // Other algorithms have directories beside the usual one.
        if made.contains(&store.join("blobs"))
            && let Ok(directories) = std::fs::read_dir(store.join("blobs"))
        {
            for directory in directories.flatten() {
                let _ = std::fs::remove_dir(directory.path());
            }
        }
        for directory in made.iter().filter(|directory| directory.exists()) {
            if *directory == store && !marked {
                let _ = std::fs::remove_file(store.join(OCI_LAYOUT));
            }
            if std::fs::remove_dir(directory).is_err() {
                break;
            }
        }
    }
}
