//! The waste of one image as a page.

use std::io::Write;

use serde_json::json;

use super::super::files::sized;
use super::super::tables::reasons;
use super::super::views::failed;
use super::files::{Tables, frame};
use super::frame::{PAGE, bar, counted, end, head};
use super::layers::cell;
use super::summary::Card;
use crate::error::Result;
use crate::programs::imgdiff::compare::{Bytes, Made, PathWaste, Side, WasteReport};
use crate::render::json::line_html;
use crate::render::page::escaped;

/// Letters, names and colours of the kinds of waste, in the order of [`reasons`].
const KINDS: [[&str; 3]; 4] = [
    ["S", "shadowed", "C"],
    ["D", "deleted", "D"],
    ["M", "metadata", "R"],
    ["U", "duplicate", "A"],
];

/// Writes the page: summary, layers with their commands, and all paths.
///
/// # Errors
/// `Io`.
pub fn write_waste_page<W: Write + ?Sized>(
    out: &mut W,
    report: &WasteReport,
    by_dive: bool,
) -> Result<()> {
    let side = &report.side;
    PAGE.open(out, &format!("imgdiff: waste in {}", side.name))?;
    let line = format!(
        "{} of {} are in no container: score {:.4}",
        sized(report.wasted.sum()),
        sized(report.files),
        report.score()
    );
    let parts = [
        ("layers", "Layers", report.layers.len().to_string()),
        ("bytes", "Bytes", String::new()),
        ("files", "Paths", report.paths.len().to_string()),
    ];
    let title = format!("Waste in {}", escaped(&side.name));
    head(out, &title, &line, &parts).map_err(failed)?;
    summary(out, report, by_dive).map_err(failed)?;
    layers(out, report).map_err(failed)?;
    if report.paths.is_empty() {
        writeln!(
            out,
            "<section id=\"files\"><h2>Paths</h2><p class=\"none\">No byte is wasted.</p></section>"
        )
        .map_err(failed)?;
    } else {
        paths(out, report)?;
    }
    end(out)
}

fn summary<W: Write + ?Sized>(
    out: &mut W,
    report: &WasteReport,
    by_dive: bool,
) -> std::io::Result<()> {
    let wasted = &report.wasted;
    let class = match report.score() {
        score if score > 0.95 => "same",
        score if score > 0.8 => "near",
        _ => "other",
    };
    writeln!(
        out,
        "<section id=\"summary\"><p class=\"verdict {class}\"><b>score {:.4}</b> <span>share of the files' bytes that a container can see</span></p>\n<div class=\"cards\">",
        report.score()
    )?;
    let sums = [
        (wasted.shadowed, "C"),
        (wasted.deleted, "D"),
        (wasted.metadata, "R"),
        (wasted.duplicate, "A"),
    ];
    let card = |title, bytes: u64, sub: String, bars| Card {
        title,
        link: "files",
        big: sized(bytes),
        sub,
        bars,
    };
    let exact = |bytes: u64| format!("{bytes} bytes");
    let mut cards = vec![
        card(
            "files of all layers",
            report.files,
            exact(report.files),
            String::new(),
        ),
        card(
            "wasted",
            wasted.sum(),
            exact(wasted.sum()),
            bar(&sums, report.files),
        ),
        card(
            "wasted as stored",
            report.stored_wasted(),
            format!("about, of {}", sized(report.side.stored())),
            String::new(),
        ),
    ];
    let titles = [
        "written anew by a later layer",
        "deleted by a later layer",
        "written anew with the same contents",
        "the same contents under another name",
    ];
    for ((title, (bytes, class)), [_, name, _]) in titles.into_iter().zip(sums).zip(KINDS) {
        let bars = bar(&[(bytes, class)], wasted.sum());
        cards.push(card(title, bytes, name.to_owned(), bars));
    }
    if by_dive {
        cards.push(Card {
            title: "by dive&#39;s formula",
            link: "files",
            big: format!("efficiency {:.4}", report.dive.efficiency),
            sub: format!("{} wasted", sized(report.dive.wasted)),
            bars: String::new(),
        });
    }
    for card in cards {
        card.write(out)?;
    }
    writeln!(out, "</div></section>")
}

/// Writes the layers with bars of what they write, the wasted part of it coloured; then their commands.
fn layers<W: Write + ?Sized>(out: &mut W, report: &WasteReport) -> std::io::Result<()> {
    let sides = std::slice::from_ref(&report.side);
    let most = report.layers.iter().map(|layer| layer.files).max();
    writeln!(
        out,
        "<section id=\"layers\"><h2>Layers <small>from the base upward; bars show the bytes of the files that each writes, red if wasted</small></h2>"
    )?;
    for (i, layer) in report.layers.iter().enumerate() {
        let wasted = layer.wasted.sum().min(layer.files);
        let bars = bar(
            &[(layer.files - wasted, ""), (wasted, "D")],
            most.unwrap_or_default(),
        );
        let size = format!("{}, {} wasted", sized(layer.files), sized(wasted));
        writeln!(out, "<div class=\"row2 single find\">")?;
        cell(out, sides, Made { side: 0, layer: i }, &size, &bars)?;
        writeln!(out, "</div>")?;
    }
    writeln!(out, "</section>")?;
    let has_command = |i: &usize| !report.side.created_by(*i).is_empty();
    let told: Vec<usize> = (0..report.layers.len()).filter(has_command).collect();
    if told.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<section id=\"history\" class=\"steps\"><h2>Commands</h2><details class=\"run\"><summary>of {}</summary>",
        counted(told.len(), "layer")
    )?;
    for i in told {
        step(out, &report.side, i)?;
    }
    writeln!(out, "</details></section>")
}

fn step<W: Write + ?Sized>(out: &mut W, side: &Side, layer: usize) -> std::io::Result<()> {
    let number = side.number(layer);
    writeln!(
        out,
        "<div class=\"row2 find\"><div class=\"step both\"><p><span id=\"n{number}\">layer {number}</span></p><code>{}</code></div></div>",
        escaped(side.created_by(layer))
    )
}

fn paths<W: Write + ?Sized>(out: &mut W, report: &WasteReport) -> Result<()> {
    frame(out, "Where the waste is", "Paths", report.paths.len()).map_err(failed)?;
    let sides = std::slice::from_ref(&report.side);
    let mut tables = Tables::default();
    write!(
        out,
        "<script type=\"application/json\" id=\"data\">{{\"rows\":["
    )
    .map_err(failed)?;
    for (i, path) in report.paths.iter().enumerate() {
        let (above, name) = tables.place(&path.path);
        let layers: Vec<usize> = path
            .layers
            .iter()
            .map(|layer| {
                tables.layer(
                    sides,
                    Made {
                        side: 0,
                        layer: *layer,
                    },
                )
            })
            .collect();
        let row = json!([
            above,
            name,
            most_of(&path.wasted),
            -1,
            0,
            -1,
            0,
            path.wasted.sum(),
            note(path),
            layers,
            0
        ]);
        let comma = if i > 0 { "," } else { "" };
        write!(out, "{comma}\n{}", line_html(&row)?).map_err(failed)?;
    }
    write!(out, "]").map_err(failed)?;
    tables.end(out, &KINDS, json!({"delta": false, "bySize": true}))
}

/// Position in [`KINDS`] of the kind with most bytes.
fn most_of(wasted: &Bytes) -> usize {
    let all = [
        wasted.shadowed,
        wasted.deleted,
        wasted.metadata,
        wasted.duplicate,
    ];
    let most = all.iter().max().copied().unwrap_or_default();
    all.iter()
        .position(|bytes| *bytes == most)
        .unwrap_or_default()
}

fn note(path: &PathWaste) -> String {
    let copies = match path.copies {
        1 => "1 copy".to_owned(),
        copies => format!("{copies} copies"),
    };
    format!("{}, {copies}", reasons(&path.wasted).join(", "))
}
