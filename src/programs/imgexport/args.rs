//! Command line of imgexport.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::cli::{Caching, Common, CustodyArgs, CustodyRecord, ImageArg, Selecting, is_stdout};
use crate::error::{Error, Result};
use crate::tree::VersionState;

/// Options for output to a stream, which exclude those for unpacking. clap does not report a missing option as
/// required if a given one conflicts with it.
const STREAM: [&str; 2] = ["output", "format"];

/// Options that have no effect on what `--deleted` writes.
const NOT_DELETED: [&str; 6] = [
    "format",
    "applied",
    "reproducible",
    "digests",
    "verify",
    "record",
];

/// Write an image's root filesystem as a tar archive, or unpack it
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Image to export
    #[arg(value_name = "IMAGE")]
    pub image: ImageArg,
    /// Paths to export, with their contents (default: all)
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
    /// Write to FILE (default: standard output)
    #[arg(short, long, value_name = "FILE", conflicts_with = "directory")]
    pub output: Option<PathBuf>,
    /// Extract into DIR (created, or empty)
    #[arg(short = 'C', long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Output format: tar, cpio, list, mtree or json
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        conflicts_with = "directory"
    )]
    pub format: FormatArg,
    /// Export only matching paths; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    #[command(flatten)]
    pub selecting: Selecting,
    /// Layers with whiteouts: N, A..B or a digest
    ///
    /// Numbers count from 1, the base layer; the start of a digest is enough. As in IMAGE@N and IMAGE@A..B.
    #[arg(long, value_name = "LAYERS", conflicts_with = "since")]
    pub layer: Option<String>,
    /// Only the layers above base IMAGE
    #[arg(long, value_name = "IMAGE")]
    pub since: Option<ImageArg>,
    /// Flatten the selected layers and drop whiteouts
    #[arg(long, hide_short_help = true)]
    pub applied: bool,
    /// Write files that the image does not show
    ///
    /// STATES are some of replaced, removed, hidden, repeated and unapplied, with commas between them; without it, all of
    /// them. With -C, contents alone, see DESCRIPTION.
    #[arg(long, value_name = "STATES", value_delimiter = ',', num_args = 0..=1, require_equals = true,
          hide_possible_values = true, conflicts_with_all = NOT_DELETED)]
    pub deleted: Option<Vec<StateArg>>,
    /// With --deleted -C, restore owners, modes, links, devices
    #[arg(long, requires_all = ["deleted", "directory"], conflicts_with_all = STREAM, hide_short_help = true)]
    pub with_metadata: bool,
    /// Take what can be had of damaged layers, without proof
    ///
    /// Behind damage, the next header of a tar, gzip member or zstd frame is searched.
    #[arg(long, requires = "deleted", hide_short_help = true)]
    pub salvage: bool,
    /// Clamp times to SOURCE_DATE_EPOCH, omit user and group names
    ///
    /// Times become whole seconds; without the variable, none is after 1970-01-01.
    #[arg(long, hide_short_help = true)]
    pub reproducible: bool,
    /// Include digests of file contents in listings
    #[arg(long, hide_short_help = true)]
    pub digests: bool,
    /// Verify uncompressed layers first
    ///
    /// Their diff IDs are verified even for selected paths and listings, and the cache is not used.
    #[arg(long, hide_short_help = true)]
    pub verify: bool,
    /// Write the image config to FILE
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub config: Option<PathBuf>,
    /// Extract into a directory that is not empty
    #[arg(long, requires = "directory", conflicts_with_all = STREAM)]
    pub overwrite: bool,
    /// Skip what requires root
    #[arg(long, requires = "directory", conflicts_with_all = STREAM)]
    pub rootless: bool,
    /// Write entries not applied in full to FILE as JSON
    #[arg(long, value_name = "FILE", requires = "directory", conflicts_with_all = STREAM, hide_short_help = true)]
    pub record: Option<PathBuf>,
    /// Suppress progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub custody: CustodyArgs,
    #[command(flatten)]
    pub caching: Caching,
    #[command(flatten)]
    pub common: Common,
}

/// State of a version that the image does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum StateArg {
    Replaced,
    Removed,
    Hidden,
    Repeated,
    Unapplied,
}

impl StateArg {
    /// Returns the states of `--deleted`; without any in the value, all but those of the image.
    pub fn states(given: &[Self]) -> Vec<VersionState> {
        let all = if given.is_empty() {
            Self::value_variants()
        } else {
            given
        };
        let state = |state: &StateArg| match state {
            StateArg::Replaced => VersionState::Replaced,
            StateArg::Removed => VersionState::Removed,
            StateArg::Hidden => VersionState::Hidden,
            StateArg::Repeated => VersionState::Repeated,
            StateArg::Unapplied => VersionState::Unapplied,
        };
        all.iter().map(state).collect()
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatArg {
    /// Tar archive.
    #[default]
    Tar,
    /// Cpio archive.
    Cpio,
    /// Listing for people, as of ls -l.
    List,
    /// Listing in mtree(5) format.
    Mtree,
    /// Listing as JSON lines.
    Json,
}

impl Args {
    /// Begins the custody record, if one is requested.
    ///
    /// # Errors
    /// `Usage` for standard output, which has no digest before it is written; as [`CustodyArgs::begin`].
    pub fn begin_record(&self, image: &ImageArg) -> Result<Option<CustodyRecord<'_>>> {
        let has_file = self.output.as_deref().is_some_and(|path| !is_stdout(path));
        if self.custody.custody.is_some() && !has_file && self.directory.is_none() {
            let why = "--custody requires --output FILE or -C DIR, which the record is of";
            return Err(Error::usage(why));
        }
        self.custody.begin(&[image])
    }

    /// Files and directories that are written.
    pub fn outputs(&self) -> Vec<&Path> {
        let outputs = [&self.output, &self.directory, &self.config, &self.record];
        let outputs = outputs.into_iter().filter_map(|path| path.as_deref());
        outputs.filter(|path| !is_stdout(path)).collect()
    }
}

impl FormatArg {
    /// Tests if the format is a listing, and no archive.
    pub fn is_listing(self) -> bool {
        matches!(self, FormatArg::List | FormatArg::Mtree | FormatArg::Json)
    }
}
