//! Command line of imgtag.

use crate::cli::{Common, ImageArg, Reporting};

/// Tag an image in the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Image to tag
    #[arg(value_name = "SOURCE")]
    pub source: ImageArg,
    #[arg(
        value_name = "NEW",
        required_unless_present = "tag",
        help = "New name: NAME[:TAG]"
    )]
    pub name: Option<String>,
    /// New name, instead of NEW
    #[arg(short, long, value_name = "NAME[:TAG]", conflicts_with = "name")]
    pub tag: Option<String>,
    #[command(flatten)]
    pub reporting: Reporting,
    #[command(flatten)]
    pub common: Common,
}
