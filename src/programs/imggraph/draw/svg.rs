//! SVG picture, written directly.

use std::fmt::Write as _;
use std::io::Write;

use super::labels::{RankDir, class, details, heading, lines, totals, visible};
use super::layout::{BOX, HEAD, Layout, MARGIN, layout};
use crate::error::{During, Result};
use crate::programs::imggraph::graph::{EdgeKind, Graph, Node, NodeKind, View};
use crate::render::page::escaped;

/// Columns of the three lines in a box, which fit in it with the preferred fonts.
const COLUMNS: [usize; 3] = [30, 38, 38];
/// Space left and right of text and bar.
const PAD: f64 = 10.0;
/// Position and height of the bar.
const BAR: (f64, f64) = (56.0, 5.0);
/// Limit on the characters of a line of a tooltip.
const TOOLTIP: usize = 1000;
/// Limit on the lines of a tooltip.
const TOOLTIP_LINES: usize = 60;

/// Style sheet inside the picture.
pub(super) const STYLE: &str = "\
.imggraph{font:12px 'Helvetica Neue',Helvetica,Arial,'DejaVu Sans',sans-serif;background:#fff}\
.imggraph .card{fill:#f6f7f9;stroke:#9aa1ac}.imggraph .image .card{fill:#e3edfd;stroke:#2f66c4}\
.imggraph .shared .card{fill:#fff0c2;stroke:#b7791f}.imggraph .absent .card{fill:#fff;stroke:#c53030;stroke-dasharray:5 3}\
.imggraph .t{font-weight:600;fill:#16191f}.imggraph .i,.imggraph .c{font:10px 'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#3b4252}\
.imggraph .c{fill:#626b7a}.imggraph .all{fill:#c9d3e3}.imggraph .own{fill:#3d6fb8}.imggraph .shared .own{fill:#b7791f}\
.imggraph .edge{fill:none;stroke:#9aa1ac;stroke-width:1.4}.imggraph .extra{stroke:#c3c9d3;stroke-width:1}\
.imggraph .describes{stroke-dasharray:4 3}.imggraph .h{font-weight:600;font-size:15px;fill:#16191f}.imggraph .s{fill:#4c566a}";

/// Writes the graph as a self-contained SVG picture.
///
/// The bar in each box shows bytes in proportion to the largest stack: own bytes dark, those of dependencies light.
/// Shared layers are coloured; a tooltip has all properties in full.
///
/// # Errors
/// `Io` of the writer.
pub fn svg(graph: &Graph, rankdir: RankDir, out: &mut dyn Write) -> Result<()> {
    let picture = picture(graph, rankdir, true);
    out.write_all(picture.as_bytes()).during("write")
}

/// Returns the picture; with `alone`, it has a heading.
pub(super) fn picture(graph: &Graph, rankdir: RankDir, alone: bool) -> String {
    let layout = layout(graph, rankdir, if alone { HEAD } else { 0.0 });
    // The heading needs its width.
    let least = if alone { 640.0 } else { 0.0 };
    let (width, height) = (layout.size.0.max(least), layout.size.1);
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"imggraph\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<style>{STYLE}</style>\n"
    );
    let _ = writeln!(
        out,
        "<defs><clipPath id=\"box\"><rect width=\"{}\" height=\"{}\"/></clipPath><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"#9aa1ac\"/></marker></defs>",
        BOX.0, BOX.1
    );
    if alone {
        let _ = writeln!(
            out,
            "<rect width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#fff\"/>"
        );
        let heading = heading(graph.view);
        let _ = writeln!(
            out,
            "<text class=\"h\" x=\"{MARGIN}\" y=\"30\">{heading}</text>"
        );
        legend(graph, &mut out);
        let totals = totals(graph);
        // Up to the width of the picture.
        let columns = ((width - 2.0 * MARGIN) / 7.0) as usize;
        let totals = visible(&totals, columns.max(20));
        let _ = writeln!(
            out,
            "<text class=\"s\" x=\"{MARGIN}\" y=\"50\">{}</text>",
            escaped(&totals)
        );
    }
    edges(graph, &layout, rankdir, &mut out);
    let most = |node: &Node| node.cumulative.max(node.size).unwrap_or_default();
    let scale = graph.nodes.iter().map(most).max().unwrap_or_default();
    out.push_str("<g class=\"nodes\">\n");
    for (i, node) in graph.nodes.iter().enumerate() {
        card(graph.view, node, i, layout.at[i], scale, &mut out);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// Writes the legend right of the heading: the colours in use.
fn legend(graph: &Graph, out: &mut String) {
    let (image, shared, own) = match graph.view {
        View::Layers => ("image", "shared layer", "layer of one image"),
        View::Images => ("image", "", ""),
        View::Blobs => ("manifest", "shared layer", "other blob"),
        View::Packages => ("", "needed by several", "needed by one or none"),
    };
    let mut x = MARGIN + 220.0;
    for (kind, text) in [
        ("image", image),
        ("shared", shared),
        ("own", own),
        ("absent", "absent"),
    ] {
        if text.is_empty() || !graph.nodes.iter().any(|node| class(node) == kind) {
            continue;
        }
        let _ = writeln!(
            out,
            "<g class=\"{kind}\"><rect class=\"card\" x=\"{x}\" y=\"20\" width=\"12\" height=\"12\" rx=\"2\"/></g><text class=\"s\" x=\"{}\" y=\"30\">{text}</text>",
            x + 18.0
        );
        x += 30.0 + 7.0 * text.len() as f64;
    }
}

/// Writes the edges.
fn edges(graph: &Graph, layout: &Layout, rankdir: RankDir, out: &mut String) {
    let back = graph.view.runs_from_base();
    out.push_str("<g class=\"edges\">\n");
    let (width, height) = BOX;
    for edge in &graph.edges {
        let (a, b) = if back {
            (edge.to, edge.from)
        } else {
            (edge.from, edge.to)
        };
        let ((ax, ay), (bx, by)) = (layout.at[a], layout.at[b]);
        let (sx, sy, ex, ey) = match rankdir {
            RankDir::LeftToRight => (ax + width, ay + height / 2.0, bx, by + height / 2.0),
            RankDir::RightToLeft => (ax, ay + height / 2.0, bx + width, by + height / 2.0),
            RankDir::TopToBottom => (ax + width / 2.0, ay + height, bx + width / 2.0, by),
            RankDir::BottomToTop => (ax + width / 2.0, ay, bx + width / 2.0, by + height),
        };
        let is_flat = matches!(rankdir, RankDir::LeftToRight | RankDir::RightToLeft);
        let (cx, cy, dx, dy) = match is_flat {
            true => ((sx + ex) / 2.0, sy, (sx + ex) / 2.0, ey),
            false => (sx, (sy + ey) / 2.0, ex, (sy + ey) / 2.0),
        };
        let mut kinds = String::from("edge");
        if layout.rank[b] != layout.rank[a] + 1 {
            kinds.push_str(" extra");
        }
        if edge.kind == EdgeKind::Describes {
            kinds.push_str(" describes");
        }
        let tip = if back {
            ""
        } else {
            " marker-end=\"url(#tip)\""
        };
        let _ = writeln!(
            out,
            "<path class=\"{kinds}\" data-a=\"{a}\" data-b=\"{b}\" d=\"M{sx:.1},{sy:.1} C{cx:.1},{cy:.1} {dx:.1},{dy:.1} {ex:.1},{ey:.1}\"{tip}/>"
        );
    }
    out.push_str("</g>\n");
}

/// Writes the box of a node.
fn card(view: View, node: &Node, i: usize, at: (f64, f64), scale: u64, out: &mut String) {
    let (width, height) = BOX;
    let [title, second, third] = lines(node);
    let _ = writeln!(
        out,
        "<g class=\"node {} {}\" data-n=\"{i}\" transform=\"translate({:.1},{:.1})\"><title>{}</title><rect class=\"card\" width=\"{width}\" height=\"{height}\" rx=\"6\"/><g clip-path=\"url(#box)\">",
        class(node),
        node.kind.name(),
        at.0,
        at.1,
        tooltip(node),
    );
    for (text, columns, kind, y) in [
        (&title, COLUMNS[0], "t", 18.0),
        (&second, COLUMNS[1], "i", 33.0),
        (&third, COLUMNS[2], "c", 47.0),
    ] {
        if !text.is_empty() {
            let text = escaped(&visible(text, columns));
            let _ = writeln!(
                out,
                "<text class=\"{kind}\" x=\"{PAD}\" y=\"{y}\">{text}</text>"
            );
        }
    }
    let space = width - 2.0 * PAD;
    // Exact as long as sums of bytes are below 2^53.
    let long = |bytes: u64| match scale {
        0 => 0.0,
        _ => space * (bytes as f64) / (scale as f64),
    };
    let total = node.cumulative.or(node.size).unwrap_or_default();
    let own = match (view, node.kind) {
        // These bytes are those of the layers below.
        (View::Layers, NodeKind::Image) => 0,
        _ => node.size.unwrap_or_default().min(total),
    };
    let (y, thick) = BAR;
    for (kind, from, bytes) in [("all", 0, total), ("own", total - own, own)] {
        if bytes > 0 && scale > 0 {
            let _ = writeln!(
                out,
                "<rect class=\"{kind}\" x=\"{:.3}\" y=\"{y}\" width=\"{:.3}\" height=\"{thick}\"/>",
                PAD + long(from),
                long(bytes)
            );
        }
    }
    out.push_str("</g></g>\n");
}

/// Returns all properties, a line each.
fn tooltip(node: &Node) -> String {
    let mut text = String::new();
    for (n, (key, value)) in details(node).into_iter().enumerate() {
        if n == TOOLTIP_LINES {
            text.push('…');
            break;
        }
        let value = value
            .lines()
            .map(|line| escaped(&visible(line, TOOLTIP)))
            .collect::<Vec<_>>();
        let _ = writeln!(text, "{key}: {}", value.join("\n  "));
    }
    text.trim_end().to_owned()
}
