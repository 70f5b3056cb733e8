//! Changed paths as data for the script: a row for each, and tables of what repeats.

use std::collections::HashMap;
use std::io::Write;

use serde_json::{Value, json};

use super::super::files::{change_path, details, shown_path};
use super::super::views::failed;
use super::frame::{PageOptions, anchor};
use crate::cli::kind_name;
use crate::error::Result;
use crate::escape;
use crate::layer::clean_path;
use crate::programs::imgdiff::compare::{Change, ChangeKind, Field, Made, Report, Side, blame};
use crate::render::json::line_html;
use crate::render::page::escaped;
use crate::tree::{Node, NodeKind};

/// Letters, names and colours of changes.
const KINDS: [[&str; 3]; 4] = [
    ["A", "added", "A"],
    ["C", "changed", "C"],
    ["D", "deleted", "D"],
    ["R", "renamed", "R"],
];

/// Texts and the numbers that stand for them in rows.
#[derive(Default)]
pub(super) struct Numbered {
    known: HashMap<String, usize>,
    list: Vec<String>,
}

impl Numbered {
    /// The number of a text.
    pub(super) fn number(&mut self, text: &str) -> usize {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let next = self.list.len();
        self.known.insert(text.to_owned(), next);
        self.list.push(text.to_owned());
        next
    }
}

/// Tables of what rows refer to by number.
#[derive(Default)]
pub(super) struct Tables {
    directories: Numbered,
    attributes: Numbered,
    layers: HashMap<(usize, usize), usize>,
    layer_list: Vec<Value>,
}

impl Tables {
    /// Number of the directory of a path, and the rest of the path; both escaped.
    pub(super) fn place(&mut self, path: &[u8]) -> (usize, String) {
        let cut = path.iter().rposition(|byte| *byte == b'/');
        let (above, name) = match cut {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&[][..], path),
        };
        let above = self.directories.number(&escape::bytes(above));
        (above, escape::bytes(name).into_owned())
    }

    /// Number of a layer.
    pub(super) fn layer(&mut self, sides: &[Side], made: Made) -> usize {
        let next = self.layer_list.len();
        let number = *self.layers.entry((made.side, made.layer)).or_insert(next);
        if number == next {
            let side = sides.get(made.side);
            let shown = side.map_or(0, |side| side.number(made.layer));
            let name = match made.side == 0 && sides.len() > 1 {
                true => format!("old layer {shown}"),
                false => format!("layer {shown}"),
            };
            self.layer_list.push(json!([anchor(sides, made), name]));
        }
        number
    }

    /// Writes the tables as members of an object that has rows already, and its end.
    pub(super) fn end<W: Write + ?Sized>(
        self,
        out: &mut W,
        kinds: &[[&str; 3]],
        options: Value,
    ) -> Result<()> {
        for (key, value) in [
            ("directories", json!(self.directories.list)),
            ("attributes", json!(self.attributes.list)),
            ("layers", json!(self.layer_list)),
            ("kinds", json!(kinds)),
        ] {
            write!(out, ",\n\"{key}\":{}", line_html(&value)?).map_err(failed)?;
        }
        for (key, value) in options.as_object().into_iter().flatten() {
            write!(out, ",\n\"{key}\":{}", line_html(value)?).map_err(failed)?;
        }
        writeln!(out, "}}</script>").map_err(failed)
    }
}

/// Writes treemap and tree, or that there is nothing to draw.
pub(super) fn section<W: Write + ?Sized>(
    out: &mut W,
    report: &Report,
    options: &PageOptions<'_>,
) -> Result<()> {
    let title = match options.path {
        Some(path) => format!("Files below {}", shown_path(&clean_path(path).path)),
        None => "Files".to_owned(),
    };
    let changes = &report.compared.changes;
    if changes.is_empty() {
        return writeln!(
            out,
            "<section id=\"files\"><h2>{}</h2><p class=\"none\">No path differs.</p></section>",
            escaped(&title)
        )
        .map_err(failed);
    }
    frame(out, "Where the bytes went", &title, changes.len()).map_err(failed)?;
    let mut tables = Tables::default();
    write!(
        out,
        "<script type=\"application/json\" id=\"data\">{{\"rows\":["
    )
    .map_err(failed)?;
    for (i, change) in changes.iter().enumerate() {
        let text = options.texts.binary_search(&i).map_or(0, |at| at + 1);
        let row = row(&report.sides, change, text, &mut tables);
        let comma = if i > 0 { "," } else { "" };
        write!(out, "{comma}\n{}", line_html(&row)?).map_err(failed)?;
    }
    write!(out, "]").map_err(failed)?;
    // Rows are in the order that was asked for; a tree has one of its own.
    tables.end(out, &KINDS, json!({"delta": true}))
}

/// Writes the elements that the script fills.
pub(super) fn frame<W: Write + ?Sized>(
    out: &mut W,
    map: &str,
    title: &str,
    paths: usize,
) -> std::io::Result<()> {
    writeln!(
        out,
        "<section id=\"bytes\"><h2>{map}</h2>\n\
         <p class=\"tabs\"><button id=\"by-directory\" class=\"on\">by directory</button><button id=\"by-layer\">by layer</button></p>\n\
         <div id=\"tiles\" class=\"tiles\"></div><p id=\"tile\" class=\"tell\"></p></section>\n\
         <section id=\"files\"><h2>{} <small id=\"count\">{paths} paths</small></h2>\n\
         <div class=\"tools\"><p id=\"kinds\" class=\"tabs\"><button id=\"layer\" class=\"on\" hidden></button></p>\
         <p class=\"tabs\"><button id=\"by-path\">by path</button><button id=\"by-size\">by size</button><button id=\"unfold\">unfold all</button><button id=\"fold\">fold all</button></p></div>\n\
         <div id=\"tree\" role=\"tree\" tabindex=\"0\" aria-label=\"Paths\"><div id=\"rows\"></div></div>\n\
         <p class=\"keys\"><kbd>/</kbd> filter <kbd>↑</kbd> <kbd>↓</kbd> move <kbd>←</kbd> <kbd>→</kbd> fold, unfold <kbd>Enter</kbd> details <kbd>*</kbd> unfold all <kbd>Esc</kbd> close</p>\n\
         <noscript><p class=\"none\">The list of paths needs JavaScript, which this viewer does not run.</p></noscript></section>",
        escaped(title)
    )
}

/// Row of a change: number of its directory, name, kind, attributes and size before, attributes and size after, bytes
/// that it is about, differences, layer, text. Numbers of missing attributes and layers are -1, of a missing text 0.
fn row(sides: &[Side; 2], change: &Change, text: usize, tables: &mut Tables) -> Value {
    let [a, b] = sides;
    let (old, new) = (change.before(&a.tree), change.after(&b.tree));
    let path = new.or(old).map_or_else(Vec::new, |node| node.path());
    let (above, name) = tables.place(&path);
    let kind = KINDS
        .iter()
        .position(|[letter, ..]| letter.starts_with(change.kind.letter()));
    let mut side = |node: Option<Node<'_>>| match node {
        None => (-1, 0),
        Some(node) => {
            let number = tables.attributes.number(&attributes(&node));
            (i64::try_from(number).unwrap_or(-1), size(&node))
        }
    };
    let ((was, was_size), (is, is_size)) = (side(old), side(new));
    let written = [Field::Content, Field::Size, Field::Type];
    let bytes = match change.kind {
        ChangeKind::Added | ChangeKind::Deleted => was_size.max(is_size),
        ChangeKind::Changed if written.iter().any(|field| change.what.has(*field)) => {
            was_size.max(is_size)
        }
        ChangeKind::Changed | ChangeKind::Renamed => 0,
    };
    let mut differing = details(sides, change);
    if change.kind == ChangeKind::Renamed {
        let from = change_path(sides, change);
        let from = from.split(" -> ").next().unwrap_or_default();
        differing.insert(0, format!("from {from}"));
    }
    let by = blame(sides, change).map_or(-1, |made| {
        i64::try_from(tables.layer(sides, made)).unwrap_or(-1)
    });
    json!([
        above,
        name,
        kind,
        was,
        was_size,
        is,
        is_size,
        bytes,
        differing.join(", "),
        by,
        text
    ])
}

/// Bytes of a file, counted at one of its names.
fn size(node: &Node<'_>) -> u64 {
    match node.kind() == NodeKind::File && node.first_name().is_none() {
        true => node.size(),
        false => 0,
    }
}

/// Kind, mode and owner; of a symbolic link its target.
fn attributes(node: &Node<'_>) -> String {
    let meta = node.meta();
    let mut text = format!(
        "{} {:04o} {}:{}",
        kind_name(node.kind()),
        meta.mode,
        meta.owner.uid,
        meta.owner.gid
    );
    if node.kind() == NodeKind::Symlink {
        text.push_str(&format!(" -> {}", escape::bytes(node.link_target())));
    }
    text
}
