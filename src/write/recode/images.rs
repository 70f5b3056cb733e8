//! Images of a bundle, changed part by part: config, annotations and layers.
//!
//! Documents are edited in place, so that unknown fields stay; those that are not changed keep their bytes. What points
//! to a changed manifest is pointed to the new one, up to the names. Attestations and other referrers are about the old
//! digest: they are removed from an index, or stay as they are.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::documents::Rewriting;
use super::index_edits::{Edited, IndexEdits, annotations_of, edit_entry, put_annotations};
use super::options::Recode;
use super::rewritten::{Rewritten, attested_digest};
use crate::error::{At, Error, Fault, Result};
use crate::spec::{Digest, Document, ImageConfig, Manifest, NewConfig, Platform, fields, json};
use crate::write::NewLayer;
use crate::write::bundle::Bundle;
use crate::write::listed::{Listed, descriptor_json};
use crate::write::output::{BlobOut, Change, ImageOut, LayerOut, Source};

/// An image to be changed.
#[derive(Debug, Clone)]
pub struct ImageEdit {
    /// The config.
    pub config: NewConfig,
    /// Annotations of the manifest.
    pub annotations: Map<String, Value>,
    /// The layers, from the base upward.
    pub layers: Vec<NewLayer>,
    /// Platform that the config states.
    pub platform: Platform,
    /// True for docker's media types, which have no annotations.
    pub is_docker: bool,
}

/// Parts of an image as they were.
struct Before {
    digest: Digest,
    value: Value,
    config: Digest,
    layers: Vec<Digest>,
    diff_ids: Vec<Digest>,
}

impl Bundle {
    /// Changes each image of the bundle with `change`, and then the documents above it. Returns the digests of referrers
    /// that were removed from an index.
    ///
    /// # Errors
    /// Those of `change`; `Schema`, `Json` and `LayerCount` for invalid documents.
    pub fn edit(
        &mut self,
        edits: &IndexEdits<'_>,
        change: &mut dyn FnMut(&mut ImageEdit) -> Result<()>,
    ) -> Result<Vec<Digest>> {
        let attestations = self.attestations()?;
        let mut manifests = HashMap::new();
        let mut outputs: Vec<(Before, ImageOut)> = Vec::new();
        for digest in self.manifest_digests() {
            if attestations.contains(&digest) {
                continue;
            }
            let opened = self.open_image(&digest).at(|| digest.blob_path())?;
            let Some((before, mut image)) = opened else {
                continue;
            };
            let (config, annotations) = (image.config.clone(), image.annotations.clone());
            change(&mut image)?;
            let mut value = before.value.clone();
            let new = self.put_config(&before, &config, &image);
            if let Some(new) = &new {
                super::edit::point(
                    fields::of_mut(&mut value, "config"),
                    &new.digest,
                    new.size,
                    None,
                );
            }
            let layers: Vec<Digest> = digests(&image.layers);
            if let Value::Object(document) = &mut value {
                if layers != before.layers {
                    let list = image.layers.iter().map(NewLayer::json);
                    fields::set(document, "layers", Value::Array(list.collect()));
                }
                if annotations != image.annotations {
                    put_annotations(document, image.annotations);
                }
            }
            for layer in &image.layers {
                if let Some(content) = &layer.content {
                    let (digest, size) = (&layer.descriptor.digest, layer.descriptor.size);
                    self.push(digest, size, Source::Stored(content.clone()));
                }
            }
            let config = new.map_or_else(|| before.config.clone(), |new| new.digest);
            let layers = image.layers.into_iter().map(|layer| LayerOut {
                descriptor: layer.descriptor,
                diff_id: layer.diff_id,
            });
            let layers = layers.collect();
            manifests.insert(digest, value);
            outputs.push((before, ImageOut { config, layers }));
        }
        let edited = Edited { manifests, edits };
        let rewritten = self.rewrite_documents(&Rewriting {
            recode: &Recode::default(),
            layers: &HashMap::new(),
            configs: &HashMap::new(),
            edited: Some(&edited),
        })?;
        self.forget_unwritten(&rewritten);
        for listed in &mut self.listed {
            relist(listed, &outputs, edits, &rewritten);
        }
        self.keep_reachable()?;
        Ok(rewritten.dropped)
    }

    /// Opens an image for changes; `None` for a manifest that is not an image, or whose config the bundle lacks.
    fn open_image(&self, digest: &Digest) -> Result<Option<(Before, ImageEdit)>> {
        let Some(bytes) = self.document(digest) else {
            return Ok(None);
        };
        let Document::Manifest(manifest) = Document::parse_known(&bytes)? else {
            return Ok(None);
        };
        let is_layer = |layer: &crate::spec::Descriptor| layer.media_type.layer_kind().is_some();
        if !self.is_image(&manifest) || !manifest.layers.iter().all(is_layer) {
            return Ok(None);
        }
        let config = manifest.config.as_ref();
        let config = config.and_then(|config| Some((config, self.document(&config.digest)?)));
        let Some((config, config_bytes)) = config else {
            return Ok(None);
        };
        let value = json::parse_exact(&bytes)?;
        let parsed = ImageConfig::parse_known(&config_bytes)?;
        let diff_ids = parsed.diff_ids.clone().unwrap_or_default();
        if diff_ids.len() != manifest.layers.len() {
            return Err(Error::new(Fault::LayerCount {
                manifest: manifest.layers.len(),
                config: diff_ids.len(),
            }));
        }
        let image = ImageEdit {
            config: NewConfig::like(&config_bytes)?,
            annotations: annotations_of(&value),
            layers: self.layers_as_new(&manifest, &diff_ids, &value),
            platform: parsed.platform,
            is_docker: manifest.media_type.is_docker(),
        };
        let before = Before {
            digest: digest.clone(),
            value,
            config: config.digest.clone(),
            layers: digests(&image.layers),
            diff_ids,
        };
        Ok(Some((before, image)))
    }

    fn layers_as_new(
        &self,
        manifest: &Manifest,
        diff_ids: &[Digest],
        value: &Value,
    ) -> Vec<NewLayer> {
        let stated = fields::of(value, "layers").and_then(Value::as_array);
        let pairs = manifest.layers.iter().zip(diff_ids).enumerate();
        let layer = pairs.map(|(i, (descriptor, diff_id))| {
            let stated = stated.and_then(|list| list.get(i)).cloned();
            NewLayer::of_bundle(
                descriptor.clone(),
                diff_id.clone(),
                self.blob(&descriptor.digest),
                stated.unwrap_or_default(),
            )
        });
        layer.collect()
    }

    /// Adds the config of an image if it has changed.
    fn put_config(
        &mut self,
        before: &Before,
        config: &NewConfig,
        image: &ImageEdit,
    ) -> Option<BlobOut> {
        let mut new = image.config.clone();
        let diff_ids: Vec<&Digest> = image.layers.iter().map(|layer| &layer.diff_id).collect();
        if !diff_ids.iter().copied().eq(&before.diff_ids) {
            new.set_layers(diff_ids);
        }
        if new == *config {
            return None;
        }
        let blob = BlobOut::document(new.bytes().into());
        self.push(&blob.digest, blob.size, blob.source.clone());
        self.changes.push(Change {
            what: "image",
            old: Some(before.config.to_string()),
            new: blob.digest.to_string(),
            why: "edited",
        });
        Some(blob)
    }

    /// The attestations that indexes list.
    fn attestations(&self) -> Result<HashSet<Digest>> {
        let mut found = HashSet::new();
        for digest in self.manifest_digests() {
            let Some(bytes) = self.document(&digest) else {
                continue;
            };
            if let Document::Index(index) = Document::parse_known(&bytes)? {
                let children = index.manifests.into_iter();
                let attestations = children.filter(|child| attested_digest(child).is_some());
                found.extend(attestations.map(|child| child.digest));
            }
        }
        Ok(found)
    }

    /// Takes manifests that were made for images without one out of the changes, if they were edited before anything was
    /// written: the edited ones are the new ones.
    fn forget_unwritten(&mut self, rewritten: &Rewritten) {
        let edited: HashSet<String> = rewritten
            .descriptors
            .keys()
            .map(Digest::to_string)
            .collect();
        let is_unwritten = |change: &Change| change.old.is_none() && edited.contains(&change.new);
        let changes = std::mem::take(&mut self.changes).into_iter();
        let (unwritten, mut changes): (Vec<Change>, Vec<Change>) = changes.partition(is_unwritten);
        for change in &mut changes {
            let made = unwritten
                .iter()
                .find(|made| change.old.as_ref() == Some(&made.new));
            if let Some(made) = made {
                (change.old, change.why) = (None, made.why);
            }
        }
        self.changes = changes;
    }

    /// Removes the blobs that no entry leads to any more.
    fn keep_reachable(&mut self) -> Result<()> {
        let mut seen: HashSet<Digest> = HashSet::new();
        let listed = self.listed.iter();
        let mut work: Vec<Digest> = listed.map(|one| one.descriptor.digest.clone()).collect();
        while let Some(digest) = work.pop() {
            if !seen.insert(digest.clone()) || !self.is_manifest(&digest) {
                continue;
            }
            let Some(bytes) = self.document(&digest) else {
                continue;
            };
            match Document::parse_known(&bytes).at(|| digest.blob_path())? {
                Document::Manifest(manifest) => {
                    let below = manifest.config.into_iter().chain(manifest.layers);
                    work.extend(below.map(|below| below.digest));
                }
                Document::Index(index) => {
                    work.extend(index.manifests.into_iter().map(|child| child.digest));
                }
                Document::Schema1(_) => {}
            }
        }
        let listed = std::mem::take(&mut self.listed);
        *self = self.part(listed, &seen);
        Ok(())
    }
}

/// Points an entry of the output to the new documents.
fn relist(
    listed: &mut Listed,
    outputs: &[(Before, ImageOut)],
    edits: &IndexEdits<'_>,
    rewritten: &Rewritten,
) {
    let old = listed.descriptor.digest.clone();
    if outputs.iter().any(|(before, _)| before.digest == old) {
        listed.edit_stated(|entry| edit_entry(entry, edits));
        if let (Some(platform), Some(_)) = (edits.platform, &listed.descriptor.platform) {
            listed.descriptor.platform = Some(platform.clone());
        }
    }
    if let Some(image) = &mut listed.image {
        let is_same = |before: &Before| {
            let layers = image.layers.iter().map(|layer| &layer.descriptor.digest);
            before.config == image.config && layers.eq(&before.layers)
        };
        let new = outputs.iter().find(|(before, _)| is_same(before));
        if let Some((_, new)) = new {
            *image = new.clone();
        }
    }
    if let Some(new) = rewritten.descriptors.get(&old) {
        listed.descriptor.digest = new.digest.clone();
        listed.descriptor.size = new.size;
        listed.descriptor.media_type = new.media_type.clone();
    }
}

fn digests(layers: &[NewLayer]) -> Vec<Digest> {
    let layers = layers.iter();
    layers
        .map(|layer| layer.descriptor.digest.clone())
        .collect()
}

impl Listed {
    /// Edits the entry of the source's `index.json` with each name, and without one.
    fn edit_stated(&mut self, edit: impl Fn(&mut Map<String, Value>)) {
        let mut stated = match &self.stated {
            Some(stated) => Map::clone(stated),
            None => descriptor_json(&self.descriptor),
        };
        let before = stated.clone();
        edit(&mut stated);
        if stated == before {
            return;
        }
        self.stated = Some(stated.into());
        let named = self.names.iter_mut();
        for stated in named.filter_map(|name| name.stated.as_mut()) {
            let mut entry = Map::clone(stated);
            edit(&mut entry);
            *stated = entry.into();
        }
    }
}
