//! Receipts of what archives have.

use super::receipt::Receipt;
use crate::archive::{
    Archive, BlobNames, Chosen, Gaps, Image, ImageId, ImageIdx, Layer, NodeIdx, NodeKind, Presence,
};
use crate::blob::Compression;
use crate::error::Result;
use crate::spec::{Descriptor, Digest};

impl Receipt {
    /// Adds the blobs of selected images of an archive, as far as they are present with the sizes that documents state.
    /// Of layers only the compression is read. A compressed layer whose digest no document states is left out.
    ///
    /// # Errors
    /// `Io`; `BadLink` and others for a blob that cannot be looked up.
    pub fn add_images(&mut self, archive: &Archive, chosen: &[Chosen<'_>]) -> Result<()> {
        let mut survey = Survey {
            archive,
            gaps: None,
            receipt: self,
        };
        for one in chosen {
            let image = one.image.or(one.root.image);
            let node = match one.image {
                Some(image) => archive.images[image].node,
                None => one.root.node,
            };
            match (node, image) {
                (Some(_), _) => survey.nodes(node)?,
                (None, Some(image)) => survey.without_manifest(&archive.images[image])?,
                (None, None) => {}
            }
            let digest = match (node, image) {
                (Some(node), _) => Some(&archive.nodes[node].descriptor.digest),
                (None, Some(image)) => match &archive.images[image].id {
                    ImageId::Config(digest) => Some(digest),
                    ImageId::V1(_) => None,
                },
                (None, None) => None,
            };
            for name in one.names.iter().filter(|_| !one.by_id) {
                if let Some(digest) = digest {
                    survey.receipt.add_name(digest, name.to_string());
                }
            }
        }
        Ok(())
    }
}

struct Survey<'a> {
    archive: &'a Archive,
    /// Made when an image lacks a layer.
    gaps: Option<Gaps>,
    receipt: &'a mut Receipt,
}

impl Survey<'_> {
    /// Adds what a manifest or an index leads to.
    fn nodes(&mut self, top: Option<NodeIdx>) -> Result<()> {
        let archive = self.archive;
        for position in archive.nodes_below(top) {
            let node = &archive.nodes[position];
            if !node.faults.is_empty() {
                self.receipt.complete = false;
                continue;
            }
            if let Some(bytes) = &node.bytes {
                let digest = &node.descriptor.digest;
                self.receipt.add(digest, bytes.len() as u64, None);
            }
            match &node.kind {
                NodeKind::Image(position) => {
                    let image = &archive.images[*position];
                    if !image.faults.is_empty() {
                        self.receipt.complete = false;
                        continue;
                    }
                    if let (Some(bytes), ImageId::Config(digest)) = (&image.config_bytes, &image.id)
                    {
                        self.receipt.add(digest, bytes.len() as u64, None);
                    }
                    for layer in &image.layers {
                        self.layer(layer, || *position)?;
                    }
                }
                NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => {
                    for descriptor in manifest.config.iter().chain(&manifest.layers) {
                        self.blob(descriptor)?;
                    }
                }
                NodeKind::Opaque if node.bytes.is_none() => self.blob(&node.descriptor)?,
                NodeKind::Index(_) | NodeKind::Schema1 | NodeKind::Missing | NodeKind::Opaque => {}
            }
        }
        Ok(())
    }

    /// Adds a layer that a manifest lists.
    fn layer(&mut self, layer: &Layer, image: impl Fn() -> ImageIdx) -> Result<()> {
        let Some(descriptor) = &layer.descriptor else {
            return Ok(());
        };
        match &layer.presence {
            Presence::Present(content) if content.len() == descriptor.size => {
                let diff_id = layer.diff_id.as_ref().filter(|_| layer.is_filesystem());
                self.receipt
                    .add(&descriptor.digest, descriptor.size, diff_id);
            }
            Presence::External => {}
            Presence::Present(_) | Presence::Unreadable => self.receipt.complete = false,
            Presence::Missing => {
                let archive = self.archive;
                let gaps = self.gaps.get_or_insert_with(|| Gaps::of(archive));
                self.receipt.complete &= gaps.is_sparse(image());
            }
        }
        Ok(())
    }

    /// Adds a blob that an artifact lists.
    fn blob(&mut self, descriptor: &Descriptor) -> Result<()> {
        let names = self
            .archive
            .oci
            .as_ref()
            .map_or(BlobNames::Layout, |oci| oci.names);
        let content = self
            .archive
            .container
            .get(&names.path(&descriptor.digest))?;
        let found = content.map(|content| content.len());
        let inline = descriptor.data.as_ref().map(|data| data.len() as u64);
        match found.or(inline) {
            Some(size) if size == descriptor.size => {
                self.receipt.add(&descriptor.digest, size, None);
            }
            _ => self.receipt.complete &= descriptor.may_be_absent(),
        }
        Ok(())
    }

    /// Adds an image of a docker-archive without manifests.
    fn without_manifest(&mut self, image: &Image) -> Result<()> {
        let (Some(config), ImageId::Config(id)) = (&image.config_bytes, &image.id) else {
            return Ok(());
        };
        self.receipt.add(id, config.len() as u64, None);
        for layer in &image.layers {
            match identified(layer)? {
                Some((digest, size)) => {
                    self.receipt.add(digest, size, layer.diff_id.as_ref());
                }
                None => self.receipt.complete &= layer.content().is_some(),
            }
        }
        Ok(())
    }
}

/// Returns the digest and size in bytes of a layer without a manifest; `None` if it is missing, or compressed and without
/// a stated digest.
pub(super) fn identified(layer: &Layer) -> Result<Option<(&Digest, u64)>> {
    let Some(content) = layer.content() else {
        return Ok(None);
    };
    let digest = match content.compression()? {
        Compression::None => layer.diff_id.as_ref(),
        _ => layer.digest(),
    };
    Ok(digest.map(|digest| (digest, content.len())))
}
