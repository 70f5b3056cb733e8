//! The language of Mermaid: a flowchart.

use std::io::Write;

use super::labels::{RankDir, class, lines, visible};
use crate::error::{During, Result};
use crate::programs::imggraph::graph::{EdgeKind, Graph, NodeKind};

/// Limit on the columns of a line in a box.
const LABEL: usize = 48;

/// Writes the graph as a flowchart. Arrows point from dependents to dependencies.
///
/// # Errors
/// `Io` of the writer.
pub fn mermaid(graph: &Graph, rankdir: RankDir, out: &mut dyn Write) -> Result<()> {
    // Mermaid places the start of an arrow first, so a drawing from the base is reversed.
    let direction = match (graph.view.runs_from_base(), rankdir) {
        (false, rankdir) => rankdir.name(),
        (true, RankDir::LeftToRight) => "RL",
        (true, RankDir::RightToLeft) => "LR",
        (true, RankDir::TopToBottom) => "BT",
        (true, RankDir::BottomToTop) => "TB",
    };
    (|| -> std::io::Result<()> {
        writeln!(out, "flowchart {direction}")?;
        for (i, node) in graph.nodes.iter().enumerate() {
            let label: Vec<String> = lines(node)
                .iter()
                .filter(|line| !line.is_empty())
                .map(|line| quoted(&visible(line, LABEL)))
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
        for (name, style) in [
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
                .filter(|(_, node)| class(node) == name)
                .map(|(i, _)| format!("n{i}"))
                .collect();
            if !members.is_empty() {
                writeln!(out, "  classDef {name} {style}")?;
                // Some parsers limit the length of a line.
                for members in members.chunks(50) {
                    writeln!(out, "  class {} {name}", members.join(","))?;
                }
            }
        }
        Ok(())
    })()
    .during("write")
}

/// Escapes text for double quotes: entities for all characters with a meaning in Mermaid or in HTML.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' | '.' | ',' | ':' | '/' | '-' | '_' | '+' | '=' | '·' | '…' | '?' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => out.push_str(&format!("#{};", u32::from(c))),
        }
    }
    // Two dashes could begin an arrow.
    out.replace("--", "#45;#45;")
}
