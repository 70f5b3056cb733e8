//! imgdiff: what really differs between two images.

use std::process::ExitCode;

use imgkit::blob::Meter;
use imgkit::cli::{self, Common, ImageArg, Page, Verdict};
use imgkit::error::{At, Error, Fault, Result};
use imgkit::job::diff::{self, Field, Fields, Ignored, Input, Loading, Options, Sort};
use imgkit::show::Format;
use imgkit::show::diff as show;
use imgkit::tree::Reading;

const PAGE: Page = Page {
    name: "imgdiff",
    description: &["Tells what really differs between two images."],
    output: &["Lines."],
    keys: &[],
    exit: &[
        ("0", "no difference in what was asked for"),
        ("1", "a difference, or a threshold was passed"),
        ("2", "something could not be read, or bad usage"),
    ],
    examples: &[("what changed", "imgdiff old.tar new.tar")],
    sections: &[],
    see_also: &["imghistory", "imgls", "imgverify"],
};

/// Tell what really differs between two images
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    /// The images: archives, layouts, images of the store, IMAGE@2..5 for some layers, tars of files, folders
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<ImageArg>,
    /// Compare only these fields, by their names between commas
    #[arg(long, value_name = "LIST", help_heading = "What is compared")]
    fields: Option<String>,
    /// Do not compare a field; may be given again
    #[arg(long, value_name = "FIELD", help_heading = "What is compared")]
    ignore: Vec<String>,
    /// Do not look at paths that match a glob; may be given again
    #[arg(long, value_name = "GLOB", help_heading = "What is compared")]
    ignore_path: Vec<String>,
    /// Read such globs from a file, one a line
    #[arg(long, value_name = "FILE", help_heading = "What is compared")]
    ignore_from: Vec<std::path::PathBuf>,
    /// Everything counts: times, names, order, tar dialect, compression, every byte
    #[arg(
        long,
        conflicts_with = "semantic",
        help_heading = "What is compared"
    )]
    strict: bool,
    /// Only what the image means counts, however it was made and packed
    #[arg(long, help_heading = "What is compared")]
    semantic: bool,
    /// Tell of folders as docker diff does: changed if something in them is, and deleted without what was in them
    #[arg(long, help_heading = "How it is told")]
    parents: bool,
    /// Find files again that were moved
    #[arg(short = 'M', long, help_heading = "How it is told")]
    renames: bool,
    /// Order by path, or by how many bytes the change is about
    #[arg(
        long,
        value_name = "ORDER",
        value_enum,
        default_value_t,
        help_heading = "How it is told"
    )]
    sort: SortArg,
    /// text, json, or a Go template
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true,
        help_heading = "How it is told"
    )]
    format: String,
    /// Say nothing: the exit status tells
    #[arg(short, long, help_heading = "How it is told")]
    quiet: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum SortArg {
    #[default]
    Path,
    Size,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let meter = Meter::default();
        let options = options(args, &meter)?;
        let progress = io.progress("comparing", None, &meter, args.quiet);
        let mut inputs = Vec::new();
        for image in &args.images {
            let opened = image.open_side(&args.common, &meter, &options.loading.landing)?;
            inputs.push(opened.input());
        }
        let [a, b]: [Input; 2] = inputs
            .try_into()
            .map_err(|_| Error::new(Fault::Usage("two images are compared".into())))?;
        let report = diff::diff(a, b, &options)?;
        drop(progress);
        let verdict = match report.differs {
            true => Verdict::No,
            false => Verdict::Yes,
        };
        if args.quiet {
            return Ok(verdict);
        }
        let changes = &report.compared.changes;
        match args.format.as_str() {
            "text" => {
                for line in show::change_lines(&report.sides, changes, false) {
                    io.line(&line)?;
                }
                if report.differs {
                    io.line("")?;
                }
                for line in show::account(&report) {
                    io.line(&line)?;
                }
            }
            format => {
                let whole = format == "json";
                let format = Format::parse(format, "")?;
                let rows = changes
                    .iter()
                    .map(|change| show::change_row(&report.sides, change));
                let rest = show::document_rows(&report)
                    .into_iter()
                    .chain([show::summary_row(&report)]);
                format.write(io.out(), None, rows.chain(rest.filter(|_| whole)))?;
            }
        }
        Ok(verdict)
    })
}

fn options(args: &Args, meter: &Meter) -> Result<Options> {
    let mut fields = match (&args.fields, args.strict, args.semantic) {
        (Some(list), ..) => Fields::parse(list)?,
        (None, true, _) => Fields::all(),
        (None, _, true) => Fields::semantic(),
        (None, ..) => Fields::usual(),
    };
    for ignored in &args.ignore {
        for field in Fields::parse(ignored)?.iter() {
            fields = fields.without(field);
        }
    }
    let mut globs = args.ignore_path.clone();
    for file in &args.ignore_from {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Error::io("read", error))
            .at(|| file.to_string_lossy().into_owned())?;
        let lines = text.lines().map(str::trim);
        globs.extend(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(Into::into));
    }
    Ok(Options {
        fields,
        ignored: Ignored::new(globs)?,
        strict: args.strict && fields.has(Field::Content),
        renames: args.renames,
        parents: args.parents,
        sort: match args.sort {
            SortArg::Path => Sort::Path,
            SortArg::Size => Sort::Size,
        },
        loading: Loading {
            reading: Reading {
                meter: meter.clone(),
                ..Reading::default()
            },
            landing: std::env::temp_dir(),
            digests: true,
        },
    })
}
