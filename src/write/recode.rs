//! Bundles whose layers are to be recompressed, or whose documents are to use other media types.
//!
//! The config's bytes stay, and with them the image's ID and diff IDs. Documents change where what they point to does.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::bundle::{BlobOut, Bundle, Change, Source};
use super::chunked::{Annotations, toc};
use super::repack::Stored;
use super::reproduce;
use super::rewrite::Rewriting;
use crate::archive::Content;
use crate::blob::{Compression, Meter, sha256};
use crate::error::{At, Error, Fault, Result};
use crate::layer::Limits;
use crate::parallel::in_parallel;
use crate::spec::{Descriptor, Digest, Document, LayerKind, MediaType, fields, texts};

/// What is to be otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recode {
    /// How layers are to be packed; as they are without it.
    pub compression: Option<Compression>,
    /// With zstd: in parts that can be fetched one by one, as `zstd:chunked`.
    pub chunked: bool,
    /// The codec's level.
    pub level: Option<i32>,
    /// Whose media types documents are to use; as they are without it.
    pub media_types: Option<MediaTypes>,
    /// Take what is not here out of indexes.
    pub prune_sparse: bool,
    /// Take out of layers and configs what differs from one build to the next; no time is later than this one, in
    /// seconds since 1970.
    pub reproducible: Option<i64>,
    /// What is accepted at most of what is read.
    pub limits: Limits,
}

/// Whose media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaTypes {
    /// The image specification's.
    Oci,
    /// Docker's.
    Docker,
}

impl Bundle {
    /// Recodes a bundle and has it written.
    ///
    /// With `in_place` layers that become plain are decoded straight into the output, which has to be one that can be
    /// begun anew: where they go depends on how large they are, and that is taken from the codec's own trailer. If
    /// one turns out to be of another size, all is done again with layers that are decoded first.
    ///
    /// # Errors
    /// As [`Bundle::recode`], and what `write` gives.
    pub fn recoded(
        self,
        recode: &Recode,
        in_place: bool,
        landing: &Path,
        meter: &Meter,
        mut write: impl FnMut(&Bundle) -> Result<()>,
    ) -> Result<Bundle> {
        let limits = recode.limits;
        if in_place && recode.compression == Some(Compression::None) {
            let mut guessed = self.clone();
            guessed.apply(recode, true, landing, &limits, meter)?;
            match write(&guessed) {
                Err(error) if guessed.is_wrong_guess(&error) => {}
                result => return result.map(|()| guessed),
            }
        }
        let mut bundle = self;
        bundle.recode(recode, landing, &limits, meter)?;
        write(&bundle).map(|()| bundle)
    }

    fn is_wrong_guess(&self, error: &Error) -> bool {
        let guessed = |blob: &BlobOut| matches!(blob.source, Source::Decoded(_));
        matches!(error.fault(), Fault::SizeMismatch { .. }) && self.blobs().iter().any(guessed)
    }

    /// Repacks layers and rewrites what points to them. New blobs are kept in files without a name in `landing`.
    ///
    /// A layer that is packed as asked is left alone, even if another level was asked for. Each layer is verified while
    /// it is repacked: stored digest, size, and diff ID.
    ///
    /// # Errors
    /// `DigestMismatch`, `SizeMismatch`, `DiffIdMismatch`, `Codec`; `Unsupported` for encrypted layers and for
    /// foreign ones in zstd under docker's media types, which have no name for it; `Io`.
    pub fn recode(
        &mut self,
        recode: &Recode,
        landing: &Path,
        limits: &Limits,
        meter: &Meter,
    ) -> Result<()> {
        self.apply(recode, false, landing, limits, meter)
    }

    fn apply(
        &mut self,
        recode: &Recode,
        guess_sizes: bool,
        landing: &Path,
        limits: &Limits,
        meter: &Meter,
    ) -> Result<()> {
        let layers = self.repack(recode, guess_sizes, landing, limits, meter)?;
        let configs = match recode.reproducible {
            Some(epoch) => self.rewrite_configs(epoch, &layers)?,
            None => HashMap::new(),
        };
        let renamed = self.rewrite_documents(&Rewriting {
            recode,
            layers: &layers,
            configs: &configs,
        })?;
        for listed in &mut self.listed {
            if let Some(new) = renamed.get(&listed.descriptor.digest) {
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

    /// Rewrites the configs of images whose layers were rewritten; old digest to new document.
    fn rewrite_configs(
        &mut self,
        epoch: i64,
        layers: &HashMap<Digest, PackedLayer>,
    ) -> Result<HashMap<Digest, Packed>> {
        let mut configs: HashMap<Digest, Packed> = HashMap::new();
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
                // Attestations have the config of an image and layers that are none.
                let Some(new) = layers.get(&layer.digest) else {
                    break;
                };
                diff_ids.push(new.diff_id.to_string());
            }
            if diff_ids.len() < manifest.layers.len() {
                continue;
            }
            let mut value: Value = texts::exact(&bytes)?;
            reproduce::config(&mut value, &diff_ids, epoch);
            let new = Packed::document(texts::bytes(&value).into());
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

    /// Packs the layers that are packed otherwise; old digest to new blob.
    fn repack(
        &mut self,
        recode: &Recode,
        guess_sizes: bool,
        landing: &Path,
        limits: &Limits,
        meter: &Meter,
    ) -> Result<HashMap<Digest, PackedLayer>> {
        let mut packed = HashMap::new();
        if recode.compression.is_none() && recode.reproducible.is_none() {
            return Ok(packed);
        }
        let mut work: Vec<Stored> = Vec::new();
        for (layer, diff_id) in self.layers()? {
            let Some(blob) = self.blob(&layer.digest) else {
                continue;
            };
            let Source::Stored(content) = &blob.source else {
                continue;
            };
            let from = content.compression()?;
            if layer.media_type.layer_kind() == Some(LayerKind::Encrypted) {
                return Err(Fault::Unsupported {
                    what: format!("the encrypted layer {}", layer.digest),
                }
                .into());
            }
            let packed_so = match recode.compression {
                Some(to) => from == to && (!recode.chunked || is_chunked(&layer, content)?),
                None => true,
            };
            let as_it_is = packed_so && recode.reproducible.is_none();
            if !as_it_is && !work.iter().any(|known| known.digest == blob.digest) {
                work.push(Stored {
                    content: content.clone(),
                    digest: blob.digest.clone(),
                    size: blob.size,
                    from,
                    diff_id,
                    limits: *limits,
                });
            }
        }
        work.sort_by_key(|stored| std::cmp::Reverse(stored.size));
        let results = in_parallel(&work, |stored| {
            let to = recode.compression.unwrap_or(match stored.from {
                // What layers are not written in.
                Compression::Bzip2 | Compression::Xz => Compression::Gzip,
                from => from,
            });
            if guess_sizes
                && recode.reproducible.is_none()
                && to == Compression::None
                && let Some(size) = stored.guess()?
            {
                let blob = Packed {
                    digest: stored.diff_id.clone(),
                    size,
                    source: Source::Decoded(Arc::new(stored.clone())),
                };
                return Ok(PackedLayer {
                    blob,
                    diff_id: stored.diff_id.clone(),
                    compression: to,
                    annotations: Vec::new(),
                });
            }
            stored
                .pack(to, recode, landing, meter)
                .at(|| stored.digest.blob_path())
        });
        for (stored, result) in work.into_iter().zip(results) {
            let new = result?;
            let lacks_table = recode.chunked
                && new.compression == Compression::Zstd
                && new.annotations.is_empty();
            let why = match (recode.reproducible, lacks_table) {
                (Some(_), false) => "times and names of owners rewritten",
                (Some(_), true) => {
                    "times and names of owners rewritten, without a table of contents, which could not describe it"
                }
                (None, false) => "packed otherwise",
                (None, true) => {
                    "packed otherwise, without a table of contents, which could not describe it"
                }
            };
            let (old, now) = (stored.digest.to_string(), new.blob.digest.to_string());
            // Packed as here already, but its descriptor did not say so, or there was nothing to say.
            if old != now {
                self.changes.push(Change {
                    what: "layer",
                    old: Some(old),
                    new: now,
                    why,
                });
            }
            self.replace(&stored.digest, &new.blob);
            packed.insert(stored.digest, new);
        }
        Ok(packed)
    }
}

/// A blob that takes the place of another.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    pub digest: Digest,
    pub size: u64,
    pub source: Source,
}

impl Packed {
    pub(super) fn document(bytes: Arc<[u8]>) -> Self {
        Packed {
            digest: sha256(&bytes),
            size: bytes.len() as u64,
            source: Source::Document(bytes),
        }
    }
}

/// A layer that takes the place of another.
#[derive(Debug, Clone)]
pub(super) struct PackedLayer {
    pub blob: Packed,
    /// The digest of its plain tar.
    pub diff_id: Digest,
    pub compression: Compression,
    /// What its descriptor says of its inside.
    pub annotations: Annotations,
}

impl MediaTypes {
    pub(super) fn config(self) -> &'static str {
        match self {
            MediaTypes::Oci => MediaType::OCI_CONFIG,
            MediaTypes::Docker => MediaType::DOCKER_CONFIG,
        }
    }

    pub(super) fn manifest(self) -> &'static str {
        match self {
            MediaTypes::Oci => MediaType::OCI_MANIFEST,
            MediaTypes::Docker => MediaType::DOCKER_MANIFEST,
        }
    }

    pub(super) fn index(self) -> &'static str {
        match self {
            MediaTypes::Oci => MediaType::OCI_INDEX,
            MediaTypes::Docker => MediaType::DOCKER_LIST,
        }
    }
}

/// One item of a list of descriptors.
pub(super) fn item<'a>(
    value: &'a mut Value,
    list: &str,
    i: usize,
) -> Option<&'a mut Map<String, Value>> {
    fields::of_mut(value, list)?.get_mut(i)?.as_object_mut()
}

/// Points one item of a list at another blob.
pub(super) fn edit(
    value: &mut Value,
    list: &str,
    i: usize,
    new: Option<(&Digest, u64)>,
    media_type: &MediaType,
) {
    let Some(item) = item(value, list, i) else {
        return;
    };
    if !media_type.as_str().is_empty() {
        fields::set(item, "mediaType", media_type.as_str().into());
    }
    let Some((digest, size)) = new else { return };
    fields::set(item, "digest", digest.as_str().into());
    fields::set(item, "size", size.into());
    fields::remove(item, "data");
    // A table of contents speaks of the bytes that are gone.
    if let Some(Value::Object(map)) = fields::get_mut(item, "annotations") {
        map.retain(|key, _| !is_about_bytes(key));
        if map.is_empty() {
            fields::remove(item, "annotations");
        }
    }
}

/// Whether an annotation is about how a layer is packed.
fn is_about_bytes(key: &str) -> bool {
    key.contains("zstd-chunked") || key.contains("stargz")
}

/// Adds annotations to a descriptor.
pub(super) fn annotate(item: Option<&mut Map<String, Value>>, annotations: &Annotations) {
    let Some(item) = item.filter(|_| !annotations.is_empty()) else {
        return;
    };
    if fields::get(item, "annotations").is_none_or(Value::is_null) {
        fields::set(item, "annotations", Value::Object(Map::new()));
    }
    if let Some(Value::Object(map)) = fields::get_mut(item, "annotations") {
        for (key, text) in annotations {
            map.insert((*key).into(), text.as_str().into());
        }
    }
}

/// Whether a layer's descriptor and its last bytes agree that it is zstd:chunked, as this program writes it.
fn is_chunked(layer: &Descriptor, content: &Content) -> Result<bool> {
    let stated = [toc::CHECKSUM, toc::POSITION, toc::SPLIT_POSITION];
    let (true, Some(range)) = (
        stated.iter().all(|key| layer.annotation(key).is_some()),
        content.range()?,
    ) else {
        return Ok(false);
    };
    let length = toc::FOOTER as u64;
    let last = range
        .slice(range.len().saturating_sub(length), length)
        .bytes(length)?;
    let Some([at, length, plain, kind, ..]) = toc::footer(&last) else {
        return Ok(false);
    };
    let position = format!("{at}:{length}:{plain}:{kind}");
    Ok(layer.annotation(toc::POSITION) == Some(position.as_str()))
}

/// The media type of a layer that is packed and spoken of as asked.
pub(super) fn media_type(
    old: &MediaType,
    new: Option<&PackedLayer>,
    recode: &Recode,
) -> Result<MediaType> {
    let Some(kind) = old.layer_kind() else {
        return Ok(old.clone());
    };
    if new.is_none() && recode.media_types.is_none() {
        return Ok(old.clone());
    }
    let kind = match new.map(|new| new.compression) {
        Some(Compression::Gzip) => LayerKind::Gzip,
        Some(Compression::Zstd) => LayerKind::Zstd,
        Some(_) => LayerKind::Tar,
        None => kind,
    };
    let docker = match recode.media_types {
        Some(types) => types == MediaTypes::Docker,
        None => old.as_str().contains("docker"),
    };
    let foreign = old.is_foreign();
    let text = match (docker, foreign, kind) {
        (_, _, LayerKind::Encrypted) => return Ok(old.clone()),
        // Nothing that fetches parts of such a layer looks for it under docker's types.
        (true, _, LayerKind::Zstd) if recode.chunked && new.is_some() => {
            let what =
                "zstd:chunked in zstd layers under docker's media types; use --media-types oci"
                    .to_owned();
            return Err(Fault::Unsupported { what }.into());
        }
        // What containerd and BuildKit call it.
        (true, false, LayerKind::Zstd) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
        (true, true, LayerKind::Zstd) => {
            let what = "a foreign layer in zstd under docker's media types".to_owned();
            return Err(Fault::Unsupported { what }.into());
        }
        (true, false, LayerKind::Tar) => "application/vnd.docker.image.rootfs.diff.tar",
        (true, false, LayerKind::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        (true, true, LayerKind::Tar) => "application/vnd.docker.image.rootfs.foreign.diff.tar",
        (true, true, LayerKind::Gzip) => {
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
        }
        (false, false, LayerKind::Tar) => "application/vnd.oci.image.layer.v1.tar",
        (false, false, LayerKind::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
        (false, false, LayerKind::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
        (false, true, LayerKind::Tar) => "application/vnd.oci.image.layer.nondistributable.v1.tar",
        (false, true, LayerKind::Gzip) => {
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        }
        (false, true, LayerKind::Zstd) => {
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
        }
    };
    Ok(MediaType::new(text))
}
