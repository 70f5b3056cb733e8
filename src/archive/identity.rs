//! Identity of layers as far as it can be checked without hashing: sizes, counts, and the digest of an uncompressed
//! layer, which is its diff ID.
//!
//! A hostile or broken archive could list its layers in another order than its config, state sizes of other blobs, or
//! hold an empty file as a layer. Every reader of a layer calls [`Layer::check_identity`] first; opening an archive
//! checks the documents alone, so that no such image can be selected.

use super::image::{Image, Layer};
use crate::blob::{Compression, Hasher};
use crate::error::{At, Error, Fault, Result};
use crate::layer::Scan;
use crate::spec::{Digest, LayerKind};

/// Size in bytes of the end marker, the smallest tar.
const END_MARKER: u64 = 1024;

impl Layer {
    /// Refuses a layer that provably differs from manifest and config, before it is read. Layers of a stream have been
    /// hashed and are compared in full. Reads at most the first bytes, to detect the compression.
    ///
    /// # Errors
    /// `SizeMismatch`, `DigestMismatch`, `DiffIdMismatch`, `Truncated`; the damage that the scan of a stream found.
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

    /// Refuses a layer that provably differs from manifest and config by its documents alone. The media type of a
    /// compressed layer is trusted; a wrong one is found when the layer is read.
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
        let stated = self.digest().cloned();
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
            Compression::None => Err(Error::diff_id_mismatch(expected, found)),
            _ => Ok(()),
        }
    }

    /// Checks a layer of zero bytes: valid only if its diff ID is that of no bytes, and invalid if compressed.
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
                    return Err(Error::diff_id_mismatch(expected, found));
                }
                match codec {
                    None => Ok(()),
                    Some(codec) => {
                        let why = "the layer is empty".to_owned();
                        Err(Error::codec(codec, why))
                    }
                }
            }
            (None, _) => Err(Error::truncated("the layer", END_MARKER, 0)),
        }
    }

    /// Returns the compression that the media type states.
    fn kind(&self) -> Option<LayerKind> {
        let descriptor = self.descriptor.as_ref()?;
        descriptor.media_type.layer_kind()
    }

    /// Compares the scan of a layer with manifest and config.
    ///
    /// # Errors
    /// The first mismatch.
    pub fn check_scan(&self, scan: &Scan) -> Result<()> {
        if let Some(descriptor) = &self.descriptor {
            check_blob(&descriptor.digest, descriptor.size, scan)?;
        }
        // Damage of the tar does not change its identity; readers of the entries meet it again.
        match (&scan.diff_id, &scan.fault) {
            (Some(found), _) => self.check_diff_id(found),
            (None, Some(fault)) => Err(fault.clone()),
            (None, None) => Ok(()),
        }
    }

    /// Compares the digest of the uncompressed tar with the diff ID. Digests of different algorithms are not compared.
    ///
    /// # Errors
    /// `DiffIdMismatch`.
    pub fn check_diff_id(&self, found: &Digest) -> Result<()> {
        match &self.diff_id {
            Some(expected) if expected != found && expected.algorithm() == found.algorithm() => {
                Err(Error::diff_id_mismatch(expected, found))
            }
            _ => Ok(()),
        }
    }
}

/// Compares the scan of a blob with its stated digest and size.
///
/// # Errors
/// `SizeMismatch`, `DigestMismatch`.
pub fn check_blob(digest: &Digest, size: u64, scan: &Scan) -> Result<()> {
    if scan.size != size {
        return Err(Error::size_mismatch(size, scan.size));
    }
    if scan.digest != *digest {
        let (expected, found) = (digest.to_string(), scan.digest.to_string());
        return Err(Error::digest_mismatch(expected, found));
    }
    Ok(())
}

impl Image {
    /// Checks all layers by the documents alone.
    ///
    /// # Errors
    /// `LayerCount`; as [`Layer::check_identity`], with `layer N of M` and the blob as context.
    pub(super) fn check_layers(&self) -> Result<()> {
        self.check_count()?;
        let count = self.layers.len();
        for (i, layer) in self.layers.iter().enumerate() {
            layer
                .check_documents()
                .at(|| layer.place())
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
