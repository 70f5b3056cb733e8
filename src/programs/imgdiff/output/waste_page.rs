//! A report of waste as one HTML page that needs nothing else.

use std::io::Write;

use super::files::shown_path;
use super::html::{block, close, end_table, filtered_table, html, open, table};
use super::tables::{reasons, waste_lines};
use super::views::failed;
use crate::error::Result;
use crate::escape;
use crate::programs::imgdiff::compare::WasteReport;
use crate::render::human;

/// Writes the page: summary, layers with their commands, and all paths, the most wasted bytes first.
///
/// # Errors
/// `Io`.
pub fn write_waste_page<W: Write + ?Sized>(
    out: &mut W,
    report: &WasteReport,
    by_dive: bool,
) -> Result<()> {
    page(out, report, by_dive).map_err(failed)
}

fn page<W: Write + ?Sized>(
    out: &mut W,
    report: &WasteReport,
    by_dive: bool,
) -> std::io::Result<()> {
    let side = &report.side;
    open(out, &format!("waste in {}", escape::text(&side.name)))?;
    block(out, "", &waste_lines(report, by_dive))?;
    writeln!(out, "<h2>Layers</h2>")?;
    let columns = [
        "Layer",
        "Files",
        "Wasted",
        "Stored",
        "Wasted stored",
        "Command",
    ];
    table(out, &columns, "")?;
    for (i, layer) in report.layers.iter().enumerate() {
        let number = side.number(i);
        write!(out, "<tr id=\"n{number}\"><td>{number}</td>")?;
        for size in [
            layer.files,
            layer.wasted.sum(),
            layer.stored,
            layer.stored_wasted(),
        ] {
            write!(out, "<td>{}</td>", human::size(size))?;
        }
        let command = html(&escape::text(side.created_by(i)));
        writeln!(out, "<td>{command}</td></tr>")?;
    }
    end_table(out)?;
    let columns = ["Wasted", "Copies", "Why", "Layers", "Path"];
    filtered_table(out, "Paths", report.paths.len(), &columns)?;
    for path in &report.paths {
        let numbers = path.layers.iter().map(|layer| side.number(*layer));
        let layers: Vec<String> = numbers
            .map(|number| format!("<a href=\"#n{number}\">{number}</a>"))
            .collect();
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            human::size(path.wasted.sum()),
            path.copies,
            reasons(&path.wasted).join(", "),
            layers.join(", "),
            html(&shown_path(&path.path)),
        )?;
    }
    end_table(out)?;
    close(out)
}
