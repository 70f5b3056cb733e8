//! Command line of imgrm.

use crate::cli::{Common, ImageArg, Reporting};

/// Remove tags and images
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Names or image IDs; TREE:NAME[:TAG] for a tag in the storage of a registry
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ImageArg>,
    /// Also remove images with several tags
    ///
    /// An image that has tags in several repositories, or a platform's image that several names share.
    #[arg(short, long)]
    pub force: bool,
    #[command(flatten)]
    pub reporting: Reporting,
    #[command(flatten)]
    pub common: Common,
}
