//! Mermaid's language: a flowchart.

use std::io::Write;

use super::{RankDir, lines, shown};
use crate::error::{Error, Result};
use crate::programs::imggraph::graph::{EdgeKind, Graph, NodeKind};

/// The most columns of a line in a box.
const LABEL: usize = 48;

/// Writes the graph as a flowchart. Arrows point from what stands on something to what it stands on.
///
/// # Errors
/// `Io` of the writer.
pub fn mermaid(graph: &Graph, rankdir: RankDir, out: &mut dyn Write) -> Result<()> {
    let write = |error| Error::io("write", error);
    // Mermaid puts the start of an arrow first, so a drawing from the base up is turned around.
    let direction = match (graph.view.from_the_base(), rankdir) {
        (false, rankdir) => rankdir.name(),
        (true, RankDir::LeftToRight) => "RL",
        (true, RankDir::RightToLeft) => "LR",
        (true, RankDir::TopToBottom) => "BT",
        (true, RankDir::BottomToTop) => "TB",
    };
    (|| {
        writeln!(out, "flowchart {direction}")?;
        for (i, node) in graph.nodes.iter().enumerate() {
            let label: Vec<String> = lines(node)
                .iter()
                .filter(|line| !line.is_empty())
                .map(|line| quoted(&shown(line, LABEL)))
                .collect();
            let label = label.join("<br/>");
            let (open, close) = match node.kind {
                NodeKind::Image | NodeKind::Manifest => ("([", "])"),
                NodeKind::Archive => ("[(", ")]"),
                NodeKind::Attestation | NodeKind::Signature => (">", "]"),
                _ => ("[", "]"),
            };
            writeln!(out, "  n{i}{open}\"{label}\"{close}")?;
        }
        for edge in &graph.edges {
            let arrow = match edge.kind {
                EdgeKind::Describes => "-. describes .->",
                _ => "-->",
            };
            writeln!(out, "  n{} {arrow} n{}", edge.from, edge.to)?;
        }
        for (class, look) in [
            ("image", "fill:#dbeafe,stroke:#1d4ed8,color:#111827"),
            ("shared", "fill:#fde68a,stroke:#b45309,color:#111827"),
            ("own", "fill:#f3f4f6,stroke:#6b7280,color:#111827"),
            (
                "absent",
                "fill:#ffffff,stroke:#b91c1c,color:#111827,stroke-dasharray:4",
            ),
        ] {
            let members: Vec<String> = graph
                .nodes
                .iter()
                .enumerate()
                .filter(|(_, node)| super::class(node) == class)
                .map(|(i, _)| format!("n{i}"))
                .collect();
            if !members.is_empty() {
                writeln!(out, "  classDef {class} {look}")?;
                // A line with every node would be too long for some readers.
                for members in members.chunks(50) {
                    writeln!(out, "  class {} {class}", members.join(","))?;
                }
            }
        }
        Ok(())
    })()
    .map_err(write)
}

/// Text between quotes: Mermaid's entities for all that could end it or mean something, in it or in the HTML that
/// becomes of it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' | '.' | ',' | ':' | '/' | '-' | '_' | '+' | '=' | '·' | '…' | '?' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => out.push_str(&format!("#{};", u32::from(c))),
        }
    }
    // Two dashes and an angle are an arrow elsewhere; a text that begins like a list is read as Markdown.
    out.replace("--", "#45;#45;")
}
