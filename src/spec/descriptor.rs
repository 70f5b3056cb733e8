//! Descriptors, the pointers to blobs.

use base64::Engine;

use super::json::{self, Node};
use super::{Digest, MediaType, Platform};
use crate::error::Result;

/// Pointer to a blob (image specification, "Descriptors").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Media type of the blob; empty when not stated.
    pub media_type: MediaType,
    /// Digest of the blob's stored bytes.
    pub digest: Digest,
    /// Stated size in bytes of the blob as stored (maybe compressed); not yet compared with the archive.
    pub size: u64,
    /// URLs of the blob. Listed, never fetched.
    pub urls: Vec<String>,
    /// Annotations, in the order of the document.
    pub annotations: Vec<(String, String)>,
    /// Inline data of the blob. Not yet compared with the digest.
    pub data: Option<Vec<u8>>,
    /// Artifact type of the blob.
    pub artifact_type: Option<String>,
    /// Platform of the image.
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// Returns a descriptor with the required fields alone. `size` is in bytes.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Descriptor {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: Vec::new(),
            data: None,
            artifact_type: None,
            platform: None,
        }
    }

    /// Parses a descriptor.
    ///
    /// # Errors
    /// `Schema` for a missing or invalid field, `BadDigest` for the digest.
    pub fn from_node(node: &Node<'_>) -> Result<Self> {
        let data = match node.field("data")? {
            None => None,
            Some(field) => Some(
                base64::engine::general_purpose::STANDARD
                    .decode(field.text()?)
                    .map_err(|_| field.expected("base64 text"))?,
            ),
        };
        Ok(Descriptor {
            media_type: MediaType::new(json::opt_text(node, "mediaType")?.unwrap_or_default()),
            digest: node.required("digest", "a digest")?.digest()?,
            size: node.required("size", "a size in bytes")?.size()?,
            urls: node
                .field("urls")?
                .map_or(Ok(Vec::new()), |urls| urls.texts())?,
            annotations: node
                .field("annotations")?
                .map_or(Ok(Vec::new()), |map| map.text_map())?,
            data,
            artifact_type: json::opt_text(node, "artifactType")?,
            platform: node
                .field("platform")?
                .map(|platform| Platform::from_node(&platform))
                .transpose()?,
        })
    }

    /// Returns the value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }

    /// Tests if the specification allows the blob to be missing: it is a foreign layer or the empty blob.
    pub fn may_be_absent(&self) -> bool {
        self.media_type.is_foreign() || !self.urls.is_empty() || self.digest.as_str() == EMPTY_JSON
    }
}

/// Digest of `{}`, the blob of the empty descriptor.
const EMPTY_JSON: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
