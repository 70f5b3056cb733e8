//! Temporary names: their form, the list of those in use, and the removal of leftovers.
//!
//! An interrupted program removes its unfinished files ([`discard_unfinished`]); a later run removes those of a killed
//! one ([`remove_leftover`]). Every unfinished file is locked by its program; the system drops the lock when the program
//! ends, which distinguishes leftovers from files in work.
//!
//! Threat: in a directory that others can write to, anybody can create something that looks like a leftover and exchange
//! it during removal. So only files of the current user, or of the directory's owner, are removed, as
//! [`Held`] describes.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::directory::parent_directory;
use super::fault_injection::fail_point;
use super::removal::Held;
use crate::error::{At, During, Error, Result};

/// Prefix of all temporary names.
pub(super) const PREFIX: &str = ".imgkit-";

/// Paths of unfinished files, which are removed if the program ends before they get their names; `None` from then on.
static UNFINISHED: Mutex<Option<BTreeSet<PathBuf>>> = Mutex::new(Some(BTreeSet::new()));
/// Callback of [`before_unfinished`].
static BEFORE: OnceLock<fn()> = OnceLock::new();

/// Reports whether a file name is a temporary name, whose program may have ended.
pub fn is_leftover(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Prefix of the temporary names of files that will become `target`, and of no others.
pub(super) fn prefix_of(target: &Path) -> String {
    // A digest has a fixed length; file names may already be as long as the file system allows.
    let name = target.file_name().unwrap_or(target.as_os_str());
    let digest = super::hash::sha256(name.as_encoded_bytes());
    format!("{PREFIX}{}.", &digest.encoded()[..16])
}

/// Returns a name with the given prefix that no other file of this or another process has.
pub(super) fn unique_name(prefix: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    format!(
        "{prefix}{}-{nanos:x}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Locks an unfinished file for as long as this program runs.
///
/// # Errors
/// Those of the system, except on file systems without locks.
pub(super) fn lock(file: &File) -> std::io::Result<()> {
    loop {
        match flock(file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOLCK | Errno::INVAL) | Ok(()) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// A temporary path that is listed as unfinished until this is dropped.
#[derive(Debug)]
pub(super) struct Unfinished(PathBuf);

impl Unfinished {
    /// Lists a path that is about to be created. Never returns once the program is ending.
    pub(super) fn new(path: PathBuf) -> Self {
        if let Some(prepare) = BEFORE.get() {
            prepare();
        }
        if let Some(paths) = paths().as_mut() {
            paths.insert(path.clone());
            return Unfinished(path);
        }
        // The program is about to end; nothing more may be created.
        loop {
            std::thread::park();
        }
    }

    /// The path.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(paths) = paths().as_mut() {
            paths.remove(&self.0);
        }
    }
}

fn paths() -> std::sync::MutexGuard<'static, Option<BTreeSet<PathBuf>>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets a callback that runs each time before a temporary name is used, so that a program prepares for interrupts only
/// when it needs to. The first call counts.
pub fn before_unfinished(prepare: fn()) {
    let _ = BEFORE.set(prepare);
}

/// Removes all unfinished files, for a program that is about to end, and returns the paths that could not be removed.
///
/// Threads that would create another one wait forever. Other threads may still be writing; the files that they add to
/// an unfinished directory are removed as well, up to a number of attempts.
pub fn discard_unfinished() -> Vec<PathBuf> {
    // Each pass removes directories that a writer would need; no writer outruns all of these.
    const PASSES: usize = 1000;
    /// Time in which a thread creates a file that it has just listed.
    const CREATING: std::time::Duration = std::time::Duration::from_millis(20);
    let Some(paths) = paths().take() else {
        return Vec::new();
    };
    let is_left = |path: &&PathBuf| (0..PASSES).all(|_| remove_at(path).is_err());
    let _ = paths.iter().filter(is_left).count();
    if !paths.is_empty() {
        std::thread::sleep(CREATING);
    }
    paths.iter().filter(is_left).cloned().collect()
}

/// Removes an unfinished file or directory whose program has ended. Returns whether it was removed: not if it belongs
/// to another user.
///
/// # Errors
/// `Io`.
pub fn remove_leftover(path: &Path) -> Result<bool> {
    let failed = |error| Error::io("remove", error).at(path.to_string_lossy());
    let Some(held) = Held::open(path).map_err(|errno| failed(errno.into()))? else {
        return Ok(false);
    };
    if !held.is_ours() {
        return Ok(false);
    }
    let Ok(open) = held.reopen() else {
        return Ok(false);
    };
    match flock(&open, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(false),
        Err(errno) => return Err(failed(errno.into())),
    }
    fail_point(path).map_err(failed)?;
    match held.remove() {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// Removes the leftovers of earlier runs that were to become `target`. Those that cannot be removed stay.
pub(super) fn remove_leftovers_of(target: &Path) {
    let prefix = prefix_of(target);
    let directory = parent_directory(target);
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_bytes())
        {
            let _ = remove_leftover(&entry.path());
        }
    }
}

/// Removes a temporary file, or a temporary directory with all its contents.
///
/// # Errors
/// `Io`, with the path as context.
pub(super) fn remove(path: &Path) -> Result<()> {
    remove_at(path)
        .during("remove")
        .at(|| path.to_string_lossy().into_owned())
}

fn remove_at(path: &Path) -> Result<(), Errno> {
    match Held::open(path)? {
        Some(held) => match held.remove() {
            Err(Errno::NOENT) => Ok(()),
            other => other,
        },
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("metadata").permissions().mode() & 0o777
    }

    #[test]
    fn removes_deep_and_unreadable_directories_and_follows_no_links() {
        let directory = tempfile::tempdir().expect("a directory");
        let outside = directory.path().join("outside");
        fs::create_dir_all(outside.join("kept")).expect("directories");
        fs::set_permissions(&outside, PermissionsExt::from_mode(0o705)).expect("a mode");
        let top = directory.path().join(".imgkit-1.x");
        let mut deep = top.clone();
        for _ in 0..600 {
            deep.push("d");
        }
        fs::create_dir_all(&deep).expect("directories");
        fs::write(deep.join("f"), "f").expect("a file");
        fs::create_dir_all(top.join("closed/inner")).expect("directories");
        fs::write(top.join("closed/inner/f"), "f").expect("a file");
        symlink(&outside, top.join("link")).expect("a link");
        symlink(&outside, top.join("closed/link")).expect("a link");
        for name in ["closed/inner", "closed"] {
            fs::set_permissions(top.join(name), PermissionsExt::from_mode(0o0)).expect("a mode");
        }
        assert!(remove_leftover(&top).expect("removed"));
        assert!(!top.exists());
        assert!(outside.join("kept").is_dir());
        assert_eq!(mode(&outside), 0o705);
    }

    #[test]
    fn a_link_named_like_a_leftover_is_not_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let outside = directory.path().join("outside");
        fs::create_dir_all(outside.join("kept")).expect("directories");
        let link = directory.path().join(".imgkit-1.x");
        symlink(&outside, &link).expect("a link");
        let _ = remove_leftover(&link);
        assert!(outside.join("kept").is_dir());
        assert!(!remove_leftover(&directory.path().join(".imgkit-none")).expect("nothing"));
    }
}
