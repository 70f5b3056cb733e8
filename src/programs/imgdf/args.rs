//! Command line of imgdf.

use crate::cli::{Common, ImageArg};

/// Show disk usage and sharing
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Archives, layouts and directories of them (default: local store)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageArg>,
    /// Show one row per image
    #[arg(short, long)]
    pub verbose: bool,
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
