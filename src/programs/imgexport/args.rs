//! Command line of imgexport.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::{Caching, Common, ImageArg};

/// What goes with a stream, where nothing is unpacked. clap takes no option for missing that another one excludes.
const STREAM: [&str; 2] = ["output", "format"];

/// Write an image's root filesystem as a tar, or unpack it
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub image: ImageArg,
    /// Only these paths of the image and what is below them
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
    /// Write to FILE and not to standard output; - is standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "directory")]
    pub output: Option<PathBuf>,
    /// Unpack into DIR, which is made, or has to be empty
    #[arg(short = 'C', long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The shape of the output (see FORMATS in --help)
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        conflicts_with = "directory"
    )]
    pub format: FormatArg,
    /// Only what matches one of these patterns
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Nothing that matches one of these patterns
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Only these layers, as they are: N, A..B (from 1), or a digest or its start
    #[arg(long, value_name = "LAYERS", conflicts_with = "since")]
    pub layer: Option<String>,
    /// Only the layers that come on top of another image, as they are
    #[arg(long, value_name = "IMAGE")]
    pub since: Option<ImageArg>,
    /// Apply these layers to nothing, without whiteouts
    #[arg(long)]
    pub applied: bool,
    /// Clamp times to SOURCE_DATE_EPOCH (1970 without it), in whole seconds, and leave out names of owners
    #[arg(long)]
    pub reproducible: bool,
    /// List the digests of contents, too
    #[arg(long)]
    pub digests: bool,
    /// Compare uncompressed layers with their diff IDs also for some paths or a listing, and use no cache
    #[arg(long)]
    pub verify: bool,
    /// Write the image's config to FILE
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Unpack into a folder that is not empty, replacing files
    #[arg(long, requires = "directory", conflicts_with_all = STREAM)]
    pub overwrite: bool,
    /// Leave out what only root can do when unpacking
    #[arg(long, requires = "directory", conflicts_with_all = STREAM)]
    pub rootless: bool,
    /// Write a list of what could not be applied to FILE, as JSON
    #[arg(long, value_name = "FILE", requires = "directory", conflicts_with_all = STREAM)]
    pub record: Option<PathBuf>,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub caching: Caching,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatArg {
    /// A tar.
    #[default]
    Tar,
    /// A cpio.
    Cpio,
    /// A listing in mtree's form.
    Mtree,
    /// A listing in JSON.
    Json,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
