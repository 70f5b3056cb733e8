//! Images, layers and blobs of an output, and the sources of their bytes.

use std::sync::Arc;

use super::identity::LayerIds;
use super::stored::Stored;
use crate::archive::Content;
use crate::blob::{Compression, sha256};
use crate::spec::{Descriptor, Digest, MediaType};

/// An image as `manifest.json` describes it.
#[derive(Debug, Clone)]
pub struct ImageOut {
    /// Digest of the config: the image ID.
    pub config: Digest,
    /// The layers, from the base upward.
    pub layers: Vec<LayerOut>,
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub struct LayerOut {
    /// Descriptor of the stored blob.
    pub descriptor: Descriptor,
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
}

/// A blob of the output.
#[derive(Debug, Clone)]
pub struct BlobOut {
    /// Digest of the stored bytes.
    pub digest: Digest,
    /// Size in bytes of the stored bytes.
    pub size: u64,
    /// Source of the bytes.
    pub source: Source,
    /// Diff IDs that configs state for the layer; `None` for other blobs, and for layers that were decoded before in
    /// this run.
    pub stated: Option<LayerIds>,
}

/// Source of a blob's bytes.
#[derive(Debug, Clone)]
pub enum Source {
    /// Bytes of the input, copied. Digest, size and diff ID are verified on the way.
    Stored(Content),
    /// A document in memory.
    Document(Arc<[u8]>),
    /// A compressed layer of the input, decoded while it is copied. The blob's size is a guess until then.
    Decoded(Arc<Stored>),
}

/// A changed digest and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Kind of object: `layer`, `manifest`, `image`.
    pub what: &'static str,
    /// The digest before; `None` for a new object.
    pub old: Option<String>,
    /// The digest in the output.
    pub new: String,
    /// Reason for the change.
    pub why: &'static str,
}

impl BlobOut {
    /// A document, with the digest of its bytes.
    pub(super) fn document(bytes: Arc<[u8]>) -> Self {
        BlobOut {
            digest: sha256(&bytes),
            size: bytes.len() as u64,
            source: Source::Document(bytes),
            stated: None,
        }
    }

    /// Path of the source of the bytes for errors; that of the blob in a layout, if the source is no file of a directory.
    pub(super) fn place(&self) -> String {
        match &self.source {
            Source::Stored(content) => content.place(&self.digest),
            Source::Decoded(stored) => stored.place(),
            Source::Document(_) => self.digest.blob_path(),
        }
    }

    /// Returns true if the bytes are stored without compression.
    pub(super) fn is_uncompressed(&self) -> bool {
        match &self.source {
            Source::Stored(content) => {
                matches!(content.compression(), Ok(Compression::None))
            }
            Source::Document(_) | Source::Decoded(_) => true,
        }
    }
}

pub(super) fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Descriptor {
    Descriptor::new(MediaType::new(media_type), digest.clone(), size)
}
