//! Command line of imghistory.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::cli::{
    Caching, Common, CustodyArgs, ImageArg, Scope, VersionArgs, is_stdout, no_effect, size_arg,
};

/// Options for the table, without effect on a Dockerfile.
const TABLE: [&str; 3] = ["layers", "quiet", "no_trunc"];
/// Options for the table as in [`TABLE`], but for its width.
const TABLE_BUT_WIDTH: [&str; 2] = ["layers", "quiet"];
/// Formats of timelines, besides those of other output.
const TIMELINE: [&str; 5] = [
    "bodyfile",
    "bodyfile-plaso",
    "l2tcsv",
    "timesketch",
    "timesketch-csv",
];
/// Options that select a Dockerfile.
const DOCKERFILE: [&str; 4] = ["dockerfile", "annotate", "base", "extract"];

/// Show the history of an image
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Image to show
    #[arg(value_name = "IMAGE")]
    pub image: ImageArg,
    /// Further images, with --timeline
    #[arg(value_name = "IMAGE", requires = "timeline")]
    pub others: Vec<ImageArg>,
    /// Do not truncate commands and IDs
    #[arg(long)]
    pub no_trunc: bool,
    /// Print IDs only
    #[arg(short, long)]
    pub quiet: bool,
    /// Human-readable values (default); -H=false: exact
    #[arg(short = 'H', long, value_name = "BOOL", action = clap::ArgAction::Set, conflicts_with_all = DOCKERFILE,
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub human: Option<bool>,
    /// Show the layer of each step
    #[arg(long)]
    pub layers: bool,
    /// Output format: table, json, or a Go template
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
    #[command(flatten)]
    pub path: PathArgs,
    /// Print the reconstructed Dockerfile (best effort)
    #[arg(long, conflicts_with_all = TABLE, help_heading = "Dockerfile")]
    pub dockerfile: bool,
    /// Annotate lines with source, confidence and contents
    ///
    /// The contents are those of the layers. Implies --dockerfile.
    #[arg(long, conflicts_with_all = TABLE, help_heading = "Dockerfile", hide_short_help = true)]
    pub annotate: bool,
    /// Search the base image here; repeatable
    ///
    /// An image, an archive or a directory of archives; implies --dockerfile. A name alone is searched in the local
    /// store, which is not used otherwise: the Dockerfile of an image is the same on
    /// all machines.
    #[arg(
        long,
        value_name = "IMAGE",
        conflicts_with_all = TABLE,
        help_heading = "Dockerfile"
    )]
    pub base: Vec<ImageArg>,
    /// Write the Dockerfile and its build context into new DIR
    ///
    /// The build context has the files of each COPY and ADD. Implies --dockerfile.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = TABLE,
        help_heading = "Dockerfile"
    )]
    pub extract: Option<PathBuf>,
    #[command(flatten)]
    pub times: TimelineArgs,
    #[command(flatten)]
    pub common: Common,
}

/// Digests that a bodyfile can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum HashName {
    /// MD5, which the format has a field for.
    Md5,
}

/// Options of the timeline.
#[derive(clap::Args)]
#[command(next_help_heading = "Timeline")]
pub struct TimelineArgs {
    /// Print the recorded times of files of all layers
    ///
    /// Deleted files and documents are listed, too. Formats besides those of other output:
    /// bodyfile, bodyfile-plaso, l2tcsv, timesketch, timesketch-csv. See TIMELINE.
    #[arg(long, conflicts_with_all = TABLE_BUT_WIDTH, conflicts_with_all = DOCKERFILE, conflicts_with = "human")]
    pub timeline: bool,
    /// Only events at TIME (UTC) or later
    ///
    /// A date, or a date and a time, as in 2026-01-02T03:04:05Z.
    #[arg(
        long,
        value_name = "TIME",
        requires = "timeline",
        hide_short_help = true
    )]
    pub from: Option<String>,
    /// Only events at TIME or earlier
    #[arg(
        long,
        value_name = "TIME",
        requires = "timeline",
        hide_short_help = true
    )]
    pub to: Option<String>,
    /// Only times that do not fit others
    ///
    /// The reasons are shown beside them, and files are compared with the lists of packages. See ANOMALIES.
    #[arg(long, requires = "timeline", hide_short_help = true)]
    pub anomalies: bool,
    /// Compute digests of the contents for bodyfiles: md5
    ///
    /// Without it, the first field of each line is 0.
    #[arg(
        long,
        value_name = "NAME",
        requires = "timeline",
        hide_short_help = true
    )]
    pub hashes: Option<HashName>,
    /// Write the timeline to FILE
    #[arg(
        short,
        long,
        value_name = "FILE",
        requires = "timeline",
        hide_short_help = true
    )]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub versions: VersionArgs,
    #[command(flatten)]
    pub record: CustodyArgs,
    #[command(flatten)]
    pub caching: Caching,
}

impl TimelineArgs {
    /// Returns the output file; `None` for standard output.
    pub fn file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| !is_stdout(path))
    }
}

/// Options of the history of a path.
#[derive(clap::Args)]
pub struct PathArgs {
    /// Show what each layer did to PATH, a path or a pattern
    ///
    /// Of a directory, also what is below it.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["layers", "quiet", "timeline"], conflicts_with_all = DOCKERFILE)]
    pub path: Option<String>,
    /// Add the differences of texts, line by line
    #[arg(long, requires = "path", hide_short_help = true)]
    pub patch: bool,
    /// Show numbers and bytes by layer
    #[arg(
        long,
        requires = "path",
        conflicts_with = "patch",
        hide_short_help = true
    )]
    pub stat: bool,
    /// Show texts of up to SIZE with --patch
    #[arg(long, value_name = "SIZE", value_parser = size_arg, default_value = "1MB", requires = "patch", hide_short_help = true)]
    pub max_text: u64,
}

impl Args {
    /// Tests for human-readable sizes and dates.
    pub fn is_human(&self) -> bool {
        self.human.unwrap_or(true)
    }

    /// Returns all images.
    pub fn images(&self) -> impl Iterator<Item = &ImageArg> + Clone {
        std::iter::once(&self.image).chain(&self.others)
    }

    /// Refuses options without effect beside others.
    pub fn check(&self) -> Result<()> {
        if !self.times.timeline {
            let versions = &self.times.versions;
            let given = [
                ("--scope", versions.scope != Scope::default()),
                ("--layer", versions.layer.is_some()),
                ("--since", versions.since.is_some()),
                ("--custody", self.times.record.custody.is_some()),
                ("--format of a timeline", TIMELINE.contains(&&*self.format)),
            ];
            no_effect("without --timeline", &given)?;
        }
        let has_rows = self.format != "table";
        if self.annotate && has_rows && self.extract.is_none() {
            let context = "with --format, whose rows have all of it";
            return no_effect(context, &[("--annotate", true)]);
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
