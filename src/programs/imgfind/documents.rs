//! Texts of an image's documents, each with its place: the config, its history, environment and labels, and annotations
//! of the manifest and of the index that names it.

use serde_json::Value;

use crate::archive::Edge;
use crate::cli::Named;
use crate::spec::json;

/// Places that are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Where {
    /// Contents of files
    Files,
    /// Paths, and targets of links
    Names,
    /// All texts of the config
    Config,
    /// History
    History,
    /// Environment variables
    Env,
    /// Labels
    Labels,
    /// Annotations of manifest and index
    Annotations,
    /// Bytes that no image shows
    Slack,
    /// All of these
    All,
}

/// A text of a document.
pub(super) struct Text {
    /// Document: `config`, `manifest` or `index`; or `slack`.
    pub(super) document: &'static str,
    /// JSON Pointer in it (RFC 6901), or place of slack; of annotations in an index, in the descriptor of the image.
    pub(super) pointer: String,
    /// The string; of labels and annotations, `KEY=VALUE`.
    pub(super) text: String,
}

impl Where {
    /// Tests if it is among what is searched.
    pub(super) fn is_in(self, list: &[Where]) -> bool {
        list.contains(&self) || list.contains(&Where::All)
    }
}

/// Returns the texts of an image's documents that are to be searched, in the order of the documents.
pub(super) fn texts(named: &Named<'_>, list: &[Where]) -> Vec<Text> {
    let image = named.image;
    let mut texts = Vec::new();
    let has_documents =
        |place: &Where| !matches!(place, Where::Files | Where::Names | Where::Slack);
    if !list.iter().any(has_documents) {
        return texts;
    }
    let config = image.config_bytes.as_ref();
    if let Some(Ok(config)) = config.map(|bytes| json::parse_known(bytes)) {
        let is_wanted = |pointer: &str| {
            let parts = [
                (Where::History, "/history/"),
                (Where::Env, "/config/Env/"),
                (Where::Labels, "/config/Labels/"),
            ];
            let is_part =
                |&(part, above): &(Where, &str)| part.is_in(list) && pointer.starts_with(above);
            Where::Config.is_in(list) || parts.iter().any(is_part)
        };
        strings("config", &config, "/config/Labels/", is_wanted, &mut texts);
    }
    if !Where::Annotations.is_in(list) {
        return texts;
    }
    let graph = &named.archive.nodes;
    let manifest = image.node.and_then(|node| graph.get(node)?.bytes.as_ref());
    if let Some(Ok(manifest)) = manifest.map(|bytes| json::parse_known(bytes)) {
        let is_wanted = |pointer: &str| pointer.contains("/annotations/");
        strings(
            "manifest",
            &manifest,
            "/annotations/",
            is_wanted,
            &mut texts,
        );
    }
    let roots = named.archive.oci.iter().flat_map(|oci| oci.edges.iter());
    let nested = graph.iter().flat_map(|node| node.edges().iter());
    let own = |edge: &&Edge| Some(edge.node) == image.node;
    for edge in roots.chain(nested).filter(own) {
        for (key, value) in &edge.descriptor.annotations {
            texts.push(Text {
                document: "index",
                pointer: format!("/annotations/{}", escaped(key)),
                text: format!("{key}={value}"),
            });
        }
    }
    texts
}

/// Adds the strings of a document whose pointer is wanted, in their order. Those below `pairs` have their key in front.
fn strings(
    document: &'static str,
    root: &Value,
    pairs: &str,
    is_wanted: impl Fn(&str) -> bool,
    texts: &mut Vec<Text>,
) {
    let mut open = vec![(String::new(), "", root)];
    while let Some((pointer, key, value)) = open.pop() {
        match value {
            Value::String(text) if is_wanted(&pointer) => {
                let text = match pointer.contains(pairs) {
                    true => format!("{key}={text}"),
                    false => text.clone(),
                };
                texts.push(Text {
                    document,
                    pointer,
                    text,
                });
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(at, item)| (format!("{pointer}/{at}"), "", item));
                open.extend(items.rev());
            }
            Value::Object(fields) => {
                let fields = fields.iter().rev();
                open.extend(fields.map(|(key, item)| {
                    (format!("{pointer}/{}", escaped(key)), key.as_str(), item)
                }));
            }
            _ => {}
        }
    }
}

/// A key as a part of a JSON Pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
