//! Command line of imgdf.

use crate::cli::{Common, ImageArg};

/// Show what images take, and what they share
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Archives, layouts and directories of them (default: the local store)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageArg>,
    /// Show each image
    #[arg(short, long)]
    pub verbose: bool,
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
