//! Command line of imgls.

use crate::cli::{Common, ImageArg};

/// List images in archives, layouts or the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Archives, layouts, directories of them, or - (default: local store)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageArg>,
    /// Also list artifacts and missing manifests
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
    /// Show only images that match KEY=VALUE; repeatable
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Show platforms and attestations as a tree
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
