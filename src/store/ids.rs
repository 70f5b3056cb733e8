//! Image IDs of manifests and indexes in the store.

use super::local::Store;
use crate::blob::{FileRange, open_regular};
use crate::limits::Limits;
use crate::spec::{Digest, Document, Platform};

impl Store {
    /// Returns the image ID of a manifest or index, as imgls shows it: of several platforms the host's, or the first
    /// present one. Returns the digest itself for an artifact or an unreadable document.
    pub fn image_id(&self, digest: &Digest) -> Digest {
        // Indexes may be nested; more levels than these do not occur.
        let mut at = digest.clone();
        for _ in 0..8 {
            match self.document(&at) {
                Some(Document::Manifest(manifest)) if manifest.is_image() => {
                    return manifest.config.map_or(at, |config| config.digest);
                }
                Some(Document::Index(index)) => {
                    let is_present = |digest: &Digest| self.document(digest).is_some();
                    let mut here = index.manifests.into_iter().filter(|one| {
                        let unknown = one.platform.as_ref().is_some_and(Platform::is_unknown);
                        !unknown && is_present(&one.digest)
                    });
                    let first = here.next();
                    let is_host = |platform: &Platform| platform.satisfies(&Platform::host());
                    let host = first
                        .iter()
                        .cloned()
                        .chain(here)
                        .find(|one| one.platform.as_ref().is_some_and(is_host));
                    match host.or(first) {
                        Some(one) => at = one.digest,
                        None => return digest.clone(),
                    }
                }
                _ => return digest.clone(),
            }
        }
        digest.clone()
    }

    fn document(&self, digest: &Digest) -> Option<Document> {
        let file = open_regular(&self.path().join(digest.blob_path()), false).ok()?;
        let bytes = FileRange::whole(file).ok()?;
        let bytes = bytes.bytes(Limits::of_store().document).ok()?;
        Document::parse_known(&bytes).ok()
    }
}
