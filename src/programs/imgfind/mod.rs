//! imgfind: search the files of all layers.

mod accounts;
mod args;
mod facts;
mod images;
mod output;
mod search;
mod words;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{self, Call, Page, Uses, Verdict};
use crate::find::Expression;
use args::Args;
use output::Output;
use search::Search;

const PAGE: Page = Page {
    name: "imgfind",
    uses: Uses::ALL.with_temporary_files(),
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: Call<'_>) -> ExitCode {
    let (call, words) = match call {
        Call::Run(argv) => {
            let (argv, words) = words::split(argv, &Args::command());
            (Call::Run(argv), words)
        }
        describe => (describe, Vec::new()),
    };
    cli::run(call, &PAGE, |args: &Args, io| {
        words::check_images(!args.images.is_empty(), &words)?;
        let expression = Expression::parse(&words, cli::now().seconds())?;
        let cache = args.caching.open()?;
        let output = Output::new(args, io.window(false))?;
        let mut search = Search {
            args,
            expression: &expression,
            cache: cache.as_ref(),
            has_digests: expression.uses_digests() || output.has_digests(),
            output,
            is_over: false,
            has_images: false,
            other_platforms: Vec::new(),
        };
        search.run(io)?;
        let verdict = match search.output.has_found() {
            true => Verdict::Yes,
            false => Verdict::No,
        };
        search.output.finish(io)?;
        cli::warn_of_cache(cache.as_ref(), io);
        Ok(verdict)
    })
}
