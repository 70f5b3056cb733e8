//! Documents that were rewritten, and what refers to them.

use std::collections::{HashMap, HashSet};

use crate::spec::{Descriptor, Digest, annotations};

/// Rewritten documents, and the referrers of those that changed.
#[derive(Default)]
pub(super) struct Rewritten {
    /// New descriptors by the old digest, with the media type and digest of the new document.
    pub descriptors: HashMap<Digest, Descriptor>,
    /// Digest of each referrer before its own change, and the old digest of its subject.
    pub referrers: Vec<(Digest, Digest)>,
    /// Indexes that lead to an edited image.
    pub above: HashSet<Digest>,
    /// Referrers that were removed from indexes.
    pub dropped: Vec<Digest>,
}

/// The digest that an attestation in an index is about.
pub(super) fn attested_digest(child: &Descriptor) -> Option<Digest> {
    Digest::parse(child.annotation(annotations::REFERENCE_DIGEST)?).ok()
}
