//! The page of a comparison.

use std::io::Write;

use super::super::files::shown_path;
use super::super::views::failed;
use super::frame::{PAGE, PageOptions, end, head};
use super::{documents, files, layers, summary, texts};
use crate::error::Result;
use crate::layer::clean_path;
use crate::programs::imgdiff::compare::{Report, align_layers, paired_steps};
use crate::render::page::escaped;

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
