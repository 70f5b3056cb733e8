//! Command line of imgexport.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::{Caching, Common, ImageArg};

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
    /// Paths to export, with everything below them (default: all)
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
    /// Write to FILE instead of standard output; - is standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "directory")]
    pub output: Option<PathBuf>,
    /// Unpack into DIR, which is created or must be empty
    #[arg(short = 'C', long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Output format (see FORMATS in --help)
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        conflicts_with = "directory"
    )]
    pub format: FormatArg,
    /// Export only paths that match GLOB; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Exclude paths that match GLOB; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Export only these layers, with whiteouts: N, A..B (from 1), or a digest or digest prefix
    #[arg(long, value_name = "LAYERS", conflicts_with = "since")]
    pub layer: Option<String>,
    /// Export only the layers above base image IMAGE, with whiteouts
    #[arg(long, value_name = "IMAGE")]
    pub since: Option<ImageArg>,
    /// Apply the selected layers to an empty tree
    #[arg(long)]
    pub applied: bool,
    /// Clamp times to SOURCE_DATE_EPOCH (default: 1970), in whole seconds, and omit user and group names
    #[arg(long)]
    pub reproducible: bool,
    /// Include digests of file contents in listings
    #[arg(long)]
    pub digests: bool,
    /// Verify the diff IDs of uncompressed layers even for selected paths and listings; ignore the cache
    #[arg(long)]
    pub verify: bool,
    /// Write the image config to FILE
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Unpack into a directory that is not empty, replacing files
    #[arg(long, requires = "directory", conflicts_with_all = STREAM)]
    pub overwrite: bool,
    /// Skip operations that require root when unpacking
    #[arg(long, requires = "directory", conflicts_with_all = STREAM)]
    pub rootless: bool,
    /// Write the entries that could not be applied in full to FILE as JSON
    #[arg(long, value_name = "FILE", requires = "directory", conflicts_with_all = STREAM)]
    pub record: Option<PathBuf>,
    /// Suppress progress output
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
    /// Listing in mtree(5) format.
    Mtree,
    /// Listing as JSON lines.
    Json,
}

impl FormatArg {
    /// Tests if the format is a listing, and no archive.
    pub fn is_listing(self) -> bool {
        matches!(self, FormatArg::Mtree | FormatArg::Json)
    }
}
