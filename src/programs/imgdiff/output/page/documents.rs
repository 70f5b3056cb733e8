//! Config, history and packages side by side, with the words that differ.

use std::io::Write;

use super::super::account::value;
use super::super::views::letter;
use super::frame::{badge, counted};
use super::words::{alike_pairs, marked};
use crate::programs::imgdiff::compare::{PackageChange, PairedStep, Position, Report};
use crate::render::page::escaped;

/// Number of equal steps in a row from which they are folded.
const RUN: usize = 2;

/// Writes the values of the configs that differ.
pub(super) fn config<W: Write + ?Sized>(out: &mut W, report: &Report) -> std::io::Result<()> {
    if report.config.is_empty() {
        return Ok(());
    }
    let count = counted(report.config.len(), "value");
    section(out, "config", "Config", &format!("{count} differ"), report)?;
    for change in &report.config {
        let letter = match (&change.old, &change.new) {
            (None, _) => 'A',
            (_, None) => 'D',
            _ => 'C',
        };
        let [old, new] =
            [&change.old, &change.new].map(|one| one.as_ref().map(value).unwrap_or_default());
        row3(out, letter, &escaped(&change.path), &old, &new)?;
    }
    writeln!(out, "</section>")
}

fn section<W: Write + ?Sized>(
    out: &mut W,
    id: &str,
    title: &str,
    about: &str,
    report: &Report,
) -> std::io::Result<()> {
    let [a, b] = report.sides.each_ref().map(|side| escaped(&side.name));
    writeln!(
        out,
        "<section id=\"{id}\" class=\"pairs\"><h2>{title} <small>{about}</small></h2>\n\
         <div class=\"row3 heads\"><b></b><b>{a}</b><b>{b}</b></div>"
    )
}

/// Writes a name with its old and its new text.
fn row3<W: Write + ?Sized>(
    out: &mut W,
    letter: char,
    name: &str,
    old: &str,
    new: &str,
) -> std::io::Result<()> {
    let [old, new] = marked(old, new);
    write!(
        out,
        "<div class=\"row3 find\"><b>{} {name}</b>",
        badge(letter)
    )?;
    for (side, text) in [("old", old), ("new", new)] {
        match text.is_empty() {
            true => write!(out, "<div></div>")?,
            false => write!(out, "<div data-side=\"{side}\"><code>{text}</code></div>")?,
        }
    }
    writeln!(out, "</div>")
}

/// Writes the changes of installed packages.
pub(super) fn packages<W: Write + ?Sized>(
    out: &mut W,
    changes: &[PackageChange],
) -> std::io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<section id=\"packages\" class=\"pairs\"><h2>Packages <small>{} differ</small></h2>",
        changes.len()
    )?;
    for change in changes {
        let mut name = escaped(&change.name);
        if !change.architecture.is_empty() {
            name.push_str(&format!(":{}", escaped(&change.architecture)));
        }
        let name = format!("{name} <small>{}</small>", change.manager.name());
        let (old, new) = (change.old.join(", "), change.new.join(", "));
        row3(out, letter(change), &name, &old, &new)?;
    }
    writeln!(out, "</section>")
}

/// A row of the history.
enum Row<'a> {
    /// In both.
    Both(&'a PairedStep),
    /// In one, or one in each that are alike.
    Apart(Option<&'a PairedStep>, Option<&'a PairedStep>),
}

/// Writes the steps of both, with their commands; equal ones are folded.
pub(super) fn history<W: Write + ?Sized>(
    out: &mut W,
    report: &Report,
    steps: &[PairedStep],
) -> std::io::Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let about = match report.history.is_empty() {
        true => "the same steps".to_owned(),
        false => format!(
            "{} in one of them only",
            counted(report.history.len(), "step")
        ),
    };
    let [a, b] = report.sides.each_ref().map(|side| escaped(&side.name));
    writeln!(
        out,
        "<section id=\"history\" class=\"steps\"><h2>History <small>{about}</small></h2>\n\
         <div class=\"stack\"><div class=\"row2 heads\"><b>{a}</b><i></i><b>{b}</b></div></div>"
    )?;
    let rows = rows(steps);
    let mut rest = &rows[..];
    while !rest.is_empty() {
        let run = rest
            .iter()
            .take_while(|row| matches!(row, Row::Both(_)))
            .count();
        let (these, others) = rest.split_at(run.max(1));
        if run >= RUN {
            writeln!(
                out,
                "<details class=\"run\"><summary>= {} in both</summary>",
                counted(run, "step")
            )?;
        }
        for row in these {
            write_row(out, row)?;
        }
        if run >= RUN {
            writeln!(out, "</details>")?;
        }
        rest = others;
    }
    writeln!(out, "</section>")
}

/// Steps in their order, those between equal ones paired by the likeness of their commands.
fn rows(steps: &[PairedStep]) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let (mut old, mut new): (Vec<&PairedStep>, Vec<&PairedStep>) = Default::default();
    for step in steps {
        match (&step.old, &step.new) {
            (Some(_), Some(_)) => {
                between(&old, &new, &mut rows);
                (old, new) = Default::default();
                rows.push(Row::Both(step));
            }
            (Some(_), None) => old.push(step),
            _ => new.push(step),
        }
    }
    between(&old, &new, &mut rows);
    rows
}

/// Pairs steps by the likeness of their commands.
fn between<'a>(old: &[&'a PairedStep], new: &[&'a PairedStep], rows: &mut Vec<Row<'a>>) {
    let texts = [old, new].map(|steps| steps.iter().map(|step| command(step)).collect::<Vec<_>>());
    for (i, j) in alike_pairs(&texts[0], &texts[1]) {
        rows.push(Row::Apart(i.map(|i| old[i]), j.map(|j| new[j])));
    }
}

/// The command of a step; its comment if it has none.
fn command(step: &PairedStep) -> &str {
    step.history
        .as_ref()
        .map_or("", |step| match step.created_by.is_empty() {
            true => &step.comment,
            false => &step.created_by,
        })
}

/// `step 3, layer 2`, with the identifier of the layer.
fn place(position: Position, letter: char) -> String {
    let step = match position.step {
        Some(step) => format!("step {step}"),
        None => "not in the history".to_owned(),
    };
    match position.layer {
        Some(layer) => format!("<span id=\"{letter}{layer}\">{step}, layer {layer}</span>"),
        None => step,
    }
}

fn write_row<W: Write + ?Sized>(out: &mut W, row: &Row<'_>) -> std::io::Result<()> {
    writeln!(out, "<div class=\"row2 find\">")?;
    match row {
        Row::Both(step) => {
            let places = [(step.old, 'o'), (step.new, 'n')];
            let places = places.map(|(position, letter)| position.map(|at| place(at, letter)));
            let [old, new] = places.map(Option::unwrap_or_default);
            writeln!(
                out,
                "<div class=\"step both\"><p>{old} = {new}</p><code>{}</code></div>",
                escaped(command(step))
            )?;
        }
        Row::Apart(old, new) => {
            let texts = [old, new].map(|step| step.map_or("", command));
            let texts = marked(texts[0], texts[1]);
            let position = |step: &Option<&PairedStep>, i: usize| match i {
                0 => step.and_then(|step| step.old),
                _ => step.and_then(|step| step.new),
            };
            let is_pair = old.is_some() && new.is_some();
            for (i, (step, text)) in [old, new].into_iter().zip(texts).enumerate() {
                let (side, alone) = [('o', 'D'), ('n', 'A')][i];
                match position(step, i) {
                    Some(at) => writeln!(
                        out,
                        "<div class=\"step\"><p>{} {}</p><code>{text}</code></div>",
                        badge(if is_pair { 'C' } else { alone }),
                        place(at, side)
                    )?,
                    None => writeln!(out, "<span class=\"empty\"></span>")?,
                }
                if i == 0 {
                    writeln!(out, "<i></i>")?;
                }
            }
        }
    }
    writeln!(out, "</div>")
}
