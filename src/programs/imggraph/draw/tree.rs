//! Tree of lines for terminals.

use std::io::Write;

use unicode_width::UnicodeWidthStr;

use super::labels::{bytes, command, title, totals, visible};
use crate::error::{During, Result};
use crate::escape;
use crate::programs::imggraph::graph::{Graph, Node, NodeKind, View};
use crate::render::human;

/// Form of the tree.
#[derive(Debug, Clone, Copy, Default)]
pub struct TreeOptions {
    /// ASCII characters instead of box drawing.
    pub ascii: bool,
    /// Limit on the columns of a line; `None` for no limit.
    pub width: Option<usize>,
    /// Digests and commands in full.
    pub no_trunc: bool,
    /// Colour for names, shared layers and missing nodes.
    pub color: bool,
}

/// Limit on the indentation; deeper lines show their depth as a number.
const MAX_INDENT: usize = 24;
/// Limit on the columns of a name.
const MAX_NAME: usize = 60;
/// Limit on the columns of a command.
const MAX_COMMAND: usize = 60;

/// Line of the tree.
struct Line {
    stem: String,
    node: usize,
    repeated: bool,
}

/// Writes the graph as a tree, and a line of totals. A single successor is written below its node without indentation;
/// several successors are branches.
///
/// The subtree of a node with several predecessors is drawn once; further lines of the node are marked with `(*)`.
///
/// # Errors
/// `Io` of the writer.
pub fn tree(graph: &Graph, options: &TreeOptions, out: &mut dyn Write) -> Result<()> {
    let lines = walk(graph, options.ascii);
    let rows: Vec<[String; 6]> = lines
        .iter()
        .map(|line| cells(graph, line, options))
        .collect();
    let headings = match graph.view {
        View::Layers => [
            "LAYER OR IMAGE",
            "ID",
            "SIZE",
            "TOTAL",
            "IMAGES",
            "CREATED BY",
        ],
        View::Images => ["IMAGE", "ID", "ADDS", "TOTAL", "IMAGES", "PLATFORM"],
        View::Blobs => ["BLOB", "DIGEST", "SIZE", "", "NAMED BY", "TYPE"],
        View::Packages => [
            "PACKAGE",
            "VERSION",
            "SIZE",
            "TOTAL",
            "NEEDED BY",
            "ARCHITECTURE",
        ],
    };
    let headings = headings.map(str::to_owned);
    let mut widths = headings.clone().map(|heading| heading.width());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    if let Some(limit) = options.width {
        fit(&mut widths, limit);
    }
    let mut put = |row: &[String; 6], node: Option<&Node>| -> Result<()> {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            if widths[i] == 0 {
                continue;
            }
            let cell = match options.width.is_some() || i == 0 {
                true => human::ellipsis(cell, widths[i].max(1)),
                false => cell.clone(),
            };
            let pad = widths[i].saturating_sub(cell.width());
            if i > 0 && !line.is_empty() {
                line.push_str("   ");
            }
            // Numbers are aligned right.
            let right = matches!(i, 2..=4);
            let blank = " ".repeat(pad);
            let cell = match (i, node) {
                (0, Some(node)) if options.color => painted(&cell, node),
                _ => cell,
            };
            line.push_str(&if right {
                blank.clone() + &cell
            } else {
                cell + &blank
            });
        }
        writeln!(out, "{}", line.trim_end()).during("write")
    };
    put(&headings, None)?;
    for (row, line) in rows.iter().zip(&lines) {
        put(row, Some(&graph.nodes[line.node]))?;
    }
    writeln!(out, "{}", totals(graph)).during("write")
}

/// Narrows columns until a line fits: first the last one, then the names; IDs and sizes last.
fn fit(widths: &mut [usize; 6], limit: usize) {
    let total = |widths: &[usize; 6]| {
        let used = widths.iter().filter(|&&width| width > 0);
        used.clone().sum::<usize>() + 3 * (used.count().max(1) - 1)
    };
    for (i, least) in [
        (5, 12),
        (0, 24),
        (5, 0),
        (4, 0),
        (3, 0),
        (0, 12),
        (1, 0),
        (2, 0),
        (0, 1),
    ] {
        let over = total(widths).saturating_sub(limit);
        if over > 0 {
            let new = widths[i].saturating_sub(over).max(least.min(widths[i]));
            widths[i] = new;
        }
    }
}

/// Adds colour to the first cell of a line.
fn painted(cell: &str, node: &Node) -> String {
    let code = match node.kind {
        _ if node.missing => "31",
        NodeKind::Image | NodeKind::Archive => "1",
        NodeKind::Layer | NodeKind::Layers if node.shared_by > 1 => "36",
        _ => return cell.to_owned(),
    };
    // The lines of the tree get no colour.
    let start = cell
        .find(|c: char| c.is_alphanumeric() || c == '<')
        .unwrap_or(0);
    format!("{}\x1b[{code}m{}\x1b[0m", &cell[..start], &cell[start..])
}

/// Returns the cells of a line.
fn cells(graph: &Graph, line: &Line, options: &TreeOptions) -> [String; 6] {
    let node = &graph.nodes[line.node];
    let name = match options.no_trunc {
        true => escape::text(&title(node)).into_owned(),
        false => visible(&title(node), MAX_NAME),
    };
    let mut first = format!("{}{name}", line.stem);
    if node.missing {
        first.push_str(" (absent)");
    }
    if line.repeated {
        first.push_str(" (*)");
    }
    if node.hidden > 0 {
        first.push_str(&format!(" … {} more", node.hidden));
    }
    let id = match (options.no_trunc, node.kind) {
        (_, NodeKind::Archive) => String::new(),
        (true, _) => escape::text(&node.digest).into_owned(),
        (false, _) => visible(node.short(), 24),
    };
    let fact = |wanted: &[&str]| {
        let facts = node.facts.iter().filter(|(key, _)| wanted.contains(key));
        facts
            .map(|(_, value)| value.clone())
            .next()
            .unwrap_or_default()
    };
    let last = match graph.view {
        View::Layers if node.kind == NodeKind::Image => fact(&["platform"]),
        View::Layers => command(node),
        View::Images => fact(&["platform"]),
        View::Blobs => fact(&[
            "artifact_type",
            "predicate_type",
            "platform",
            "shape",
            "media_type",
        ]),
        View::Packages => fact(&["architecture"]),
    };
    let last = match options.no_trunc || options.width.is_some() {
        true => escape::text(&last).into_owned(),
        false => visible(&last, MAX_COMMAND),
    };
    let sized = node.kind != NodeKind::Archive;
    [
        first,
        id,
        if sized {
            bytes(node.size)
        } else {
            String::new()
        },
        match graph.view {
            View::Blobs => String::new(),
            _ => bytes(node.cumulative),
        },
        match (graph.view, node.kind) {
            (View::Layers, NodeKind::Image) | (_, NodeKind::Archive) => String::new(),
            _ => node.shared_by.to_string(),
        },
        last,
    ]
}

/// Returns the lines from top to bottom, depth first, without recursion.
fn walk(graph: &Graph, ascii: bool) -> Vec<Line> {
    let (next, before) = graph.neighbors();
    let (branch, last_branch, bar) = match ascii {
        false => ("├─ ", "└─ ", "│  "),
        true => ("|- ", "`- ", "|  "),
    };
    let mut drawn = vec![false; graph.nodes.len()];
    let mut lines = Vec::new();
    struct Work {
        node: usize,
        /// Prefix of its own line.
        stem: String,
        /// Prefix of the lines below it.
        below: String,
        level: usize,
    }
    let mut starts: Vec<usize> = (0..graph.nodes.len())
        .filter(|&i| before[i].is_empty())
        .collect();
    // A cycle without predecessors begins at its first node.
    let rest: Vec<usize> = (0..graph.nodes.len())
        .filter(|&i| !before[i].is_empty())
        .collect();
    starts.extend(rest);
    for start in starts {
        let is_cycle = !before[start].is_empty();
        if is_cycle && drawn[start] {
            continue;
        }
        let mut work = vec![Work {
            node: start,
            stem: String::new(),
            below: String::new(),
            level: 0,
        }];
        while let Some(one) = work.pop() {
            let again = std::mem::replace(&mut drawn[one.node], true);
            let followers = &next[one.node];
            lines.push(Line {
                stem: one.stem,
                node: one.node,
                repeated: again && !followers.is_empty(),
            });
            if again {
                continue;
            }
            let flat = graph.view == View::Layers && followers.len() == 1;
            for (i, &follower) in followers.iter().enumerate().rev() {
                let is_last = i + 1 == followers.len();
                let deep = one.level + 1 > MAX_INDENT;
                let (stem, below, level) = if flat {
                    // The only successor of the node above.
                    let is_image = graph.nodes[follower].kind == NodeKind::Image;
                    match is_image {
                        true => (
                            format!("{}{last_branch}", one.below),
                            format!("{}   ", one.below),
                            one.level + 1,
                        ),
                        false => (one.below.clone(), one.below.clone(), one.level),
                    }
                } else if deep {
                    let level = one.level + 1;
                    let inner = one.below.clone();
                    (format!("{inner}({level}) "), inner, level)
                } else {
                    let own = if is_last { last_branch } else { branch };
                    let rest = if is_last { "   " } else { bar };
                    (
                        format!("{}{own}", one.below),
                        format!("{}{rest}", one.below),
                        one.level + 1,
                    )
                };
                work.push(Work {
                    node: follower,
                    stem,
                    below,
                    level,
                });
            }
        }
    }
    lines
}
