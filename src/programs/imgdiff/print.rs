//! Printing of the results.

use super::compare::{self as diff, Options};
use super::output;
use crate::cli::{Io, Verdict};
use crate::error::{Error, Result};
use crate::render::{Format, human};
use serde_json::Value;

use super::args::{Args, ScoreArg};
use super::result::{Outcome, OutputFormat};

/// Prints the outcome of a run, and returns its verdict.
pub fn print(
    args: &Args,
    io: &mut Io,
    format: &OutputFormat,
    outcome: Outcome,
    path: Option<&[u8]>,
    options: &Options,
) -> Result<Verdict> {
    match outcome {
        Outcome::Two(report) => print_two(args, io, format, *report, path, options),
        Outcome::Layers(report) => {
            match format {
                _ if args.quiet => {}
                OutputFormat::Rows(format, _) => {
                    rows(io, format, output::layer_rows(&report).into_iter())?;
                }
                _ => output::write_layers(io.out(), &report)?,
            }
            Ok(verdict(report.differs))
        }
        Outcome::Packages(changes, faults) => {
            warn(io, &faults);
            match format {
                _ if args.quiet => {}
                OutputFormat::Rows(format, _) => rows(io, format, output::package_rows(&changes))?,
                _ => lines(io, output::package_lines(&changes))?,
            }
            Ok(verdict(!changes.is_empty()))
        }
        Outcome::Many(report) => print_many(args, io, format, &report),
        Outcome::Waste(report) => print_waste(args, io, format, &report),
        Outcome::Life(sides, path) => print_life(args, io, format, &sides, &path),
    }
}

fn verdict(differs: bool) -> Verdict {
    match differs {
        true => Verdict::No,
        false => Verdict::Yes,
    }
}

fn rows(io: &mut Io, format: &Format, rows: impl Iterator<Item = Value>) -> Result<()> {
    format.write(io.out(), None, rows)
}

/// Prints a comparison of two images.
fn print_two(
    args: &Args,
    io: &mut Io,
    format: &OutputFormat,
    report: diff::Report,
    path: Option<&[u8]>,
    options: &Options,
) -> Result<Verdict> {
    let differs = match (args.config, args.history, args.strict) {
        (true, ..) => !report.config.is_empty(),
        (_, true, _) => !report.history.is_empty(),
        _ if path.is_some() => !report.compared.changes.is_empty(),
        _ => report.differs,
    };
    if matches!(format, OutputFormat::Page) {
        if !args.quiet {
            print_page(args, io, report, path, options)?;
        }
        return Ok(verdict(differs));
    }
    if args.text.is_some() {
        return print_texts(args, io, format, report, path, options).map(verdict);
    }
    if !args.quiet {
        print_changes(args, io, format, &report, path.is_some())?;
    }
    Ok(verdict(differs))
}

/// Prints a comparison of three or more images.
fn print_many(
    args: &Args,
    io: &mut Io,
    format: &OutputFormat,
    report: &diff::ManyReport,
) -> Result<Verdict> {
    warn(io, &report.faults);
    match format {
        _ if args.quiet => {}
        OutputFormat::Rows(format, _) => rows(io, format, output::many_rows(report).into_iter())?,
        _ => {
            let window = io.window(false);
            for (i, table) in output::many_tables(report).iter().enumerate() {
                if i > 0 {
                    io.line("")?;
                }
                table.write_to(io.out(), window)?;
            }
        }
    }
    Ok(verdict(report.differs()))
}

/// Prints the waste of an image; the verdict is `No` beyond `--max-waste` or below `--min-score`.
fn print_waste(
    args: &Args,
    io: &mut Io,
    format: &OutputFormat,
    report: &diff::WasteReport,
) -> Result<Verdict> {
    let by_dive = args.score == Some(ScoreArg::Dive);
    match format {
        _ if args.quiet => {}
        OutputFormat::Rows(format, _) => rows(io, format, output::waste_rows(report).into_iter())?,
        OutputFormat::Page => output::write_waste_page(io.out(), report, by_dive)?,
        OutputFormat::Text => {
            let most = if args.all { usize::MAX } else { output::TOP };
            lines(io, output::waste_lines(report, by_dive).into_iter())?;
            let window = io.window(false);
            for table in output::waste_tables(report, most) {
                io.line("")?;
                table.write_to(io.out(), window)?;
            }
            let more = report.paths.len().saturating_sub(most);
            if more > 0 {
                io.line(&format!("and {more} more; --all lists them"))?;
            }
        }
    }
    let (score, wasted) = match by_dive {
        true => (report.dive.efficiency, report.dive.wasted),
        false => (report.score(), report.wasted.sum()),
    };
    let mut exceeds = false;
    if let Some(most) = args.max_waste.filter(|most| wasted > *most) {
        let mut sizes = [wasted, most].map(human::size);
        if sizes[0] == sizes[1] {
            sizes = [wasted, most].map(|bytes| format!("{bytes} bytes"));
        }
        let [wasted, most] = sizes;
        io.note(&format!("wasted {wasted} exceeds --max-waste {most}"));
        exceeds = true;
    }
    if let Some(least) = args.min_score.filter(|least| score < *least) {
        io.note(&format!("score {score:.4} is below --min-score {least}"));
        exceeds = true;
    }
    Ok(verdict(exceeds))
}

/// Prints the layers of an image that change a path.
fn print_life(
    args: &Args,
    io: &mut Io,
    format: &OutputFormat,
    sides: &[diff::Side],
    path: &[u8],
) -> Result<Verdict> {
    let wanted = || crate::escape::bytes(path).into_owned();
    let unknown = || Error::not_found(wanted(), None);
    let side = sides.first().ok_or_else(unknown)?;
    let missing =
        || -> Error { Error::usage(format!("no layer of {} has '{}'", side.name, wanted())) };
    match format {
        OutputFormat::Rows(format, _) => {
            let life = output::life_rows(side, path).ok_or_else(missing)?;
            rows(io, format, life.into_iter())?;
        }
        _ => {
            let life = output::life_lines(side, path).ok_or_else(missing)?;
            if !args.quiet {
                lines(io, life.into_iter())?;
            }
        }
    }
    Ok(Verdict::Yes)
}

/// Prints each text that differs. Returns true if there was one.
fn print_texts(
    args: &Args,
    io: &mut Io,
    format: &OutputFormat,
    mut report: diff::Report,
    path: Option<&[u8]>,
    options: &Options,
) -> Result<bool> {
    let changes = std::mem::take(&mut report.compared.changes);
    let mut any = false;
    diff::texts(
        &mut report.sides,
        &changes,
        path,
        args.max_text,
        &options.loading,
        |sides, change, text| {
            any = true;
            match format {
                _ if args.quiet => Ok(()),
                OutputFormat::Rows(format, _) => {
                    format.write(io.out(), None, [output::text_row(sides, change, &text)?])
                }
                _ => output::write_text(io.out(), sides, change, &text),
            }
        },
    )?;
    Ok(any)
}

/// Limit on the texts of a page without `--text`.
const PAGE_TEXTS: usize = 100;
/// Limit on the bytes of such a text.
const PAGE_TEXT: u64 = 100_000;

/// Prints a comparison as a page: with `--text` all texts, otherwise small ones that changed.
fn print_page(
    args: &Args,
    io: &mut Io,
    mut report: diff::Report,
    path: Option<&[u8]>,
    options: &Options,
) -> Result<()> {
    let changes = report.compared.changes.clone();
    let mut packages = Vec::new();
    if path.is_none() && diff::has_database(&report.sides, &changes) {
        let (found, faults) = diff::packages_of(&mut report.sides, &options.loading)?;
        warn(io, &faults);
        packages = found;
    }
    let is_all = args.text.is_some();
    let (texts, mut left_out) = match is_all {
        true => {
            let all = 0..changes.len();
            let has_text = |i: &usize| diff::has_text(&report.sides, &changes[*i], path);
            (all.filter(has_text).collect(), 0)
        }
        false => diff::small_texts(&report.sides, &changes, path, PAGE_TEXT, PAGE_TEXTS),
    };
    let parts = output::PageOptions {
        fields: options.fields,
        strict: args.strict,
        texts: &texts,
        path,
        packages: &packages,
    };
    output::write_page(io.out(), &report, &parts)?;
    let chosen: Vec<diff::Change> = texts.iter().map(|i| changes[*i]).collect();
    let limit = if is_all { args.max_text } else { PAGE_TEXT };
    let (mut number, mut written) = (0, 0);
    diff::texts(
        &mut report.sides,
        &chosen,
        path,
        limit,
        &options.loading,
        |sides, change, text| {
            number += 1;
            // That a program is not a text need not be said of each.
            if !is_all && text == diff::TextChange::Binary {
                return Ok(());
            }
            written += 1;
            let place = (number, texts.len(), written == 1);
            output::write_page_text(io.out(), sides, change, place, &text)
        },
    )?;
    if path.is_some() {
        left_out = 0;
    }
    output::end_page(io.out(), written > 0, left_out)
}

/// Prints the changes of a comparison; only those below the path if it `is_part`.
fn print_changes(
    args: &Args,
    io: &mut Io,
    format: &OutputFormat,
    report: &diff::Report,
    is_part: bool,
) -> Result<()> {
    let (format, whole) = match format {
        OutputFormat::Rows(format, whole) => (Some(format), *whole),
        OutputFormat::Text | OutputFormat::Page => (None, false),
    };
    let changes = &report.compared.changes;
    if let Some(format) = format {
        if args.stat {
            return format.write(
                io.out(),
                None,
                output::stat_rows(&diff::stat(&report.sides, changes)),
            );
        }
        let mut documents = output::document_rows(report);
        if args.config || args.history {
            return format.write(io.out(), None, documents);
        }
        documents.push(output::summary_row(report));
        let files = changes
            .iter()
            .map(|change| output::change_row(&report.sides, change));
        return format.write(
            io.out(),
            None,
            files.chain(documents.into_iter().filter(|_| whole && !is_part)),
        );
    }
    if args.config {
        return lines(io, output::config_lines(&report.config));
    }
    if args.history {
        return lines(io, output::history_lines(&report.history));
    }
    if args.stat {
        return lines(
            io,
            output::stat_lines(&diff::stat(&report.sides, changes)).into_iter(),
        );
    }
    let color = io.color();
    for (change, line) in changes.iter().zip(output::change_lines(
        &report.sides,
        changes,
        args.blame.is_some(),
    )) {
        match color {
            true => io.line(&output::painted(change.kind, &line))?,
            false => io.line(&line)?,
        }
    }
    if is_part {
        return Ok(());
    }
    if !changes.is_empty() {
        io.line("")?;
    }
    if args.strict {
        lines(io, output::packing_lines(report))?;
    }
    lines(io, output::account(report).into_iter())
}

fn lines(io: &mut Io, lines: impl Iterator<Item = String>) -> Result<()> {
    for line in lines {
        io.line(&line)?;
    }
    Ok(())
}

fn warn(io: &mut Io, faults: &[Error]) {
    for fault in faults {
        io.warn(&fault.to_string());
    }
}
