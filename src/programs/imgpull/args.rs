//! Command line of imgpull.

use crate::cli::{Common, ImageArg, TreeNames};

/// Pull images from the storage tree of a registry into the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Images to pull: TREE:NAME[:TAG], TREE:NAME@DIGEST
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ImageArg>,
    /// Pull all tags of a name without a tag, not only latest
    #[arg(short, long)]
    pub all_tags: bool,
    /// Print only the names of the images
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub names: TreeNames,
    #[command(flatten)]
    pub common: Common,
}
