//! Bundles whose layers are to be packed otherwise, or whose documents are to speak of other media types.
//!
//! The config's bytes stay, and with them the image's ID and diff IDs. Manifests change where their layers do, then the
//! indexes above them; everything else in those documents is kept, unknown fields too.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::bundle::{BlobOut, Bundle, Change, Source};
use crate::archive::{Content, Kept};
use crate::blob::encode::{decoded, encode};
use crate::blob::{
    Compression, FileRange, Hasher, HashingReader, Meter, NewFile, ReadAhead, sha256,
};
use crate::error::{At, Error, Fault, Result};
use crate::layer::{Limits, Scan};
use crate::parallel::in_parallel;
use crate::spec::{Descriptor, Digest, Document, LayerKind, MediaType, annotations};

/// What is to be otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recode {
    /// How layers are to be packed; as they are without it.
    pub compression: Option<Compression>,
    /// The codec's level.
    pub level: Option<i32>,
    /// Whose media types documents are to use; as they are without it.
    pub media_types: Option<MediaTypes>,
    /// Take what is not here out of indexes.
    pub prune_sparse: bool,
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
    /// Repacks layers and rewrites what points to them. New blobs are kept in files without a name in `landing`.
    ///
    /// A layer that is packed as asked is left alone, even if another level was asked for. Each layer is verified while
    /// it is repacked: stored digest, size, and diff ID.
    ///
    /// # Errors
    /// `DigestMismatch`, `SizeMismatch`, `DiffIdMismatch`, `Codec`; `Unsupported` for encrypted layers and for zstd
    /// under docker's media types, which have no name for it; `Io`.
    pub fn recode(
        &mut self,
        recode: &Recode,
        landing: &Path,
        limits: &Limits,
        meter: &Meter,
    ) -> Result<()> {
        let layers = self.repack(recode, landing, limits, meter)?;
        let mut renamed: HashMap<String, Descriptor> = HashMap::new();
        // Manifests first, then the indexes above them; a document has nothing below it that is not done.
        loop {
            let before = renamed.len();
            for digest in self.manifest_digests() {
                if !renamed.contains_key(digest.as_str()) {
                    self.rewrite(&digest, recode, &layers, &mut renamed)
                        .at(|| digest.blob_path())?;
                }
            }
            if renamed.len() == before {
                break;
            }
        }
        for listed in &mut self.listed {
            if let Some(new) = renamed.get(listed.descriptor.digest.as_str()) {
                listed.descriptor.digest = new.digest.clone();
                listed.descriptor.size = new.size;
                listed.descriptor.media_type = new.media_type.clone();
            }
            for layer in listed.image.iter_mut().flat_map(|image| &mut image.layers) {
                let new = layers.get(&layer.descriptor.digest);
                layer.descriptor.media_type =
                    media_type(&layer.descriptor.media_type, new, recode)?;
                if let Some(new) = new {
                    layer.descriptor.digest = new.digest.clone();
                    layer.descriptor.size = new.size;
                }
            }
        }
        Ok(())
    }

    /// Packs the layers that are packed otherwise; old digest to new blob.
    fn repack(
        &mut self,
        recode: &Recode,
        landing: &Path,
        limits: &Limits,
        meter: &Meter,
    ) -> Result<HashMap<Digest, Packed>> {
        let mut packed = HashMap::new();
        let Some(to) = recode.compression else {
            return Ok(packed);
        };
        let mut work: Vec<(BlobOut, Digest, Compression)> = Vec::new();
        for (layer, diff_id) in self.layers()? {
            let Some(blob) = self.blob(&layer.digest) else {
                continue;
            };
            let Source::Stored(content) = &blob.source else {
                continue;
            };
            let mut head = [0; 8];
            let n = content.head(&mut head)?;
            let from = Compression::sniff(&head[..n]);
            if layer.media_type.layer_kind() == Some(LayerKind::Encrypted) {
                return Err(Fault::Unsupported {
                    what: format!("the encrypted layer {}", layer.digest),
                }
                .into());
            }
            if from != to && !work.iter().any(|(known, ..)| known.digest == blob.digest) {
                work.push((blob.clone(), diff_id, from));
            }
        }
        work.sort_by_key(|(blob, ..)| std::cmp::Reverse(blob.size));
        let results = in_parallel(&work, |(blob, diff_id, from)| {
            pack(
                blob,
                diff_id,
                *from,
                to,
                recode.level,
                landing,
                limits,
                meter,
            )
            .at(|| blob.digest.blob_path())
        });
        for ((blob, ..), result) in work.into_iter().zip(results) {
            let (new, why) = (result?, "packed otherwise");
            let (old, now) = (blob.digest.to_string(), new.digest.to_string());
            self.changes.push(Change {
                what: "layer",
                old: Some(old),
                new: now,
                why,
            });
            self.replace(&blob.digest, &new);
            packed.insert(blob.digest, new);
        }
        Ok(packed)
    }

    /// Rewrites a document if something it points to changed, or if its media types are to change.
    fn rewrite(
        &mut self,
        digest: &Digest,
        recode: &Recode,
        layers: &HashMap<Digest, Packed>,
        renamed: &mut HashMap<String, Descriptor>,
    ) -> Result<()> {
        let Some(BlobOut {
            source: Source::Document(bytes),
            ..
        }) = self.blob(digest)
        else {
            return Ok(());
        };
        let mut value: Value = crate::spec::json::parse(bytes)?;
        let document = Document::from_value(&value)?;
        match document {
            Document::Manifest(manifest) if manifest.is_image() => {
                for (i, layer) in manifest.layers.iter().enumerate() {
                    let new = layers.get(&layer.digest);
                    let kind = media_type(&layer.media_type, new, recode)?;
                    edit(
                        &mut value,
                        "layers",
                        i,
                        new.map(|new| (&new.digest, new.size)),
                        &kind,
                    );
                }
                if let (Some(types), Some(config)) = (recode.media_types, value.get_mut("config")) {
                    config["mediaType"] = types.config().into();
                }
                retype(&mut value, recode.media_types.map(MediaTypes::manifest));
            }
            Document::Index(index) => {
                for (i, child) in index.manifests.iter().enumerate() {
                    let new = renamed.get(child.digest.as_str());
                    let kind = new.map_or(&child.media_type, |new| &new.media_type).clone();
                    edit(
                        &mut value,
                        "manifests",
                        i,
                        new.map(|new| (&new.digest, new.size)),
                        &kind,
                    );
                    let about = child
                        .annotation(annotations::REFERENCE_DIGEST)
                        .and_then(|about| renamed.get(about));
                    if let Some(about) = about {
                        let annotation = value["manifests"][i].get_mut("annotations");
                        if let Some(Value::Object(map)) = annotation {
                            map.insert(
                                annotations::REFERENCE_DIGEST.into(),
                                about.digest.as_str().into(),
                            );
                        }
                    }
                }
                if recode.prune_sparse {
                    let here: Vec<bool> = index
                        .manifests
                        .iter()
                        .map(|child| {
                            let now = renamed
                                .get(child.digest.as_str())
                                .map_or(&child.digest, |new| &new.digest);
                            self.blob(now).is_some() || child.may_be_absent()
                        })
                        .collect();
                    if let Some(Value::Array(list)) = value.get_mut("manifests") {
                        let mut here = here.into_iter();
                        list.retain(|_| here.next().unwrap_or(true));
                    }
                }
                retype(&mut value, recode.media_types.map(MediaTypes::index));
            }
            Document::Manifest(_) | Document::Schema1(_) => return Ok(()),
        }
        let new_bytes: Arc<[u8]> = value.to_string().into_bytes().into();
        let unchanged = crate::spec::json::parse(bytes)? == value;
        if unchanged {
            return Ok(());
        }
        let kind = Document::from_value(&value)?.media_type().to_owned();
        let new = Packed {
            digest: sha256(&new_bytes),
            size: new_bytes.len() as u64,
            source: Source::Document(new_bytes),
        };
        let mut descriptor = self.descriptor_of(digest);
        if !kind.is_empty() {
            descriptor.media_type = MediaType::new(kind);
        }
        (descriptor.digest, descriptor.size) = (new.digest.clone(), new.size);
        let why = "what it points to changed";
        let (old, now) = (digest.to_string(), new.digest.to_string());
        self.changes.push(Change {
            what: "manifest",
            old: Some(old),
            new: now,
            why,
        });
        self.replace(digest, &new);
        renamed.insert(digest.to_string(), descriptor);
        Ok(())
    }
}

/// A blob that takes the place of another.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    pub digest: Digest,
    pub size: u64,
    pub source: Source,
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

    fn index(self) -> &'static str {
        match self {
            MediaTypes::Oci => MediaType::OCI_INDEX,
            MediaTypes::Docker => MediaType::DOCKER_LIST,
        }
    }
}

fn retype(value: &mut Value, to: Option<&'static str>) {
    if let Some(to) = to {
        value["mediaType"] = to.into();
    }
}

/// Points one item of a list at another blob.
fn edit(
    value: &mut Value,
    list: &str,
    i: usize,
    new: Option<(&Digest, u64)>,
    media_type: &MediaType,
) {
    let Some(Value::Object(item)) = value.get_mut(list).and_then(|list| list.get_mut(i)) else {
        return;
    };
    if !media_type.as_str().is_empty() {
        item.insert("mediaType".into(), media_type.as_str().into());
    }
    let Some((digest, size)) = new else { return };
    item.insert("digest".into(), digest.as_str().into());
    item.insert("size".into(), size.into());
    item.shift_remove("data");
    // A table of contents speaks of the bytes that are gone.
    if let Some(Value::Object(map)) = item.get_mut("annotations") {
        map.retain(|key, _| !key.contains("zstd-chunked") && !key.contains("stargz"));
        if map.is_empty() {
            item.shift_remove("annotations");
        }
    }
}

/// The media type of a layer that is packed and spoken of as asked.
fn media_type(old: &MediaType, new: Option<&Packed>, recode: &Recode) -> Result<MediaType> {
    let Some(kind) = old.layer_kind() else {
        return Ok(old.clone());
    };
    let kind = match (new.is_some(), recode.compression) {
        (true, Some(Compression::Gzip)) => LayerKind::Gzip,
        (true, Some(Compression::Zstd)) => LayerKind::Zstd,
        (true, Some(_)) => LayerKind::Tar,
        _ => kind,
    };
    let docker = match recode.media_types {
        Some(types) => types == MediaTypes::Docker,
        None => old.as_str().contains("docker"),
    };
    let foreign = old.is_foreign();
    let text = match (docker, foreign, kind) {
        (_, _, LayerKind::Encrypted) => return Ok(old.clone()),
        (true, _, LayerKind::Zstd) => {
            let what = "zstd layers under docker's media types; use --media-types oci".to_owned();
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

/// Decodes and packs one layer, checking all three digests that are known of it.
#[allow(clippy::too_many_arguments)]
fn pack(
    blob: &BlobOut,
    diff_id: &Digest,
    from: Compression,
    to: Compression,
    level: Option<i32>,
    landing: &Path,
    limits: &Limits,
    meter: &Meter,
) -> Result<Packed> {
    let Source::Stored(content) = &blob.source else {
        return Err(Fault::Gone.into());
    };
    let (sent, result) = std::sync::mpsc::channel();
    let stored = Reporting {
        inner: Some(HashingReader::new(
            meter.counting(content.reader()?),
            Hasher::like(&blob.digest)?,
        )),
        sent,
    };
    let stored = ReadAhead::new(stored);
    let mut plain = HashingReader::new(
        decoded(stored, from, limits.decode)?,
        Hasher::like(diff_id)?,
    );
    let file = Arc::new(NewFile::in_folder(landing, 0o644)?);
    let mut out = HashingWriter {
        file: file.file(),
        hasher: Hasher::default(),
        count: 0,
    };
    encode(&mut plain, &mut out, to, level)?;
    let (digest, size) = (out.hasher.finish(), out.count);
    let (found, plain_size) = plain.finish();
    let (stored_digest, stored_size) = result.recv().map_err(|_| Error::from(Fault::Gone))?;
    if stored_size != blob.size {
        return Err(Fault::SizeMismatch {
            expected: blob.size,
            found: stored_size,
        }
        .into());
    }
    if stored_digest != blob.digest {
        let (expected, found) = (blob.digest.to_string(), stored_digest.to_string());
        return Err(Fault::DigestMismatch { expected, found }.into());
    }
    if found != *diff_id {
        let (expected, found) = (diff_id.to_string(), found.to_string());
        return Err(Fault::DiffIdMismatch { expected, found }.into());
    }
    let copy = file
        .file()
        .try_clone()
        .map_err(|error| Error::io("read", error))?;
    let range = FileRange::whole(copy)?;
    let scan = Arc::new(Scan::made(digest.clone(), size, to, found, plain_size));
    let source = Source::Stored(Content::Kept(Arc::new(Kept { file, range, scan })));
    Ok(Packed {
        digest,
        size,
        source,
    })
}

/// Packs a layer that has just been made or read, into a file without a name in `landing`.
///
/// # Errors
/// As [`Bundle::recode`].
pub fn pack_layer(
    scan: &Scan,
    content: Content,
    to: Compression,
    level: Option<i32>,
    landing: &Path,
    meter: &Meter,
) -> Result<Kept> {
    let Some(diff_id) = &scan.diff_id else {
        return Err(Fault::Gone.into());
    };
    let blob = BlobOut {
        digest: scan.digest.clone(),
        size: scan.size,
        source: Source::Stored(content),
    };
    let (from, limits) = (scan.compression, Limits::default());
    let packed = pack(&blob, diff_id, from, to, level, landing, &limits, meter)?;
    match packed.source {
        Source::Stored(Content::Kept(kept)) => Ok(Kept {
            file: Arc::clone(&kept.file),
            range: kept.range.clone(),
            scan: Arc::clone(&kept.scan),
        }),
        _ => Err(Fault::Gone.into()),
    }
}

/// Says what was read, and its digest, when it has been read to its end.
struct Reporting<R> {
    inner: Option<HashingReader<R>>,
    sent: std::sync::mpsc::Sender<(Digest, u64)>,
}

impl<R: std::io::Read> std::io::Read for Reporting<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let Some(inner) = &mut self.inner else {
            return Ok(0);
        };
        let n = inner.read(buf)?;
        if n == 0
            && !buf.is_empty()
            && let Some(inner) = self.inner.take()
        {
            let _ = self.sent.send(inner.finish());
        }
        Ok(n)
    }
}

struct HashingWriter<'a> {
    file: &'a std::fs::File,
    hasher: Hasher,
    count: u64,
}

impl std::io::Write for HashingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
