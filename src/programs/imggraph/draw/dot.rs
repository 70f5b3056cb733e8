//! The language of Graphviz.

use std::io::Write;

use super::labels::{RankDir, details, lines, visible};
use crate::error::{Error, Result};
use crate::escape;
use crate::programs::imggraph::graph::{EdgeKind, Graph, Node, NodeKind};

/// Limit on the columns of a line in a box.
const LABEL: usize = 48;
/// Limit on the columns of a tooltip.
const TOOLTIP: usize = 2000;

/// Writes the graph for `dot`. Edges point from dependents to dependencies; the drawing grows in the direction of
/// `rankdir`.
///
/// # Errors
/// `Io` of the writer.
pub fn dot(graph: &Graph, rankdir: RankDir, out: &mut dyn Write) -> Result<()> {
    let write = |error| Error::io("write", error);
    let back = graph.view.runs_from_base();
    (|| {
        writeln!(out, "digraph \"{}\" {{", graph.view.name())?;
        writeln!(out, "  rankdir={};", rankdir.name())?;
        writeln!(out, "  node [shape=box, style=filled, fillcolor=\"#ffffff\", fontname=\"sans-serif\", fontsize=10];")?;
        writeln!(out, "  edge [color=\"#8a8f98\", fontname=\"sans-serif\", fontsize=9];")?;
        for (i, node) in graph.nodes.iter().enumerate() {
            let label: Vec<String> = lines(node)
                .iter()
                .filter(|line| !line.is_empty())
                .map(|line| quoted(&visible(line, LABEL)))
                .collect();
            let label = label.join("\\n");
            let tooltip: Vec<String> = details(node)
                .iter()
                .map(|(key, value)| format!("{key}: {value}"))
                .collect();
            let tooltip = quoted(&visible(&tooltip.join(" | "), TOOLTIP));
            let (fill, shape, style) = look(node);
            write!(out, "  n{i} [id=\"{}\", label=\"{label}\", tooltip=\"{tooltip}\", fillcolor=\"{fill}\"", quoted(&escape::text(&node.id)))?;
            if shape != "box" {
                write!(out, ", shape={shape}")?;
            }
            if style != "filled" {
                write!(out, ", style=\"{style}\"")?;
            }
            writeln!(out, "];")?;
        }
        for edge in &graph.edges {
            // Ranks follow the order of the ends.
            let (a, b) = if back { (edge.to, edge.from) } else { (edge.from, edge.to) };
            let mut marks = Vec::new();
            if back {
                marks.push("dir=back".to_owned());
            }
            if matches!(edge.kind, EdgeKind::Describes) {
                marks.push("style=dashed, constraint=false, label=\"describes\"".to_owned());
            }
            match marks.is_empty() {
                true => writeln!(out, "  n{a} -> n{b};")?,
                false => writeln!(out, "  n{a} -> n{b} [{}];", marks.join(", "))?,
            }
        }
        writeln!(out, "}}")
    })()
    .map_err(write)
}

/// Escapes text for double quotes. Invisible characters were escaped before.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Returns fill colour, shape and style of a node.
fn look(node: &Node) -> (&'static str, &'static str, &'static str) {
    let (fill, shape) = match node.kind {
        NodeKind::Image => ("#dbeafe", "box"),
        NodeKind::Layer | NodeKind::Layers if node.shared_by > 1 => ("#fde68a", "box"),
        NodeKind::Layer | NodeKind::Layers => ("#f3f4f6", "box"),
        NodeKind::Archive => ("#e5e7eb", "folder"),
        NodeKind::Index => ("#e9d5ff", "box"),
        NodeKind::Manifest => ("#dbeafe", "box"),
        NodeKind::Config => ("#d1fae5", "note"),
        NodeKind::Attestation | NodeKind::Signature => ("#fce7f3", "note"),
        NodeKind::Artifact | NodeKind::Blob => ("#f3f4f6", "note"),
        NodeKind::Package => ("#f3f4f6", "box"),
    };
    match node.missing {
        true => ("#ffffff", shape, "dashed"),
        false => (fill, shape, "filled"),
    }
}
