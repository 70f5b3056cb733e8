//! Command line of imgconvert.

use std::path::PathBuf;

use crate::cli::{Common, ImageArg, Packing};

/// Convert images between archive formats
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
    /// Media types of manifests: unchanged, of the OCI image specification, or of docker
    #[arg(long, value_name = "TYPES", value_enum, default_value_t)]
    pub media_types: MediaTypesArg,
    /// Remove missing manifests from indexes
    #[arg(long, conflicts_with = "platform")]
    pub prune_sparse: bool,
    /// Rewrite layers and configs reproducibly: clamp times to SOURCE_DATE_EPOCH (default: 1970) and drop user and
    /// group names
    #[arg(long)]
    pub reproducible: bool,
    /// Overwrite an existing file
    #[arg(short, long)]
    pub force: bool,
    /// Fail if a digest would change
    #[arg(long)]
    pub keep_digests: bool,
    /// Write changed digests to FILE as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    pub digest_map: Option<PathBuf>,
    /// Convert all platforms of an index, as skopeo's --all (the default without --platform)
    #[arg(short, long, conflicts_with = "platform")]
    pub all: bool,
    /// Suppress progress output
    #[arg(short, long)]
    pub quiet: bool,
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
