//! Manifests and indexes, distinguished by their content.

use serde_json::Value;

use super::fields::{self, GoType};
use super::json::{self, Node};
use super::{Descriptor, Digest, ImageConfig, MediaType};
use crate::error::{Error, Result};
use crate::limits::JsonLimits;

/// Document that points to other blobs.
///
/// The fields decide on the kind, not the media type: many writers leave it out, and some state a wrong one.
#[derive(Debug, Clone)]
pub enum Document {
    /// OCI index or docker manifest list.
    Index(Index),
    /// Manifest of an OCI or docker image, or of an artifact.
    Manifest(Box<Manifest>),
    /// Docker manifest of schema 1, which can be listed but not used.
    Schema1(Schema1),
}

/// Image index (image specification, "Image Index") or docker manifest list.
#[derive(Debug, Clone)]
pub struct Index {
    /// Media type as stated, or empty.
    pub media_type: MediaType,
    /// Descriptors in the order of the document.
    pub manifests: Vec<Descriptor>,
    /// Annotations of the index itself.
    pub annotations: Vec<(String, String)>,
    /// Artifact type.
    pub artifact_type: Option<String>,
    /// Manifest that the index refers to.
    pub subject: Option<Box<Descriptor>>,
}

/// Image manifest (image specification, "Image Manifest").
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Media type as stated, or empty.
    pub media_type: MediaType,
    /// Config; some artifacts have none.
    pub config: Option<Descriptor>,
    /// Layers, from the base upward; other blobs of an artifact.
    pub layers: Vec<Descriptor>,
    /// Annotations of the manifest itself.
    pub annotations: Vec<(String, String)>,
    /// Artifact type.
    pub artifact_type: Option<String>,
    /// Manifest that this one refers to.
    pub subject: Option<Box<Descriptor>>,
}

/// Facts of a docker manifest of schema 1.
#[derive(Debug, Clone)]
pub struct Schema1 {
    /// Repository it was pushed to.
    pub name: Option<String>,
    /// Tag it was pushed with.
    pub tag: Option<String>,
    /// Layers, from the base upward (the document lists them from the top).
    pub layers: Vec<Digest>,
}

impl Document {
    /// Parses a document and detects its kind.
    ///
    /// # Errors
    /// `Json` and `Schema` for invalid documents; `Ambiguous` for a document with fields of two kinds, which a registry
    /// and a client could read differently (CVE-2021-41190).
    pub fn parse(bytes: &[u8], limits: &JsonLimits) -> Result<Self> {
        Document::from_value(&json::parse(bytes, limits)?)
    }

    /// Parses bytes that were parsed before under other limits.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_known(bytes: &[u8]) -> Result<Self> {
        Document::parse(bytes, &JsonLimits::KNOWN)
    }

    /// Media type under which a registry serves it: the stated one, else the one of its kind in the OCI image
    /// specification.
    pub fn served_media_type(&self) -> &str {
        match self {
            Document::Schema1(_) => "application/vnd.docker.distribution.manifest.v1+prettyjws",
            Document::Index(_) if self.media_type().is_empty() => MediaType::OCI_INDEX,
            Document::Manifest(_) if self.media_type().is_empty() => MediaType::OCI_MANIFEST,
            _ => self.media_type(),
        }
    }

    /// Converts a parsed document.
    pub fn from_value(value: &Value) -> Result<Self> {
        GoType::MANIFEST.check(value)?;
        let node = Node::root(value);
        let has = |name: &str| node.field(name).map(|field| field.is_some());
        let (manifests, layers, fs_layers) = (has("manifests")?, has("layers")?, has("fsLayers")?);
        let (config, blobs) = (has("config")?, has("blobs")?);
        if manifests && (layers || config || fs_layers) || fs_layers && (layers || config) {
            let why = "document has fields of two kinds (manifests, layers or config, fsLayers)";
            return Err(Error::ambiguous(why));
        }
        if fs_layers {
            return Schema1::from_node(&node).map(Document::Schema1);
        }
        let media_type = MediaType::new(json::opt_text(&node, "mediaType")?.unwrap_or_default());
        let annotations = node
            .field("annotations")?
            .map_or(Ok(Vec::new()), |map| map.text_map())?;
        let artifact_type = json::opt_text(&node, "artifactType")?;
        let subject = node
            .field("subject")?
            .map(|subject| Descriptor::from_node(&subject).map(Box::new))
            .transpose()?;
        let list = |name: &str| -> Result<Vec<Descriptor>> {
            match node.field(name)? {
                None => Ok(Vec::new()),
                Some(list) => list
                    .items()?
                    .map(|item| Descriptor::from_node(&item))
                    .collect(),
            }
        };
        // Early docker 25 wrote `"manifests": null`.
        let known_index =
            manifests || media_type.is_index() || fields::of(value, "manifests").is_some();
        if known_index && !(layers || config) {
            return Ok(Document::Index(Index {
                media_type,
                manifests: list("manifests")?,
                annotations,
                artifact_type,
                subject,
            }));
        }
        if !(layers || config || blobs || media_type.is_manifest() || artifact_type.is_some()) {
            return Err(node.expected("a manifest or an index"));
        }
        Ok(Document::Manifest(Box::new(Manifest {
            media_type,
            config: node
                .field("config")?
                .map(|config| Descriptor::from_node(&config))
                .transpose()?,
            layers: if blobs && !layers {
                list("blobs")?
            } else {
                list("layers")?
            },
            annotations,
            artifact_type,
            subject,
        })))
    }

    /// Media type stated in the document, or empty.
    pub fn media_type(&self) -> &str {
        match self {
            Document::Index(index) => index.media_type.as_str(),
            Document::Manifest(manifest) => manifest.media_type.as_str(),
            Document::Schema1(_) => "",
        }
    }
}

impl Manifest {
    /// Tests if the manifest describes a container image, judged by its config.
    ///
    /// Artifacts have other configs or none. A stated artifact type counts only if there are no filesystem layers, so
    /// that it cannot turn verification off.
    pub fn is_image(&self) -> bool {
        self.has_image_layers() || self.has_image_config() && self.artifact_type.is_none()
    }

    /// Tests if the manifest has an image config and at least one layer, all of them filesystem layers: such an image
    /// can be run, whatever else is stated.
    pub fn has_image_layers(&self) -> bool {
        self.has_image_config()
            && !self.layers.is_empty()
            && self.layers.iter().all(|layer| layer.media_type.is_layer())
    }

    /// Tests if the manifest describes a container image, given its config if known.
    ///
    /// For a docker manifest the media type of the config does not matter if it parses as an image config: docker 1.10
    /// to 1.12 pushed them as `application/octet-stream`. Plugins have such configs too, with a media type of their
    /// own.
    pub fn is_image_with(&self, config: Option<&ImageConfig>) -> bool {
        if self.is_image() {
            return true;
        }
        let stated = self.config.as_ref().map(|config| &config.media_type);
        let (true, Some(stated)) = (self.media_type.is_docker(), stated) else {
            return false;
        };
        let has_layers =
            !self.layers.is_empty() && self.layers.iter().all(|layer| layer.media_type.is_layer());
        has_layers
            && !stated.is_image_config()
            && !stated.is_plugin_config()
            && match config.map(|config| &config.diff_ids) {
                None => stated.as_str() == "application/octet-stream",
                Some(None) => false,
                Some(Some(ids)) => ids.len() == self.layers.len(),
            }
    }

    fn has_image_config(&self) -> bool {
        let config = self.config.as_ref();
        config.is_some_and(|config| config.media_type.is_image_config())
    }
}

impl Schema1 {
    fn from_node(node: &Node<'_>) -> Result<Self> {
        let mut layers = node
            .required("fsLayers", "a list of layers")?
            .items()?
            .map(|layer| layer.required("blobSum", "a digest")?.digest())
            .collect::<Result<Vec<_>>>()?;
        layers.reverse();
        Ok(Schema1 {
            name: json::opt_text(node, "name")?,
            tag: json::opt_text(node, "tag")?,
            layers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn content_decides_on_the_kind() {
        assert!(matches!(
            Document::parse_known(br#"{"schemaVersion":2,"manifests":null}"#),
            Ok(Document::Index(_))
        ));
        let manifest = format!(r#"{{"config":{{"digest":"{D}","size":2}},"layers":[]}}"#);
        assert!(matches!(
            Document::parse_known(manifest.as_bytes()),
            Ok(Document::Manifest(_))
        ));
        assert!(Document::parse_known(b"{}").is_err());
    }

    #[test]
    fn one_document_of_two_kinds_is_refused() {
        assert!(Document::parse_known(br#"{"manifests":[],"layers":[]}"#).is_err());
        assert!(Document::parse_known(br#"{"fsLayers":[],"layers":[]}"#).is_err());
    }
}
