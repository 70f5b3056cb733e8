//! A graph of images drawn: as text, for other programs, as a picture, as a page.
//!
//! | file | what it writes |
//! |---|---|
//! | `tree` | a tree of lines for terminals |
//! | `dot`, `mermaid` | the languages of Graphviz and Mermaid |
//! | `data` | JSON, for programs and for the page |
//! | `layout`, `svg` | boxes that do not touch, and the picture of them |
//! | `html`, `treemap` | one page with the picture, its details and a treemap of each image |
//!
//! Labels come from archives: each format has its own escaping, and what is no visible character is made visible by
//! [`crate::escape`] first. JSON carries texts without loss.

mod data;
mod dot;
mod html;
mod layout;
mod mermaid;
mod svg;
mod tree;

use crate::escape;
use crate::programs::imggraph::graph::{Node, NodeKind};
use crate::render::human;

pub use data::json;
pub use dot::dot;
pub use html::html;
pub use mermaid::mermaid;
pub use svg::svg;
pub use tree::{TreeOptions, tree};

/// Which way a drawing grows from what it begins with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RankDir {
    /// Left to right.
    #[default]
    LeftToRight,
    /// Right to left.
    RightToLeft,
    /// Top to bottom.
    TopToBottom,
    /// Bottom to top.
    BottomToTop,
}

impl RankDir {
    /// Its name in Graphviz and Mermaid.
    pub fn name(self) -> &'static str {
        match self {
            RankDir::LeftToRight => "LR",
            RankDir::RightToLeft => "RL",
            RankDir::TopToBottom => "TB",
            RankDir::BottomToTop => "BT",
        }
    }
}

/// A text made visible and cut to so many columns.
fn shown(text: &str, columns: usize) -> String {
    // What is far beyond the cut need not be looked at.
    let end = text
        .char_indices()
        .nth(columns.saturating_mul(4))
        .map_or(text.len(), |(at, _)| at);
    human::ellipsis(&escape::text(&text[..end]), columns)
}

/// Bytes in words, `?` where they are not known.
fn bytes(size: Option<u64>) -> String {
    size.map_or_else(|| "?".to_owned(), human::size)
}

/// The command without what docker's builder puts before it.
fn command(node: &Node) -> String {
    let text = node.made_by.trim();
    // `|2 A=1 B=2 /bin/sh -c …`: build arguments stand before the command.
    let text = match (text.strip_prefix('|'), text.find("/bin/sh -c ")) {
        (Some(_), Some(at)) => &text[at..],
        _ => text,
    };
    let text = text.strip_prefix("/bin/sh -c #(nop) ").unwrap_or(text);
    let text = match text.strip_prefix("/bin/sh -c ") {
        Some(run) => format!("RUN {run}"),
        None => text.to_owned(),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// The names of a node in one line, or what it is.
fn title(node: &Node) -> String {
    match node.names.as_slice() {
        [] => node.label.clone(),
        [one] => one.clone(),
        [one, rest @ ..] => format!("{one} +{}", rest.len()),
    }
}

/// The lines of a node's box: what it is; its ID and sizes; how it was made.
fn lines(node: &Node) -> [String; 3] {
    let absent = if node.absent { " (absent)" } else { "" };
    let hidden = match node.hidden {
        0 => String::new(),
        n => format!(" … {n} more"),
    };
    let mut second = vec![node.short().to_owned()];
    match node.kind {
        NodeKind::Archive => second.clear(),
        NodeKind::Image => second.push(format!("{} in all", bytes(node.cumulative))),
        _ => second.push(bytes(node.size)),
    }
    let third = match node.kind {
        NodeKind::Image | NodeKind::Archive | NodeKind::Package => {
            let wanted = ["platform", "shape", "architecture"];
            let found = node.facts.iter().find(|(key, _)| wanted.contains(key));
            let created = node.facts.iter().find(|(key, _)| *key == "created");
            // The day is enough here; details have the time in full.
            let day = |text: &str| text.get(..10).unwrap_or(text).to_owned();
            let words = found.iter().map(|(_, value)| value.clone());
            let words = words.chain(created.iter().map(|(_, value)| day(value)));
            words.collect::<Vec<_>>().join(" · ")
        }
        NodeKind::Layer | NodeKind::Layers => command(node),
        _ => {
            let wanted = ["platform", "artifact_type", "predicate_type", "media_type"];
            let found = node.facts.iter().find(|(key, _)| wanted.contains(key));
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        }
    };
    if node.shared_by > 1 {
        second.push(match node.kind {
            NodeKind::Image => format!("base of {}", node.shared_by - 1),
            NodeKind::Package => format!("needed by {}", node.shared_by),
            NodeKind::Layer | NodeKind::Layers => format!("shared by {}", node.shared_by),
            _ => format!("named by {}", node.shared_by),
        });
    }
    [
        format!("{}{absent}{hidden}", title(node)),
        second.join(" · "),
        third,
    ]
}

/// Everything that is known of a node, as lines of key and value.
fn details(node: &Node) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |key: &str, value: String| {
        if !value.is_empty() {
            all.push((key.to_owned(), value));
        }
    };
    add("kind", node.kind.name().to_owned());
    for name in &node.names {
        add("name", name.clone());
    }
    if node.names.is_empty() {
        add("label", node.label.clone());
    }
    let digest = match node.kind {
        NodeKind::Layer | NodeKind::Layers => "chain ID",
        NodeKind::Image => "image ID",
        NodeKind::Package => "version",
        _ => "digest",
    };
    add(digest, node.digest.clone());
    let sized = |size: u64| format!("{} ({size} bytes)", human::size(size));
    if let Some(size) = node.size {
        add(
            if node.kind == NodeKind::Image {
                "adds"
            } else {
                "size"
            },
            sized(size),
        );
    }
    if let Some(size) = node.cumulative {
        add("in all", sized(size));
    }
    if node.shared_by > 0 && node.kind != NodeKind::Archive {
        add("needed by", node.shared_by.to_string());
    }
    for (key, value) in &node.facts {
        add(&key.replace('_', " "), value.clone());
    }
    for layer in &node.layers {
        let mut text = Vec::new();
        for (key, value) in [
            ("chain ID", &layer.chain_id),
            ("diff ID", &layer.diff_id),
            ("blob", &layer.digest),
        ] {
            if !value.is_empty() {
                text.push(format!("{key} {value}"));
            }
        }
        if let Some(size) = layer.size {
            text.push(sized(size));
        }
        if !layer.made_by.is_empty() {
            text.push(layer.made_by.clone());
        }
        add(&format!("layer {}", layer.number), text.join("\n"));
    }
    if node.layers.is_empty() {
        add("made by", node.made_by.clone());
    }
    if node.hidden > 0 {
        add("not drawn", format!("{} more", node.hidden));
    }
    all
}

/// How a node is coloured.
fn class(node: &Node) -> &'static str {
    match node.kind {
        _ if node.absent => "absent",
        NodeKind::Image | NodeKind::Manifest => "image",
        NodeKind::Layer | NodeKind::Layers | NodeKind::Package if node.shared_by > 1 => "shared",
        _ => "own",
    }
}
