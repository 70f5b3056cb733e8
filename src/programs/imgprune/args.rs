//! Command line of imgprune.

use crate::cli::{Common, ImageArg, Reporting};

/// Remove unused images and blobs
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Storage directory of a registry, or layout-tree:DIR (default: the local store)
    #[arg(value_name = "TREE", conflicts_with = "filters")]
    pub tree: Option<ImageArg>,
    /// Also remove tagged images
    #[arg(short, long)]
    pub all: bool,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub force: bool,
    /// Remove only images that match KEY=VALUE; repeatable
    #[arg(long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Show what would be removed
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub reporting: Reporting,
    #[command(flatten)]
    pub common: Common,
}
