//! OCI half of an archive: `index.json`, `oci-layout` and the graph below.

use std::sync::{Arc, OnceLock};

use super::assembly::Assembly;
use super::blob_names::BlobNames;
use super::container::{Container, Holder};
use super::docker;
use super::graph::{Edge, GraphReader, Node};
use super::model::OciHalf;
use crate::blob::sha256;
use crate::error::{At, Error, Fault, Result};
use crate::limits::JsonLimits;
use crate::spec::{Descriptor, Document, Index, MediaType, fields, json};

impl Assembly {
    /// Adds the nodes and images of the OCI half. Beside a docker half, damage is kept as a fault and `None` is returned.
    ///
    /// # Errors
    /// Damage of a half that stands alone; `Ambiguous` unless the archive is opened for examination, because another
    /// reader may find another image in it.
    pub fn add_oci(
        &mut self,
        container: &Container,
        index: Arc<[u8]>,
        names: BlobNames,
        has_docker: bool,
    ) -> Result<Option<OciHalf>> {
        match self.read_oci(container, index, names) {
            Ok(half) => Ok(Some(half)),
            Err(error) if !has_docker => Err(error),
            Err(error) if !self.examine && matches!(error.fault(), Fault::Ambiguous { .. }) => {
                Err(error)
            }
            Err(error) => {
                self.faults.push(error);
                Ok(None)
            }
        }
    }

    fn read_oci(
        &mut self,
        container: &Container,
        index: Arc<[u8]>,
        names: BlobNames,
    ) -> Result<OciHalf> {
        let mut reader = GraphReader::new(container, names);
        let mut layout_version = None;
        let edges = if names == BlobNames::Hex {
            vec![dir_manifest(container, &mut reader, &index).at(|| "manifest.json".into())?]
        } else {
            let limits = match &container.holder {
                // Made by this program.
                Holder::Tree(_) => JsonLimits::KNOWN,
                _ => container.limits.json,
            };
            let document = Document::parse(&index, &limits).at(|| "index.json".into())?;
            let Document::Index(Index { manifests, .. }) = document else {
                return Err(
                    Error::schema("the document", "an index", "a manifest").at("index.json")
                );
            };
            layout_version = read_layout_version(container)?;
            reader.follow(manifests)?
        };
        (self.nodes, self.images) = (reader.nodes, reader.images);
        Ok(OciHalf {
            index,
            edges,
            layout_version,
            names,
            stated: OnceLock::new(),
        })
    }

    /// Adds a fault if a `manifest.json` beside `index.json` holds a manifest that `index.json` does not lead to.
    pub fn check_other_manifest(&mut self, bytes: &[u8]) {
        let digest = sha256(bytes);
        let known =
            |node: &Node| node.descriptor.digest == digest || node.bytes.as_deref() == Some(bytes);
        let is_manifest = matches!(Document::parse_known(bytes), Ok(Document::Manifest(_)));
        if is_manifest && !self.nodes.iter().any(known) {
            let why = "not a manifest of index.json: skopeo's dir: would read this image, others index.json";
            self.faults.push(Error::ambiguous(why).at("manifest.json"));
        }
    }
}

/// Reads the manifest of a `dir:`, which has no index and does not store the manifest under its digest.
fn dir_manifest(
    container: &Container,
    reader: &mut GraphReader<'_>,
    bytes: &Arc<[u8]>,
) -> Result<Edge> {
    let document = Document::parse(bytes, &container.limits.json)?;
    let media_type = MediaType::new(document.media_type());
    let descriptor = Descriptor::new(media_type, sha256(bytes), bytes.len() as u64);
    reader.document(Arc::clone(bytes), descriptor)
}

/// Reads the version in `oci-layout`. A malformed file is reported by imgverify; most readers ignore it.
///
/// # Errors
/// `Ambiguous`, and `Schema` for a file that is no layout document.
fn read_layout_version(container: &Container) -> Result<Option<String>> {
    let layout = match docker::member_json(container, "oci-layout") {
        Err(error) if matches!(error.fault(), Fault::Ambiguous { .. }) => return Err(error),
        layout => layout.ok().flatten(),
    };
    if let Some(layout) = &layout {
        fields::GoType::LAYOUT
            .check(layout)
            .at(|| "oci-layout".into())?;
    }
    Ok(layout.and_then(|layout| {
        json::opt_text(&json::Node::root(&layout), "imageLayoutVersion")
            .ok()
            .flatten()
    }))
}
