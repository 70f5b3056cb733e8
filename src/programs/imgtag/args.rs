//! Command line of imgtag.

use crate::cli::{Common, ImageArg};

/// Tag an image in the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Image to tag
    #[arg(value_name = "SOURCE")]
    pub source: ImageArg,
    #[arg(value_name = "NEW", help = "New name: NAME[:TAG]")]
    pub name: String,
    #[command(flatten)]
    pub common: Common,
}
