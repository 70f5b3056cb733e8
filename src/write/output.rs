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
    /// The config's digest, which is the image's ID.
    pub config: Digest,
    /// The layers, from the base upward.
    pub layers: Vec<LayerOut>,
}

/// One layer of an image on its way.
#[derive(Debug, Clone)]
pub struct LayerOut {
    /// The stored blob.
    pub descriptor: Descriptor,
    /// The digest of the plain tar.
    pub diff_id: Digest,
}

/// One blob on its way.
#[derive(Debug, Clone)]
pub struct BlobOut {
    /// Its digest as it will be stored.
    pub digest: Digest,
    /// Its size as it will be stored.
    pub size: u64,
    /// Where its bytes come from.
    pub source: Source,
    /// What its images state of the layer that it is; `None` for what is no layer, or was read to its end to be made.
    pub stated: Option<LayerIds>,
}

/// Where the bytes of a blob come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// From the input as they are. Digest, size and diff ID are checked while they are copied.
    Stored(Content),
    /// A document.
    Document(Arc<[u8]>),
    /// From the input, decoded on the way. The blob's size is a guess until it is written.
    Decoded(Arc<Stored>),
}

/// A digest that changed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What changed: `layer`, `manifest`, `image`.
    pub what: &'static str,
    /// The digest before; `None` for what was not there.
    pub old: Option<String>,
    /// The digest now.
    pub new: String,
    /// Why.
    pub why: &'static str,
}

impl BlobOut {
    /// A document, under the digest of its bytes.
    pub(super) fn document(bytes: Arc<[u8]>) -> Self {
        BlobOut {
            digest: sha256(&bytes),
            size: bytes.len() as u64,
            source: Source::Document(bytes),
            stated: None,
        }
    }

    /// Whether its bytes will be stored without compression.
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
    Descriptor {
        media_type: MediaType::new(media_type),
        digest: digest.clone(),
        size,
        urls: Vec::new(),
        annotations: Vec::new(),
        data: None,
        artifact_type: None,
        platform: None,
    }
}
