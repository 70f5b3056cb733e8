//! imgdiff: what really differs between images.

use std::path::PathBuf;
use std::process::ExitCode;

use imgkit::blob::Meter;
use imgkit::cli::{self, Caching, Common, ImageArg, Io, Page, Verdict};
use imgkit::error::{At, Error, Fault, Result};
use imgkit::job::diff::{self, Field, Fields, Ignored, Input, Loading, Options, Sort};
use imgkit::show::Format;
use imgkit::show::diff as show;
use imgkit::tree::Reading;
use serde_json::Value;

const PAGE: Page = Page {
    name: "imgdiff",
    description: &[
        "Tells what really differs between images, from any two files. Layers that both share are known by their diff \
         IDs and not compared; contents are read only where sizes agree and nothing else tells. Besides images, an \
         operand may be some layers of one (IMAGE@2..5, counted from 1, either end may be left out), a tar of files, \
         packed or not, or a folder.",
        "By default times and the names of owners are no difference, nor is what a builder notes down of itself in a \
         config, nor null or empty values. The names of one file are told by 'links' where they became or stopped \
         being one; a name that came or went is told as itself.",
        "With more than two images, tables show which layers, packages and paths are where: each path with its size \
         and a letter, which is the same where the same is there.",
        "With --blame and a path, the life of that path: what each layer did to it. With --waste, the bytes that an \
         image carries and nobody sees. Each file that a layer writes is counted once, as seen or as one kind of \
         waste, and the score is one minus the wasted share. What is wasted of stored bytes is the same share of each \
         layer's, because a packed layer has no bytes of one file.",
    ],
    output: &[
        "docker's lines, sorted by path: A for what was added, C for what changed, D for what was deleted, R for what \
         was moved; after a tab what differs. With --blame, after another tab the layer that did it, and its command. \
         Then, after an empty line, a short account; its last line is the verdict: same digest; same layers, other \
         compression; same files, other metadata; same but times; different. In brackets are the causes. Names are \
         escaped.",
        "With --format json one object per line, told apart by Type: path, config, history, layer, marker, package, stat, \
         text, life, image and, as the last one of a comparison or of --waste, summary. Templates get the same objects \
         but for the documents and the summary. Text that is no UTF-8 comes with its bytes in base64 in a second key \
         that ends in Bytes.",
    ],
    keys: &[
        ("Change", "A, C, D or R"),
        ("Path, OldPath", "the path, and where it was"),
        ("Fields", "the names of the fields that differ"),
        ("Details", "the same as text output has it"),
        (
            "Old, New",
            "what is there on either side: Kind, Mode, Uid, Gid, User, Group, Size (bytes), Mtime (RFC 3339), Layer (1 \
             is the base), Target, Device, HardLinkTo, Digest, Xattrs; null where nothing is. Of a config, the values",
        ),
        (
            "By",
            "which layer made the difference: Side, Layer, DiffID, CreatedBy",
        ),
        (
            "Key",
            "of a config: the place of the value, as config.Env.PATH",
        ),
        (
            "Verdict, Causes, Differs",
            "of a summary: how alike they are, why they differ, and what the exit status says",
        ),
        (
            "FileBytes, StoredBytes",
            "bytes of files, and of layers as they are stored",
        ),
        (
            "WastedBytes, ShadowedBytes, DeletedBytes, MetadataBytes, DuplicateBytes, StoredWastedBytes",
            "of --waste: all of it; by why; as stored",
        ),
        (
            "Score, DiveEfficiency, DiveWastedBytes",
            "of --waste: from 0 to 1; what dive says",
        ),
    ],
    exit: &[
        ("0", "no difference in what was asked for"),
        ("1", "a difference, or a threshold was passed"),
        ("2", "something could not be read, or bad usage"),
    ],
    examples: &[
        ("what changed, and how", "imgdiff old.tar new.tar"),
        ("which layer did it", "imgdiff --blame old.tar new.tar"),
        ("which packages", "imgdiff --packages app:1 app:2"),
        (
            "line by line, below a folder",
            "imgdiff --text=/etc old.tar new.tar",
        ),
        (
            "whether two builds are the same, byte by byte",
            "imgdiff --strict --quiet a.tar b.tar",
        ),
        (
            "what the third layer and those above it did",
            "imgdiff app.tar@..2 app.tar",
        ),
        ("who wrote a file", "imgdiff --blame=/etc/passwd app.tar"),
        (
            "fail a pipeline for more than 50 MB of waste",
            "imgdiff --waste --max-waste 50MB app.tar",
        ),
    ],
    sections: &[(
        "FIELDS",
        &[
            (
                "type, mode, uid, gid, size, content, target, links, device, xattrs",
                "of files; compared unless other fields are asked for",
            ),
            (
                "config, history",
                "of images; compared unless other fields are asked for",
            ),
            (
                "mtime, names",
                "times, of files and of the image; names of owners: compared if asked for",
            ),
            (
                "owner, files, usual, all",
                "uid and gid; all of files; what is compared by default; everything",
            ),
        ],
    )],
    see_also: &["imghistory", "imginspect", "imgls", "imgverify"],
};

/// Tell what really differs between images
#[derive(clap::Parser)]
#[command(version)]
#[command(group = clap::ArgGroup::new("view").multiple(false))]
struct Args {
    /// Images, IMAGE@2..5 for some layers of one, tars of files, folders
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<ImageArg>,
    /// Compare only these fields, named between commas
    #[arg(long, value_name = "LIST", help_heading = "What is compared")]
    fields: Option<String>,
    /// Do not compare a field; may be repeated
    #[arg(long, value_name = "FIELD", help_heading = "What is compared")]
    ignore: Vec<String>,
    /// Do not look at paths that match a glob; may be repeated
    ///
    /// A glob without / is a name in any folder, one with / a path from the top; what a matching folder holds is
    /// ignored, too. * stays within a folder, ** does not.
    #[arg(long, value_name = "GLOB", help_heading = "What is compared")]
    ignore_path: Vec<String>,
    /// Read such globs from a file, one a line; may be repeated
    #[arg(long, value_name = "FILE", help_heading = "What is compared")]
    ignore_from: Vec<PathBuf>,
    /// Everything counts: times, names, order, tar dialect, compression, every byte
    #[arg(long, conflicts_with = "semantic", help_heading = "What is compared")]
    strict: bool,
    /// Only what the image means counts, however it was made and packed
    #[arg(long, help_heading = "What is compared")]
    semantic: bool,
    /// Layer by layer, aligned by diff ID, then by command and paths
    #[arg(long, group = "view", help_heading = "Views")]
    layers: bool,
    /// The configs, key by key
    #[arg(long, group = "view", help_heading = "Views")]
    config: bool,
    /// The steps that only one of them has
    #[arg(long, group = "view", help_heading = "Views")]
    history: bool,
    /// The packages of dpkg, apk, RPM, pip and npm
    #[arg(long, group = "view", help_heading = "Views")]
    packages: bool,
    /// How many files and bytes below each folder at the top
    #[arg(long, group = "view", help_heading = "Views")]
    stat: bool,
    /// Text files line by line; with a path, only it or what is below it
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "",
          group = "view", help_heading = "Views")]
    text: Option<String>,
    /// Which layer and command made each change; with a path, the life of that path in one image
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "",
          group = "view", help_heading = "Views")]
    blame: Option<String>,
    /// The bytes that an image carries and nobody sees
    #[arg(long, group = "view", help_heading = "Views")]
    waste: bool,
    /// With --waste: exit with 1 for more than this, as 50MB or 1.5GiB
    #[arg(long, value_name = "SIZE", value_parser = size_arg, requires = "waste", help_heading = "Views")]
    max_waste: Option<u64>,
    /// With --waste: exit with 1 for a lower score, from 0 to 1
    #[arg(long, value_name = "SCORE", value_parser = score_arg, requires = "waste", help_heading = "Views")]
    min_score: Option<f64>,
    /// With --waste: whose score and bytes count
    #[arg(
        long,
        value_name = "WHOSE",
        value_enum,
        default_value_t,
        requires = "waste",
        help_heading = "Views"
    )]
    score: ScoreArg,
    /// With --text: the largest file that is shown
    #[arg(long, value_name = "SIZE", value_parser = size_arg, default_value = "1MB", help_heading = "Views")]
    max_text: u64,
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
    /// text, json, html, or a Go template
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true,
        help_heading = "How it is told"
    )]
    format: String,
    /// List everything where only the most important is listed
    #[arg(long, help_heading = "How it is told")]
    all: bool,
    /// Print nothing: the exit status tells
    #[arg(short, long, help_heading = "How it is told")]
    quiet: bool,
    #[command(flatten)]
    caching: Caching,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum SortArg {
    /// By the bytes of the paths
    #[default]
    Path,
    /// The largest first
    Size,
}

#[derive(Clone, Copy, Default, PartialEq, clap::ValueEnum)]
enum ScoreArg {
    /// Each file once
    #[default]
    Bytes,
    /// As dive counts
    Dive,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// Reads a size: bytes, or a number with a unit as docker or as dive writes it.
fn size_arg(text: &str) -> std::result::Result<u64, String> {
    let text = text.trim();
    let unit = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err("no size: write it as 1500, 50MB or 1.5GiB".into()),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok((number * factor) as u64),
        _ => Err("no size: write it as 1500, 50MB or 1.5GiB".into()),
    }
}

fn score_arg(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok(score),
        _ => Err("a score is a number from 0 to 1".into()),
    }
}

fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let meter = Meter::default();
        let options = options(args, &meter)?;
        let format = Shown::parse(args)?;
        let label = args.images.first().map_or("", |image| image.text());
        let progress = io.progress(label, None, &meter, args.quiet);
        let operands = operands(args, &meter, &options)?;
        let Operands { inputs, path } = operands;
        let found = match (inputs.len(), &path) {
            (1, _) if args.waste => Found::Waste(Box::new(diff::waste(
                single(inputs)?,
                &options.ignored,
                &options.loading,
            )?)),
            (1, Some(path)) if args.blame.is_some() => {
                let sides = diff::load(inputs, &options.loading, false)?;
                Found::Life(sides, path.clone())
            }
            (2, _) if !args.waste => two(args, inputs, &options)?,
            (0..=2, _) => {
                let why = match (args.waste, args.blame.is_some()) {
                    (true, _) => "--waste is about one image",
                    (_, true) => "--blame is about two images, or with --blame=PATH about one",
                    _ => "two images are compared",
                };
                return Err(Fault::Usage(why.into()).into());
            }
            _ if args.layers
                || args.config
                || args.history
                || args.stat
                || args.text.is_some()
                || args.blame.is_some()
                || args.waste =>
            {
                let why = "this view is about fewer images";
                return Err(Fault::Usage(why.into()).into());
            }
            _ => Found::Many(Box::new(diff::diff_many(inputs, &options)?)),
        };
        drop(progress);
        cli::warn_of_cache(options.loading.cache.as_ref(), io);
        if matches!(format, Shown::Page) && !matches!(found, Found::Two(_)) {
            return Err(no_page());
        }
        print(args, io, &format, found, path.as_deref(), &options)
    })
}

fn no_page() -> Error {
    Fault::Usage("--format html is for the comparison of two images".into()).into()
}

/// What a run found out.
enum Found {
    Two(Box<diff::Report>),
    Layers(Box<diff::LayerReport>),
    Packages(Vec<diff::PackageChange>, Vec<Error>),
    Many(Box<diff::ManyReport>),
    Waste(Box<diff::WasteReport>),
    Life(Vec<diff::Side>, Vec<u8>),
}

/// How it is printed.
enum Shown {
    Text,
    Page,
    Rows(Box<Format>, bool),
}

impl Shown {
    fn parse(args: &Args) -> Result<Self> {
        let other = args.layers || args.packages || args.waste || args.text.is_some();
        match args.format.as_str() {
            "text" => Ok(Shown::Text),
            "html" if other => Err(no_page()),
            "html" => Ok(Shown::Page),
            "json" => Ok(Shown::Rows(Box::new(Format::parse("json", "")?), true)),
            template => Ok(Shown::Rows(Box::new(Format::parse(template, "")?), false)),
        }
    }
}

struct Operands {
    inputs: Vec<Input>,
    /// The path of --text or --blame, whichever way it was typed.
    path: Option<Vec<u8>>,
}

/// Opens what was named. `--blame PATH IMAGE` and `--text PATH A B` name a path first: what is an image is none.
fn operands(args: &Args, meter: &Meter, options: &Options) -> Result<Operands> {
    let typed = args.text.as_ref().or(args.blame.as_ref());
    let mut path = typed
        .filter(|path| !path.is_empty())
        .map(|path| path.clone().into_bytes());
    let landing = &options.loading.landing;
    let mut images = &args.images[..];
    let with_path = match (&args.text, &args.blame) {
        (Some(_), _) => 3,
        (_, Some(_)) => 2,
        _ => usize::MAX,
    };
    if let (None, Some((first, rest))) = (&path, images.split_first())
        && images.len() == with_path
        && !first
            .open_side(&args.common, &Meter::default(), landing)
            .is_ok_and(|opened| opened.is_image)
    {
        // With --blame two folders could be meant as well; a path of an image is the better guess.
        path = Some(first.text().as_bytes().to_vec());
        images = rest;
    }
    let mut inputs = Vec::new();
    for image in images {
        inputs.push(image.open_side(&args.common, meter, landing)?.input);
    }
    Ok(Operands { inputs, path })
}

fn single(inputs: Vec<Input>) -> Result<Input> {
    inputs
        .into_iter()
        .next()
        .ok_or_else(|| Fault::Usage("an image is missing".into()).into())
}

fn two(args: &Args, inputs: Vec<Input>, options: &Options) -> Result<Found> {
    let [a, b]: [Input; 2] = inputs
        .try_into()
        .map_err(|_| Error::new(Fault::Usage("two images are compared".into())))?;
    let images = a.image.is_some() && b.image.is_some();
    if (args.config || args.history) && !images {
        return Err(Fault::Usage("only whole images have a config and a history".into()).into());
    }
    if args.layers {
        return Ok(Found::Layers(Box::new(diff::diff_layers(a, b, options)?)));
    }
    if args.packages {
        let skip = a.has_layers_of(&b);
        let mut sides = diff::load(vec![a, b], &options.loading, skip)?;
        let mut lists = Vec::new();
        let mut faults = Vec::new();
        for side in &mut sides {
            let mut found = diff::installed(side, &options.loading)?;
            faults.extend(
                found
                    .faults
                    .drain(..)
                    .map(|fault| fault.at(side.name.clone())),
            );
            lists.push(found);
        }
        return Ok(Found::Packages(
            diff::package_changes(&lists[0], &lists[1]),
            faults,
        ));
    }
    let only = |field: Field| Options {
        fields: match options.fields.has(Field::Mtime) {
            true => Fields::NONE.with(field).with(Field::Mtime),
            false => Fields::NONE.with(field),
        },
        ..options.clone()
    };
    let report = match (args.config, args.history) {
        (true, _) => diff::diff(a, b, &only(Field::Config))?,
        (_, true) => diff::diff(a, b, &only(Field::History))?,
        _ => diff::diff(a, b, options)?,
    };
    Ok(Found::Two(Box::new(report)))
}

fn print(
    args: &Args,
    io: &mut Io,
    shown: &Shown,
    found: Found,
    path: Option<&[u8]>,
    options: &Options,
) -> Result<Verdict> {
    let verdict = |differs: bool| if differs { Verdict::No } else { Verdict::Yes };
    let rows = |io: &mut Io, format: &Format, rows: &mut dyn Iterator<Item = Value>| {
        format.write(io.out(), None, rows)
    };
    match found {
        Found::Two(report) => {
            let differs = match (args.config, args.history, args.strict) {
                (true, ..) => !report.config.is_empty(),
                (_, true, _) => !report.history.is_empty(),
                _ => report.differs,
            };
            if args.text.is_some() {
                return texts_printed(args, io, shown, *report, path, options).map(verdict);
            }
            if !args.quiet {
                two_printed(args, io, shown, &report)?;
            }
            Ok(verdict(differs))
        }
        Found::Layers(report) => {
            match shown {
                _ if args.quiet => {}
                Shown::Rows(format, _) => {
                    rows(io, format, &mut show::layer_rows(&report).into_iter())?
                }
                _ => show::write_layers(io.out(), &report)?,
            }
            Ok(verdict(report.differs))
        }
        Found::Packages(changes, faults) => {
            warn(io, &faults);
            match shown {
                _ if args.quiet => {}
                Shown::Rows(format, _) => rows(io, format, &mut show::package_rows(&changes))?,
                _ => lines(io, show::package_lines(&changes))?,
            }
            Ok(verdict(!changes.is_empty()))
        }
        Found::Many(report) => {
            warn(io, &report.faults);
            match shown {
                _ if args.quiet => {}
                Shown::Rows(format, _) => {
                    rows(io, format, &mut show::many_rows(&report).into_iter())?
                }
                _ => {
                    for (i, table) in show::many_tables(&report).iter().enumerate() {
                        if i > 0 {
                            io.line("")?;
                        }
                        table.write_to(io.out())?;
                    }
                }
            }
            Ok(verdict(report.differs()))
        }
        Found::Waste(report) => {
            let by_dive = args.score == ScoreArg::Dive;
            match shown {
                _ if args.quiet => {}
                Shown::Rows(format, _) => {
                    rows(io, format, &mut show::waste_rows(&report).into_iter())?
                }
                _ => {
                    let most = if args.all { usize::MAX } else { show::TOP };
                    lines(io, show::waste_lines(&report, by_dive).into_iter())?;
                    for table in show::waste_tables(&report, most) {
                        io.line("")?;
                        table.write_to(io.out())?;
                    }
                    let more = report.paths.len().saturating_sub(most);
                    if more > 0 {
                        io.line(&format!("and {more} more; --all lists them"))?;
                    }
                }
            }
            let (score, wasted) = match by_dive {
                true => (report.dive.efficiency, report.dive.wasted),
                false => (report.score(), report.wasted.sum()),
            };
            let passed = args.max_waste.is_some_and(|most| wasted > most)
                || args.min_score.is_some_and(|least| score < least);
            Ok(verdict(passed))
        }
        Found::Life(sides, path) => {
            let unknown = || -> Error {
                let shown = imgkit::escape::bytes(&path).into_owned();
                Fault::NotFound { wanted: shown }.into()
            };
            let side = sides.first().ok_or_else(unknown)?;
            let missing = || -> Error {
                let why = format!(
                    "no layer of {} speaks of '{}'",
                    side.name,
                    imgkit::escape::bytes(&path)
                );
                Fault::Usage(why).into()
            };
            match shown {
                Shown::Rows(format, _) => {
                    let life = show::life_rows(side, &path).ok_or_else(missing)?;
                    rows(io, format, &mut life.into_iter())?;
                }
                _ => {
                    let life = show::life_lines(side, &path).ok_or_else(missing)?;
                    if !args.quiet {
                        lines(io, life.into_iter())?;
                    }
                }
            }
            Ok(Verdict::Yes)
        }
    }
}

/// Prints texts that differ one after the other; whether there were any.
fn texts_printed(
    args: &Args,
    io: &mut Io,
    shown: &Shown,
    mut report: diff::Report,
    path: Option<&[u8]>,
    options: &Options,
) -> Result<bool> {
    let changes = std::mem::take(&mut report.compared.changes);
    let mut any = false;
    diff::texts(
        &mut report.sides,
        &changes,
        path,
        args.max_text,
        &options.loading,
        |sides, change, text| {
            any = true;
            match shown {
                _ if args.quiet => Ok(()),
                Shown::Rows(format, _) => {
                    format.write(io.out(), None, [show::text_row(sides, change, &text)?])
                }
                _ => show::write_text(io.out(), sides, change, &text),
            }
        },
    )?;
    Ok(any)
}

fn two_printed(args: &Args, io: &mut Io, shown: &Shown, report: &diff::Report) -> Result<()> {
    let (format, whole) = match shown {
        Shown::Page => return show::write_page(io.out(), report),
        Shown::Rows(format, whole) => (Some(format), *whole),
        Shown::Text => (None, false),
    };
    let changes = &report.compared.changes;
    if let Some(format) = format {
        if args.stat {
            return format.write(
                io.out(),
                None,
                show::stat_rows(&diff::stat(&report.sides, changes)),
            );
        }
        let mut documents = show::document_rows(report);
        if args.config || args.history {
            return format.write(io.out(), None, documents);
        }
        documents.push(show::summary_row(report));
        let files = changes
            .iter()
            .map(|change| show::change_row(&report.sides, change));
        return format.write(
            io.out(),
            None,
            files.chain(documents.into_iter().filter(|_| whole)),
        );
    }
    if args.config {
        return lines(io, show::config_lines(&report.config));
    }
    if args.history {
        return lines(io, show::history_lines(&report.history));
    }
    if args.stat {
        return lines(
            io,
            show::stat_lines(&diff::stat(&report.sides, changes)).into_iter(),
        );
    }
    let color = io.color();
    for (change, line) in changes.iter().zip(show::change_lines(
        &report.sides,
        changes,
        args.blame.is_some(),
    )) {
        match color {
            true => io.line(&show::painted(change.kind, &line))?,
            false => io.line(&line)?,
        }
    }
    if !changes.is_empty() {
        io.line("")?;
    }
    if args.strict {
        lines(io, show::packing_lines(report))?;
    }
    lines(io, show::account(report).into_iter())
}

fn lines(io: &mut Io, lines: impl Iterator<Item = String>) -> Result<()> {
    for line in lines {
        io.line(&line)?;
    }
    Ok(())
}

fn warn(io: &mut Io, faults: &[Error]) {
    for fault in faults {
        io.warn(&fault.to_string());
    }
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
    if fields.is_empty() {
        return Err(Fault::Usage("nothing is left to compare".into()).into());
    }
    let mut globs = args.ignore_path.clone();
    for file in &args.ignore_from {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Error::io("read", error))
            .at(|| file.to_string_lossy().into_owned())?;
        let lines = text.lines().map(str::trim);
        globs.extend(
            lines
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(Into::into),
        );
    }
    Ok(Options {
        fields,
        ignored: Ignored::new(globs)?,
        strict: args.strict,
        renames: args.renames,
        parents: args.parents,
        sort: match args.sort {
            SortArg::Path => Sort::Path,
            SortArg::Size => Sort::Size,
        },
        loading: Loading {
            reading: Reading {
                meter: meter.clone(),
                limits: args.common.limits(),
                ..Reading::default()
            },
            landing: std::env::temp_dir(),
            digests: true,
            cache: args.caching.open()?,
        },
    })
}
