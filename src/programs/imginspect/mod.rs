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
    description: &[
        "Shows images as docker image inspect does: a JSON array with docker's keys and values, from files instead \
         of an engine. Size is the sum that docker shows, from the headers of plain layers; compressed layers are \
         decoded and verified for it.",
        "With --raw the exact bytes of the manifest or config, of an artifact too, or of the archive's index, are written, \
         with nothing added: their digest is the one by which they are known.",
    ],
    output: &[
        "An array with one object per image, indented by four blanks, or the rendered template, a line per image. \
         What only an engine knows (GraphDriver) is left out. Keys of our own:",
    ],
    keys: &[
        (
            "Descriptor",
            "mediaType, digest and size of the manifest, where the archive has one",
        ),
        (
            "Layers",
            "for each layer from the base upward: DiffID, Digest and MediaType as stated, the Member that \
                    holds it, whether it is Present, its Compression by its bytes, StoredBytes and SizeBytes",
        ),
        ("Archive", "Path and Shape of what it was read from"),
        (
            "IdKind",
            "v1 for images of docker before 1.10, whose Id is a label and no digest",
        ),
    ],
    exit: &[
        ("0", "done"),
        ("2", "an image could not be read, or bad usage"),
    ],
    examples: &[
        (
            "everything about the one image of a file",
            "imginspect app.tar",
        ),
        ("one of several images", "imginspect bundle.tar:app:1"),
        (
            "one value",
            "imginspect --format '{{json .Config.Env}}' app.tar",
        ),
        (
            "the config as it is, to hash it",
            "imginspect --raw config app.tar | sha256sum",
        ),
    ],
    sections: &[],
    see_also: &["imgls", "imghistory", "imgverify"],
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
    .whole()
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
