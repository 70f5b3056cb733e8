//! Plans of loading: the images and blobs that would be stored.

use std::collections::HashSet;

use super::load::{LoadOptions, Loaded, bundle, loaded};
use crate::archive::{Archive, Chosen};
use crate::error::Result;
use crate::spec::Digest;
use crate::store::Store;
use crate::write::Bundle;

/// Effect that loading an archive would have.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub images: Vec<Loaded>,
    /// Blobs that would be written.
    pub new: Sum,
    /// Blobs of the images that the store has, or will have after the archives before.
    pub existing: Sum,
    /// Blobs that are missing.
    pub missing: Sum,
}

/// Number and size in bytes of blobs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub blobs: u64,
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.blobs += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Blobs that a store would have.
pub(super) struct Planned<'a> {
    store: &'a Store,
    /// Blobs of the archives before.
    blobs: HashSet<Digest>,
}

impl<'a> Planned<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Planned {
            store,
            blobs: HashSet::new(),
        }
    }

    /// Plans to load the selected images of an archive. The missing blobs of its completion have to be assumed.
    ///
    /// # Errors
    /// As [`load`](super::load::load), as far as no blob is read.
    pub(super) fn images(
        &mut self,
        archive: &Archive,
        chosen: &[Chosen<'_>],
        options: &LoadOptions,
        missing: &[(Digest, u64)],
    ) -> Result<Plan> {
        let (bundle, ids) = bundle(archive, chosen, options)?;
        let placed = self.store.preview(&bundle, options.policy)?;
        let mut plan = self.blobs(&bundle)?;
        plan.images = loaded(placed, &ids, self.store);
        let mut absent: HashSet<&Digest> = HashSet::new();
        for (digest, size) in missing {
            plan.missing.add(*size);
            absent.insert(digest);
        }
        let existing = bundle.required();
        for (_, size) in existing.filter(|(digest, _)| !absent.contains(digest)) {
            plan.existing.add(size);
        }
        Ok(plan)
    }

    /// Plans to store blobs.
    ///
    /// # Errors
    /// As [`Store::blob_size`].
    pub(super) fn blobs(&mut self, bundle: &Bundle) -> Result<Plan> {
        let mut plan = Plan::default();
        for blob in bundle.blobs() {
            let is_here = self.store.blob_size(&blob.digest)? == Some(blob.size);
            match is_here || !self.blobs.insert(blob.digest.clone()) {
                true => plan.existing.add(blob.size),
                false => plan.new.add(blob.size),
            }
        }
        Ok(plan)
    }
}
