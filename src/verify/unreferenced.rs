//! Layers of an archive that no image has.

use std::collections::HashSet;
use std::io::BufReader;
use std::sync::Arc;

use super::references::strays;
use super::report::key;
use crate::archive::{Archive, Content, Image, ImageId, Layer, Presence};
use crate::blob::{Decoder, read_full};
use crate::error::{Error, Result};
use crate::layer::{self, Limits};
use crate::spec::{Descriptor, Digest, ImageConfig, MediaType, Platform};

/// Layers that no image has, and those of which that cannot be told.
#[derive(Debug, Default)]
pub struct Unreferenced {
    /// Images of one layer each, in the order of their paths, without a config; the ID is the digest of the blob, or
    /// the path of a member that has no digest for a name.
    pub images: Vec<Image>,
    /// Errors of members whose beginning cannot be read, placed at them.
    pub failed: Vec<Error>,
}

/// Returns the layers that no document of the archive refers to: what begins with the header of a tar, compressed or
/// not. Reads the beginning of each such member, which is compared with its digest only when the layer is read.
///
/// # Errors
/// `Limit` and `Io` from listing a directory.
pub fn unreferenced(archive: &Archive, limits: &Limits) -> Result<Unreferenced> {
    let mut found = Unreferenced::default();
    let names = archive.container.names(limits)?;
    let images = archive.images.iter().flat_map(|image| &image.layers);
    // Links and members of two names are told once, and not if an image has the bytes.
    let mut seen: HashSet<_> = images.filter_map(Layer::content).map(key).collect();
    for name in strays(archive, &names) {
        match layer_of(archive, name, limits) {
            Ok(Some(layer)) => {
                if layer
                    .content()
                    .is_some_and(|content| seen.insert(key(content)))
                {
                    found.images.push(image_of(layer));
                }
            }
            Ok(None) => {}
            Err(error) => found.failed.push(error.at(name.clone())),
        }
    }
    Ok(found)
}

/// Returns a member as a layer, if it begins as one.
fn layer_of(archive: &Archive, name: &str, limits: &Limits) -> Result<Option<Layer>> {
    let Some(content) = archive.container.get(name)? else {
        return Ok(None);
    };
    if content.is_empty() || !begins_as_tar(&content, limits)? {
        return Ok(None);
    }
    let digest = Digest::from_blob_path(name);
    let descriptor =
        digest.map(|digest| Descriptor::new(MediaType::default(), digest, content.len()));
    Ok(Some(Layer {
        descriptor,
        diff_id: None,
        member: name.to_owned(),
        presence: Presence::Present(content),
    }))
}

fn begins_as_tar(content: &Content, limits: &Limits) -> Result<bool> {
    let compression = content.compression()?;
    let stored = BufReader::new(content.reader()?);
    let mut block = [0; 512];
    let mut tar = Decoder::new(stored, compression, limits.decode)?;
    // What is damaged or no codec's stream after all is no layer that could be listed.
    let is_whole = matches!(read_full(&mut tar, &mut block), Ok(512));
    Ok(is_whole && layer::is_header(&block))
}

fn image_of(layer: Layer) -> Image {
    let id = match layer.digest() {
        Some(digest) => ImageId::Config(digest.clone()),
        None => ImageId::V1(layer.member.clone()),
    };
    Image {
        id,
        platform: Platform::default(),
        config: Arc::new(ImageConfig::default()),
        config_bytes: None,
        manifest: None,
        node: None,
        item: None,
        layers: vec![layer],
        faults: Vec::new(),
    }
}
