//! Image config: command, environment, platform, layers and history.

use serde_json::Value;

use super::fields::GoType;
use super::json::{self, Node};
use super::{Digest, Platform};
use crate::error::Result;
use crate::limits::JsonLimits;

/// Config of a container image (image specification, "Image Configuration"), with docker's additions.
///
/// A view: its bytes are kept elsewhere, and a digest is of those bytes. `null` equals a missing field.
#[derive(Debug, Clone, Default)]
pub struct ImageConfig {
    /// Creation time as written; usually RFC 3339.
    pub created: Option<String>,
    /// Author.
    pub author: Option<String>,
    /// Platform.
    pub platform: Platform,
    /// Digests of the uncompressed layers, from the base upward. `None` without `rootfs`.
    pub diff_ids: Option<Vec<Digest>>,
    /// Build steps, oldest first. Their number may differ from the number of layers.
    pub history: Vec<History>,
    /// The document, for [`ImageConfig::config`] and fields that only docker writes (`container_config`,
    /// `docker_version`, …).
    pub document: Value,
}

/// Build step of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// Time as written.
    pub created: Option<String>,
    /// Command as the builder wrote it.
    pub created_by: String,
    /// Author.
    pub author: Option<String>,
    /// Comment.
    pub comment: String,
    /// True if the step made no layer.
    pub empty_layer: bool,
}

/// Aligns the entries of a history with layers, oldest first: positions of the entry and the layer of each step. Nothing
/// is dropped where their numbers differ. `are_empty`: whether each entry made no layer.
///
/// Each entry without `empty_layer` takes the next layer (image specification, "Image Configuration", history). Where
/// there are fewer such entries than layers, the base came without history: entries are aligned from the top, and the
/// layers at the bottom get none. Where there are more, the last entries get no layer.
pub fn aligned_history(
    are_empty: &[bool],
    layers: usize,
) -> impl Iterator<Item = (Option<usize>, Option<usize>)> {
    let with_layer = are_empty.iter().filter(|is_empty| !**is_empty).count();
    let first = layers.saturating_sub(with_layer);
    let mut next = first;
    let entries = are_empty.iter().enumerate().map(move |(entry, is_empty)| {
        let layer = (!is_empty && next < layers).then_some(next);
        next += usize::from(layer.is_some());
        (Some(entry), layer)
    });
    (0..first).map(|layer| (None, Some(layer))).chain(entries)
}

impl ImageConfig {
    /// Parses a config.
    ///
    /// # Errors
    /// `Json` and `Schema` for an invalid document, as far as its fields are read here; other fields are not checked.
    pub fn parse(bytes: &[u8], limits: &JsonLimits) -> Result<Self> {
        Self::from_value(json::parse(bytes, limits)?)
    }

    /// Parses bytes that were parsed before under other limits.
    ///
    /// # Errors
    /// As [`ImageConfig::parse`].
    pub fn parse_known(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes, &JsonLimits::KNOWN)
    }

    /// Converts a parsed document.
    pub(crate) fn from_value(document: Value) -> Result<Self> {
        GoType::CONFIG.check(&document)?;
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

    /// Docker's `Config` object as written: command, environment and so on.
    pub fn config(&self) -> Option<&Value> {
        Node::root(&self.document)
            .field("config")
            .ok()?
            .map(|config| config.value())
    }

    /// Returns the labels, in the order of the document; values that are not strings are left out.
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

    /// Returns a string field that only docker writes at the top of the config: `comment`, `docker_version`, `parent`,
    /// ….
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
