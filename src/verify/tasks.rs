//! Runs of bytes to read, each once, with everything that documents state of them.

use std::collections::HashMap;

use super::agree::item_images;
use super::bundle;
use super::finding::{Found, Severity};
use super::labels::Labels;
use super::references::{path, place};
use super::report::{Key, key};
use crate::archive::{Archive, Content, Format, ImageIdx, NodeKind};
use crate::bundle::Record;
use crate::spec::{Descriptor, Digest, LayerKind, MediaType};

/// One run of bytes to read, with everything that documents state of it.
pub(super) struct Task<'a> {
    pub place: String,
    pub content: Content,
    /// Digest in its name.
    pub digest: Option<Digest>,
    pub descriptors: Vec<&'a Descriptor>,
    /// First image and layer that use it, for the order of the findings; other blobs come last.
    pub order: (ImageIdx, usize),
    /// Layers of images that use it.
    pub claims: Vec<Claim<'a>>,
    /// Number of equal claims; only the first ones are kept.
    claimed: HashMap<(Option<&'a Digest>, &'a str), usize>,
}

/// Statements of one image about a layer.
pub(super) struct Claim<'a> {
    pub diff_id: Option<&'a Digest>,
    pub media_type: Option<&'a MediaType>,
    /// Context of the statement, and the member.
    pub places: Vec<String>,
    /// Meaning of a different diff ID.
    pub mismatch: Mismatch,
}

/// Meaning of a different diff ID.
#[derive(Clone, Copy)]
pub(super) enum Mismatch {
    /// The layer is damaged.
    Damage,
    /// An item of `manifest.json` lists other layers than the image in `index.json`.
    Halves,
    /// Two items of `manifest.json` list other layers for one config.
    Items,
}

/// The most images that are reported for equal claims.
const SAME_CLAIMS: usize = 16;

impl<'a> Task<'a> {
    fn claim(&mut self, claim: Claim<'a>) {
        let media_type = claim.media_type.map_or("", MediaType::as_str);
        let count = self.claimed.entry((claim.diff_id, media_type)).or_default();
        *count += 1;
        if *count <= SAME_CLAIMS {
            self.claims.push(claim);
        }
    }

    /// Context for findings: the first layer that uses it, and its member.
    pub fn places(&self) -> Vec<String> {
        self.claims
            .first()
            .map_or_else(|| vec![self.place.clone()], |claim| claim.places.clone())
    }

    /// Stated digests of the stored bytes, one for each algorithm.
    pub fn algorithms(&self) -> Vec<&Digest> {
        let stated = self.descriptors.iter().map(|descriptor| &descriptor.digest);
        let mut kept: Vec<&Digest> = Vec::new();
        for digest in stated.chain(&self.digest) {
            if kept.iter().all(|k| k.algorithm() != digest.algorithm()) {
                kept.push(digest);
            }
        }
        kept
    }
}

impl Claim<'_> {
    pub fn layer_kind(&self) -> Option<LayerKind> {
        self.media_type?.layer_kind()
    }

    /// Tests if the layer is stated to be a tar that is not encrypted.
    pub fn is_tar(&self) -> bool {
        self.media_type.is_none_or(MediaType::is_layer)
            && self.layer_kind() != Some(LayerKind::Encrypted)
    }
}

/// Tasks, without repetition.
pub(super) struct Tasks<'a> {
    pub list: Vec<Task<'a>>,
    pub by_key: HashMap<Key, usize>,
}

impl<'a> Tasks<'a> {
    fn add(&mut self, archive: &Archive, member: &str, content: &Content) -> &mut Task<'a> {
        let position = *self.by_key.entry(key(content)).or_insert_with(|| {
            self.list.push(Task {
                place: place(archive, member),
                content: content.clone(),
                digest: None,
                descriptors: Vec::new(),
                order: (usize::MAX.into(), 0),
                claims: Vec::new(),
                claimed: HashMap::new(),
            });
            self.list.len() - 1
        });
        &mut self.list[position]
    }

    /// Adds the layers of all images.
    pub fn layers(&mut self, archive: &'a Archive, labels: &Labels) {
        for (i, image) in archive.images.iter_enumerated() {
            for (n, layer) in image.layers.iter().enumerate() {
                let Some(content) = layer.content() else {
                    continue;
                };
                let task = self.add(archive, &layer.member, content);
                task.descriptors.extend(&layer.descriptor);
                task.order = task.order.min((i, n));
                let places = vec![labels.layer(archive, i, n), task.place.clone()];
                task.claim(Claim {
                    diff_id: layer.diff_id.as_ref(),
                    media_type: layer.media_type(),
                    places,
                    mismatch: Mismatch::Damage,
                });
            }
        }
    }

    /// Adds the layers that `manifest.json` lists for images that were found before: in `index.json`, or in an
    /// earlier item.
    pub fn items(&mut self, archive: &'a Archive, found: &mut Found) {
        let Some(docker) = &archive.docker else {
            return;
        };
        let images = item_images(archive);
        for (i, item) in docker.items.iter().enumerate() {
            let Some(&position) = images.get(&i) else {
                continue;
            };
            let image = &archive.images[position];
            if image.manifest.is_none() && image.item == Some(i) {
                continue;
            }
            let mismatch = match image.manifest {
                Some(_) => Mismatch::Halves,
                None => Mismatch::Items,
            };
            let place = format!("manifest.json[{i}]");
            if item.layers.len() != image.layers.len() {
                let (a, b) = (item.layers.len(), image.layers.len());
                let (code, message) = match mismatch {
                    Mismatch::Halves => (
                        "halves-disagree",
                        format!("manifest.json lists {a} layers, the manifest in index.json {b}"),
                    ),
                    _ => (
                        "ambiguous",
                        format!("{a} layers are listed for a config that has {b} elsewhere"),
                    ),
                };
                found.add(Severity::Error, code, place.as_str(), message);
            }
            let ids = image.config.diff_ids.as_deref().unwrap_or_default();
            let sources: HashMap<&Digest, &'a Descriptor> = item
                .layer_sources
                .iter()
                .map(|(id, source)| (id, source))
                .collect();
            for (n, member) in item.layers.iter().enumerate() {
                let known = image.layers.get(n).is_some_and(|layer| {
                    layer.member.trim_start_matches("./") == member.trim_start_matches("./")
                });
                let diff_id = ids.get(n);
                let source = diff_id.and_then(|id| sources.get(id).copied());
                let number = format!("layer {} of {}", n + 1, item.layers.len());
                let places = vec![place.clone(), number, member.clone()];
                match archive.container.get(member) {
                    Ok(Some(content)) => {
                        let task = self.add(archive, member, &content);
                        let meant = |source: &&Descriptor| path(archive, &source.digest) == *member;
                        task.descriptors.extend(source.filter(meant));
                        task.order = task.order.min((position, n));
                        if !task.claims.iter().any(|claim| claim.diff_id == diff_id) {
                            task.claim(Claim {
                                diff_id,
                                media_type: None,
                                places,
                                mismatch,
                            });
                        }
                    }
                    Ok(None) if known || source.is_some_and(Descriptor::may_be_absent) => {}
                    Ok(None) => found.within(
                        Severity::Error,
                        "member-absent",
                        &places,
                        "the member is not in the archive",
                    ),
                    Err(_) if known => {}
                    Err(error) => found.error_within(&error, &places),
                }
            }
        }
    }

    /// Adds every blob by its name. Documents were checked when they were opened; those in blobs are read again.
    pub fn blobs(&mut self, archive: &'a Archive, names: &[String], found: &mut Found) {
        for name in names {
            let digest = match archive.format {
                Format::Dir => Digest::from_hex("sha256", name).ok(),
                _ => Digest::from_blob_path(name),
            };
            let Some(digest) = digest else { continue };
            match archive.container.get(name) {
                Ok(Some(content)) => self.add(archive, name, &content).digest = Some(digest),
                Ok(None) => {}
                Err(error) => found.error(&error),
            }
        }
    }

    /// Adds the descriptors of blobs that are not layers, from manifests and indexes. A bundle may omit them.
    pub fn stated(&mut self, archive: &'a Archive, record: Option<&Record>, found: &mut Found) {
        let by_digest: HashMap<Digest, usize> = self
            .list
            .iter()
            .enumerate()
            .filter_map(|(i, task)| Some((task.digest.clone()?, i)))
            .collect();
        for edge in super::agree::edges(archive) {
            let first = &archive.nodes[edge.node].descriptor;
            match by_digest.get(&edge.descriptor.digest) {
                Some(&task) => self.list[task].descriptors.push(&edge.descriptor),
                None if edge.descriptor.size != first.size => {
                    let (a, b) = (first.size, edge.descriptor.size);
                    let place = format!("manifest {}", first.digest.short());
                    let message = format!("its descriptors state {a} bytes and {b} bytes");
                    found.add(Severity::Error, "size-mismatch", place, message);
                }
                None => {}
            }
        }
        for node in &archive.nodes {
            let manifest = match &node.kind {
                NodeKind::Artifact(manifest) | NodeKind::Attestation(manifest) => manifest,
                NodeKind::Image(image) => {
                    let config = archive.images[*image].manifest.as_ref();
                    let config = config.and_then(|manifest| manifest.config.as_ref());
                    if let Some(config) = config
                        && let Some(&task) = by_digest.get(&config.digest)
                    {
                        self.list[task].descriptors.push(config);
                    }
                    continue;
                }
                _ => continue,
            };
            if archive.format == Format::Document {
                continue;
            }
            for descriptor in manifest.layers.iter().chain(&manifest.config) {
                match by_digest.get(&descriptor.digest) {
                    Some(&task) => self.list[task].descriptors.push(descriptor),
                    None if descriptor.data.is_some() || descriptor.may_be_absent() => {}
                    None if bundle::is_omitted(record, descriptor) => {}
                    None => found.add(
                        Severity::Error,
                        "blob-absent",
                        format!("artifact {}", node.descriptor.digest.short()),
                        format!("blob {} is not in the archive", descriptor.digest),
                    ),
                }
            }
        }
    }
}
