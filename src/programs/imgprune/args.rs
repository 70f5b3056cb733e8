//! Command line of imgprune.

use crate::cli::Common;

/// Free what the local store does not need
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Remove images with names too
    #[arg(short, long)]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Remove only images that satisfy KEY=VALUE (see FILTERS in --help); may be repeated
    #[arg(long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Show what would go and change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
