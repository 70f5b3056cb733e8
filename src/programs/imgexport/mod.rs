//! imgexport: write an image's root filesystem as a tar archive, or unpack it.

mod args;
pub mod export;
mod output;
mod run;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Map;

use crate::blob::PendingFile;
use crate::cli::{self, Page, Uses, Verdict, no_effect};
use crate::disk::Patterns;
use crate::error::At;
use crate::{Error, Result};
use args::Args;
use run::Run;

const PAGE: Page = Page {
    name: "imgexport",
    uses: Uses::ONE.with_temporary_files(),
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        check_output(args)?;
        let (image, range) = args.image.split_range()?;
        check_layers(args, range.is_some())?;
        let output = args.output.as_deref().filter(|path| !is_dash(path));
        let input = image.path();
        cli::reject_same_file(output.or(args.directory.as_deref()), input.as_deref())?;
        let patterns = [Patterns::new(&args.include)?, args.selecting.excludes()?];
        // The cache does not prove the contents of the archive.
        let cache = args.caching.open()?.filter(|_| !args.verify);
        let record = args.begin_record(&image)?;
        let tap = record.as_ref().map(|record| record.tap.clone());
        let opened = run::open(args, &image, tap, io)?;
        let place = || opened.archive.place.clone();
        let selection = opened.select(&args.common)?;
        let image = selection.image();
        let in_name = range.map(|(first, last)| match last {
            Some(last) => format!("{}..{last}", first + 1),
            None => format!("{}..", first + 1),
        });
        let layers = match (args.layer.as_ref().or(in_name.as_ref()), &args.since) {
            (Some(text), _) => Some(cli::layer_range(image, text).at(place)?),
            (None, Some(base)) => {
                let base = run::open(args, base, None, io)?;
                Some(cli::layers_since(image, base.select(&args.common)?.image()).at(place)?)
            }
            (None, None) => None,
        };
        let config = match (&args.config, &image.config_bytes) {
            (None, _) => None,
            // Before the output, so that there is no output if the config cannot be written.
            (Some(path), Some(bytes)) => Some(PendingFile::new(path, bytes)?),
            (Some(_), None) => {
                return Err(Error::unsupported("an image without config").at(place()));
            }
        };
        let name = match selection.root.and_then(|root| root.names.first()) {
            Some(name) => name.to_string(),
            None => image.id.short().to_owned(),
        };
        let run = Run {
            args,
            opened: &opened,
            image,
            name,
            options: run::options(args, layers, patterns),
            cache: cache.as_ref(),
            output,
        };
        run.export(io)?;
        cli::warn_of_cache(cache.as_ref(), io);
        config.map_or(Ok(()), PendingFile::commit)?;
        if let Some(record) = record {
            record.finish(io, None, &args.outputs(), Map::new())?;
        }
        Ok(Verdict::Yes)
    })
}

fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

fn usage<T>(why: &str) -> Result<T> {
    Err(Error::usage(why))
}

/// Checks the options for the format and the output.
fn check_output(args: &Args) -> Result<()> {
    if args.deleted.is_some() && !args.with_metadata {
        let context = "with --deleted, which writes contents alone without --with-metadata";
        no_effect(context, &[("--rootless", args.rootless)])?;
    }
    let is_file = args.output.as_deref().is_some_and(|path| !is_dash(path));
    match (args.digests, args.format.is_listing()) {
        (true, false) => usage("--digests requires --format list, mtree or json"),
        (_, false) if !is_file && args.directory.is_none() && std::io::stdout().is_terminal() => {
            usage(
                "refusing to write an archive to the terminal: name a file with -o, or pipe the output",
            )
        }
        _ => Ok(()),
    }
}

/// Checks the options that select layers, of which one may be a part of the image's name.
fn check_layers(args: &Args, in_name: bool) -> Result<()> {
    if args.applied && args.layer.is_none() && args.since.is_none() && !in_name {
        return usage("--applied requires --layer or --since");
    }
    let in_name = ("IMAGE@LAYERS", in_name);
    if args.layer.is_some() {
        no_effect("with --layer: choose layers in one place", &[in_name])?;
    }
    if args.since.is_some() {
        no_effect("with --since: choose layers in one place", &[in_name])?;
    }
    Ok(())
}
