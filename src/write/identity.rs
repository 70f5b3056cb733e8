//! Diff IDs that configs state, and the scans of layers that were decoded to compare them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::archive::Content;
use crate::layer::{Limits, Scan};
use crate::limits::DecodeLimits;
use crate::spec::Digest;

/// Diff IDs that configs state for a blob: one for each algorithm, and all different ones.
#[derive(Debug, Clone)]
pub struct LayerIds {
    /// The diff IDs, each once.
    pub diff_ids: Vec<Digest>,
    /// Limits of decoding.
    pub limits: DecodeLimits,
    /// Collection for the scan of the layer's entries, if it is wanted.
    pub(super) scans: Option<Scans>,
}

/// Scans of layers that were decoded while they were copied. Clones share one collection.
#[derive(Debug, Clone, Default)]
pub struct Scans {
    found: Arc<Mutex<ByAddress>>,
    pub(super) limits: Limits,
}

/// Scans of layers by the address of their stored bytes, see [`Content::address`].
type ByAddress = HashMap<(u64, u64), Arc<Scan>>;

impl Scans {
    /// An empty collection; scans are made within these limits.
    pub(super) fn new(limits: Limits) -> Self {
        Scans {
            limits,
            ..Scans::default()
        }
    }

    /// Returns the scan of a layer, if it was decoded while it was copied.
    pub fn of(&self, content: &Content) -> Option<Arc<Scan>> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&content.address()).cloned()
    }

    /// Adds the scan of the layer at an address.
    pub(super) fn insert(&self, address: (u64, u64), scan: Scan) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(address, Arc::new(scan));
    }
}

impl LayerIds {
    /// No diff IDs yet.
    pub fn new(limits: DecodeLimits) -> Self {
        LayerIds {
            diff_ids: Vec::new(),
            limits,
            scans: None,
        }
    }
}
