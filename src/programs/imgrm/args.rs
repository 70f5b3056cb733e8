//! Command line of imgrm.

use crate::cli::Common;

/// Remove tags and images from the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Names or image IDs
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
    /// Also remove images tagged in several repositories, and a platform's image that several names share
    #[arg(short, long)]
    pub force: bool,
    #[command(flatten)]
    pub common: Common,
}
