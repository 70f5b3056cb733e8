//! Documents of the docker half: `manifest.json`, `repositories`, v1 `json` files.

use super::container::Container;
use crate::error::{At, Error, Fault, NotAnImage, Result, within};
use crate::limits::Limits;
use crate::spec::fields::GoType;
use crate::spec::json::{self, Node};
use crate::spec::{Descriptor, Digest, History, ImageConfig, Platform};
use serde_json::{Map, Value};

/// One item of `manifest.json`.
#[derive(Debug, Clone)]
pub struct DockerItem {
    /// Member that holds the config. Its name proves nothing; the digest of its bytes is the image ID.
    pub config: String,
    /// Names as written.
    pub repo_tags: Vec<String>,
    /// Members that hold the layers, from the base upward.
    pub layers: Vec<String>,
    /// Image this one was built on, if it is in the same archive.
    pub parent: Option<String>,
    /// Descriptors of layers by diff ID: foreign layers only before docker 25, all layers since.
    pub layer_sources: Vec<(Digest, Descriptor)>,
}

/// Parses `manifest.json`.
///
/// # Errors
/// `NotAnImage` for `null`; `Ambiguous` for several keys of one field; `Schema` for anything but a list of items. An
/// empty list is valid and means no image.
pub(super) fn parse_manifest(value: &Value, limits: &Limits) -> Result<Vec<DockerItem>> {
    if value.is_null() {
        return Err(Fault::NotAnImage(NotAnImage::EmptyManifest).into());
    }
    GoType::ITEMS.check(value)?;
    let mut items = Vec::new();
    for (i, item) in Node::root(value).items()?.enumerate() {
        within("images", limits.images, i as u64 + 1)?;
        let item = DockerItem::from_node(&item)?;
        within("layers", limits.layers, item.layers.len() as u64)?;
        items.push(item);
    }
    Ok(items)
}

impl DockerItem {
    fn from_node(node: &Node<'_>) -> Result<Self> {
        let texts = |name: &str| {
            node.field(name)?
                .map_or(Ok(Vec::new()), |field| field.texts())
        };
        let layer_sources = match node.field("LayerSources")? {
            None => Vec::new(),
            Some(sources) => sources
                .members()?
                .map(|(diff_id, source)| {
                    Ok((Digest::parse(diff_id)?, Descriptor::from_node(&source)?))
                })
                .collect::<Result<_>>()?,
        };
        Ok(DockerItem {
            config: node
                .required("Config", "a member's name")?
                .text()?
                .to_owned(),
            repo_tags: texts("RepoTags")?,
            layers: texts("Layers")?,
            parent: json::opt_text(node, "Parent")?,
            layer_sources,
        })
    }
}

/// One record of `repositories`: a name, a tag, and their v1 ID (or, since docker 25, their top layer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRecord {
    /// Repository as written.
    pub repository: String,
    /// Tag as written.
    pub tag: String,
    /// 64 hexadecimal digits in most archives.
    pub id: String,
}

/// Parses `repositories`.
///
/// # Errors
/// `Schema` for anything but an object of objects of strings.
pub(super) fn parse_repositories(value: &Value) -> Result<Vec<RepositoryRecord>> {
    let mut records = Vec::new();
    if value.is_null() {
        return Ok(records);
    }
    for (repository, tags) in Node::root(value).members()? {
        for (tag, id) in tags.members()? {
            let (repository, tag) = (repository.to_owned(), tag.to_owned());
            records.push(RepositoryRecord {
                repository,
                tag,
                id: id.text()?.to_owned(),
            });
        }
    }
    Ok(records)
}

/// Image of before docker 1.10: a chain of directories, each with one layer.
#[derive(Debug)]
pub(super) struct V1Image {
    /// ID of the topmost directory. A random label, not a digest.
    pub id: String,
    /// Members that hold the layers, from the base upward.
    pub layers: Vec<String>,
    /// Config assembled from the `json` files of the directories, without diff IDs.
    pub config: ImageConfig,
}

/// Follows the `parent` links from a v1 ID, listed in `repositories` under `name`, to the base.
///
/// # Errors
/// `Schema` for an invalid ID, `MemberMissing` for a missing `json`, `Ambiguous` for a loop, `Limit` past 1,000 layers.
pub(super) fn v1_chain(container: &Container, name: &str, id: &str) -> Result<V1Image> {
    let limits = &container.limits;
    let mut layers = Vec::new();
    let mut history = Vec::new();
    let mut top: Option<Value> = None;
    let mut seen = std::collections::HashSet::new();
    let mut next = Some(id.to_owned());
    while let Some(id) = next {
        if id.is_empty()
            || id.len() > 255
            || !id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        {
            let found = match id.is_empty() {
                true => "an empty string".to_owned(),
                false => format!("'{}'", id.chars().take(80).collect::<String>()),
            };
            let field = match layers.is_empty() {
                true => format!("repositories: {name}"),
                false => "parent".to_owned(),
            };
            return Err(Error::schema(field, "a v1 image ID", found));
        }
        if !seen.insert(id.clone()) {
            return Err(Error::ambiguous(format!("circular parents of {id}")));
        }
        within("layers", limits.layers, seen.len() as u64)?;
        let name = format!("{id}/json");
        // The topmost one is kept with the image, the others are not.
        let bytes = match (container.get(&name)?, &top) {
            (Some(content), None) => Some(container.hold(&content, limits.of_config(), true)?),
            (Some(_), Some(_)) => container.read(&name, limits.of_config())?,
            (None, _) => None,
        };
        let bytes = bytes.ok_or_else(|| Error::member_missing(name.clone()))?;
        let value = json::parse(&bytes, &limits.json).at(|| name.clone())?;
        GoType::CONFIG.check(&value).at(|| name.clone())?;
        let node = Node::root(&value);
        layers.push(format!("{id}/layer.tar"));
        history.push(v1_history(&node).at(|| name.clone())?);
        next = json::opt_text(&node, "parent")
            .at(|| name.clone())?
            .filter(|parent| !parent.is_empty());
        top.get_or_insert(value);
    }
    layers.reverse();
    history.reverse();
    let document = top.unwrap_or_else(|| Value::Object(Map::new()));
    let node = Node::root(&document);
    let config = ImageConfig {
        created: json::opt_text(&node, "created")?,
        author: json::opt_text(&node, "author")?,
        platform: Platform::from_node(&node)?,
        diff_ids: None,
        history,
        document: document.clone(),
    };
    Ok(V1Image {
        id: id.to_owned(),
        layers,
        config,
    })
}

/// Converts a v1 `json` to a history entry as docker does.
fn v1_history(node: &Node<'_>) -> Result<History> {
    let created_by = match node.field("container_config")? {
        None => String::new(),
        Some(container) => container
            .field("Cmd")?
            .map_or(Ok(Vec::new()), |command| command.texts())?
            .join(" "),
    };
    Ok(History {
        created: json::opt_text(node, "created")?,
        created_by,
        author: json::opt_text(node, "author")?.filter(|author| !author.is_empty()),
        comment: json::opt_text(node, "comment")?.unwrap_or_default(),
        empty_layer: false,
    })
}

/// Reads and parses a JSON member.
pub(super) fn member_json(container: &Container, name: &str) -> Result<Option<Value>> {
    let bytes = container.read(name, container.limits.of_document())?;
    bytes
        .map(|bytes| json::parse(&bytes, &container.limits.json))
        .transpose()
        .at(|| name.to_owned())
}
