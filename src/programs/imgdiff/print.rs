//! What imgdiff prints of what it found.

use super::compare::{self as diff, Options};
use super::output;
use crate::cli::{Io, Verdict};
use crate::error::{Error, Fault, Result};
use crate::render::{Format, human};
use serde_json::Value;

use super::args::{Args, ScoreArg};
use super::{Found, Shown};

pub fn print(
    args: &Args,
    io: &mut Io,
    shown: &Shown,
    found: Found,
    path: Option<&[u8]>,
    options: &Options,
) -> Result<Verdict> {
    let verdict = |differs: bool| if differs { Verdict::No } else { Verdict::Yes };
    let rows = |io: &mut Io, format: &Format, rows: &mut dyn Iterator<Item = Value>| {
        format.write(io.out(), None, rows)
    };
    match found {
        Found::Two(report) => {
            let differs = match (args.config, args.history, args.strict) {
                (true, ..) => !report.config.is_empty(),
                (_, true, _) => !report.history.is_empty(),
                _ if path.is_some() => !report.compared.changes.is_empty(),
                _ => report.differs,
            };
            if matches!(shown, Shown::Page) {
                if !args.quiet {
                    page_printed(args, io, *report, path, options)?;
                }
                return Ok(verdict(differs));
            }
            if args.text.is_some() {
                return texts_printed(args, io, shown, *report, path, options).map(verdict);
            }
            if !args.quiet {
                two_printed(args, io, shown, &report, path.is_some())?;
            }
            Ok(verdict(differs))
        }
        Found::Layers(report) => {
            match shown {
                _ if args.quiet => {}
                Shown::Rows(format, _) => {
                    rows(io, format, &mut output::layer_rows(&report).into_iter())?
                }
                _ => output::write_layers(io.out(), &report)?,
            }
            Ok(verdict(report.differs))
        }
        Found::Packages(changes, faults) => {
            warn(io, &faults);
            match shown {
                _ if args.quiet => {}
                Shown::Rows(format, _) => rows(io, format, &mut output::package_rows(&changes))?,
                _ => lines(io, output::package_lines(&changes))?,
            }
            Ok(verdict(!changes.is_empty()))
        }
        Found::Many(report) => {
            warn(io, &report.faults);
            match shown {
                _ if args.quiet => {}
                Shown::Rows(format, _) => {
                    rows(io, format, &mut output::many_rows(&report).into_iter())?
                }
                _ => {
                    for (i, table) in output::many_tables(&report).iter().enumerate() {
                        if i > 0 {
                            io.line("")?;
                        }
                        table.write_to(io.out())?;
                    }
                }
            }
            Ok(verdict(report.differs()))
        }
        Found::Waste(report) => {
            let by_dive = args.score == Some(ScoreArg::Dive);
            match shown {
                _ if args.quiet => {}
                Shown::Rows(format, _) => {
                    rows(io, format, &mut output::waste_rows(&report).into_iter())?
                }
                Shown::Page => output::write_waste_page(io.out(), &report, by_dive)?,
                Shown::Text => {
                    let most = if args.all { usize::MAX } else { output::TOP };
                    lines(io, output::waste_lines(&report, by_dive).into_iter())?;
                    for table in output::waste_tables(&report, most) {
                        io.line("")?;
                        table.write_to(io.out())?;
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
            let mut passed = false;
            if let Some(most) = args.max_waste.filter(|most| wasted > *most) {
                let mut sizes = [wasted, most].map(human::size);
                if sizes[0] == sizes[1] {
                    sizes = [wasted, most].map(|bytes| format!("{bytes} bytes"));
                }
                let [wasted, most] = sizes;
                io.note(&format!("wasted {wasted} exceeds --max-waste {most}"));
                passed = true;
            }
            if let Some(least) = args.min_score.filter(|least| score < *least) {
                io.note(&format!("score {score:.4} is below --min-score {least}"));
                passed = true;
            }
            Ok(verdict(passed))
        }
        Found::Life(sides, path) => {
            let unknown = || -> Error {
                let shown = crate::escape::bytes(&path).into_owned();
                Fault::NotFound {
                    wanted: shown,
                    closest: None,
                }
                .into()
            };
            let side = sides.first().ok_or_else(unknown)?;
            let missing = || -> Error {
                let why = format!(
                    "no layer of {} speaks of '{}'",
                    side.name,
                    crate::escape::bytes(&path)
                );
                Fault::Usage(why).into()
            };
            match shown {
                Shown::Rows(format, _) => {
                    let life = output::life_rows(side, &path).ok_or_else(missing)?;
                    rows(io, format, &mut life.into_iter())?;
                }
                _ => {
                    let life = output::life_lines(side, &path).ok_or_else(missing)?;
                    if !args.quiet {
                        lines(io, life.into_iter())?;
                    }
                }
            }
            Ok(Verdict::Yes)
        }
    }
}

/// Prints texts that differ one after the other; whether there were any.
fn texts_printed(
    args: &Args,
    io: &mut Io,
    shown: &Shown,
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
            match shown {
                _ if args.quiet => Ok(()),
                Shown::Rows(format, _) => {
                    format.write(io.out(), None, [output::text_row(sides, change, &text)?])
                }
                _ => output::write_text(io.out(), sides, change, &text),
            }
        },
    )?;
    Ok(any)
}

/// Prints a comparison as a page, with `--text` its texts, too.
fn page_printed(
    args: &Args,
    io: &mut Io,
    mut report: diff::Report,
    path: Option<&[u8]>,
    options: &Options,
) -> Result<()> {
    let parts = output::PageOptions {
        fields: options.fields,
        strict: args.strict,
        texts: args.text.is_some(),
        path,
    };
    output::write_page(io.out(), &report, &parts)?;
    if parts.texts {
        let changes = std::mem::take(&mut report.compared.changes);
        let mut number = 0;
        diff::texts(
            &mut report.sides,
            &changes,
            path,
            args.max_text,
            &options.loading,
            |sides, change, text| {
                number += 1;
                output::write_page_text(io.out(), sides, change, number, &text)
            },
        )?;
    }
    output::end_page(io.out())
}

/// Prints a comparison; of one that is about a path only what is below it.
fn two_printed(
    args: &Args,
    io: &mut Io,
    shown: &Shown,
    report: &diff::Report,
    is_part: bool,
) -> Result<()> {
    let (format, whole) = match shown {
        Shown::Rows(format, whole) => (Some(format), *whole),
        Shown::Text | Shown::Page => (None, false),
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
