//! Stores that a program has begun: taken back if nothing came into them.
//!
//! What comes by on a stream is kept below `blobs/` before it is known to be good, so the directories of a new store are
//! there before its first image. A program that fails removes those that it made, as long as they are empty and nobody
//! else is adding to them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::lock::{BLOBS, Lock, OCI_LAYOUT};

/// Stores that were begun by this program, and which of their parts were not there before.
static BEGUN: Mutex<Vec<Begun>> = Mutex::new(Vec::new());

struct Begun {
    store: PathBuf,
    /// Directories that were made, the innermost first.
    made: Vec<PathBuf>,
    /// Whether it was marked as a layout by then.
    marked: bool,
}

/// Notes down what is not there of a store that is about to be made.
pub(super) fn note(store: &Path) {
    let parts = ["blobs/sha256", "blobs", ""].map(|part| store.join(part));
    let made: Vec<PathBuf> = parts.into_iter().filter(|part| !part.exists()).collect();
    if made.is_empty() {
        return;
    }
    let mut begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
    begun.push(Begun {
        store: store.to_owned(),
        made,
        marked: store.join(OCI_LAYOUT).exists(),
    });
}

/// Removes the directories of stores that this program began and that are still empty. To be called when it fails.
pub fn abandon_begun() {
    let begun = std::mem::take(&mut *BEGUN.lock().unwrap_or_else(PoisonError::into_inner));
    for Begun {
        store,
        made,
        marked,
    } in begun
    {
        // Whoever is adding holds the lock, and makes the directories again that are gone before.
        let alone = Lock::shared(&store, BLOBS).ok().and_then(Lock::alone);
        if alone.is_none() || store.join("index.json").exists() {
            continue;
        }
        // Other algorithms have directories beside the usual one.
        if made.contains(&store.join("blobs"))
            && let Ok(folders) = std::fs::read_dir(store.join("blobs"))
        {
            for folder in folders.flatten() {
                let _ = std::fs::remove_dir(folder.path());
            }
        }
        for folder in made.iter().filter(|folder| folder.exists()) {
            if *folder == store && !marked {
                let _ = std::fs::remove_file(store.join(OCI_LAYOUT));
            }
            if std::fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}
