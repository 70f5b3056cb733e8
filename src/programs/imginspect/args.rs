//! Command line of imginspect.

use crate::cli::{Common, ImageArg, TreeNames};

/// Show image details in docker's JSON format
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Images to inspect
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ImageArg>,
    /// Output format: json or a Go template
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "raw")]
    pub format: Option<String>,
    /// Print the original manifest, config or index
    #[arg(long, value_name = "DOCUMENT", value_enum)]
    pub raw: Option<RawArg>,
    #[command(flatten)]
    pub names: TreeNames,
    #[command(flatten)]
    pub common: Common,
}

/// Document that `--raw` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RawArg {
    /// Manifest of the image.
    Manifest,
    /// Config of the image.
    Config,
    /// Index of the image or archive: index.json, or manifest.json of a docker-archive without one.
    Index,
}
