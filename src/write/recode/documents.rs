//! Documents rewritten for new blobs: manifests for layers and configs, indexes for manifests, referrers for subjects.
//! All other fields are kept, unknown ones too.
//!
//! A document is rewritten once, after all that it points to, so its new digest is final. Tags that contain a digest
//! (`sha256-<hex>`, as registries without referrers use them, and `.sig`, `.att`, `.sbom` after it) follow the digest.
//! The contents of a signature stay, and are reported if they are about a digest that changed.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::edit::{annotate, edit, item, point};
use super::index_edits::Edited;
use super::layers::ConvertedLayer;
use super::media_type::media_type;
use super::options::Recode;
use super::rewritten::{Rewritten, attested_digest};
use crate::error::{At, Result};
use crate::spec::{
    Descriptor, Digest, Document, Index, Manifest, MediaType, annotations, fields, json, texts,
};
use crate::write::bundle::Bundle;
use crate::write::media_types::MediaTypes;
use crate::write::output::{BlobOut, Change};

/// New blobs that documents are rewritten for.
pub(super) struct Rewriting<'a> {
    pub recode: &'a Recode,
    /// By the old digest.
    pub layers: &'a HashMap<Digest, ConvertedLayer>,
    /// By the old digest.
    pub configs: &'a HashMap<Digest, BlobOut>,
    /// Images that were edited; referrers of changed manifests are then not redirected.
    pub edited: Option<&'a Edited<'a>>,
}

impl Rewriting<'_> {
    fn is_empty(&self) -> bool {
        self.layers.is_empty()
            && self.configs.is_empty()
            && self.recode.media_types.is_none()
            && !self.recode.prune_sparse
            && self.edited.is_none()
    }
}

/// A document that is being edited.
struct Editing {
    value: Value,
    /// The media type to set, if any.
    media_type: Option<&'static str>,
    /// True if it points to another blob now.
    is_redirected: bool,
    /// True if descriptors of missing manifests were removed.
    is_pruned: bool,
}

impl Bundle {
    /// Rewrites all documents that point to changed blobs, or whose media types are to change.
    ///
    /// # Errors
    /// As [`media_type`]; `Json` and `Schema` for invalid documents.
    pub(super) fn rewrite_documents(&mut self, rewriting: &Rewriting<'_>) -> Result<Rewritten> {
        let mut rewritten = Rewritten::default();
        if rewriting.is_empty() {
            return Ok(rewritten);
        }
        for digest in self.bottom_up()? {
            self.rewrite(&digest, rewriting, &mut rewritten)
                .at(|| digest.blob_path())?;
        }
        self.rename_tags(&mut rewritten);
        self.report_stale_referrers(&mut rewritten);
        Ok(rewritten)
    }

    /// The documents, each after those that it points to. Documents that point to each other in a circle, which takes
    /// a broken digest algorithm, come last.
    fn bottom_up(&self) -> Result<Vec<Digest>> {
        let digests = self.manifest_digests();
        let targets = self.targets(&digests)?;
        let mut above: Vec<Vec<usize>> = vec![Vec::new(); digests.len()];
        let mut waiting: Vec<usize> = Vec::with_capacity(digests.len());
        for (i, targets) in targets.iter().enumerate() {
            waiting.push(targets.len());
            targets.iter().for_each(|&below| above[below].push(i));
        }
        let mut ready: VecDeque<usize> = (0..digests.len()).filter(|&i| waiting[i] == 0).collect();
        let mut order = Vec::with_capacity(digests.len());
        let mut done = vec![false; digests.len()];
        while let Some(i) = ready.pop_front() {
            done[i] = true;
            order.push(digests[i].clone());
            for &next in &above[i] {
                waiting[next] -= 1;
                if waiting[next] == 0 {
                    ready.push_back(next);
                }
            }
        }
        let circles = digests.into_iter().zip(done).filter(|(_, done)| !done);
        order.extend(circles.map(|(digest, _)| digest));
        Ok(order)
    }

    /// The positions of the documents that each document points to, each once.
    fn targets(&self, digests: &[Digest]) -> Result<Vec<Vec<usize>>> {
        let positions: HashMap<&Digest, usize> = digests.iter().zip(0..).collect();
        let mut targets = Vec::with_capacity(digests.len());
        for digest in digests {
            let mut to = Vec::new();
            let mut add = |digest: &Digest| to.extend(positions.get(digest).copied());
            if let Some(bytes) = self.document(digest) {
                match Document::parse_known(&bytes).at(|| digest.blob_path())? {
                    Document::Index(index) => {
                        index.manifests.iter().for_each(|child| {
                            add(&child.digest);
                            if let Some(subject) = attested_digest(child) {
                                add(&subject);
                            }
                        });
                        index
                            .subject
                            .iter()
                            .for_each(|subject| add(&subject.digest));
                    }
                    Document::Manifest(manifest) => {
                        manifest
                            .subject
                            .iter()
                            .for_each(|subject| add(&subject.digest));
                    }
                    Document::Schema1(_) => {}
                }
            }
            to.sort_unstable();
            to.dedup();
            targets.push(to);
        }
        Ok(targets)
    }

    /// Rewrites one document, if it has to be.
    fn rewrite(
        &mut self,
        digest: &Digest,
        rewriting: &Rewriting<'_>,
        rewritten: &mut Rewritten,
    ) -> Result<()> {
        let Some(bytes) = self.document(digest) else {
            return Ok(());
        };
        let before: Value = json::parse_exact(&bytes)?;
        let edited = rewriting
            .edited
            .and_then(|edited| edited.manifests.get(digest));
        let is_redirected = edited.is_some_and(|value| {
            let differs = |name| fields::of(value, name) != fields::of(&before, name);
            differs("config") || differs("layers")
        });
        let mut editing = Editing {
            value: edited.unwrap_or(&before).clone(),
            media_type: None,
            is_redirected,
            is_pruned: false,
        };
        let subject = match Document::from_value(&before)? {
            Document::Manifest(manifest) => {
                // The config may have been rewritten already.
                let config = manifest.config.as_ref();
                let is_image = config
                    .is_some_and(|config| rewriting.configs.contains_key(&config.digest))
                    || self.is_image(&manifest);
                if is_image && edited.is_none() {
                    editing.manifest(&manifest, rewriting)?;
                }
                manifest.subject
            }
            Document::Index(index) => {
                let is_edited = rewriting.edited.is_some();
                editing.index(&index, rewriting.recode, is_edited, rewritten, |digest| {
                    self.blob(digest).is_some()
                });
                if let Some(edited) = rewriting.edited {
                    self.edit_index(digest, &index, edited, &mut editing.value, rewritten);
                }
                index.subject
            }
            Document::Schema1(_) => return Ok(()),
        };
        if rewriting.edited.is_none() {
            editing.subject(digest, subject.as_deref(), rewritten);
        }
        if let (Some(media_type), Value::Object(document)) =
            (editing.media_type, &mut editing.value)
        {
            fields::set(document, "mediaType", media_type.into());
        }
        if editing.value == before {
            return Ok(());
        }
        let media_type = Document::from_value(&editing.value)?
            .media_type()
            .to_owned();
        let new = BlobOut::document(texts::bytes(&editing.value).into());
        let mut descriptor = self.descriptor_of(digest);
        if !media_type.is_empty() {
            descriptor.media_type = MediaType::new(media_type);
        }
        (descriptor.digest, descriptor.size) = (new.digest.clone(), new.size);
        self.changes.push(Change {
            what: "manifest",
            old: Some(digest.to_string()),
            new: new.digest.to_string(),
            why: match (editing.is_redirected, editing.is_pruned) {
                (true, _) => "what it points to changed",
                (false, true) => "missing manifests taken out",
                (false, false) if rewriting.edited.is_some() => "edited",
                (false, false) => "other media types",
            },
        });
        self.replace(digest, &new);
        rewritten.descriptors.insert(digest.clone(), descriptor);
        Ok(())
    }
}

impl Editing {
    /// Points an image's manifest to its new layers and config.
    fn manifest(&mut self, manifest: &Manifest, rewriting: &Rewriting<'_>) -> Result<()> {
        let recode = rewriting.recode;
        for (i, layer) in manifest.layers.iter().enumerate() {
            let new = rewriting.layers.get(&layer.digest);
            let media_type = media_type(&layer.media_type, new, recode)?;
            let blob = new.map(|new| (&new.blob.digest, new.blob.size));
            edit(&mut self.value, "layers", i, blob, &media_type);
            self.is_redirected |= new.is_some();
            if let Some(new) = new {
                annotate(item(&mut self.value, "layers", i), &new.annotations);
            }
        }
        let config = manifest.config.as_ref();
        if let Some(new) = config.and_then(|config| rewriting.configs.get(&config.digest)) {
            let descriptor = fields::of_mut(&mut self.value, "config");
            point(descriptor, &new.digest, new.size, None);
            self.is_redirected = true;
        }
        if let (Some(types), Some(Value::Object(config))) = (
            recode.media_types,
            fields::of_mut(&mut self.value, "config"),
        ) {
            fields::set(config, "mediaType", types.config().into());
        }
        self.media_type = recode.media_types.map(MediaTypes::manifest);
        Ok(())
    }

    /// Points an index to its new manifests; removes missing ones if the options say so.
    fn index(
        &mut self,
        index: &Index,
        recode: &Recode,
        is_edited: bool,
        rewritten: &mut Rewritten,
        is_present: impl Fn(&Digest) -> bool,
    ) {
        for (i, child) in index.manifests.iter().enumerate() {
            if let Some(new) = rewritten.descriptors.get(&child.digest) {
                let media_type = match new.media_type.as_str() {
                    "" => &child.media_type,
                    _ => &new.media_type,
                };
                let blob = Some((&new.digest, new.size));
                edit(&mut self.value, "manifests", i, blob, media_type);
                self.is_redirected = true;
            }
            let old = attested_digest(child).filter(|_| !is_edited);
            let Some(old) = old else {
                continue;
            };
            let Some(new) = rewritten.descriptors.get(&old) else {
                continue;
            };
            let annotations = item(&mut self.value, "manifests", i)
                .and_then(|item| fields::get_mut(item, "annotations"));
            if let Some(Value::Object(map)) = annotations {
                let key = annotations::REFERENCE_DIGEST;
                map.insert(key.into(), new.digest.as_str().into());
            }
            rewritten.referrers.push((child.digest.clone(), old));
        }
        if recode.prune_sparse {
            let is_kept = index.manifests.iter().map(|child| {
                let now = rewritten.descriptors.get(&child.digest);
                let now = now.map_or(&child.digest, |new| &new.digest);
                is_present(now) || child.may_be_absent()
            });
            let mut is_kept = is_kept.collect::<Vec<bool>>().into_iter();
            if let Some(Value::Array(list)) = fields::of_mut(&mut self.value, "manifests") {
                let count = list.len();
                list.retain(|_| is_kept.next().unwrap_or(true));
                self.is_pruned = list.len() < count;
            }
        }
        self.media_type = recode.media_types.map(MediaTypes::index);
    }

    /// Points a referrer to its subject's new manifest.
    fn subject(
        &mut self,
        digest: &Digest,
        subject: Option<&Descriptor>,
        rewritten: &mut Rewritten,
    ) {
        let Some(old) = subject.map(|subject| &subject.digest) else {
            return;
        };
        let Some(new) = rewritten.descriptors.get(old) else {
            return;
        };
        let media_type = Some(new.media_type.as_str()).filter(|text| !text.is_empty());
        let descriptor = fields::of_mut(&mut self.value, "subject");
        point(descriptor, &new.digest, new.size, media_type);
        self.is_redirected = true;
        rewritten.referrers.push((digest.clone(), old.clone()));
    }
}
