//! Command line of imgfind, without the expression.

use super::patterns::PatternArgs;
use crate::cli::{Caching, Common, CustodyArgs, ImageArg, VersionArgs};

/// Search the files of all layers, deleted ones too
#[derive(clap::Parser)]
#[command(version, override_usage = "imgfind [OPTIONS] IMAGE... [EXPRESSION]")]
pub struct Args {
    /// Archives, layouts, directories of them, images of the store, or -
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageArg>,
    #[command(flatten)]
    pub versions: VersionArgs,
    /// Search layers that no image has, too
    ///
    /// Each is an image of its own, called @blob/DIGEST, or @blob/PATH where its name is no digest.
    #[arg(long, hide_short_help = true)]
    pub unreferenced: bool,
    /// Print each path once, raw and ended by NUL
    #[arg(short = '0', long, conflicts_with = "format")]
    pub null: bool,
    /// Print nothing and stop at the first match
    #[arg(short, long, conflicts_with_all = ["null", "format"])]
    pub quiet: bool,
    /// Report the number of matches by state on stderr
    #[arg(long, conflicts_with = "quiet", hide_short_help = true)]
    pub verbose: bool,
    /// Output format: text, json, table, or a Go template
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true
    )]
    pub format: String,
    #[command(flatten)]
    pub patterns: PatternArgs,
    #[command(flatten)]
    pub record: CustodyArgs,
    #[command(flatten)]
    pub caching: Caching,
    #[command(flatten)]
    pub common: Common,
}
