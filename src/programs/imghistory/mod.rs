//! imghistory: show the history of an image.

mod args;
pub mod dockerfile;
pub mod dockerfile_text;
pub mod history;
mod output;
mod path;
mod reconstruct;
mod timeline;

use std::process::ExitCode;

use crate::archive::{self, Sizes};
use crate::blob::Meter;
use crate::cli::{self, Page, Uses, Verdict};
use crate::error::At;
use crate::render::Format;
use crate::render::images::RowFormat;
use args::Args;
use output::{HISTORY_COLUMNS, history_rows};

const PAGE: Page = Page {
    name: "imghistory",
    uses: Uses::ONE.with_temporary_files(),
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        args.check()?;
        if args.dockerfile || args.annotate || args.extract.is_some() || !args.base.is_empty() {
            return reconstruct::run(args, io);
        }
        if args.times.timeline {
            return timeline::run(args, io);
        }
        if let Some(wanted) = &args.path.path {
            return path::run(args, wanted, io);
        }
        let format =
            Format::parse(&args.format, &default_format(args))?.fitted(io.window(args.no_trunc));
        let meter = Meter::default();
        let progress = io.progress(args.image.text(), None, &meter, args.quiet);
        let opened = args.image.open(&args.common, &meter)?;
        let selection = opened.select(&args.common)?;
        let context = || opened.archive.place.clone();
        let sizes = match args.quiet {
            true => Sizes::default(),
            false => archive::measure(
                &opened.archive,
                &[selection.index],
                &args.common.limits(),
                &meter,
            )
            .complete()
            .at(context)?,
        };
        drop(progress);
        let report = history::history(selection.image(), &sizes);
        for warning in &report.warnings {
            io.warn(&format!("{}: {warning}", opened.archive.place));
        }
        let row_format = RowFormat {
            truncate: !args.no_trunc,
            human: args.is_human(),
            now: cli::now(),
        };
        format.write(
            io.out(),
            Some(HISTORY_COLUMNS),
            history_rows(&report, &row_format),
        )?;
        Ok(Verdict::Yes)
    })
}

/// Returns the format of the table.
fn default_format(args: &Args) -> String {
    if args.quiet {
        return "{{.ID}}".into();
    }
    let created = match args.is_human() {
        true => "CreatedSince",
        false => "CreatedAt",
    };
    let layers = match (args.layers, args.no_trunc) {
        (false, _) => "",
        (true, true) => r"\t{{.Layer}}\t{{.DiffID}}",
        // The algorithm and 12 digits.
        (true, false) => r#"\t{{.Layer}}\t{{printf "%.19s" .DiffID}}"#,
    };
    format!(
        r"table {{{{.ID}}}}\t{{{{.{created}}}}}\t{{{{.CreatedBy}}}}\t{{{{.Size}}}}\t{{{{.Comment}}}}{layers}"
    )
}
