//! Command line of imginspect.

use crate::cli::{Common, ImageArg};

/// Show everything about images, in docker's words
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ImageArg>,
    /// json, or a Go template
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "raw")]
    pub format: Option<String>,
    /// Write the exact bytes of a document
    #[arg(long, value_name = "DOCUMENT", value_enum)]
    pub raw: Option<RawArg>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum RawArg {
    /// The image's manifest.
    Manifest,
    /// The image's config.
    Config,
    /// The index it was found in: index.json, or manifest.json of a docker-archive without one.
    Index,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
