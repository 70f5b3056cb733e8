//! The identity of layers, as far as it shows without hashing: sizes, counts, and the digest of an uncompressed layer,
//! which is its diff ID.
//!
//! A hostile or broken archive could list its layers in another order than its config, state sizes of other blobs, or
//! hold nothing where a layer should be. Everybody who reads a layer asks here first; who opens an archive asks for
//! what its documents alone give away, so that no such image can be selected.

use super::image::{Image, Layer};
use crate::blob::{Compression, Hasher};
use crate::error::{At, Error, Fault, Result};
use crate::layer::Scan;
use crate::spec::{Digest, LayerKind};

/// Bytes of the end marker, the least that a tar has.
const END_MARKER: u64 = 1024;

impl Layer {
    /// Refuses a layer that is known to be another one than manifest and config state, before it is read. What came by on
    /// a stream was hashed then, and is compared in full. Reads at most the first bytes, to tell the compression.
    ///
    /// # Errors
    /// `SizeMismatch`, `DigestMismatch`, `DiffIdMismatch`, `Truncated`; what the pass over a stream found.
    pub fn check_identity(&self) -> Result<()> {
        let Some(content) = self.content() else {
            return Ok(());
        };
        self.check_size()?;
        match content.known().filter(|_| self.is_filesystem()) {
            Some(scan) if !content.is_empty() => self.check_scan(scan),
            _ => self.check_stated(false),
        }
    }

    /// The same by what documents state of it alone. A media type of a compressed layer is believed; one that lies is
    /// noticed when the layer is read.
    ///
    /// # Errors
    /// As [`Layer::check_identity`].
    pub(super) fn check_documents(&self) -> Result<()> {
        self.check_size()?;
        self.check_stated(true)
    }

    fn check_stated(&self, believe_type: bool) -> Result<()> {
        let Some(content) = self.content().filter(|_| self.is_filesystem()) else {
            return Ok(());
        };
        let kind = self.kind();
        if content.is_empty() {
            return self.check_empty(kind);
        }
        let stated = self.descriptor.as_ref().map(|stated| stated.digest.clone());
        let named = || Digest::from_blob_path(&self.member);
        let (Some(found), Some(expected)) = (stated.or_else(named), &self.diff_id) else {
            return Ok(());
        };
        let differs = found.algorithm() == expected.algorithm() && found != *expected;
        let is_compressed = matches!(kind, Some(LayerKind::Gzip | LayerKind::Zstd));
        if !differs || believe_type && is_compressed {
            return Ok(());
        }
        match content.compression()? {
            Compression::None => {
                let (expected, found) = (expected.to_string(), found.to_string());
                Err(Fault::DiffIdMismatch { expected, found }.into())
            }
            _ => Ok(()),
        }
    }

    /// A layer without a byte is one without entries, if its diff ID says so; nothing else is stored in no bytes.
    fn check_empty(&self, kind: Option<LayerKind>) -> Result<()> {
        let codec = match kind {
            Some(LayerKind::Gzip) => Some("gzip"),
            Some(LayerKind::Zstd) => Some("zstd"),
            _ => None,
        };
        match (&self.diff_id, codec) {
            (Some(expected), codec) => {
                let found = Hasher::like(expected)?.finish();
                if found != *expected {
                    let (expected, found) = (expected.to_string(), found.to_string());
                    return Err(Fault::DiffIdMismatch { expected, found }.into());
                }
                match codec {
                    None => Ok(()),
                    Some(codec) => {
                        let why = "the layer has no bytes".to_owned();
                        Err(Fault::Codec { codec, why }.into())
                    }
                }
            }
            (None, _) => Err(Fault::Truncated {
                what: "the layer",
                expected: END_MARKER,
                found: 0,
            }
            .into()),
        }
    }

    /// The compression that the media type names.
    fn kind(&self) -> Option<LayerKind> {
        let descriptor = self.descriptor.as_ref()?;
        descriptor.media_type.layer_kind()
    }

    /// Compares what a pass over the layer found with what manifest and config state.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_scan(&self, scan: &Scan) -> Result<()> {
        if let Some(descriptor) = &self.descriptor {
            check_blob(&descriptor.digest, descriptor.size, scan)?;
        }
        // What stopped the walk of a tar says nothing of its identity: who needs the entries meets it again.
        match (&scan.diff_id, &scan.fault) {
            (Some(found), _) => self.check_diff_id(found),
            (None, Some(fault)) => Err(fault.clone()),
            (None, None) => Ok(()),
        }
    }

    /// Compares the digest of the uncompressed tar with the diff ID. One by another algorithm says nothing.
    ///
    /// # Errors
    /// `DiffIdMismatch`.
    pub fn check_diff_id(&self, found: &Digest) -> Result<()> {
        match &self.diff_id {
            Some(expected) if expected != found && expected.algorithm() == found.algorithm() => {
                let (expected, found) = (expected.to_string(), found.to_string());
                Err(Fault::DiffIdMismatch { expected, found }.into())
            }
            _ => Ok(()),
        }
    }
}

/// Compares a blob with the digest and size that are stated of it.
///
/// # Errors
/// `SizeMismatch`, `DigestMismatch`.
pub fn check_blob(digest: &Digest, size: u64, scan: &Scan) -> Result<()> {
    if scan.size != size {
        return Err(Fault::SizeMismatch {
            expected: size,
            found: scan.size,
        }
        .into());
    }
    if scan.digest != *digest {
        let (expected, found) = (digest.to_string(), scan.digest.to_string());
        return Err(Fault::DigestMismatch { expected, found }.into());
    }
    Ok(())
}

impl Image {
    /// The first layer that the documents give away as another one than the config lists.
    ///
    /// # Errors
    /// `LayerCount`; as [`Layer::check_identity`], placed at `layer N of M` and the blob.
    pub(super) fn check_layers(&self) -> Result<()> {
        self.check_count()?;
        let count = self.layers.len();
        for (i, layer) in self.layers.iter().enumerate() {
            layer
                .check_documents()
                .at(|| layer.member.clone())
                .at(|| format!("layer {} of {count}", i + 1))?;
        }
        Ok(())
    }

    /// Compares the number of layers with the number of diff IDs.
    ///
    /// # Errors
    /// `LayerCount`.
    pub(super) fn check_count(&self) -> Result<()> {
        match self.config.diff_ids.as_ref().map(Vec::len) {
            Some(config) if config != self.layers.len() => Err(Error::new(Fault::LayerCount {
                manifest: self.layers.len(),
                config,
            })),
            _ => Ok(()),
        }
    }
}
