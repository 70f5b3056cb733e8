//! A bundle converted and written.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::documents::Rewriting;
use super::edit::is_about_bytes;
use super::layers::{Conversion, ConvertedLayer};
use super::media_type::media_type;
use super::options::Recode;
use super::reproduce;
use crate::blob::{Compression, Meter};
use crate::error::{Error, Fault, Result};
use crate::spec::{Digest, Document, json, texts};
use crate::write::bundle::Bundle;
use crate::write::output::{BlobOut, Change, Source};

impl Bundle {
    /// Converts a bundle and writes it with `write`.
    ///
    /// With `in_place` layers that become uncompressed are decoded straight into the output. Their sizes, which the
    /// layout of the output depends on, are taken from the codec's trailer. If one of them is wrong, `write` is called
    /// a second time, for layers that were decoded before; so `in_place` needs an output that can be written again.
    ///
    /// # Errors
    /// As [`Bundle::recode`], and those of `write`.
    pub fn recoded(
        self,
        recode: &Recode,
        in_place: bool,
        temp_dir: &Path,
        meter: &Meter,
        mut write: impl FnMut(&Bundle) -> Result<()>,
    ) -> Result<Bundle> {
        if in_place && recode.compression == Some(Compression::None) {
            let mut guessed = self.clone();
            guessed.convert(&Conversion {
                recode,
                guess_sizes: true,
                temp_dir,
                meter,
            })?;
            match write(&guessed) {
                Err(error) if guessed.is_wrong_guess(&error) => {}
                result => return result.map(|()| guessed),
            }
        }
        let mut bundle = self;
        bundle.recode(recode, temp_dir, meter)?;
        write(&bundle).map(|()| bundle)
    }

    fn is_wrong_guess(&self, error: &Error) -> bool {
        let guessed = |blob: &BlobOut| matches!(blob.source, Source::Decoded(_));
        matches!(error.fault(), Fault::SizeMismatch { .. }) && self.blobs().iter().any(guessed)
    }

    /// Converts layers and rewrites the documents that point to them. New blobs are anonymous temporary files in
    /// `temp_dir`.
    ///
    /// A layer that has the requested compression is kept, whatever its level. Each layer is verified while it is
    /// recompressed: stored digest, size and diff ID.
    ///
    /// # Errors
    /// `DigestMismatch`, `SizeMismatch`, `DiffIdMismatch`, `Codec`; `Unsupported` for encrypted layers, and for
    /// foreign ones in zstd under Docker's media types, which have no type for them; `Io`.
    pub fn recode(&mut self, recode: &Recode, temp_dir: &Path, meter: &Meter) -> Result<()> {
        self.convert(&Conversion {
            recode,
            guess_sizes: false,
            temp_dir,
            meter,
        })
    }

    fn convert(&mut self, conversion: &Conversion<'_>) -> Result<()> {
        let recode = conversion.recode;
        let layers = self.convert_layers(conversion)?;
        let configs = match recode.reproducible {
            Some(epoch) => self.rewrite_configs(epoch, &layers)?,
            None => HashMap::new(),
        };
        let rewritten = self.rewrite_documents(&Rewriting {
            recode,
            layers: &layers,
            configs: &configs,
            edited: None,
        })?;
        for listed in &mut self.listed {
            if let Some(new) = rewritten.descriptors.get(&listed.descriptor.digest) {
                listed.descriptor.digest = new.digest.clone();
                listed.descriptor.size = new.size;
                listed.descriptor.media_type = new.media_type.clone();
            }
            let Some(image) = &mut listed.image else {
                continue;
            };
            if let Some(new) = configs.get(&image.config) {
                image.config = new.digest.clone();
            }
            for layer in &mut image.layers {
                let new = layers.get(&layer.descriptor.digest);
                layer.descriptor.media_type =
                    media_type(&layer.descriptor.media_type, new, recode)?;
                if let Some(new) = new {
                    layer.descriptor.digest = new.blob.digest.clone();
                    layer.descriptor.size = new.blob.size;
                    layer.diff_id = new.diff_id.clone();
                    let annotations = &mut layer.descriptor.annotations;
                    annotations.retain(|(key, _)| !is_about_bytes(key));
                    let new = new.annotations.iter().cloned();
                    annotations.extend(new.map(|(key, text)| (key.to_owned(), text)));
                }
            }
        }
        Ok(())
    }

    /// Rewrites the configs of images whose layers were rewritten. Returns the new documents by their old digests.
    fn rewrite_configs(
        &mut self,
        epoch: i64,
        layers: &HashMap<Digest, ConvertedLayer>,
    ) -> Result<HashMap<Digest, BlobOut>> {
        let mut configs: HashMap<Digest, BlobOut> = HashMap::new();
        for digest in self.manifest_digests() {
            let Some(bytes) = self.document(&digest) else {
                continue;
            };
            let Document::Manifest(manifest) = Document::parse_known(&bytes)? else {
                continue;
            };
            let config = manifest
                .config
                .as_ref()
                .filter(|_| self.is_image(&manifest));
            let Some(config) = config.filter(|config| !configs.contains_key(&config.digest)) else {
                continue;
            };
            let Some(bytes) = self.document(&config.digest) else {
                continue;
            };
            let mut diff_ids = Vec::with_capacity(manifest.layers.len());
            for layer in &manifest.layers {
                // Attestations have an image's config, but their layers are no filesystems.
                let Some(new) = layers.get(&layer.digest) else {
                    break;
                };
                diff_ids.push(new.diff_id.to_string());
            }
            if diff_ids.len() < manifest.layers.len() {
                continue;
            }
            let mut value: Value = json::parse_exact(&bytes)?;
            reproduce::config(&mut value, &diff_ids, epoch);
            let new = BlobOut::document(texts::bytes(&value).into());
            self.changes.push(Change {
                what: "image",
                old: Some(config.digest.to_string()),
                new: new.digest.to_string(),
                why: "its layers and times changed",
            });
            self.replace(&config.digest, &new);
            configs.insert(config.digest.clone(), new);
        }
        Ok(configs)
    }
}
