//! Command line of imgconvert.

use std::path::PathBuf;

use crate::cli::{Common, ImageArg, Packing};

/// Turn an archive of any shape into one of any other
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// The image or images
    #[arg(value_name = "SRC")]
    pub source: ImageArg,
    /// Where to, and in which shape (see DESTINATIONS in --help)
    #[arg(value_name = "DST")]
    pub destination: String,
    #[command(flatten)]
    pub packing: Packing,
    /// Whose media types manifests use: as they are, the image specification's, or docker's
    #[arg(long, value_name = "WHOSE", value_enum, default_value_t)]
    pub media_types: MediaTypesArg,
    /// Take what is absent out of indexes that name more than is there
    #[arg(long, conflicts_with = "platform")]
    pub prune_sparse: bool,
    /// Rewrite layers and configs so that builds of the same files are the same bytes: no time is later than
    /// SOURCE_DATE_EPOCH, or 1970 without it, and owners are numbers only
    #[arg(long)]
    pub reproducible: bool,
    /// Replace an existing file
    #[arg(short, long)]
    pub force: bool,
    /// Fail if a digest of the source would change
    #[arg(long)]
    pub keep_digests: bool,
    /// Write what changed to FILE, as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    pub digest_map: Option<PathBuf>,
    /// All platforms of an index, as skopeo's --all: what happens without --platform, too
    #[arg(short, long, conflicts_with = "platform")]
    pub all: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum MediaTypesArg {
    /// As they are.
    #[default]
    Keep,
    /// The image specification's.
    Oci,
    /// Docker's.
    Docker,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
