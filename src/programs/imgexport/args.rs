//! Command line of imgexport.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::{Caching, Common, ImageArg, Selecting};

/// Options for output to a stream, which exclude those for unpacking. clap does not report a missing option as
/// required if a given one conflicts with it.
const STREAM: [&str; 2] = ["output", "format"];

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
    pub caching: Caching,
    #[command(flatten)]
    pub common: Common,
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

impl FormatArg {
    /// Tests if the format is a listing, and no archive.
    pub fn is_listing(self) -> bool {
        matches!(self, FormatArg::List | FormatArg::Mtree | FormatArg::Json)
    }
}
