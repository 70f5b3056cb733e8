//! imginspect: show details of images as JSON, with docker's keys.

mod args;
mod config;
pub mod inspect;
pub mod raw;

use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use crate::archive::{self, Open};
use crate::blob::Meter;
use crate::cli::{self, ImageArg, Io, Openings, Page, Takes, Uses, Verdict};
use crate::error::{At, During};
use crate::render::{Shape, Template, json};
use crate::{Error, Result};
use args::{Args, RawArg};

const PAGE: Page = Page {
    name: "imginspect",
    uses: Uses::ONE,
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let format = args
            .format
            .as_deref()
            .filter(|format| !matches!(*format, "json" | ""));
        if format == Some("table") {
            let why = "--format table is not supported: expected json or a Go template";
            return Err(Error::usage(why));
        }
        let template = format
            .map(|format| Template::parse(format, Shape::INSPECT))
            .transpose()?;
        let mut openings = Openings::of(&args.images);
        if let Some(document) = args.raw {
            for image in &args.images {
                match write_raw(args, image, document, &mut openings, io) {
                    Err(error) if error.is_broken_pipe() => return Err(error),
                    Err(error) => io.fail(&error),
                    Ok(()) => {}
                }
            }
            return Ok(Verdict::Yes);
        }
        let mut values = Vec::new();
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

fn inspect(args: &Args, image: &ImageArg, openings: &mut Openings, io: &mut Io) -> Result<Value> {
    let meter = Meter::default();
    let _progress = io.progress(image.text(), None, &meter, false);
    let open = Open::with(&args.common, &meter, None);
    let opened = openings.open(image, &args.common, open, Takes::One)?;
    let selection = opened.select(&args.common)?;
    let (archive, limits) = (&opened.archive, args.common.limits());
    let sizes = archive::measure(archive, &[selection.index], &limits, &meter).complete();
    let sizes = sizes.at(|| archive.place.clone())?;
    Ok(inspect::inspect(&selection, &sizes))
}

fn write_raw(
    args: &Args,
    image: &ImageArg,
    document: RawArg,
    openings: &mut Openings,
    io: &mut Io,
) -> Result<()> {
    let open = Open::with(&args.common, &Meter::default(), None);
    let opened = openings.open(image, &args.common, open, Takes::One)?;
    let platform = args.common.platform.as_ref();
    let bytes = raw::document(&opened.archive, &opened.pick, platform, document);
    let bytes = bytes.at(|| opened.archive.place.clone())?;
    io.out().write_all(&bytes).during("write")
}
