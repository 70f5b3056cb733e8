//! Images with their names, and each of their blobs once: the content of one output.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::identity::LayerIds;
use super::listed::{Listed, ListedName};
use super::loss::{Holds, Loss};
use super::output::{self, BlobOut, Change, Source};
use super::signatures::Signature;
use crate::archive::{Content, Name};
use crate::error::{Error, Fault, Result};
use crate::limits::DecodeLimits;
use crate::spec::{Descriptor, Digest, Document, ImageConfig, Manifest};

/// Images from archives, to be written as one output.
///
/// Documents pass through untouched. An image without a manifest, from a docker-archive without an OCI half, gets one;
/// the bytes of its config stay, and so does its ID.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    /// Entries of the output's index, in order.
    pub listed: Vec<Listed>,
    pub(super) blobs: Vec<BlobOut>,
    pub(super) by_digest: HashMap<Digest, usize>,
    pub(super) manifests: HashSet<Digest>,
    /// Those of `manifests` that were made for images without one.
    pub(super) new_manifests: HashSet<Digest>,
    /// Further copies of layers that were hashed: their digests and addresses.
    pub(super) copies: HashSet<(Digest, (u64, u64))>,
    /// Changes from the input, with their reasons.
    pub changes: Vec<Change>,
    /// Data that no format can carry.
    pub(super) losses: Vec<Loss>,
    pub(super) signatures: Vec<Signature>,
    /// Blobs that archives may lack, see [`Bundle::supply`].
    pub(super) supplies: HashMap<Digest, Option<Content>>,
    /// Sizes in bytes of needed blobs that the reader of the output has to have.
    pub(super) required: BTreeMap<Digest, u64>,
    /// Blobs that are written although a layout has files of their names.
    pub(super) replaced: HashSet<Digest>,
    /// Further documents of an OCI layout, each with its name.
    pub documents: Vec<(&'static str, Arc<[u8]>)>,
}

impl Bundle {
    /// The blobs, each once, documents before the layers that they point to.
    pub fn blobs(&self) -> &[BlobOut] {
        &self.blobs
    }

    pub(super) fn blobs_mut(&mut self) -> impl Iterator<Item = &mut BlobOut> {
        self.blobs.iter_mut()
    }

    /// Returns the blob with a digest.
    pub fn blob(&self, digest: &Digest) -> Option<&BlobOut> {
        self.by_digest.get(digest).map(|&i| &self.blobs[i])
    }

    /// Digests of manifests and indexes.
    pub(super) fn manifest_digests(&self) -> Vec<Digest> {
        let manifests = self
            .blobs
            .iter()
            .filter(|blob| self.manifests.contains(&blob.digest));
        manifests.map(|blob| blob.digest.clone()).collect()
    }

    /// Returns the descriptor of a manifest or index.
    pub(super) fn descriptor_of(&self, digest: &Digest) -> Descriptor {
        let listed = self
            .listed
            .iter()
            .map(|listed| &listed.descriptor)
            .find(|known| known.digest == *digest);
        listed
            .cloned()
            .unwrap_or_else(|| output::descriptor("", digest, 0))
    }

    /// Tests if a manifest was made for an image without one, so that no digest of it is known to anybody.
    pub fn has_new_manifests(&self) -> bool {
        !self.new_manifests.is_empty()
    }

    /// The layers of all images, also of platforms below an index, each with its diff ID.
    ///
    /// # Errors
    /// `Schema` and `LayerCount` for a config that does not match its manifest.
    pub(super) fn layers(&self) -> Result<Vec<(Descriptor, Digest)>> {
        self.layers_of(self.manifest_digests())
    }

    /// The layers of the images with these manifests, each with its diff ID.
    ///
    /// # Errors
    /// As [`Bundle::layers`].
    pub(super) fn layers_of(
        &self,
        manifests: impl IntoIterator<Item = Digest>,
    ) -> Result<Vec<(Descriptor, Digest)>> {
        let mut layers = Vec::new();
        for digest in manifests {
            let Some(BlobOut {
                source: Source::Document(bytes),
                ..
            }) = self.blob(&digest)
            else {
                continue;
            };
            let Document::Manifest(manifest) = Document::parse_known(bytes)? else {
                continue;
            };
            let config = manifest
                .config
                .as_ref()
                .filter(|_| self.is_image(&manifest))
                .and_then(|config| self.blob(&config.digest));
            let Some(BlobOut {
                source: Source::Document(config),
                ..
            }) = config
            else {
                continue;
            };
            let diff_ids = ImageConfig::parse_known(config)?
                .diff_ids
                .unwrap_or_default();
            // Attestations have an image's config, but their layers are no filesystems.
            let is_image = manifest
                .layers
                .iter()
                .all(|layer| layer.media_type.layer_kind().is_some());
            if is_image && diff_ids.len() != manifest.layers.len() {
                let fault = Fault::LayerCount {
                    manifest: manifest.layers.len(),
                    config: diff_ids.len(),
                };
                return Err(Error::new(fault).at(digest.blob_path()));
            }
            let pairs = manifest
                .layers
                .into_iter()
                .zip(diff_ids)
                .filter(|(layer, _)| layer.media_type.layer_kind().is_some());
            layers.extend(pairs);
        }
        Ok(layers)
    }

    /// Returns true for the manifest of a container image, judged with its config if the bundle has it.
    pub(super) fn is_image(&self, manifest: &Manifest) -> bool {
        let config = || {
            let config = self.blob(&manifest.config.as_ref()?.digest)?;
            match &config.source {
                Source::Document(bytes) => ImageConfig::parse_known(bytes).ok(),
                _ => None,
            }
        };
        manifest.is_image()
            || manifest.media_type.is_docker()
                && config().is_some_and(|config| manifest.is_image_with(Some(&config)))
    }

    pub(super) fn document(&self, digest: &Digest) -> Option<Arc<[u8]>> {
        match &self.blob(digest)?.source {
            Source::Document(bytes) => Some(Arc::clone(bytes)),
            Source::Stored(_) | Source::Decoded(_) => None,
        }
    }

    /// Returns those of the `wanted` blobs that the bundle has, with these entries.
    pub(super) fn part<'a>(
        &self,
        listed: Vec<Listed>,
        wanted: impl IntoIterator<Item = &'a Digest>,
    ) -> Self {
        let found = wanted.into_iter();
        let found: BTreeSet<usize> = found
            .filter_map(|digest| self.by_digest.get(digest).copied())
            .collect();
        let blobs = found
            .into_iter()
            .filter_map(|position| self.blobs.get(position));
        let blobs: Vec<BlobOut> = blobs.cloned().collect();
        let by_digest = blobs.iter().map(|blob| blob.digest.clone()).zip(0..);
        Bundle {
            listed,
            by_digest: by_digest.collect(),
            blobs,
            manifests: self.manifests.clone(),
            new_manifests: self.new_manifests.clone(),
            copies: self.copies.clone(),
            changes: self.changes.clone(),
            losses: self.losses.clone(),
            signatures: self.signatures.clone(),
            supplies: self.supplies.clone(),
            required: self.required.clone(),
            replaced: self.replaced.clone(),
            documents: self.documents.clone(),
        }
    }

    /// Replaces a blob.
    pub(super) fn replace(&mut self, old: &Digest, new: &BlobOut) {
        let Some(position) = self.by_digest.remove(old) else {
            return;
        };
        if self.manifests.remove(old) {
            self.manifests.insert(new.digest.clone());
        }
        if self.by_digest.contains_key(&new.digest) {
            self.blobs.remove(position);
            for other in self
                .by_digest
                .values_mut()
                .filter(|other| **other > position)
            {
                *other -= 1;
            }
            return;
        }
        self.by_digest.insert(new.digest.clone(), position);
        self.blobs[position] = BlobOut {
            stated: None,
            ..new.clone()
        };
    }

    /// Returns true for a manifest or an index, false for a config.
    pub fn is_manifest(&self, digest: &Digest) -> bool {
        self.manifests.contains(digest)
    }

    /// Adds a manifest or index.
    pub(super) fn push_manifest(&mut self, digest: &Digest, bytes: Arc<[u8]>) {
        self.manifests.insert(digest.clone());
        self.push(digest, bytes.len() as u64, Source::Document(bytes));
    }

    pub(super) fn push(&mut self, digest: &Digest, size: u64, source: Source) {
        if !self.by_digest.contains_key(digest) {
            self.by_digest.insert(digest.clone(), self.blobs.len());
            self.blobs.push(BlobOut {
                digest: digest.clone(),
                size,
                source,
                stated: None,
            });
        }
    }

    /// Adds a diff ID to compare with a layer when its bytes are copied.
    pub(super) fn state(&mut self, digest: &Digest, diff_id: &Digest, limits: DecodeLimits) {
        let blob = self
            .by_digest
            .get(digest)
            .and_then(|&i| self.blobs.get_mut(i));
        let Some(blob) = blob else { return };
        let stated = blob.stated.get_or_insert_with(|| LayerIds::new(limits));
        if !stated.diff_ids.contains(diff_id) {
            stated.diff_ids.push(diff_id.clone());
        }
    }

    /// Changes the texts of names for the local store, see [`ListedName::for_store`].
    pub fn name_for_store(&mut self) {
        for listed in &mut self.listed {
            let names = std::mem::take(&mut listed.names);
            listed.names = names.into_iter().map(ListedName::for_store).collect();
        }
    }

    /// Refuses two different images with one name: readers would take the first, the last, or one of each half. Several
    /// platforms may share a name if each states its platform.
    ///
    /// # Errors
    /// `Ambiguous`.
    pub fn check_names(&self) -> Result<()> {
        let mut seen: HashMap<String, &Listed> = HashMap::new();
        for listed in &self.listed {
            for name in &listed.names {
                let key = match &name.name {
                    Name::Full(reference) => reference.clone().tagged().to_string(),
                    Name::Tag(text) | Name::Text(text) => format!(" {text}"),
                };
                let first = *seen.entry(key).or_insert(listed);
                if !first.may_share_name(listed) {
                    return Err(Error::ambiguous(format!(
                        "'{}' is the name of two different images",
                        name.name
                    )));
                }
            }
        }
        Ok(())
    }
    /// The signatures of unchanged manifests.
    /// Refuses several images where a name is given to the only one.
    ///
    /// # Errors
    /// `Usage`.
    pub fn check_only(&self, name: &str) -> Result<()> {
        match self.listed.len() {
            0 | 1 => Ok(()),
            count => {
                let why = format!("--tag {name}: expected one image, found {count}");
                Err(Error::usage(why))
            }
        }
    }

    /// Gives the images named `old` the name `new` instead; false if there is none.
    pub fn rename(&mut self, old: &str, new: &ListedName) -> bool {
        let names = self.listed.iter_mut().flat_map(|one| &mut one.names);
        let mut found = false;
        for name in names.filter(|name| name.name.matches(old)) {
            *name = new.clone();
            found = true;
        }
        found
    }

    pub(super) fn valid_signatures(&self) -> impl Iterator<Item = &Signature> {
        let signatures = self.signatures.iter();
        signatures.filter(|signature| self.blob(&signature.of).is_some())
    }

    /// Data of the input that is lost in a format.
    pub fn losses(&self, holds: Holds) -> Vec<Loss> {
        let mut losses = self.losses.clone();
        for signature in &self.signatures {
            let why = match self.blob(&signature.of) {
                None => "its manifest changed",
                Some(_) if holds == Holds::Signatures => continue,
                Some(_) => "only dir: holds signatures",
            };
            let file = signature.file.clone();
            losses.push(Loss::Signature { file, why });
        }
        if holds == Holds::Images {
            let others = self.listed.iter().filter(|listed| listed.image.is_none());
            losses.extend(others.map(|listed| Loss::NotAnImage {
                digest: listed.descriptor.digest.clone(),
            }));
        }
        losses
    }
}
