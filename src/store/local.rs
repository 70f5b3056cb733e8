//! A store: its directory, opening it, and changing its index under the lock.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::founding;
use super::index::StoreIndex;
use super::lock::{self, INGEST, Lock, OCI_LAYOUT};
use crate::archive::{Archive, Half, Open};
use crate::blob::{is_leftover, sync_directory};
use crate::error::{At, During, Error, Fault, Result};
use crate::limits::Limits;
use crate::write::layout;

/// A store, which need not exist yet.
///
/// ```no_run
/// use imgkit::archive::Open;
/// use imgkit::blob::Meter;
/// use imgkit::store::{Policy, Store};
/// use imgkit::write::{Bundle, ListedName};
///
/// let archive = Open::default().path("app.tar".as_ref())?;
/// let mut bundle = Bundle::default();
/// if let Some(root) = archive.roots.first() {
///     bundle.add(&archive, root, None, vec![ListedName::new("demo:2")?])?;
/// }
/// bundle.name_for_store();
/// let added = Store::at("store").add(&bundle, Policy::NoClobber, &Meter::default())?;
/// println!("{} bytes written", added.written);
/// # Ok::<(), imgkit::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) path: PathBuf,
}

/// Lock of [`Store::hold`], released when it is dropped.
pub struct DeletionLock(#[expect(dead_code, reason = "it is dropped")] Option<Lock>);

impl Store {
    /// A store in a directory.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Store { path: path.into() }
    }

    /// Path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a directory of other files, in which nothing may be written or deleted. A missing or empty one becomes a
    /// store with the first image.
    ///
    /// # Errors
    /// `NotAStore`; `Io`, also for a file that is no directory.
    pub fn check(&self) -> Result<()> {
        let context = || self.path.to_string_lossy().into_owned();
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("open", error).at(context())),
        };
        if self.path.join(OCI_LAYOUT).exists() || self.path.join("index.json").exists() {
            return Ok(());
        }
        for entry in entries {
            let name = entry.during("read").at(context)?;
            let name = name.file_name();
            // Left by programs that were killed before they had created a layout.
            let is_ours = name
                .to_str()
                .is_some_and(|name| matches!(name, "blobs" | INGEST) || is_leftover(name));
            if !is_ours {
                return Err(Error::new(Fault::NotAStore).at(context()));
            }
        }
        Ok(())
    }

    /// Opens the store for reading; `None` if it does not exist yet.
    ///
    /// # Errors
    /// As [`Open::path`].
    pub fn open(&self, open: &Open) -> Result<Option<Archive>> {
        // Keeps blobs in place between reading index.json and reading them. A layout of another program may have no
        // directory to lock.
        let _held = self.hold();
        self.open_locked(open)
    }

    /// Keeps other programs from deleting blobs until the lock is dropped; they wait for it. For short reads of all
    /// images. A missing store is not locked.
    pub fn hold(&self) -> DeletionLock {
        DeletionLock(Lock::shared(&self.path, lock::BLOBS).ok())
    }

    /// Opens the store under a lock of the blobs, which must not be taken twice: the program would wait for itself.
    pub(super) fn open_locked(&self, open: &Open) -> Result<Option<Archive>> {
        if !self.path.join("index.json").exists() {
            return Ok(None);
        }
        Open {
            only: Some(Half::Oci),
            ..open.clone()
        }
        .path(&self.path)
        .map(Some)
    }

    /// Creates and returns the directory for blobs from a stream, which they need not leave later.
    ///
    /// # Errors
    /// `NotAFile` for a symbolic link in its place, `Io`.
    pub fn blob_directory(&self) -> Result<PathBuf> {
        let directory = self.path.join("blobs/sha256");
        founding::record(&self.path);
        std::fs::create_dir_all(&directory)
            .map_err(|error| Error::io("create", error).at(directory.to_string_lossy()))?;
        self.has_blobs()?;
        Ok(directory)
    }

    /// Returns true if the directory of blobs exists; does not create it. A file in its place is an error.
    pub(super) fn has_blobs(&self) -> Result<bool> {
        let mut is_present = false;
        for directory in ["blobs", "blobs/sha256"] {
            let directory = self.path.join(directory);
            is_present = match directory.symlink_metadata() {
                // Links within a store are not followed for reading, so nothing is written through one either.
                Ok(found) if found.is_symlink() => Err(Error::not_a_file("a symbolic link")),
                Ok(found) if found.is_dir() => Ok(true),
                Ok(_) => Err(Error::io("open", ErrorKind::NotADirectory.into())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(Error::io("open", error)),
            }
            .at(|| directory.to_string_lossy().into_owned())?;
        }
        Ok(is_present)
    }

    /// Changes `index.json` under its lock: reads it again and replaces it atomically.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut StoreIndex) -> Result<T>) -> Result<T> {
        let _index = Lock::exclusive(&self.path, lock::INDEX)?;
        let mut index = StoreIndex::read(&self.path)?;
        let result = change(&mut index)?;
        if index.changed() {
            if !self.path.join(OCI_LAYOUT).exists() {
                layout::put(&self.path, OCI_LAYOUT, crate::write::OCI_LAYOUT)?;
            }
            layout::put(&self.path, "index.json", &index.bytes())?;
            sync_directory(&self.path)?;
        }
        Ok(result)
    }
}

/// Options for reading the store's own index: limits protect from foreign input, and the content of a store was
/// accepted before.
pub(super) fn own_options() -> Open {
    Open {
        limits: Limits::of_store(),
        ..Open::default()
    }
}
