//! New images: a new config over layers of an existing image, new layers, or both.

use std::sync::Arc;

use serde_json::{Value, json};

use super::bundle::Bundle;
use super::listed::{Listed, ListedName};
use super::media_types::MediaTypes;
use super::output::{BlobOut, ImageOut, LayerOut, Source, descriptor};
use crate::archive::{Archive, Content, ImageIdx, Kept};
use crate::blob::sha256;
use crate::error::{At, Error, Fault, Result};
use crate::layer::Scan;
use crate::limits::DecodeLimits;
use crate::spec::json::Node;
use crate::spec::{Descriptor, Digest, json, texts};

/// A layer of a new image.
#[derive(Debug, Clone)]
pub struct NewLayer {
    /// Descriptor of the stored blob.
    pub descriptor: Descriptor,
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// The stored bytes; `None` for a layer outside of the archive, such as a foreign one.
    pub content: Option<Content>,
    /// Limits of decoding; `None` for a layer that was decoded before in this run.
    limits: Option<DecodeLimits>,
    /// The descriptor in the manifest of the base image, with unknown fields.
    stated: Option<Value>,
}

/// A new image.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// The bytes of the config.
    pub config: Vec<u8>,
    /// The layers, from the base upward.
    pub layers: Vec<NewLayer>,
    /// The media types of the manifest.
    pub types: MediaTypes,
}

impl NewLayer {
    /// A layer from its scan and its bytes.
    ///
    /// # Errors
    /// The fault that the scan found; `Unsupported` for a compression that layers cannot have.
    pub fn scanned(scan: &Scan, content: Content, types: MediaTypes) -> Result<Self> {
        if let Some(fault) = &scan.fault {
            return Err(fault.clone());
        }
        let Some(diff_id) = scan.diff_id.clone() else {
            return Err(Fault::StreamConsumed.into());
        };
        let media_type = types.layer(scan.compression)?;
        Ok(NewLayer {
            descriptor: descriptor(media_type, &scan.digest, scan.size),
            diff_id,
            content: Some(content),
            limits: None,
            stated: None,
        })
    }

    /// A layer in an anonymous temporary file.
    ///
    /// # Errors
    /// As [`NewLayer::scanned`].
    pub fn kept(kept: Kept, types: MediaTypes) -> Result<Self> {
        let scan = Arc::clone(&kept.scan);
        NewLayer::scanned(&scan, Content::Kept(Arc::new(kept)), types)
    }

    /// The layers of an existing image, from the base upward, and the media types of its manifest.
    ///
    /// # Errors
    /// The first known fault of the image; `BlobMissing` and `MemberMissing` for missing layers; `LayerCount` for a
    /// config that does not match.
    pub fn of_image(archive: &Archive, image: ImageIdx) -> Result<(Vec<Self>, MediaTypes)> {
        if let Some(fault) = archive.faults_of(image).next() {
            return Err(fault.clone());
        }
        let image = &archive.images[image];
        let document = image
            .node
            .and_then(|node| archive.nodes[node].bytes.clone());
        let stated = match &document {
            Some(bytes) => stated_layers(bytes)?,
            None => Vec::new(),
        };
        let media_type = image.manifest.as_ref().map(|manifest| &manifest.media_type);
        let types = match media_type {
            Some(media_type) if media_type.as_str().contains("docker") => MediaTypes::Docker,
            _ => MediaTypes::Oci,
        };
        let count = image.layers.len();
        let diff_ids = image.config.diff_ids.as_ref().map_or(0, Vec::len);
        if diff_ids != count {
            return Err(Fault::LayerCount {
                manifest: count,
                config: diff_ids,
            }
            .into());
        }
        let layer = |(i, layer): (usize, &crate::archive::Layer)| {
            let place = || format!("layer {} of {count}", i + 1);
            let Some(diff_id) = layer.diff_id.clone() else {
                return Err(Error::from(Fault::StreamConsumed).at(place()));
            };
            let (descriptor, stated) = match (&layer.descriptor, &image.manifest) {
                (Some(descriptor), Some(_)) => (descriptor.clone(), stated.get(i).cloned()),
                _ => (Bundle::docker_layer(layer).at(place)?.0, None),
            };
            layer.check_identity().at(|| layer.place())?;
            let content = layer.content().cloned();
            if content.is_none() && !descriptor.may_be_absent() {
                let digest = descriptor.digest.to_string();
                return Err(Error::blob_missing(digest).at(place()));
            }
            Ok(NewLayer {
                descriptor,
                diff_id,
                content,
                limits: Some(archive.container.limits.decode),
                stated,
            })
        };
        let layers: Result<Vec<Self>> = image.layers.iter().enumerate().map(layer).collect();
        let layers = layers?;
        let mut sizes = std::collections::HashMap::new();
        for (i, layer) in layers.iter().enumerate() {
            let Descriptor { digest, size, .. } = &layer.descriptor;
            let expected = *sizes.entry(digest).or_insert(*size);
            // Two copies of one layer that differ: only the first would be read.
            if expected != *size {
                return Err(
                    Error::size_mismatch(expected, *size).at(format!("layer {} of {count}", i + 1))
                );
            }
        }
        Ok((layers, types))
    }

    /// A layer of an image in a bundle, with its descriptor as written.
    pub(super) fn of_bundle(
        descriptor: Descriptor,
        diff_id: Digest,
        blob: Option<&BlobOut>,
        stated: Value,
    ) -> Self {
        let content = match blob.map(|blob| &blob.source) {
            Some(Source::Stored(content)) => Some(content.clone()),
            Some(Source::Document(_) | Source::Decoded(_)) | None => None,
        };
        NewLayer {
            descriptor,
            diff_id,
            content,
            limits: None,
            stated: Some(stated),
        }
    }

    /// Marks the layer as decoded and compared with its diff ID. When its stored bytes are copied, only their digest is
    /// compared. For SHA-256 only: other diff IDs are not compared when layers are listed.
    pub fn was_decoded(&mut self) {
        if self.diff_id.algorithm() == "sha256" {
            self.limits = None;
        }
    }

    pub(super) fn json(&self) -> Value {
        self.stated.clone().unwrap_or_else(|| {
            let mut descriptor = json!({
                "mediaType": self.descriptor.media_type.as_str(),
                "digest": self.descriptor.digest,
                "size": self.descriptor.size,
            });
            for (key, text) in &self.descriptor.annotations {
                descriptor["annotations"][key] = text.as_str().into();
            }
            descriptor
        })
    }
}

/// The descriptors of a manifest's layers, as written.
fn stated_layers(manifest: &[u8]) -> Result<Vec<Value>> {
    let value = json::parse_exact(manifest)?;
    let node = Node::root(&value);
    let Some(list) = node.field("layers")? else {
        return Ok(Vec::new());
    };
    Ok(list.items()?.map(|item| item.value().clone()).collect())
}

impl Bundle {
    /// Adds a new image with its names. Returns its ID, the digest of its config.
    pub fn add_new(&mut self, image: NewImage, names: Vec<ListedName>) -> Digest {
        self.add_annotated(image, names, &[])
    }

    /// Adds a new image with annotations in its manifest. Returns its ID, the digest of its config.
    pub fn add_annotated(
        &mut self,
        image: NewImage,
        names: Vec<ListedName>,
        annotations: &[(String, String)],
    ) -> Digest {
        let id = sha256(&image.config);
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": image.types.manifest(),
            "config": {"mediaType": image.types.config(), "digest": id, "size": image.config.len()},
            "layers": image.layers.iter().map(NewLayer::json).collect::<Vec<_>>(),
        });
        for (key, text) in annotations {
            manifest["annotations"][key] = text.as_str().into();
        }
        let manifest: Arc<[u8]> = texts::bytes(&manifest).into();
        let digest = sha256(&manifest);
        let descriptor = descriptor(image.types.manifest(), &digest, manifest.len() as u64);
        self.push_manifest(&digest, manifest);
        let size = image.config.len() as u64;
        self.push(&id, size, Source::Document(image.config.into()));
        for layer in &image.layers {
            if let Some(content) = &layer.content {
                let (digest, size) = (&layer.descriptor.digest, layer.descriptor.size);
                self.push(digest, size, Source::Stored(content.clone()));
                if let Some(limits) = layer.limits {
                    self.state(digest, &layer.diff_id, limits);
                }
            }
        }
        let layers = image.layers.into_iter().map(|layer| LayerOut {
            descriptor: layer.descriptor,
            diff_id: layer.diff_id,
        });
        let image = ImageOut {
            config: id.clone(),
            layers: layers.collect(),
        };
        self.listed.push(Listed {
            names,
            descriptor,
            image: Some(image),
            stated: None,
        });
        id
    }
}
