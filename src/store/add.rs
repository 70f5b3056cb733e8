//! Images added to a store, and names given to those in it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::index::{Placed, Policy, StoreIndex};
use super::local::Store;
use super::lock::{self, Lock, OCI_LAYOUT};
use crate::blob::Meter;
use crate::error::{At, Fault, Result};
use crate::spec::Digest;
use crate::write::{Bundle, ListedName, layout};

/// What adding a bundle did.
#[derive(Debug, Default)]
pub struct Added {
    /// What became of each name, in the order of the bundle; an untagged image has one item without a name.
    pub placed: Vec<Placed>,
    /// Bytes of blobs that were not there before.
    pub written: u64,
}

impl Store {
    /// Adds a bundle: blobs that are not there, then its names.
    ///
    /// # Errors
    /// `SizeMismatch` and `DigestMismatch` for blobs that are not what they are named by; `Io`. Nothing of the bundle
    /// has a name then, and its blobs are gone again, or orphans if other programs were adding at the same time.
    pub fn add(&self, bundle: &Bundle, policy: Policy, meter: &Meter) -> Result<Added> {
        let place = || self.path.to_string_lossy().into_owned();
        // An index that cannot be read cannot be added to: better to know before there are blobs to take back.
        StoreIndex::read(&self.path).at(place)?;
        self.landing()?;
        let blobs = Lock::shared(&self.path, lock::BLOBS).at(place)?;
        let new = Mutex::default();
        let added = self.add_blobs(bundle, policy, meter, &new);
        if added.is_err() {
            let new = new.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.take_back(blobs, new);
        }
        added
    }

    fn add_blobs(
        &self,
        bundle: &Bundle,
        policy: Policy,
        meter: &Meter,
        new: &Mutex<Vec<Digest>>,
    ) -> Result<Added> {
        let place = || self.path.to_string_lossy().into_owned();
        // With it the folder is known to be a store, also by who comes after a program that is killed now.
        self.found().at(place)?;
        let written = layout::blobs(bundle, &self.path, meter, new);
        let written = written.map_err(|error| match error.fault() {
            Fault::Io { action, .. } if *action != "read" => error.at(place()),
            // What is damaged, or cannot be read, is what was to be added.
            _ => error,
        })?;
        let placed = self
            .change(|index| Ok(index.add(&bundle.listed, policy)))
            .at(place)?;
        Ok(Added { placed, written })
    }

    /// Removes blobs that were added in vain, if nobody else is adding. What cannot be removed stays as orphans.
    fn take_back(&self, blobs: Lock, new: Vec<Digest>) {
        // Whoever adds holds the lock from before it looks which blobs are there, so nobody counts on these.
        let Some(_alone) = blobs.alone() else { return };
        if let Ok(reachable) = self.reachable(&HashSet::new(), true) {
            let orphans = new.into_iter().filter(|digest| !reachable.contains(digest));
            let _ = self.delete(orphans.collect());
        }
    }

    /// Marks the folder as an OCI layout, if it is not yet.
    fn found(&self) -> Result<()> {
        if !self.path.join(OCI_LAYOUT).exists() {
            let _index = Lock::exclusive(&self.path, lock::INDEX)?;
            layout::put(&self.path, OCI_LAYOUT, crate::write::archive::OCI_LAYOUT)?;
        }
        Ok(())
    }

    /// Gives what a name or digest stands for another name. Returns what became of the new name.
    ///
    /// # Errors
    /// `Io`; nothing changes then.
    pub fn tag(&self, target: &Digest, name: &ListedName) -> Result<Placed> {
        let place = || self.path.to_string_lossy().into_owned();
        let _blobs = Lock::shared(&self.path, lock::BLOBS).at(place)?;
        self.change(|index| index.tag(target, name)).at(place)
    }
}
