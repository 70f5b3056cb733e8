//! Command line of imgls.

use crate::cli::{Common, ImageArg};

/// List the images of files, folders and the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Archives, layouts, directories of them, or - for standard input (default: the local store)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageArg>,
    /// Show what is no image too: artifacts, and what is listed but absent
    #[arg(short, long)]
    pub all: bool,
    /// Show the digests that names point to
    #[arg(long)]
    pub digests: bool,
    /// Show IDs in full
    #[arg(long)]
    pub no_trunc: bool,
    /// Print IDs only
    #[arg(short, long)]
    pub quiet: bool,
    /// Show only images that satisfy KEY=VALUE (see FILTERS in --help); may be repeated
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Show what stands below each image: platforms, attestations, what is absent
    #[arg(long, conflicts_with_all = ["quiet", "digests", "format", "platform"])]
    pub tree: bool,
    /// table, raw, json, or a Go template
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

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
