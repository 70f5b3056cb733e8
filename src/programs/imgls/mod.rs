//! imgls: list images in files, directories and the local store.

mod args;
mod check;
mod filter;
pub mod list;
mod output;
mod places;
mod receipt;
pub mod rows;
mod search;
mod sources;
mod unused;

use std::process::ExitCode;

use crate::archive::{self, Sizes};
use crate::blob::Meter;
use crate::cli::{self, Io, Opened, Page, Uses, Verdict, no_effect};
use crate::render::Format;
use crate::render::images::RowFormat;
use crate::{Error, Result};
use args::Args;
use filter::Filters;
use list::{ListOptions, Selected};
use output::LIST_COLUMNS;
use rows::ListRow;
use unused::Unused;

const PAGE: Page = Page {
    name: "imgls",
    uses: Uses::ONE,
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        if !args.check.is_empty() {
            return check::run(args, io);
        }
        if let Some(term) = &args.search {
            return search::run(args, term, io);
        }
        if args.receipt {
            return receipt::run(args, io);
        }
        let any_string = ("--any-string", args.any_string && args.unused_by.is_empty());
        no_effect("without --check or --unused-by", &[any_string])?;
        let window = io.window(args.no_trunc);
        let format = Format::parse(&output::format_text(args), &output::default_format(args))?
            .fitted(window);
        let mut run = Run {
            args,
            options: ListOptions {
                all: args.all,
                tree: args.tree,
                platform: args.common.platform.as_ref(),
            },
            shows_sizes: args.tree || SIZES.iter().any(|field| format.uses(field)),
            filters: Filters::parse(&args.filters, cli::now())?,
            other_platforms: Vec::new(),
            unused: (!args.unused_by.is_empty()).then(Unused::default),
        };
        let rows = run.list_all(io)?;
        if let (Some(platform), true, false) = (
            &args.common.platform,
            rows.is_empty(),
            run.other_platforms.is_empty(),
        ) {
            return Err(Error::no_such_image(
                platform.to_string(),
                run.other_platforms.into_iter().collect(),
            ));
        }
        let mut rows = run.filters.retain_by_age(rows, |row| row)?;
        let mut verdict = Verdict::Yes;
        if let Some(unused) = &run.unused {
            verdict = unused.retain(&mut rows, args, io)?;
        }
        if rows.is_empty() && io.has_failed() {
            return Ok(Verdict::Yes);
        }
        let style = RowFormat {
            truncate: !args.no_trunc,
            human: true,
            now: cli::now(),
        };
        match args.tree {
            true => output::write_tree(&rows, &style, window, io.out())?,
            false => {
                let values = rows.iter().map(|row| output::list_row(row, &style));
                format.write(io.out(), Some(LIST_COLUMNS), values)?;
            }
        }
        Ok(verdict)
    })
}

/// Fields for which layers have to be measured.
const SIZES: [&str; 3] = ["Size", "SizeBytes", "VirtualSize"];

/// State of one run.
struct Run<'a> {
    args: &'a Args,
    options: ListOptions<'a>,
    shows_sizes: bool,
    filters: Filters,
    /// Platforms of the images that are not listed because of `--platform`.
    other_platforms: Vec<String>,
    /// Images that were listed, if those that a list names are to be left out.
    unused: Option<Unused>,
}

impl Run<'_> {
    /// Lists all inputs, in the order of the arguments.
    fn list_all(&mut self, io: &mut Io) -> Result<Vec<ListRow>> {
        let mut rows = Vec::new();
        sources::each(self.args, io, |opened, is_store, io| {
            rows.extend(self.list(opened, is_store, io)?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// Lists one archive. Damage that leaves the rest readable is reported.
    ///
    /// As in docker, images of the store are listed from the newest to the oldest.
    fn list(&mut self, opened: &Opened, is_store: bool, io: &mut Io) -> Result<Vec<ListRow>> {
        let (archive, options) = (&*opened.archive, self.options);
        self.filters.search(archive);
        opened.note_missing_volumes(io);
        for fault in opened.faults()? {
            io.fail(&fault);
        }
        let chosen = match options.all {
            true => opened.everything()?,
            false => opened.chosen()?,
        };
        if let Some(platform) = options.platform {
            let others = list::other_platforms(archive, &chosen, platform);
            self.other_platforms.extend(others);
        }
        if let Some(unused) = &mut self.unused {
            unused.add(archive, &chosen);
        }
        let filters = &self.filters;
        let selected = Selected::new(archive, &opened.pick, chosen, is_store, filters, options);
        let sizes = match self.shows_sizes {
            false => Sizes::default(),
            true => {
                let meter = Meter::default();
                let _progress = io.progress(&archive.place, None, &meter, self.args.quiet);
                let limits = self.args.common.limits();
                archive::measure(archive, &selected.images(options), &limits, &meter)
            }
        };
        for fault in sizes.faults() {
            io.fail(&fault.clone().at(archive.place.clone()));
        }
        selected.rows(&sizes, filters, options)
    }
}
