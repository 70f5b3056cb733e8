//! imghistory: show how an image was made, step by step.

pub mod dockerfile;
pub mod dockerfile_text;
pub mod history;
mod output;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::archive::{self, Archive, Image, Open, Sizes};
use crate::blob::{Meter, NewDirectory};
use crate::cli::{self, Common, ImageArg, Io, Openings, Page, Takes, Uses, Verdict, no_effect};
use crate::error::{At, Error, Fault, Result};
use crate::render::Format;
use crate::render::images::RowFormat;
use dockerfile::{Candidate, Dockerfile};
use dockerfile_text::{DOCKERFILE_COLUMNS, Layout, dockerfile as dockerfile_text, dockerfile_rows};
use output::{HISTORY_COLUMNS, history_rows};

const PAGE: Page = Page {
    name: "imghistory",
    uses: Uses {
        temporary: true,
        ..Uses::ONE
    },
    text: include_str!("page.md"),
};

/// What shapes the table, and is nothing to a Dockerfile.
const TABLE: [&str; 3] = ["layers", "quiet", "no_trunc"];
/// What asks for a Dockerfile.
const DOCKERFILE: [&str; 4] = ["dockerfile", "annotate", "base", "extract"];

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
    #[arg(short = 'H', long, value_name = "BOOL", action = clap::ArgAction::Set, conflicts_with_all = DOCKERFILE,
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    human: Option<bool>,
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
    /// Print the Dockerfile that the image was built with, as far as it can be known
    #[arg(long, conflicts_with_all = TABLE, help_heading = "Dockerfile")]
    dockerfile: bool,
    /// Annotate each line with its source, confidence and layer contents; implies --dockerfile
    #[arg(long, conflicts_with_all = TABLE, help_heading = "Dockerfile")]
    annotate: bool,
    /// Where to look for the base image: image, archive or directory of archives (repeatable); implies --dockerfile
    ///
    /// A name alone is one of the local store, which is not looked at otherwise: the Dockerfile of an image is the
    /// same on all machines.
    #[arg(
        long,
        value_name = "IMAGE",
        conflicts_with_all = TABLE,
        help_heading = "Dockerfile"
    )]
    base: Vec<ImageArg>,
    /// Write the Dockerfile and the files of each COPY and ADD into this new directory; implies --dockerfile
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = TABLE,
        help_heading = "Dockerfile"
    )]
    extract: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// Tests if sizes and dates are printed as people say them.
    fn is_human(&self) -> bool {
        self.human.unwrap_or(true)
    }

    /// Refuses options that do nothing beside others.
    fn check(&self) -> Result<()> {
        let has_rows = self.format != "table";
        if self.annotate && has_rows && self.extract.is_none() {
            let place = "with --format, whose rows have all of it";
            return no_effect(place, &[("--annotate", true)]);
        }
        let layers = ("--layers", self.layers);
        if self.quiet {
            no_effect("with --quiet", &[layers, ("-H", self.human.is_some())])?;
        }
        match has_rows {
            true => no_effect("with --format: name the columns in it", &[layers]),
            false => Ok(()),
        }
    }
}

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        args.check()?;
        if args.dockerfile || args.annotate || args.extract.is_some() || !args.base.is_empty() {
            return reconstruct(args, io);
        }
        let format =
            Format::parse(&args.format, &default_format(args))?.fitted(io.window(args.no_trunc));
        let meter = Meter::default();
        let progress = io.progress(args.image.text(), None, &meter, args.quiet);
        let opened = args.image.open(&args.common, &meter)?;
        let selection = opened.select(&args.common)?;
        let place = || opened.archive.place.clone();
        let sizes = match args.quiet {
            true => Sizes::default(),
            false => archive::measure(
                &opened.archive,
                &[selection.index],
                &args.common.limits(),
                &meter,
            )
            .complete()
            .at(place)?,
        };
        drop(progress);
        let report = history::history(selection.image(), &sizes);
        for warning in &report.warnings {
            io.warn(&format!("{}: {warning}", opened.archive.place));
        }
        let row_format = RowFormat {
            truncate: !args.no_trunc,
            human: args.is_human(),
            now: cli::now(),
        };
        format.write(
            io.out(),
            Some(HISTORY_COLUMNS),
            history_rows(&report, &row_format),
        )?;
        Ok(Verdict::Yes)
    })
}

/// The most warnings about one image.
const WARNINGS: usize = 50;

/// `--dockerfile`.
fn reconstruct(args: &Args, io: &mut Io) -> Result<Verdict> {
    // A Dockerfile is no table: only what was asked for is taken for a format.
    let format = match args.format.as_str() {
        "table" => None,
        format => Some(Format::parse(format, "")?.fitted(io.window(false))),
    };
    let folder = args.extract.as_deref().map(fresh).transpose()?;
    let meter = Meter::default();
    let progress = io.progress(args.image.text(), None, &meter, false);
    // Layers are read more than once, which a stream cannot give.
    let landing = Some(std::env::temp_dir());
    let opened = args.image.open_with(&args.common, &meter, landing)?;
    let selection = opened.select(&args.common)?;
    let image = selection.image();
    let place = || opened.archive.place.clone();
    let archives = bases(args, io)?;
    let names = candidates(&archives, image);
    let candidates: Vec<Candidate<'_>> = names
        .iter()
        .map(|(name, image, named)| Candidate {
            name,
            image,
            named: *named,
        })
        .collect();
    let limits = args.common.limits();
    let mut found = dockerfile::dockerfile(image, &candidates, &limits, &meter).at(place)?;
    if let Some(folder) = &folder {
        dockerfile::extract(&mut found, image, folder.path(), &limits, &meter).at(place)?;
    }
    drop(progress);
    for finding in found.findings.iter().take(WARNINGS) {
        let entry = finding.entry.map(|entry| format!("entry {entry}: "));
        let entry = entry.filter(|_| finding.kind != "time").unwrap_or_default();
        io.warn(&format!(
            "{}: {entry}{}",
            opened.archive.place, finding.text
        ));
    }
    if found.findings.len() > WARNINGS {
        let more = found.findings.len() - WARNINGS;
        io.warn(&format!(
            "{}: {more} more; --format json lists them all",
            opened.archive.place
        ));
    }
    if let (Some(folder), Some(target)) = (folder, &args.extract) {
        keep(&found, args.annotate, folder, target)?;
    }
    match format {
        Some(format) => {
            format.write(io.out(), Some(DOCKERFILE_COLUMNS), dockerfile_rows(&found))?
        }
        None if args.extract.is_none() => {
            let layout = Layout {
                annotate: args.annotate,
                safe: true,
            };
            let text = dockerfile_text(&found, layout);
            io.out()
                .write_all(text.as_bytes())
                .map_err(|error| Error::io("write", error))?;
        }
        None => {}
    }
    Ok(Verdict::Yes)
}

/// An archive, the positions of its images that may be used, and whether they were named themselves.
type Usable = (Arc<Archive>, Vec<usize>, bool);

/// The archives that may hold the base: those that were named, and those below directories that were. One of a directory
/// that cannot be read is said, and the others are looked at.
fn bases(args: &Args, io: &mut Io) -> Result<Vec<Usable>> {
    let mut found = Vec::new();
    let mut openings = Openings::of(&args.base);
    for base in &args.base {
        let is_directory = base.directory_to_search().is_some();
        let open = Open::with(&args.common, &Meter::default(), None);
        let (mut faults, mut archives) = (Vec::new(), Vec::new());
        for opened in openings.each(base, &args.common, open, Takes::One) {
            match opened {
                Ok(opened) => archives.push(opened),
                Err(error) => faults.push(error),
            }
        }
        if archives.is_empty() {
            return faults.into_iter().next().map_or(Ok(found), Err);
        }
        for fault in faults {
            io.warn(&fault.to_string());
        }
        for opened in archives {
            let mut images: Vec<usize> = Vec::new();
            for root in opened.roots()? {
                images.extend(opened.archive.images_of(root));
            }
            // An image is not based on itself, whatever else is asked for.
            let named = !is_directory && images.len() == 1 && base.text() != args.image.text();
            found.push((opened.archive, images, named));
        }
    }
    Ok(found)
}

/// The images that could be a base, and how FROM names each.
fn candidates<'a>(archives: &'a [Usable], of: &Image) -> Vec<(String, &'a Image, bool)> {
    let mut out = Vec::new();
    for (archive, images, named) in archives {
        for &index in images {
            let Some(image) = archive.images.get(index) else {
                continue;
            };
            let same = (&image.platform.os, &image.platform.architecture)
                == (&of.platform.os, &of.platform.architecture);
            if !same {
                continue;
            }
            let names = archive.names_of(index);
            let name = names
                .iter()
                .map(ToString::to_string)
                .find(|name| dockerfile::is_image_name(name));
            out.push((name.unwrap_or_else(|| image.id.to_string()), image, *named));
        }
    }
    out
}

/// A folder in the making beside the one that was asked for, which must not hold anything yet.
fn fresh(target: &Path) -> Result<NewDirectory> {
    let place = || target.to_string_lossy().into_owned();
    match fs::read_dir(target).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            let why = "it is there already, and not empty".to_owned();
            return Err(Error::from(Fault::Usage(why)).at(place()));
        }
        Ok(false) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("open", error).at(place())),
    }
    NewDirectory::beside(target).at(place)
}

/// Writes the Dockerfile, and gives the folder its name.
fn keep(found: &Dockerfile, annotate: bool, folder: NewDirectory, target: &Path) -> Result<()> {
    let layout = Layout {
        annotate,
        safe: false,
    };
    let text = dockerfile_text(found, layout);
    let failed = |error| Error::io("write", error).at(target.to_string_lossy());
    let mut file = fs::File::create_new(folder.path().join("Dockerfile")).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let place = || target.to_string_lossy().into_owned();
    folder.become_target(target).at(place)
}

fn default_format(args: &Args) -> String {
    if args.quiet {
        return "{{.ID}}".into();
    }
    let created = match args.is_human() {
        true => "CreatedSince",
        false => "CreatedAt",
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
