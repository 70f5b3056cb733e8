//! The tree of lines.

use std::io::Write;

use unicode_width::UnicodeWidthStr;

use super::{bytes, command, shown, title};
use crate::error::{Error, Result};
use crate::escape;
use crate::programs::imggraph::graph::{Graph, Node, NodeKind, View};
use crate::render::human;

/// How the tree is drawn.
#[derive(Debug, Clone, Copy, Default)]
pub struct TreeOptions {
    /// Lines of `|` and `-` instead of box drawing.
    pub ascii: bool,
    /// Columns that a line may take; `None` for as many as it needs.
    pub width: Option<usize>,
    /// Digests in full, commands uncut.
    pub no_trunc: bool,
    /// Colour for names, shared layers and what is missing.
    pub color: bool,
}

/// How many levels are drawn by indenting; what is deeper says how deep it is.
const MAX_INDENT: usize = 24;
/// Columns of the first column and of a command, where nothing else bounds them.
const MAX_NAME: usize = 60;
const MAX_COMMAND: usize = 60;

/// One line.
struct Line {
    stem: String,
    node: usize,
    repeated: bool,
}

/// Writes the graph as a tree, and its totals below it. A single node that follows another is written below it without
/// indenting: a line is on the one above, and branches where there are several.
///
/// What is reached in several ways is drawn out once and marked with `(*)` where it comes again.
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
    let write = |error| Error::io("write", error);
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
            // Numbers end in one column.
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
        writeln!(out, "{}", line.trim_end()).map_err(write)
    };
    put(&headings, None)?;
    for (row, line) in rows.iter().zip(&lines) {
        put(row, Some(&graph.nodes[line.node]))?;
    }
    for line in totals(graph) {
        writeln!(out, "{line}").map_err(write)?;
    }
    Ok(())
}

/// The totals in words, a line each.
pub(super) fn totals(graph: &Graph) -> Vec<String> {
    let totals = &graph.totals;
    let count = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        _ => format!("{n} {what}s"),
    };
    let what = match graph.view {
        View::Layers | View::Images => "layer",
        View::Blobs => "blob",
        View::Packages => "package",
    };
    let mut line = match graph.view {
        View::Packages => format!(
            "{}, {} installed",
            count(totals.layers, what),
            human::size(totals.once)
        ),
        _ => format!(
            "{}, {}: {} in all, {} {} once, {} saved by sharing",
            count(totals.images, "image"),
            count(totals.layers, what),
            human::size(totals.all),
            human::size(totals.once),
            graph.size_of.words(),
            human::size(totals.saved()),
        ),
    };
    if totals.unknown > 0 {
        line.push_str(&format!("; {} of unknown size", totals.unknown));
    }
    vec![line]
}

/// Makes columns narrower until a line fits: first the last one, then the names; IDs and sizes stay.
fn fit(widths: &mut [usize; 6], limit: usize) {
    let total = |widths: &[usize; 6]| {
        let shown = widths.iter().filter(|&&width| width > 0);
        shown.clone().sum::<usize>() + 3 * (shown.count().max(1) - 1)
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
            // A column that is left out takes its gap along.
            widths[i] = new;
        }
    }
}

fn painted(cell: &str, node: &Node) -> String {
    let code = match node.kind {
        _ if node.absent => "31",
        NodeKind::Image | NodeKind::Archive => "1",
        NodeKind::Layer | NodeKind::Layers if node.shared_by > 1 => "36",
        _ => return cell.to_owned(),
    };
    // The lines of the tree stay as they are.
    let start = cell
        .find(|c: char| c.is_alphanumeric() || c == '<')
        .unwrap_or(0);
    format!("{}\x1b[{code}m{}\x1b[0m", &cell[..start], &cell[start..])
}

fn cells(graph: &Graph, line: &Line, options: &TreeOptions) -> [String; 6] {
    let node = &graph.nodes[line.node];
    let name = match options.no_trunc {
        true => escape::text(&title(node)).into_owned(),
        false => shown(&title(node), MAX_NAME),
    };
    let mut first = format!("{}{name}", line.stem);
    if node.absent {
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
        (false, _) => shown(node.short(), 24),
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
        false => shown(&last, MAX_COMMAND),
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

/// The lines from top to bottom, depth first, without recursion.
fn walk(graph: &Graph, ascii: bool) -> Vec<Line> {
    let (next, before) = graph.steps();
    let (branch, last_branch, bar) = match ascii {
        false => ("├─ ", "└─ ", "│  "),
        true => ("|- ", "`- ", "|  "),
    };
    let mut drawn = vec![false; graph.nodes.len()];
    let mut lines = Vec::new();
    struct Work {
        node: usize,
        /// What stands before it on its own line, and on lines that follow it.
        stem: String,
        below: String,
        level: usize,
    }
    let mut starts: Vec<usize> = (0..graph.nodes.len())
        .filter(|&i| before[i].is_empty())
        .collect();
    // What goes in circles and hangs on nothing else begins at its first node.
    let rest: Vec<usize> = (0..graph.nodes.len())
        .filter(|&i| !before[i].is_empty())
        .collect();
    starts.extend(rest);
    for start in starts {
        let is_circle = !before[start].is_empty();
        if is_circle && drawn[start] {
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
                    // On top of the one above, which has nothing else on it.
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
