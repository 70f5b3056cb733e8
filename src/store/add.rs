//! Images added to a store, and names added to its images.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::index::{NameResult, Policy, StoreIndex};
use super::local::Store;
use super::lock::{self, Lock, OCI_LAYOUT};
use crate::blob::Meter;
use crate::error::{At, Error, Fault, Result};
use crate::spec::Digest;
use crate::write::{Bundle, ListedName, layout};

/// Result of adding a bundle.
#[derive(Debug, Default)]
pub struct Added {
    /// Result for each name, in the order of the bundle; one item without a name for an untagged image.
    pub placed: Vec<NameResult>,
    /// Size in bytes of the new blobs.
    pub written: u64,
}

impl Store {
    /// Adds a bundle: its new blobs, then its names.
    ///
    /// # Errors
    /// `SizeMismatch` and `DigestMismatch` for blobs that differ from their descriptors; `BlobMissing` for one that the
    /// bundle expects in the store; `Io`. The bundle then has no
    /// names in the store. Its blobs are removed, or stay as orphans if other programs were adding at the same time.
    pub fn add(&self, bundle: &Bundle, policy: Policy, meter: &Meter) -> Result<Added> {
        let context = || self.path.to_string_lossy().into_owned();
        // An unreadable index cannot be changed: fail before there are blobs to remove.
        StoreIndex::read(&self.path).at(context)?;
        self.blob_directory()?;
        let blobs = Lock::shared(&self.path, lock::BLOBS).at(context)?;
        let new = Mutex::default();
        let added = self.add_blobs(bundle, policy, meter, &new);
        if added.is_err() {
            let new = new.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.remove_new(blobs, new);
        }
        added
    }

    /// Returns the results for the names of a bundle that [`Store::add`] would give now. Nothing is written.
    ///
    /// # Errors
    /// As [`Store::add`] for an unreadable index.
    pub fn preview(&self, bundle: &Bundle, policy: Policy) -> Result<Vec<NameResult>> {
        let index = StoreIndex::read(&self.path);
        let mut index = index.at(|| self.path.to_string_lossy().into_owned())?;
        Ok(index.add(&bundle.listed, policy))
    }

    fn add_blobs(
        &self,
        bundle: &Bundle,
        policy: Policy,
        meter: &Meter,
        new: &Mutex<Vec<Digest>>,
    ) -> Result<Added> {
        let context = || self.path.to_string_lossy().into_owned();
        for (digest, size) in bundle.required() {
            // Another program may have deleted it since it was looked up.
            if self.blob_size(digest)? != Some(size) {
                return Err(Error::blob_missing(digest));
            }
        }
        // Identifies the directory as a store, even if this program is killed now.
        self.mark_as_layout().at(context)?;
        let written = layout::blobs(bundle, &self.path, meter, new);
        let written = written.map_err(|error| match error.fault() {
            Fault::Io { action, .. } if *action != "read" => error.at(context()),
            // The bundle's data is damaged or unreadable, not the store.
            _ => error,
        })?;
        let placed = self
            .change(|index| Ok(index.add(&bundle.listed, policy)))
            .at(context)?;
        Ok(Added { placed, written })
    }

    /// Removes the blobs of a failed operation, unless another program is adding. Blobs that cannot be removed stay as
    /// orphans.
    fn remove_new(&self, blobs: Lock, new: Vec<Digest>) {
        // Programs take the lock before they look for existing blobs, so no other one relies on these.
        let Some(_alone) = blobs.try_upgrade() else {
            return;
        };
        if let Ok(reachable) = self.reachable(&HashSet::new(), true) {
            let orphans = new.into_iter().filter(|digest| !reachable.contains(digest));
            let _ = self.delete(orphans.collect());
        }
    }

    /// Marks the directory as an OCI layout, if it is not yet.
    pub(super) fn mark_as_layout(&self) -> Result<()> {
        if !self.path.join(OCI_LAYOUT).exists() {
            let _index = Lock::exclusive(&self.path, lock::INDEX)?;
            layout::put(&self.path, OCI_LAYOUT, crate::write::OCI_LAYOUT)?;
        }
        Ok(())
    }

    /// Adds a name to an image. Returns the result for the name.
    ///
    /// # Errors
    /// `Io`; nothing changes then.
    pub fn tag(&self, target: &Digest, name: &ListedName) -> Result<NameResult> {
        let context = || self.path.to_string_lossy().into_owned();
        let _blobs = Lock::shared(&self.path, lock::BLOBS).at(context)?;
        self.change(|index| index.tag(target, name)).at(context)
    }
}
