//! Command line of imgls.

use crate::cli::{Common, ImageArg};

/// List images in files, directories and the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Archives, OCI layouts, directories of them, or - for standard input (default: the local store)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageArg>,
    /// Also show artifacts and missing manifests
    #[arg(short, long)]
    pub all: bool,
    /// Show manifest digests
    #[arg(long)]
    pub digests: bool,
    /// Do not truncate IDs
    #[arg(long)]
    pub no_trunc: bool,
    /// Print IDs only
    #[arg(short, long)]
    pub quiet: bool,
    /// Show only images that match KEY=VALUE (see FILTERS in --help); may be repeated
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Show the contents of each index: platforms, attestations, missing manifests
    #[arg(long, conflicts_with_all = ["quiet", "digests", "format", "platform"])]
    pub tree: bool,
    /// Output format: table, raw, json, or a Go template
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
    #[command(flatten)]
    pub common: Common,
}
