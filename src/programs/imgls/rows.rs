//! Rows of a listing: one image, index, attestation or artifact each.

use crate::archive::{Archive, Image, ImageIdx, Name, NodeIdx, NodeKind, Root, Sizes};
use crate::spec::Platform;

/// One row of a listing.
#[derive(Debug, Clone)]
pub struct ListRow {
    /// Path of the archive.
    pub archive: String,
    /// Kind of the object that is listed.
    pub kind: RowKind,
    /// Depth in the tree; 0 for the roots of the archive.
    pub depth: usize,
    /// Name; `None` for an untagged image.
    pub name: Option<Name>,
    /// Image ID in full; for an index or artifact, the digest of its manifest.
    pub id: String,
    /// Digest of the manifest or index that the name points to; `None` in a docker-archive without OCI index.
    pub digest: Option<String>,
    /// Platform of the image.
    pub platform: Option<Platform>,
    /// Creation time as the config states it.
    pub created: Option<String>,
    /// Uncompressed size of all layers in bytes; `None` if they were not measured or one is missing.
    pub size: Option<u64>,
    /// Stored size of manifest, config and layers in bytes.
    pub stored: u64,
    /// True for an index whose contents are listed further up in a tree.
    pub repeated: bool,
}

/// Kind of the object that a row lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum RowKind {
    /// A container image.
    Image,
    /// An index without an image for the platform, or the root of a tree.
    Index,
    /// An attestation about another manifest.
    Attestation,
    /// A manifest that describes no container image.
    Artifact,
    /// A manifest that is listed but missing from the archive.
    Absent,
    /// A blob that is not a manifest, or an invalid manifest.
    Unknown,
}

impl RowKind {
    /// Returns the name of the kind in JSON.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl ListRow {
    /// Creates the row of an image, untagged and at depth 0.
    pub(super) fn image(archive: &Archive, position: ImageIdx, sizes: &Sizes) -> Self {
        let image = &archive.images[position];
        ListRow {
            archive: archive.place.clone(),
            kind: RowKind::Image,
            depth: 0,
            name: None,
            id: image.id.to_string(),
            digest: image
                .node
                .map(|node| archive.nodes[node].descriptor.digest.to_string()),
            platform: Some(image.platform.clone())
                .filter(|platform| *platform != Platform::default()),
            created: image.config.created.clone(),
            size: sizes.total(image),
            stored: stored_size(archive, image),
            repeated: false,
        }
    }

    /// Creates the row of an index or manifest that is not an image, untagged and at depth 0.
    pub(super) fn node(archive: &Archive, position: NodeIdx) -> Self {
        let node = &archive.nodes[position];
        let (kind, blobs) = match &node.kind {
            NodeKind::Index(_) => (RowKind::Index, 0),
            NodeKind::Image(_) => (RowKind::Image, 0),
            NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => {
                let blobs = manifest.layers.iter().chain(&manifest.config);
                let kind = match node.kind {
                    NodeKind::Artifact(_) => RowKind::Artifact,
                    _ => RowKind::Attestation,
                };
                (kind, blobs.map(|blob| blob.size).sum::<u64>())
            }
            NodeKind::Missing => (RowKind::Absent, 0),
            NodeKind::Schema1 | NodeKind::Opaque => (RowKind::Unknown, 0),
        };
        let own = node.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        ListRow {
            archive: archive.place.clone(),
            kind,
            depth: 0,
            name: None,
            id: node.descriptor.digest.to_string(),
            digest: Some(node.descriptor.digest.to_string()),
            platform: node.descriptor.platform.clone(),
            created: None,
            size: None,
            stored: own.saturating_add(blobs),
            repeated: false,
        }
    }

    /// Returns one copy of the row for each name of the root; the row itself if the root is untagged.
    pub(super) fn named(self, root: &Root) -> Vec<Self> {
        if root.names.is_empty() {
            return vec![self];
        }
        let named = root.names.iter().map(|name| ListRow {
            name: Some(name.clone()),
            ..self.clone()
        });
        named.collect()
    }
}

/// Returns the stored size of an image's manifest, config and layers in bytes.
fn stored_size(archive: &Archive, image: &Image) -> u64 {
    let manifest = image
        .node
        .and_then(|node| archive.nodes[node].bytes.as_ref())
        .map_or(0, |bytes| bytes.len() as u64);
    let config = image
        .config_bytes
        .as_ref()
        .map_or(0, |bytes| bytes.len() as u64);
    let layers = image.layers.iter().filter_map(|layer| layer.content());
    layers.fold(manifest + config, |sum, content| {
        sum.saturating_add(content.len())
    })
}
