//! Names of blobs in a container.

use crate::spec::Digest;

/// Naming of the blobs in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobNames {
    /// `blobs/sha256/<hex>`, as an OCI layout does.
    Layout,
    /// The bare `<hex>`, as skopeo's `dir:` does.
    Hex,
}

impl BlobNames {
    /// Returns the path of the blob with that digest.
    pub fn path(self, digest: &Digest) -> String {
        match self {
            BlobNames::Layout => digest.blob_path(),
            BlobNames::Hex => digest.encoded().to_owned(),
        }
    }
}
