//! Blobs of an archive by digest, whatever its format.

use std::collections::HashMap;
use std::sync::Arc;

use super::survey::identified;
use crate::archive::{Archive, BlobNames, Content, ImageId};
use crate::error::Result;
use crate::spec::Digest;

/// An archive in which blobs are looked up.
#[derive(Debug)]
pub struct Shelf {
    archive: Arc<Archive>,
    /// Configs and layers of images without a manifest.
    others: HashMap<Digest, Content>,
}

impl Shelf {
    /// Prepares an archive.
    ///
    /// # Errors
    /// `Io` from reading the beginning of a layer.
    pub fn new(archive: Arc<Archive>) -> Result<Self> {
        let mut others = HashMap::new();
        for image in archive.images.iter().filter(|image| image.node.is_none()) {
            if let (Some(bytes), ImageId::Config(id)) = (&image.config_bytes, &image.id) {
                others.insert(id.clone(), Content::Memory(Arc::clone(bytes)));
            }
            for layer in &image.layers {
                if let (Some((digest, _)), Some(content)) = (identified(layer)?, layer.content()) {
                    others.insert(digest.clone(), content.clone());
                }
            }
        }
        Ok(Shelf { archive, others })
    }

    /// Returns a blob of this size in bytes, of any size if none is given; `None` if the archive does not have it. Its digest
    /// is still to be compared.
    ///
    /// # Errors
    /// As [`Container::get`](crate::archive::Container::get).
    pub fn find(&self, digest: &Digest, size: Option<u64>) -> Result<Option<Content>> {
        let oci = self.archive.oci.as_ref();
        let names = oci.map_or(BlobNames::Layout, |oci| oci.names);
        let fits = |content: &Content| size.is_none_or(|size| content.len() == size);
        let mut found = self
            .archive
            .container
            .get(&names.path(digest))?
            .filter(fits);
        if found.is_none() {
            let document = self
                .archive
                .nodes
                .iter()
                .find(|node| node.descriptor.digest == *digest);
            let bytes = document.and_then(|node| node.bytes.as_ref());
            found = bytes
                .map(|bytes| Content::Memory(Arc::clone(bytes)))
                .filter(fits);
        }
        Ok(found.or_else(|| self.others.get(digest).cloned().filter(fits)))
    }
}
