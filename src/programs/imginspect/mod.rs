//! imginspect: show everything about images, in docker's words.

mod args;
pub mod inspect;

use std::io::Write;
use std::process::ExitCode;

use crate::archive::{self, Open};
use crate::blob::Meter;
use crate::cli::{self, ImageArg, Io, Openings, Page, Takes, Uses, Verdict};
use crate::error::At;
use crate::render::{Shape, Template, json};
use crate::{Error, Fault, Result};
use args::{Args, RawArg};
use inspect::Raw;
use serde_json::Value;

const PAGE: Page = Page {
    name: "imginspect",
    uses: Uses::ONE,
    text: include_str!("page.md"),
};

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let format = args
            .format
            .as_deref()
            .filter(|format| !matches!(*format, "json" | ""));
        if format == Some("table") {
            return Err(Fault::Usage(
                "--format takes json or a Go template here, and no table".into(),
            )
            .into());
        }
        let template = format
            .map(|format| Template::parse(format, Shape::INSPECT))
            .transpose()?;
        if let Some(raw) = args.raw {
            let mut openings = Openings::of(&args.images);
            for image in &args.images {
                if let Err(error) = write_raw(args, image, raw, &mut openings, io) {
                    fail(error, io)?;
                }
            }
            return Ok(Verdict::Yes);
        }
        let mut values = Vec::new();
        let mut openings = Openings::of(&args.images);
        for image in &args.images {
            match inspect(args, image, &mut openings, io) {
                Ok(value) => values.push(value),
                Err(error) => io.fail(&error),
            }
        }
        if values.is_empty() {
            return Ok(Verdict::Yes);
        }
        match (template, args.format.as_deref()) {
            (Some(template), _) => {
                for value in &values {
                    let line = template.render(value)?;
                    io.line(&line)?;
                }
            }
            (None, Some("json")) => {
                for value in &values {
                    io.line(&json::line(value)?)?;
                }
            }
            (None, _) => io.line(&json::pretty(&Value::Array(values)))?,
        }
        Ok(Verdict::Yes)
    })
}

/// A reader that went away ends the run; everything else is said, and the next image has its turn.
fn fail(error: Error, io: &mut Io) -> Result<()> {
    if error.is_broken_pipe() {
        return Err(error);
    }
    io.fail(&error);
    Ok(())
}

fn inspect(args: &Args, image: &ImageArg, openings: &mut Openings, io: &mut Io) -> Result<Value> {
    let meter = Meter::default();
    let _progress = io.progress(image.text(), None, &meter, false);
    let open = Open::with(&args.common, &meter, None);
    let opened = openings.open(image, &args.common, open, Takes::One)?;
    let selection = opened.select(&args.common)?;
    let place = || opened.archive.place.clone();
    let sizes = archive::measure(
        &opened.archive,
        &[selection.index],
        &args.common.limits(),
        &meter,
    )
    .complete()
    .at(place)?;
    Ok(inspect::inspect(&selection, &sizes))
}

fn write_raw(
    args: &Args,
    image: &ImageArg,
    raw: RawArg,
    openings: &mut Openings,
    io: &mut Io,
) -> Result<()> {
    let open = Open::with(&args.common, &Meter::default(), None);
    let opened = openings.open(image, &args.common, open, Takes::One)?;
    let which = match raw {
        RawArg::Manifest => Raw::Manifest,
        RawArg::Config => Raw::Config,
        RawArg::Index => Raw::Index,
    };
    let bytes = match which {
        Raw::Index => inspect::raw_index(&opened.archive, &opened.pick),
        _ => {
            let platform = args.common.platform.as_ref();
            inspect::raw_of(&opened.archive, &opened.pick, platform, which)
        }
    };
    let bytes = bytes.at(|| opened.archive.place.clone())?;
    io.out()
        .write_all(&bytes)
        .map_err(|error| Error::io("write", error))
}
