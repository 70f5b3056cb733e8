//! Texts of nodes, for all formats.

use crate::escape;
use crate::programs::imggraph::graph::{Graph, Node, NodeKind, View};
use crate::render::human;

/// Direction in which a drawing grows from its start.
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
    /// Returns the name in Graphviz and Mermaid.
    pub fn name(self) -> &'static str {
        match self {
            RankDir::LeftToRight => "LR",
            RankDir::RightToLeft => "RL",
            RankDir::TopToBottom => "TB",
            RankDir::BottomToTop => "BT",
        }
    }
}

/// Returns the heading of a page or drawing.
pub(super) fn heading(view: View) -> &'static str {
    match view {
        View::Layers => "Layers and images",
        View::Images => "Images and their bases",
        View::Blobs => "Blobs",
        View::Packages => "Packages",
    }
}

/// Escapes a text and truncates it to a number of columns.
pub(super) fn visible(text: &str, columns: usize) -> String {
    // Text far beyond the cut need not be escaped.
    let end = text
        .char_indices()
        .nth(columns.saturating_mul(4))
        .map_or(text.len(), |(at, _)| at);
    human::ellipsis(&escape::text(&text[..end]), columns)
}

/// Formats bytes with a unit; `?` if unknown.
pub(super) fn bytes(size: Option<u64>) -> String {
    size.map_or_else(|| "?".to_owned(), human::size)
}

/// Returns the command without the prefixes of docker's builder.
pub(super) fn command(node: &Node) -> String {
    let text = node.created_by.trim();
    // `|2 A=1 B=2 /bin/sh -c …`: build arguments precede the command.
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

/// Returns the first name of a node and the number of further ones, or its label.
pub(super) fn title(node: &Node) -> String {
    match node.names.as_slice() {
        [] => node.label.clone(),
        [one] => one.clone(),
        [one, rest @ ..] => format!("{one} +{}", rest.len()),
    }
}

/// Returns the lines of a node's box: title; ID and sizes; command, or other properties.
pub(super) fn lines(node: &Node) -> [String; 3] {
    let missing = if node.missing { " (absent)" } else { "" };
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
        format!("{}{missing}{hidden}", title(node)),
        second.join(" · "),
        third,
    ]
}

/// Returns all properties of a node, as keys and values.
pub(super) fn details(node: &Node) -> Vec<(String, String)> {
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
        if !layer.created_by.is_empty() {
            text.push(layer.created_by.clone());
        }
        add(&format!("layer {}", layer.number), text.join("\n"));
    }
    if node.layers.is_empty() {
        add("made by", node.created_by.clone());
    }
    if node.hidden > 0 {
        add("not drawn", format!("{} more", node.hidden));
    }
    all
}

/// Returns the class of a node, by which it is coloured.
pub(super) fn class(node: &Node) -> &'static str {
    match node.kind {
        _ if node.missing => "absent",
        NodeKind::Image | NodeKind::Manifest => "image",
        NodeKind::Layer | NodeKind::Layers | NodeKind::Package if node.shared_by > 1 => "shared",
        _ => "own",
    }
}

/// Returns the line of totals.
pub(super) fn totals(graph: &Graph) -> String {
    let totals = &graph.totals;
    let count = |n: usize, noun: &str| match n {
        1 => format!("1 {noun}"),
        _ => format!("{n} {noun}s"),
    };
    let noun = match graph.view {
        View::Layers | View::Images => "layer",
        View::Blobs => "blob",
        View::Packages => "package",
    };
    let mut line = match graph.view {
        View::Packages => format!(
            "{}, {} installed",
            count(totals.layers, noun),
            human::size(totals.once)
        ),
        _ => format!(
            "{}, {}: {} in all, {} {} once, {} saved by sharing",
            count(totals.images, "image"),
            count(totals.layers, noun),
            human::size(totals.all),
            human::size(totals.once),
            graph.size_of.adjective(),
            human::size(totals.saved()),
        ),
    };
    if totals.unknown > 0 {
        line.push_str(&format!("; {} of unknown size", totals.unknown));
    }
    line
}
