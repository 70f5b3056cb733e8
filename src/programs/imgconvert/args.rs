//! Command line of imgconvert.

use std::path::PathBuf;

use crate::cli::{Common, ImageArg, Packing, Reporting};

/// Convert between image formats
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Image or images to convert
    #[arg(value_name = "SRC")]
    pub source: ImageArg,
    /// Destination and its format (see DESTINATIONS in --help)
    #[arg(value_name = "DST")]
    pub destination: String,
    #[command(flatten)]
    pub packing: Packing,
    /// Media types of documents: keep, oci or docker
    #[arg(long, value_name = "TYPES", value_enum, default_value_t)]
    pub media_types: MediaTypesArg,
    /// Drop missing manifests from indexes
    #[arg(long, conflicts_with = "platform")]
    pub prune_sparse: bool,
    /// Rewrite layers and configs reproducibly
    ///
    /// Times are clamped to SOURCE_DATE_EPOCH (default: 1970), and user and group names are dropped.
    #[arg(long)]
    pub reproducible: bool,
    /// Overwrite an existing file
    #[arg(short, long)]
    pub force: bool,
    /// Fail if a digest would change
    #[arg(long, hide_short_help = true)]
    pub keep_digests: bool,
    /// Write changed digests to FILE as JSON (- is stdout)
    #[arg(long, value_name = "FILE")]
    pub digest_map: Option<PathBuf>,
    /// All platforms of an index (default without --platform)
    #[arg(short, long, conflicts_with = "platform", hide_short_help = true)]
    pub all: bool,
    /// Name of the image in the destination, as DST:REF
    #[arg(short, long, value_name = "NAME[:TAG]")]
    pub tag: Option<String>,
    /// Suppress progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub reporting: Reporting,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum MediaTypesArg {
    /// Unchanged.
    #[default]
    Keep,
    /// Media types of the OCI image specification.
    Oci,
    /// Media types of docker.
    Docker,
}
