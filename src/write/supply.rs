//! Blobs that manifests list and the inputs of a bundle lack, and blobs that its output leaves out.
//!
//! An archive for a reader that has some of the blobs lacks them. It is written by [`Bundle::omit`], and completed by
//! [`Bundle::supply`].

use std::collections::{BTreeMap, HashSet};

use super::bundle::Bundle;
use super::output::{BlobOut, Source};
use crate::archive::Content;
use crate::error::{Error, Result};
use crate::limits::DecodeLimits;
use crate::spec::{Descriptor, Digest, Document, ImageConfig, Manifest};

/// A blob that a manifest lists, other than a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Size in bytes, as the manifest states it.
    pub size: u64,
    /// Digest of the uncompressed tar, for a layer of an image.
    pub diff_id: Option<Digest>,
    /// True if a manifest lists it as its config.
    pub is_config: bool,
    /// True if it may be missing in any archive, see [`Descriptor::may_be_absent`].
    pub may_be_absent: bool,
}

impl Bundle {
    /// Allows a blob to be missing in the archives that are added: with content it is added all the same, without
    /// content the reader of the output has to have it. To be called before the images are added.
    pub fn supply(&mut self, digest: Digest, content: Option<Content>) {
        self.supplies.insert(digest, content);
    }

    /// Returns the digests and sizes in bytes of the blobs that were supplied without content and are needed.
    pub fn required(&self) -> impl Iterator<Item = (&Digest, u64)> {
        self.required.iter().map(|(digest, size)| (digest, *size))
    }

    /// Has blobs written to a layout in place of those that it has, which are damaged.
    pub fn replace_stored(&mut self, digests: impl IntoIterator<Item = Digest>) {
        self.replaced.extend(digests);
    }

    /// Tests if a blob may be missing in the archives that are added.
    pub(super) fn is_supplied(&self, digest: &Digest) -> bool {
        self.supplies.contains_key(digest)
    }

    /// Adds a blob that an archive lacks, if it was supplied. `diff_id` is that of a layer.
    ///
    /// # Errors
    /// `SizeMismatch`.
    pub(super) fn add_supplied(
        &mut self,
        descriptor: &Descriptor,
        diff_id: Option<&Digest>,
        limits: DecodeLimits,
    ) -> Result<()> {
        let Descriptor { digest, size, .. } = descriptor;
        match self.supplies.get(digest).cloned() {
            None => {}
            Some(None) if self.blob(digest).is_some() => {}
            Some(None) => {
                self.required.insert(digest.clone(), *size);
            }
            Some(Some(content)) => {
                if content.len() != *size {
                    return Err(Error::size_mismatch(*size, content.len()).at(digest.blob_path()));
                }
                self.push(digest, *size, Source::Stored(content));
                if let Some(diff_id) = diff_id {
                    self.state(digest, diff_id, limits);
                }
            }
        }
        Ok(())
    }

    /// Adds a blob that no manifest of the bundle need list.
    pub fn add_blob(&mut self, digest: &Digest, content: Content) {
        self.push(digest, content.len(), Source::Stored(content));
    }

    /// Removes blobs from the output. Documents that list them stay as they are.
    pub fn omit(&mut self, digests: &HashSet<Digest>) {
        self.blobs.retain(|blob| !digests.contains(&blob.digest));
        let positions = self.blobs.iter().map(|blob| blob.digest.clone()).zip(0..);
        self.by_digest = positions.collect();
    }

    /// Leaves out blobs that the store already has, because they come from there. It must still have them when the bundle
    /// is added.
    pub fn leave(&mut self, digests: &HashSet<Digest>) {
        let left = self.blobs.iter();
        let left = left.filter(|blob| !blob.is_document() && digests.contains(&blob.digest));
        let left: Vec<(Digest, u64)> = left.map(|blob| (blob.digest.clone(), blob.size)).collect();
        self.omit(&left.iter().map(|(digest, _)| digest.clone()).collect());
        self.required.extend(left);
    }

    /// Returns the blobs other than manifests that the manifests of the bundle list, present or not, by digest.
    ///
    /// # Errors
    /// `Json` and `Schema` for an invalid document; `SizeMismatch` for a blob that is listed with two sizes.
    pub fn parts(&self) -> Result<BTreeMap<Digest, Part>> {
        let mut parts = BTreeMap::new();
        for digest in self.manifest_digests() {
            let Some(bytes) = self.document(&digest) else {
                continue;
            };
            let Document::Manifest(manifest) = Document::parse_known(&bytes)? else {
                continue;
            };
            let diff_ids = self.diff_ids(&manifest)?;
            if let Some(config) = &manifest.config {
                add(&mut parts, config, None, true)?;
            }
            for (i, layer) in manifest.layers.iter().enumerate() {
                let diff_id = diff_ids
                    .get(i)
                    .filter(|_| layer.media_type.layer_kind().is_some());
                add(&mut parts, layer, diff_id, false)?;
            }
        }
        Ok(parts)
    }

    /// Diff IDs in the config of a manifest; none if it is no image or the config is missing.
    fn diff_ids(&self, manifest: &Manifest) -> Result<Vec<Digest>> {
        let config = manifest.config.as_ref();
        let config = config.filter(|config| config.media_type.is_image_config());
        let Some(bytes) = config.and_then(|config| self.document(&config.digest)) else {
            return Ok(Vec::new());
        };
        let diff_ids = ImageConfig::parse_known(&bytes)?.diff_ids;
        let diff_ids = diff_ids.filter(|ids| ids.len() == manifest.layers.len());
        Ok(diff_ids.unwrap_or_default())
    }
}

fn add(
    parts: &mut BTreeMap<Digest, Part>,
    descriptor: &Descriptor,
    diff_id: Option<&Digest>,
    is_config: bool,
) -> Result<()> {
    let part = parts.entry(descriptor.digest.clone()).or_insert(Part {
        size: descriptor.size,
        diff_id: None,
        is_config: false,
        may_be_absent: true,
    });
    if part.size != descriptor.size {
        let error = Error::size_mismatch(part.size, descriptor.size);
        return Err(error.at(descriptor.digest.blob_path()));
    }
    if part.diff_id.is_none() {
        part.diff_id = diff_id.cloned();
    }
    part.is_config |= is_config;
    part.may_be_absent &= descriptor.may_be_absent();
    Ok(())
}

impl BlobOut {
    /// Tests if the blob is a document in memory.
    pub fn is_document(&self) -> bool {
        matches!(self.source, Source::Document(_))
    }
}
