//! imghistory: show how an image was made, step by step.

use std::process::ExitCode;

use imgkit::blob::Meter;
use imgkit::cli::{self, Common, ImageArg, Page, Verdict};
use imgkit::error::At;
use imgkit::job::{self, Sizes};
use imgkit::layer::Limits;
use imgkit::show::Format;
use imgkit::show::images::{HISTORY_COLUMNS, Telling, history_rows};

const PAGE: Page = Page {
    name: "imghistory",
    description: &[
        "Shows the history of an image, newest step first, as docker history does, from a file. Each step is matched \
         with the layer it made: entries that are not marked as empty take one layer each, from the base upward. \
         Where there are fewer such entries than layers they are aligned from the top, and the layers below get a row \
         of their own without a command; where there are more, the last ones get no layer. Either is said on standard \
         error, and nothing is dropped.",
        "SIZE is what docker shows: the bytes that the files of the layer take. It is read from the headers of plain \
         layers; compressed layers are decoded and verified for it.",
    ],
    output: &[
        "A table as docker prints it. With --format json one object per line, with docker's keys and values and these \
         of our own:",
    ],
    keys: &[
        (
            "Author, Created",
            "as recorded, the time in full; null if not recorded",
        ),
        (
            "DiffID",
            "the digest of the plain layer; null for a step without a layer",
        ),
        ("EmptyLayer", "whether the entry says that it made no layer"),
        (
            "Layer",
            "the layer's number, 1 being the base; null for a step without a layer",
        ),
        (
            "LayerDigest",
            "the digest of the stored layer; null where no manifest states it",
        ),
        (
            "Recorded",
            "false for a layer that no history entry speaks of",
        ),
        (
            "SizeBytes",
            "bytes of the layer's files; null for a layer that is not in the archive",
        ),
        ("StoredBytes, StoredSize", "bytes of the layer as stored"),
    ],
    exit: &[
        ("0", "done"),
        ("2", "the image could not be read, or bad usage"),
    ],
    examples: &[
        ("how the one image of a file was made", "imghistory app.tar"),
        (
            "with whole commands",
            "imghistory --no-trunc bundle.tar:app:1",
        ),
        ("which layer each step made", "imghistory --layers app.tar"),
        (
            "for a script",
            "imghistory --format '{{.SizeBytes}} {{.CreatedBy}}' --no-trunc app.tar",
        ),
    ],
    sections: &[],
    see_also: &["imgls", "imginspect", "imgverify"],
};

/// Show how an image was made, step by step
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    /// The image
    #[arg(value_name = "IMAGE")]
    image: ImageArg,
    /// Do not cut commands and IDs
    #[arg(long)]
    no_trunc: bool,
    /// Print IDs only
    #[arg(short, long)]
    quiet: bool,
    /// Print sizes and dates as people say them; -H=false prints bytes and full dates
    #[arg(short = 'H', long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    human: bool,
    /// Show which layer each step made
    #[arg(long)]
    layers: bool,
    /// table, json, or a Go template
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    format: String,
    #[command(flatten)]
    common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let format = Format::parse(&args.format, &default_format(args))?;
        let meter = Meter::default();
        let progress = io.progress(args.image.text(), None, &meter, args.quiet);
        let opened = args.image.open(&args.common, &meter)?;
        let selection = opened.select(&args.common)?;
        let place = || opened.archive.place.clone();
        let sizes = match args.quiet {
            true => Sizes::default(),
            false => job::measure(
                &opened.archive,
                &[selection.index],
                &Limits::default(),
                &meter,
            )
            .whole()
            .at(place)?,
        };
        drop(progress);
        let report = job::history(selection.image(), &sizes);
        for warning in &report.warnings {
            io.warn(&format!("{}: {warning}", opened.archive.place));
        }
        let telling = Telling {
            truncate: !args.no_trunc,
            human: args.human,
            now: cli::now(),
        };
        format.write(
            io.out(),
            Some(HISTORY_COLUMNS),
            history_rows(&report, &telling),
        )?;
        Ok(Verdict::Yes)
    })
}

fn default_format(args: &Args) -> String {
    if args.quiet {
        return "{{.ID}}".into();
    }
    let created = if args.human {
        "CreatedSince"
    } else {
        "CreatedAt"
    };
    let layers = match (args.layers, args.no_trunc) {
        (false, _) => "",
        (true, true) => r"\t{{.Layer}}\t{{.DiffID}}",
        // 12 digits and the algorithm before them.
        (true, false) => r#"\t{{.Layer}}\t{{printf "%.19s" .DiffID}}"#,
    };
    format!(
        r"table {{{{.ID}}}}\t{{{{.{created}}}}}\t{{{{.CreatedBy}}}}\t{{{{.Size}}}}\t{{{{.Comment}}}}{layers}"
    )
}
