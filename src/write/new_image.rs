//! Images that are made here: a new config over layers of an image that is there, new ones, or both.

use std::sync::Arc;

use serde_json::{Value, json};

use super::bundle::Bundle;
use super::listed::{Listed, ListedName};
use super::media_types::MediaTypes;
use super::output::{ImageOut, LayerOut, Source, descriptor};
use crate::archive::{Archive, Content, Kept};
use crate::blob::sha256;
use crate::error::{At, Error, Fault, Result};
use crate::layer::Scan;
use crate::limits::DecodeLimits;
use crate::spec::json::Node;
use crate::spec::{Descriptor, Digest, json, texts};

/// A layer of an image in the making.
#[derive(Debug, Clone)]
pub struct NewLayer {
    /// The stored blob.
    pub descriptor: Descriptor,
    /// The digest of the plain tar.
    pub diff_id: Digest,
    /// The stored bytes; `None` for a layer that lies elsewhere, as foreign ones may.
    pub content: Option<Content>,
    /// What decoding accepts at most; `None` for a layer that was read to its end to be made.
    limits: Option<DecodeLimits>,
    /// The descriptor as the base's manifest has it, unknown fields too.
    stated: Option<Value>,
}

/// An image in the making.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// The config as it will be stored.
    pub config: Vec<u8>,
    /// The layers, from the base upward.
    pub layers: Vec<NewLayer>,
    /// Whose media types the manifest uses.
    pub types: MediaTypes,
}

impl NewLayer {
    /// A layer that was made or has come by here: what one pass over it found out, and its bytes.
    ///
    /// # Errors
    /// The damage that the pass found; `Unsupported` for a compression that layers do not come in.
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

    /// The same for a layer that is kept in a file without a name.
    ///
    /// # Errors
    /// As [`NewLayer::scanned`].
    pub fn kept(kept: Kept, types: MediaTypes) -> Result<Self> {
        let scan = Arc::clone(&kept.scan);
        NewLayer::scanned(&scan, Content::Kept(Arc::new(kept)), types)
    }

    /// The layers of an image that is there, from the base upward, and whose media types its manifest uses.
    ///
    /// # Errors
    /// The first damage known of the image; `BlobMissing` and `MemberMissing` for layers that are not there though they
    /// should be; `LayerCount` for a config that does not fit.
    pub fn of_image(archive: &Archive, image: usize) -> Result<(Vec<Self>, MediaTypes)> {
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
            layer.check_identity().at(|| layer.member.clone())?;
            let content = layer.content().cloned();
            if content.is_none() && !descriptor.may_be_absent() {
                let digest = descriptor.digest.to_string();
                return Err(Error::new(Fault::BlobMissing { digest }).at(place()));
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
            // Two copies of one layer, of which one is another: only the first would be read.
            if expected != *size {
                let fault = Fault::SizeMismatch {
                    expected,
                    found: *size,
                };
                return Err(Error::new(fault).at(format!("layer {} of {count}", i + 1)));
            }
        }
        Ok((layers, types))
    }

    /// Notes that the layer was decoded and compared with its diff ID, so that copying its stored bytes need not do it
    /// again: their digest is compared. Only for SHA-256, which layers are compared by when they are listed.
    pub fn was_decoded(&mut self) {
        if self.diff_id.algorithm() == "sha256" {
            self.limits = None;
        }
    }

    fn json(&self) -> Value {
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

/// The descriptors of a manifest's layers as they are written.
fn stated_layers(manifest: &[u8]) -> Result<Vec<Value>> {
    let value = json::parse_exact(manifest)?;
    let node = Node::root(&value);
    let Some(list) = node.field("layers")? else {
        return Ok(Vec::new());
    };
    Ok(list.items()?.map(|item| item.value().clone()).collect())
}

impl Bundle {
    /// Adds an image that is made here under its names. Returns its ID, the digest of its config.
    pub fn add_new(&mut self, image: NewImage, names: Vec<ListedName>) -> Digest {
        self.add_annotated(image, names, &[])
    }

    /// The same with annotations in its manifest.
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
