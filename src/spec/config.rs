//! The image config: what runs, on what, made of which layers, how.

use serde_json::Value;

use super::fields::Shape;
use super::json::{self, Node};
use super::{Digest, Platform};
use crate::error::Result;
use crate::limits::JsonLimits;

/// A container image's config (image specification, "Image Configuration"), with docker's additions.
///
/// A view: the bytes it was read from are kept elsewhere and are what a digest is of. `null` equals absent.
#[derive(Debug, Clone, Default)]
pub struct ImageConfig {
    /// When the image was made, as written; usually RFC 3339.
    pub created: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// What machine it is for.
    pub platform: Platform,
    /// The digests of the plain layers, from the base upward. `None` when there is no `rootfs`.
    pub diff_ids: Option<Vec<Digest>>,
    /// What was done, oldest first. May be shorter or longer than the layers.
    pub history: Vec<History>,
    /// The document, for [`ImageConfig::config`] and the fields that only docker writes (`container_config`,
    /// `docker_version`, …).
    pub document: Value,
}

/// One step of an image's making.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// When, as written.
    pub created: Option<String>,
    /// The command, as the builder wrote it.
    pub created_by: String,
    /// Who.
    pub author: Option<String>,
    /// A remark.
    pub comment: String,
    /// Whether the step made no layer.
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Parses a config.
    ///
    /// # Errors
    /// `Json` and `Schema` for a document that is misshapen in the fields read here; others are carried unread.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        Self::parse_within(bytes, &JsonLimits::default())
    }

    /// The same for bytes that were parsed before, under whatever limits.
    ///
    /// # Errors
    /// As [`ImageConfig::parse`].
    pub fn parse_known(bytes: &[u8]) -> Result<Self> {
        Self::parse_within(bytes, &JsonLimits::KNOWN)
    }

    /// The same within other limits.
    ///
    /// # Errors
    /// As [`ImageConfig::parse`].
    pub fn parse_within(bytes: &[u8], limits: &JsonLimits) -> Result<Self> {
        Self::from_value(json::parse_within(bytes, limits)?)
    }

    /// The same for text that has been parsed.
    pub(crate) fn from_value(document: Value) -> Result<Self> {
        Shape::CONFIG.check(&document)?;
        let node = Node::root(&document);
        let diff_ids = match node.field("rootfs")? {
            None => None,
            Some(rootfs) => match rootfs.field("diff_ids")? {
                None => Some(Vec::new()),
                Some(list) => Some(list.items()?.map(|id| id.digest()).collect::<Result<_>>()?),
            },
        };
        let history = match node.field("history")? {
            None => Vec::new(),
            Some(list) => list
                .items()?
                .map(|step| History::from_node(&step))
                .collect::<Result<_>>()?,
        };
        Ok(ImageConfig {
            created: json::opt_text(&node, "created")?,
            author: json::opt_text(&node, "author")?,
            platform: Platform::from_node(&node)?,
            diff_ids,
            history,
            document,
        })
    }

    /// What to run and how: docker's `Config` object, as written.
    pub fn config(&self) -> Option<&Value> {
        Node::root(&self.document)
            .field("config")
            .ok()?
            .map(|config| config.value())
    }

    /// The labels, in the order of the document; empty where there are none or they are not texts.
    pub fn labels(&self) -> Vec<(String, String)> {
        let labels = || -> Option<Vec<(String, String)>> {
            Node::root(self.config()?)
                .field("Labels")
                .ok()??
                .text_map()
                .ok()
        };
        labels().unwrap_or_default()
    }

    /// A text that only docker writes at the top of the config: `comment`, `docker_version`, `parent`, ….
    pub fn extra(&self, name: &str) -> Option<String> {
        json::opt_text(&Node::root(&self.document), name)
            .ok()
            .flatten()
    }
}

impl History {
    fn from_node(node: &Node<'_>) -> Result<Self> {
        let empty_layer = node.field("empty_layer")?;
        Ok(History {
            created: json::opt_text(node, "created")?,
            created_by: json::opt_text(node, "created_by")?.unwrap_or_default(),
            author: json::opt_text(node, "author")?,
            comment: json::opt_text(node, "comment")?.unwrap_or_default(),
            empty_layer: match empty_layer {
                None => false,
                Some(field) => field
                    .value()
                    .as_bool()
                    .ok_or_else(|| field.expected("true or false"))?,
            },
        })
    }
}
