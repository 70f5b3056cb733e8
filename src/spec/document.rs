//! Manifests and indexes, told apart by their content.

use serde_json::Value;

use super::fields::{self, Shape};
use super::json::{self, Node};
use super::{Descriptor, Digest, ImageConfig, MediaType};
use crate::error::{Fault, Result};
use crate::limits::JsonLimits;

/// A document that points to other blobs.
///
/// The kind follows from the fields, whatever the media type says: many writers leave it out, and some state another.
#[derive(Debug, Clone)]
pub enum Document {
    /// An OCI index or docker manifest list.
    Index(Index),
    /// An OCI or docker image manifest, or an artifact's.
    Manifest(Box<Manifest>),
    /// A docker manifest of schema 1, which can be shown but not used.
    Schema1(Schema1),
}

/// An image index (image specification, "Image Index") or docker manifest list.
#[derive(Debug, Clone)]
pub struct Index {
    /// As stated; empty when not.
    pub media_type: MediaType,
    /// What it points to, in the order of the document.
    pub manifests: Vec<Descriptor>,
    /// Annotations of the index itself.
    pub annotations: Vec<(String, String)>,
    /// The kind of artifact it stands for.
    pub artifact_type: Option<String>,
    /// The manifest it is about.
    pub subject: Option<Box<Descriptor>>,
}

/// An image manifest (image specification, "Image Manifest").
#[derive(Debug, Clone)]
pub struct Manifest {
    /// As stated; empty when not.
    pub media_type: MediaType,
    /// The config; some artifacts have none.
    pub config: Option<Descriptor>,
    /// The layers, from the base upward; an artifact's other blobs.
    pub layers: Vec<Descriptor>,
    /// Annotations of the manifest itself.
    pub annotations: Vec<(String, String)>,
    /// The kind of artifact it stands for.
    pub artifact_type: Option<String>,
    /// The manifest it is about.
    pub subject: Option<Box<Descriptor>>,
}

/// What can be told of a docker manifest of schema 1.
#[derive(Debug, Clone)]
pub struct Schema1 {
    /// The name it was pushed under.
    pub name: Option<String>,
    /// The tag it was pushed under.
    pub tag: Option<String>,
    /// The layers, from the base upward (the document lists them from the top).
    pub layers: Vec<Digest>,
}

impl Document {
    /// Parses a document and tells its kind.
    ///
    /// # Errors
    /// `Json` and `Schema` for misshapen documents; `Ambiguous` for one with fields of two kinds, which a registry
    /// and a client could read differently (CVE-2021-41190).
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        Document::parse_within(bytes, &JsonLimits::default())
    }

    /// The same within other limits.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_within(bytes: &[u8], limits: &JsonLimits) -> Result<Self> {
        Document::from_value(&json::parse_within(bytes, limits)?)
    }

    /// The same for bytes that were parsed before, under whatever limits.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_known(bytes: &[u8]) -> Result<Self> {
        Document::parse_within(bytes, &JsonLimits::KNOWN)
    }

    /// The same for text that has been parsed.
    pub fn from_value(value: &Value) -> Result<Self> {
        Shape::MANIFEST.check(value)?;
        let node = Node::root(value);
        let has = |name: &str| node.field(name).map(|field| field.is_some());
        let (manifests, layers, fs_layers) = (has("manifests")?, has("layers")?, has("fsLayers")?);
        let (config, blobs) = (has("config")?, has("blobs")?);
        if manifests && (layers || config || fs_layers) || fs_layers && (layers || config) {
            let why =
                "the document has the fields of two kinds (manifests, layers or config, fsLayers)";
            return Err(Fault::Ambiguous { why: why.into() }.into());
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

    /// The media type stated inside the document; empty when not.
    pub fn media_type(&self) -> &str {
        match self {
            Document::Index(index) => index.media_type.as_str(),
            Document::Manifest(manifest) => manifest.media_type.as_str(),
            Document::Schema1(_) => "",
        }
    }
}

impl Manifest {
    /// Whether it describes a container image, by its config.
    ///
    /// Artifacts have other configs or none. One that calls itself an artifact is believed only where its layers are no
    /// filesystem layers, or a word would turn verification off.
    pub fn is_image(&self) -> bool {
        self.has_image_layers() || self.has_image_config() && self.artifact_type.is_none()
    }

    /// Whether it has an image's config and filesystem layers only, at least one: it can be run, whatever else is said
    /// of it.
    pub fn has_image_layers(&self) -> bool {
        self.has_image_config()
            && !self.layers.is_empty()
            && self.layers.iter().all(|layer| layer.media_type.is_layer())
    }

    /// Whether it describes a container image, seen together with its config where that is known.
    ///
    /// Of a docker manifest the config's type does not matter where it reads as an image's: docker 1.10 to 1.12 pushed
    /// them as `application/octet-stream`. Plugins have such configs too, and a type of their own.
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
    fn content_decides_what_a_document_is() {
        assert!(matches!(
            Document::parse(br#"{"schemaVersion":2,"manifests":null}"#),
            Ok(Document::Index(_))
        ));
        let manifest = format!(r#"{{"config":{{"digest":"{D}","size":2}},"layers":[]}}"#);
        assert!(matches!(
            Document::parse(manifest.as_bytes()),
            Ok(Document::Manifest(_))
        ));
        assert!(Document::parse(b"{}").is_err());
    }

    #[test]
    fn one_document_of_two_kinds_is_refused() {
        assert!(Document::parse(br#"{"manifests":[],"layers":[]}"#).is_err());
        assert!(Document::parse(br#"{"fsLayers":[],"layers":[]}"#).is_err());
    }
}
