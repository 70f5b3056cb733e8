//! Exact bytes of an image's documents.

use std::sync::Arc;

pub use super::args::RawArg;
use crate::archive::{Archive, Node, NodeKind, Pick, Selection, check};
use crate::error::{At, Error, Fault, Result};
use crate::spec::{Descriptor, Platform};

/// Returns the exact bytes of a document of an image, artifact or attestation.
///
/// The document is verified; the image may be damaged elsewhere.
///
/// # Errors
/// As [`Archive::find`] and [`Archive::root`]; `MemberMissing` and `BlobMissing` for a missing document; `SizeMismatch`
/// and `DigestMismatch` for a damaged one; `Unsupported` for an artifact without a config.
pub fn document(
    archive: &Archive,
    pick: &Pick,
    platform: Option<&Platform>,
    document: RawArg,
) -> Result<Arc<[u8]>> {
    if document == RawArg::Index {
        return index(archive, pick);
    }
    match archive.find(pick, platform) {
        Ok(selection) if document == RawArg::Config => image_config(&selection),
        Ok(selection) => image_manifest(&selection),
        Err(error) => artifact_document(archive, pick, document).unwrap_or(Err(error)),
    }
}

fn image_config(selection: &Selection<'_>) -> Result<Arc<[u8]>> {
    let image = selection.image();
    let bytes = image.config_bytes.clone();
    let bytes = bytes.ok_or_else(|| missing("config"))?;
    let manifest = image.manifest.as_ref();
    if let Some(stated) = manifest.and_then(|manifest| manifest.config.as_ref()) {
        check(&bytes, stated).at(|| "config".to_owned())?;
    }
    Ok(bytes)
}

fn image_manifest(selection: &Selection<'_>) -> Result<Arc<[u8]>> {
    let node = selection.image().node;
    let node = node.map(|node| &selection.archive.nodes[node]);
    let stated = node.and_then(|node| Some((&node.descriptor, node.bytes.clone()?)));
    let (descriptor, bytes) = stated.ok_or(Fault::NoManifest)?;
    check(&bytes, descriptor).at(|| "manifest".to_owned())?;
    Ok(bytes)
}

/// Returns a document of an artifact, attestation or schema 1 image; `None` if `pick` selects none of these.
fn artifact_document(
    archive: &Archive,
    pick: &Pick,
    document: RawArg,
) -> Option<Result<Arc<[u8]>>> {
    let node = match pick {
        Pick::Digest(digest) => archive
            .nodes
            .iter()
            .find(|node| node.descriptor.digest == *digest),
        _ => archive
            .root(pick)
            .ok()
            .and_then(|root| root.node)
            .map(|node| &archive.nodes[node]),
    };
    let node = node?;
    let bytes = node.bytes.as_ref()?;
    let manifest = match &node.kind {
        NodeKind::Artifact(manifest) | NodeKind::Attestation(manifest) => Some(manifest),
        NodeKind::Schema1 => None,
        _ => return None,
    };
    if document == RawArg::Manifest {
        let checked = check(bytes, &node.descriptor).at(|| "manifest".to_owned());
        return Some(checked.map(|()| Arc::clone(bytes)));
    }
    let config = manifest.and_then(|manifest| manifest.config.as_ref());
    Some(match config {
        Some(config) => artifact_config(archive, config),
        None => Err(Error::unsupported(
            "--raw config: the manifest has no config",
        )),
    })
}

fn artifact_config(archive: &Archive, config: &Descriptor) -> Result<Arc<[u8]>> {
    let path = match &archive.oci {
        Some(oci) => oci.names.path(&config.digest),
        None => config.digest.blob_path(),
    };
    let bytes = match (archive.container.get(&path)?, &config.data) {
        (Some(content), _) => content.bytes(archive.container.limits.of_config())?,
        (None, Some(data)) => data.as_slice().into(),
        (None, None) => {
            let digest = config.digest.to_string();
            return Err(Error::blob_missing(digest).at("config"));
        }
    };
    check(&bytes, config).at(|| "config".to_owned())?;
    Ok(bytes)
}

/// Returns the bytes of the index that `pick` selects; the list of the archive if it selects no index.
fn index(archive: &Archive, pick: &Pick) -> Result<Arc<[u8]>> {
    if *pick == Pick::Only {
        return archive_list(archive);
    }
    let node = archive.root(pick)?.node.map(|node| &archive.nodes[node]);
    match node {
        Some(Node {
            kind: NodeKind::Index(_),
            bytes: Some(bytes),
            ..
        }) => Ok(Arc::clone(bytes)),
        _ => archive_list(archive),
    }
}

/// Returns the bytes of `index.json`, or of docker's `manifest.json` in an archive without one.
fn archive_list(archive: &Archive) -> Result<Arc<[u8]>> {
    let oci = archive.oci.as_ref().map(|half| Arc::clone(&half.index));
    let docker = archive
        .docker
        .as_ref()
        .and_then(|half| half.manifest.clone());
    oci.or(docker).ok_or_else(|| missing("index"))
}

fn missing(name: &str) -> Error {
    let name = name.to_owned();
    Error::member_missing(name)
}
