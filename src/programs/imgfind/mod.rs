//! imgfind: search the files of all layers.

mod accounts;
mod args;
mod documents;
mod facts;
mod hash_sets;
mod inside;
mod lines;
mod output;
mod patterns;
mod results;
mod search;
mod style;
mod words;

use std::process::ExitCode;

use clap::CommandFactory;
use serde_json::Map;

use crate::blob::Meter;
use crate::cli::{self, Call, ImageArg, Page, Uses, Verdict};
use crate::contents::Contents;
use crate::find::Expression;
use crate::hashset::DigestSet;
use crate::tree::Reading;
use args::Args;
use inside::Patterns;
use output::Output;
use results::{Needs, Results};
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
        let images: Vec<&ImageArg> = args.images.iter().collect();
        let record = &args.record;
        let record = record.begin_on_stdout(&images, "a FILE", io)?;
        let output = Output::new(args, io.window(false))?;
        let grep = match args.patterns.is_used() {
            true => {
                words::check_actions(&expression)?;
                let (numbers, positions) = output.needs();
                Some(args.patterns.grep(numbers, positions, args.quiet)?)
            }
            false => None,
        };
        let limits = args.common.limits();
        let nesting = args.patterns.nesting(&limits)?;
        let meter = Meter::default();
        let reading = Reading {
            limits,
            digests: expression.uses().digests || output.has_digests(),
            meter: meter.clone(),
        };
        let hash_sets = hash_sets::read(&expression, args)?;
        let kinds = hash_sets.iter().map(DigestSet::kinds);
        let is_altered = expression.uses().altered;
        let (md5, sha1) = kinds.fold((is_altered, is_altered), |all, own| {
            (all.0 || own.0, all.1 || own.1)
        });
        let needs = Needs {
            tests: expression.content_tests(),
            md5,
            sha1,
        };
        let mut search = Search {
            args,
            expression: &expression,
            contents: Contents::new(&reading, cache.as_ref()),
            hash_sets: &hash_sets,
            results: (grep.is_some() || needs.some()).then(|| {
                let search = grep.as_ref().map(|grep| Patterns {
                    grep,
                    args: &args.patterns,
                    nesting: nesting.as_ref(),
                });
                Results::new(search, needs, args.quiet)
            }),
            meter: &meter,
            output,
            is_over: false,
            has_images: false,
            other_platforms: Vec::new(),
            tap: record.as_ref().map(|record| record.tap.clone()),
        };
        search.run(io)?;
        let verdict = match search.output.has_found() {
            true => Verdict::Yes,
            false => Verdict::No,
        };
        search.output.finish(io)?;
        if let Some(record) = record {
            record.finish(io, None, &[], Map::new())?;
        }
        cli::warn_of_cache(cache.as_ref(), io);
        Ok(verdict)
    })
}
