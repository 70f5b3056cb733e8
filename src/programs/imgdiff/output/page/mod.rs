//! Reports as HTML pages that need nothing else: a comparison, and the waste of one image.
//!
//! | file | writes |
//! |---|---|
//! | `summary` | verdict, sizes, identities |
//! | `layers` | stacks of layers side by side |
//! | `files` | the changed paths as data, from which the script makes tree and treemap |
//! | `documents` | config, history and packages side by side |
//! | `words` | which words of two texts differ |
//! | `texts` | differences of texts |
//! | `waste` | the page of one image |
//!
//! The command of a step is written once, in the history; everything else refers to its layer. Paths are JSON, of which
//! the script keeps only those in the document that are in sight, so that 100,000 are no burden.

mod documents;
mod files;
mod layers;
mod summary;
mod texts;
mod waste;
mod words;

use std::io::Write;

use super::files::shown_path;
use super::views::failed;
use crate::error::Result;
use crate::layer::clean_path;
use crate::programs::imgdiff::compare::{
    Fields, Made, PackageChange, Report, Side, align_layers, paired_steps,
};
use crate::render::page::{Page, escaped};

pub use texts::write_page_text;
pub use waste::write_waste_page;

const PAGE: Page<'_> = Page {
    styles: &[include_str!("page.css")],
    inner_styles: &[],
    script: include_str!("page.js"),
};

/// Parts of a page that depend on options.
#[derive(Debug, Clone, Copy)]
pub struct PageOptions<'a> {
    /// The fields that were compared.
    pub fields: Fields,
    /// Lists how layers with the same contents are stored differently.
    pub strict: bool,
    /// Positions of the changes whose texts [`write_page_text`] adds, ascending.
    pub texts: &'a [usize],
    /// The path that the report was reduced to; everything about whole images is left out then.
    pub path: Option<&'a [u8]>,
    /// Changes of installed packages.
    pub packages: &'a [PackageChange],
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
    let [a, b] = report.sides.each_ref().map(|side| escaped(&side.name));
    PAGE.open(
        out,
        &format!(
            "imgdiff: {} and {}",
            report.sides[0].name, report.sides[1].name
        ),
    )?;
    let line = match options.path {
        Some(path) => format!("only {}", escaped(&shown_path(&clean_path(path).path))),
        None => summary::headline(report),
    };
    let steps = paired_steps(&report.sides[0], &report.sides[1], options.fields);
    let parts = [
        ("layers", "Layers", String::new()),
        ("bytes", "Bytes", String::new()),
        ("files", "Files", report.compared.changes.len().to_string()),
        ("config", "Config", report.config.len().to_string()),
        ("history", "History", report.history.len().to_string()),
        ("packages", "Packages", options.packages.len().to_string()),
        ("texts", "Texts", options.texts.len().to_string()),
    ];
    head(out, &format!("{a}<i>→</i>{b}"), &line, &parts).map_err(failed)?;
    if options.path.is_none() {
        summary::summary(out, report, options).map_err(failed)?;
    }
    let layers = align_layers(&report.sides[0], &report.sides[1]);
    let layers = layers::by_command(&report.sides, layers);
    layers::stacks(out, report, &layers, options).map_err(failed)?;
    files::section(out, report, options)?;
    if options.path.is_none() {
        documents::config(out, report).map_err(failed)?;
    }
    documents::history(out, report, &steps).map_err(failed)?;
    documents::packages(out, options.packages).map_err(failed)
}

/// Writes the end of the page. `left_out` is the number of changed files whose texts the page does not have.
///
/// # Errors
/// `Io`.
pub fn end_page<W: Write + ?Sized>(out: &mut W, has_texts: bool, left_out: usize) -> Result<()> {
    texts::end(out, has_texts, left_out).map_err(failed)?;
    end(out)
}

/// Writes the header with the search, and links to the parts: identifier, title and number of each.
fn head<W: Write + ?Sized>(
    out: &mut W,
    title: &str,
    line: &str,
    parts: &[(&str, &str, String)],
) -> std::io::Result<()> {
    writeln!(
        out,
        "<header><div><h1>{title}</h1><p>{line}</p></div>\
         <form id=\"find\" role=\"search\"><input id=\"query\" type=\"search\" placeholder=\"Filter paths, values, commands\" aria-label=\"Filter\" autocomplete=\"off\"><output id=\"hits\"></output></form></header>\n\
         <main>\n<nav class=\"parts\">"
    )?;
    for (id, title, count) in parts {
        if count != "0" {
            writeln!(out, "<a href=\"#{id}\">{title} <small>{count}</small></a>")?;
        }
    }
    writeln!(out, "</nav>")
}

/// Writes the panel for details, and the end of the page.
fn end<W: Write + ?Sized>(out: &mut W) -> Result<()> {
    writeln!(
        out,
        "<footer>Made by imgdiff {}</footer>\n</main>\n\
         <aside id=\"panel\" hidden><button id=\"close\" aria-label=\"Close\">&#215;</button><h2 id=\"name\"></h2><dl id=\"details\"></dl><p id=\"more\" class=\"tabs\"></p></aside>",
        env!("CARGO_PKG_VERSION")
    )
    .map_err(failed)?;
    PAGE.close(out)
}

/// Identifier of a layer in the page: `o` or `n` for the side, and its number.
fn anchor(sides: &[Side], made: Made) -> String {
    let letter = if made.side == 0 && sides.len() > 1 {
        "o"
    } else {
        "n"
    };
    let number = sides
        .get(made.side)
        .map_or(0, |side| side.number(made.layer));
    format!("{letter}{number}")
}

/// A bar of the share that each part has in `whole`, by class.
fn bar(parts: &[(u64, &str)], whole: u64) -> String {
    let mut rects = String::new();
    let mut x = 0;
    for (bytes, class) in parts {
        let width = u128::from(*bytes) * 1000 / u128::from(whole.max(1));
        // Whatever has bytes can be seen.
        let width = width.max(u128::from(*bytes > 0) * 4);
        if width > 0 {
            rects.push_str(&format!(
                "<rect x=\"{x}\" width=\"{width}\" height=\"6\" class=\"{class}\"/>"
            ));
        }
        x += width;
    }
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 1000 6\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{rects}</svg>"
    )
}

/// A badge with the letter of a change.
fn badge(letter: char) -> String {
    format!("<span class=\"badge {letter}\">{letter}</span>")
}

/// A number with its noun: `1 path`, `2 paths`.
fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
