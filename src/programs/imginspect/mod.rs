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
use crate::cli::{self, Io, Opened, Openings, Page, Takes, Uses, Verdict};
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
        let mut values = Vec::new();
        for image in &args.images {
            let meter = Meter::default();
            let _progress = io.progress(image.text(), None, &meter, false);
            let open = Open {
                registry: args.names.registry.clone(),
                ..Open::with(&args.common, &meter, None)
            };
            let is_directory = image.directory_to_search().is_some();
            for opened in openings.each(image, &args.common, open, Takes::One) {
                if let Ok(opened) = &opened {
                    opened.note_missing_volumes(io);
                }
                if let Ok(Err(error)) = opened.as_ref().map(Opened::check_selection) {
                    io.fail(&error);
                }
                let images = opened.map(|opened| match is_directory {
                    true => opened.apart(),
                    false => vec![opened],
                });
                let images = images.map_or_else(
                    |error| vec![Err(error)],
                    |all| all.into_iter().map(Ok).collect(),
                );
                for opened in images {
                    let shown = opened.and_then(|opened| match args.raw {
                        Some(document) => write_raw(args, &opened, document, io).map(|()| None),
                        None => inspect(args, &opened, &meter).map(Some),
                    });
                    match shown {
                        Err(error) if error.is_broken_pipe() => return Err(error),
                        Err(error) => io.fail(&error),
                        Ok(value) => values.extend(value),
                    }
                }
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

fn inspect(args: &Args, opened: &Opened, meter: &Meter) -> Result<Value> {
    let selection = opened.select(&args.common)?;
    let (archive, limits) = (&opened.archive, args.common.limits());
    let sizes = archive::measure(archive, &[selection.index], &limits, meter).complete();
    let sizes = sizes.at(|| archive.place.clone())?;
    Ok(inspect::inspect(&selection, &sizes))
}

fn write_raw(args: &Args, opened: &Opened, document: RawArg, io: &mut Io) -> Result<()> {
    let platform = args.common.platform.as_ref();
    let bytes = raw::document(&opened.archive, &opened.pick, platform, document);
    let bytes = bytes.at(|| opened.archive.place.clone())?;
    io.out().write_all(&bytes).during("write")
}
