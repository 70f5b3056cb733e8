//! imgdf: show disk usage of images, shared and unique.

mod args;
mod output;

use std::process::ExitCode;

use crate::Result;
use crate::archive::{Open, Pick};
use crate::blob::Meter;
use crate::cli::{self, Io, Opened, Openings, Page, Takes, Uses, Verdict};
use crate::render::Format;
use crate::store;
use args::Args;

const PAGE: Page = Page {
    name: "imgdf",
    uses: Uses::ALL,
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let format = match args.format.as_str() {
            "raw" => output::raw_format(args.verbose),
            text => text,
        };
        let format =
            Format::parse(format, output::default_format(args.verbose))?.fitted(io.window(false));
        let opened = open(args, io)?;
        if opened.is_empty() && io.has_failed() {
            return Ok(Verdict::Yes);
        }
        let sources = opened.iter().map(|opened| {
            let roots = match opened.pick {
                Pick::Only if !opened.archive.is_part => None,
                _ => Some(opened.roots()?),
            };
            Ok((&*opened.archive, roots))
        });
        let usage = store::usage(&sources.collect::<Result<Vec<_>>>()?, &args.common.limits())?;
        let rows = match args.verbose {
            true => output::images(&usage, cli::now()),
            false => output::totals(&usage),
        };
        format.write(io.out(), Some(output::COLUMNS), rows)?;
        Ok(Verdict::Yes)
    })
}

/// Opens all inputs; without any, the local store. One that cannot be read is reported.
fn open(args: &Args, io: &mut Io) -> Result<Vec<Opened>> {
    if args.images.is_empty() {
        let store = cli::open_store(&args.common, &Default::default())?;
        let store = store.map(|store| for_platform(args, Opened::whole(store)));
        return Ok(store.transpose()?.into_iter().collect());
    }
    let mut found = Vec::new();
    let mut openings = Openings::of(&args.images);
    for image in &args.images {
        let meter = Meter::default();
        let _progress = io.progress(image.text(), None, &meter, false);
        let open = Open::with(&args.common, &meter, None);
        for opened in openings.each(image, &args.common, open, Takes::Several) {
            match opened.and_then(|opened| for_platform(args, opened)) {
                Ok(opened) => {
                    for fault in opened.faults()? {
                        io.fail(&fault);
                    }
                    found.push(opened);
                }
                Err(error) => io.fail(&error),
            }
        }
    }
    Ok(found)
}

/// Checks that the archive is complete; with `--platform`, reduces it to the images for that platform.
fn for_platform(args: &Args, opened: Opened) -> Result<Opened> {
    opened.check_complete()?;
    match &args.common.platform {
        None => Ok(opened),
        platform => opened.part(platform.as_ref()).map(Opened::whole),
    }
}
