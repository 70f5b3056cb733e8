//! A store: its directory, opening it, and changing its index under the lock.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::founding;
use super::index::StoreIndex;
use super::lock::{self, Lock, OCI_LAYOUT};
use crate::archive::{Archive, Half, Open};
use crate::blob::{is_leftover, sync_directory};
use crate::error::{At, Error, Fault, Result};
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

/// What [`Store::hold`] holds.
pub struct Held(#[expect(dead_code, reason = "it is dropped")] Option<Lock>);

impl Store {
    /// The store in that folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Store { path: path.into() }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses what exists and is no store: a directory of other files, in which nothing is to be written or deleted. One
    /// that is missing or empty becomes a store with the first image.
    ///
    /// # Errors
    /// `NotAStore`; `Io`, also for what is no directory.
    pub fn check(&self) -> Result<()> {
        let place = || self.path.to_string_lossy().into_owned();
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("open", error).at(place())),
        };
        if self.path.join(OCI_LAYOUT).exists() || self.path.join("index.json").exists() {
            return Ok(());
        }
        for entry in entries {
            let name = entry.map_err(|error| Error::io("read", error)).at(place)?;
            let name = name.file_name();
            // A program that was killed before it had made a layout leaves these.
            let is_ours = name
                .to_str()
                .is_some_and(|name| name == "blobs" || is_leftover(name));
            if !is_ours {
                return Err(Error::new(Fault::NotAStore).at(place()));
            }
        }
        Ok(())
    }

    /// Opens it for reading; `None` if it does not exist yet.
    ///
    /// # Errors
    /// As [`Open::path`].
    pub fn open(&self, open: &Open) -> Result<Option<Archive>> {
        // What index.json names is not deleted between its reading and theirs. A layout that nobody here has written to
        // may have nothing to lock.
        let _held = self.hold();
        self.open_locked(open)
    }

    /// Keeps all programs from deleting blobs until it is dropped, for who reads the blobs of all images and is soon
    /// done; programs that delete wait for it. Nothing is held of a store that is not there.
    pub fn hold(&self) -> Held {
        Held(Lock::shared(&self.path, lock::BLOBS).ok())
    }

    /// The same for who holds the lock of the blobs: the system would let it wait for itself.
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

    /// Where blobs are put that come by on a stream, so that they can stay where they are.
    ///
    /// # Errors
    /// `NotAFile` for a link in its place, `Io`.
    pub fn landing(&self) -> Result<PathBuf> {
        let folder = self.path.join("blobs/sha256");
        founding::note(&self.path);
        std::fs::create_dir_all(&folder)
            .map_err(|error| Error::io("create", error).at(folder.to_string_lossy()))?;
        self.has_blobs()?;
        Ok(folder)
    }

    /// Whether it has a folder of blobs. Makes none; what is neither a folder nor nothing is an error.
    pub(super) fn has_blobs(&self) -> Result<bool> {
        let mut is_there = false;
        for folder in ["blobs", "blobs/sha256"] {
            let folder = self.path.join(folder);
            is_there = match folder.symlink_metadata() {
                // Links within a store are not followed where it is read, so nothing goes through one either.
                Ok(found) if found.is_symlink() => Err(Error::new(Fault::NotAFile {
                    kind: "a symbolic link",
                })),
                Ok(found) if found.is_dir() => Ok(true),
                Ok(_) => Err(Error::io("open", ErrorKind::NotADirectory.into())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(Error::io("open", error)),
            }
            .at(|| folder.to_string_lossy().into_owned())?;
        }
        Ok(is_there)
    }

    /// Changes `index.json`: under its lock, from what it says now, as a whole.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut StoreIndex) -> Result<T>) -> Result<T> {
        let _index = Lock::exclusive(&self.path, lock::INDEX)?;
        let mut index = StoreIndex::read(&self.path)?;
        let result = change(&mut index)?;
        if index.changed() {
            if !self.path.join(OCI_LAYOUT).exists() {
                layout::put(&self.path, OCI_LAYOUT, crate::write::archive::OCI_LAYOUT)?;
            }
            layout::put(&self.path, "index.json", &index.bytes())?;
            sync_directory(&self.path)?;
        }
        Ok(result)
    }
}

/// How the store reads its own index: limits are for what strangers made, and what is in a store was let in before.
pub(super) fn own() -> Open {
    Open {
        limits: Limits::of_store(),
        ..Open::default()
    }
}
