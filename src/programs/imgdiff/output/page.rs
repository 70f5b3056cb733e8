//! A comparison as one HTML page that needs nothing else.
//!
//! The command of a step is written once, in the table of steps; the other tables refer to its layer.

use std::collections::HashSet;
use std::io::Write;

use super::account::{account, config_lines, packing_lines};
use super::files::{change_path, details, shown_path};
use super::html::{DiffLines, LEGEND, block, close, end_table, filtered_table, html, open, table};
use super::text::write_text;
use super::views::{failed, stat_lines};
use crate::error::Result;
use crate::escape;
use crate::layer::clean_path;
use crate::programs::imgdiff::compare::{
    Change, Fields, PairedStep, Position, Report, Side, TextChange, blame, has_text, paired_steps,
    stat,
};

/// Parts of a page that depend on options.
#[derive(Debug, Clone, Copy)]
pub struct PageOptions<'a> {
    /// The fields that were compared.
    pub fields: Fields,
    /// Lists how layers with the same contents are stored differently.
    pub strict: bool,
    /// Refers to the texts of changes, which [`write_page_text`] adds.
    pub texts: bool,
    /// The path that the report was reduced to; everything about whole images is left out then.
    pub path: Option<&'a [u8]>,
}

/// Writes the page up to its texts. [`end_page`] ends it.
///
/// # Errors
/// `Io`.
pub fn write_page<W: Write + ?Sized>(
    out: &mut W,
    report: &Report,
    options: &PageOptions<'_>,
) -> Result<()> {
    page(out, report, options).map_err(failed)
}

/// Writes the `number`th text of a page, from 1, as a unified diff.
///
/// # Errors
/// `Io`.
pub fn write_page_text<W: Write + ?Sized>(
    out: &mut W,
    sides: &[Side; 2],
    change: &Change,
    number: usize,
    text: &TextChange,
) -> Result<()> {
    let letter = change.kind.letter();
    let path = html(&change_path(sides, change));
    write!(
        out,
        "<details open id=\"t{number}\"><summary class=\"{letter}\">{letter} {path}</summary>\n<pre>"
    )
    .map_err(failed)?;
    write_text(&mut DiffLines::new(out), sides, change, text)?;
    writeln!(out, "</pre></details>").map_err(failed)
}

/// Writes the end of the page.
///
/// # Errors
/// `Io`.
pub fn end_page<W: Write + ?Sized>(out: &mut W) -> Result<()> {
    close(out).map_err(failed)
}

fn page<W: Write + ?Sized>(
    out: &mut W,
    report: &Report,
    options: &PageOptions<'_>,
) -> std::io::Result<()> {
    let sides = &report.sides;
    let [a, b] = sides.each_ref().map(|side| escape::text(&side.name));
    open(out, &format!("{a} and {b}"))?;
    let changes = &report.compared.changes;
    if options.path.is_none() {
        let mut lines: Vec<String> = Vec::new();
        if options.strict {
            lines.extend(packing_lines(report));
        }
        lines.extend(account(report));
        block(out, "", &lines)?;
    }
    if !changes.is_empty() {
        let lines = stat_lines(&stat(sides, changes));
        block(out, "Changes by directory", &lines)?;
    }
    if options.path.is_none() {
        let config: Vec<String> = config_lines(&report.config).collect();
        block(out, "Config", &config)?;
    }
    writeln!(out, "{LEGEND}")?;
    let steps = paired_steps(&sides[0], &sides[1], options.fields);
    if !steps.is_empty() {
        step_table(out, report, &steps)?;
    }
    let listed: HashSet<(usize, usize)> = steps.iter().flat_map(layers_of).collect();
    let title = match options.path {
        Some(path) => format!("Files below {}", shown_path(&clean_path(path).path)),
        None => "Files".to_owned(),
    };
    let columns = ["", "Path", "What differs", "Layer"];
    filtered_table(out, &title, changes.len(), &columns)?;
    let mut texts = 0;
    for change in changes {
        let letter = change.kind.letter();
        let mut path = html(&change_path(sides, change));
        if options.texts && has_text(sides, change, options.path) {
            texts += 1;
            path = format!("<a href=\"#t{texts}\">{path}</a>");
        }
        let differing = html(&details(sides, change).join(", "));
        let layer = match blame(sides, change) {
            Some(made) => layer_link(made.side, sides[made.side].number(made.layer), &listed),
            None => String::new(),
        };
        writeln!(
            out,
            "<tr><td class=\"{letter}\">{letter}</td><td>{path}</td><td>{differing}</td><td>{layer}</td></tr>"
        )?;
    }
    end_table(out)?;
    match (options.texts, texts) {
        (false, _) => Ok(()),
        (true, 0) => writeln!(
            out,
            "<h2>Text</h2>\n<p>No file differs in its contents.</p>"
        ),
        (true, _) => writeln!(out, "<h2>Text</h2>"),
    }
}

/// Side and number of the layers that a step made.
fn layers_of(step: &PairedStep) -> impl Iterator<Item = (usize, usize)> + '_ {
    let sides = [&step.old, &step.new].into_iter().enumerate();
    sides.filter_map(|(side, position)| Some((side, position.as_ref()?.layer?)))
}

/// Identifier of a layer in the table of steps.
fn anchor(side: usize, layer: usize) -> String {
    let side = ["o", "n"][side.min(1)];
    format!("{side}{layer}")
}

/// Name of a layer, as a link if the table of steps lists it.
fn layer_link(side: usize, layer: usize, listed: &HashSet<(usize, usize)>) -> String {
    let name = match side {
        0 => format!("old layer {layer}"),
        _ => format!("layer {layer}"),
    };
    match listed.contains(&(side, layer)) {
        true => format!("<a href=\"#{}\">{name}</a>", anchor(side, layer)),
        false => name,
    }
}

/// Writes the steps of both images with their commands; those that only one has with a letter.
fn step_table<W: Write + ?Sized>(
    out: &mut W,
    report: &Report,
    steps: &[PairedStep],
) -> std::io::Result<()> {
    let alone: HashSet<(bool, usize)> = report
        .history
        .iter()
        .map(|change| (change.added, change.number))
        .collect();
    writeln!(out, "<h2>Steps</h2>")?;
    table(out, &["", "Step", "Layer", "Diff ID", "Command"], "")?;
    for step in steps {
        let number = |position: Option<Position>| position?.step;
        let layer = |position: Option<Position>| position?.layer;
        let (old_layer, new_layer) = (layer(step.old), layer(step.new));
        let letter = match (number(step.old), number(step.new)) {
            (Some(old), None) if alone.contains(&(false, old)) => "D",
            (None, Some(new)) if alone.contains(&(true, new)) => "A",
            _ => "",
        };
        let id = |side: usize, layer: Option<usize>| {
            let layer = report.sides[side].layer(layer?)?;
            layer.layer.diff_id.as_ref().map(|id| id.short().to_owned())
        };
        let command = step
            .history
            .as_ref()
            .map_or("", |step| match step.created_by.is_empty() {
                true => &step.comment,
                false => &step.created_by,
            });
        let id_of = |side: usize, layer: Option<usize>| match layer {
            Some(layer) => format!(" id=\"{}\"", anchor(side, layer)),
            None => String::new(),
        };
        let is_both = step.old.is_some() && step.new.is_some();
        writeln!(
            out,
            "<tr{}><td class=\"{letter}\">{letter}</td><td>{}</td><td{}>{}</td><td>{}</td><td>{}</td></tr>",
            id_of(0, old_layer),
            pair(is_both, number(step.old), number(step.new)),
            id_of(1, new_layer),
            pair(is_both, old_layer, new_layer),
            pair(true, id(0, old_layer), id(1, new_layer)),
            html(&escape::text(command)),
        )?;
    }
    end_table(out)
}

/// Two values of a pair, one if they are equal. Of a step that is not in both images, the value with its side.
fn pair<T: ToString + PartialEq>(is_both: bool, old: Option<T>, new: Option<T>) -> String {
    match (old, new) {
        (Some(old), Some(new)) if old == new => new.to_string(),
        (Some(old), Some(new)) => format!("{} → {}", old.to_string(), new.to_string()),
        (Some(old), None) if !is_both => format!("old {}", old.to_string()),
        (None, Some(new)) if !is_both => format!("new {}", new.to_string()),
        (old, new) => old
            .or(new)
            .map_or_else(String::new, |value| value.to_string()),
    }
}
