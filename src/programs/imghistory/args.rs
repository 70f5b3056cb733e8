//! Command line of imghistory.

use std::path::PathBuf;

use crate::Result;
use crate::cli::{Common, ImageArg, no_effect};

/// Options for the table, without effect on a Dockerfile.
const TABLE: [&str; 3] = ["layers", "quiet", "no_trunc"];
/// Options that select a Dockerfile.
const DOCKERFILE: [&str; 4] = ["dockerfile", "annotate", "base", "extract"];

/// Show the history of an image
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Image to show
    #[arg(value_name = "IMAGE")]
    pub image: ImageArg,
    /// Do not truncate commands and IDs
    #[arg(long)]
    pub no_trunc: bool,
    /// Print IDs only
    #[arg(short, long)]
    pub quiet: bool,
    /// Human-readable sizes and dates (default); -H=false: exact
    #[arg(short = 'H', long, value_name = "BOOL", action = clap::ArgAction::Set, conflicts_with_all = DOCKERFILE,
          num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub human: Option<bool>,
    /// Show the layer of each step
    #[arg(long)]
    pub layers: bool,
    /// Output format: table, json, or a Go template
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
    /// Print the reconstructed Dockerfile (best effort)
    #[arg(long, conflicts_with_all = TABLE, help_heading = "Dockerfile")]
    pub dockerfile: bool,
    /// Annotate each line with its source, confidence and contents
    ///
    /// The contents are those of the layers. Implies --dockerfile.
    #[arg(long, conflicts_with_all = TABLE, help_heading = "Dockerfile")]
    pub annotate: bool,
    /// Search the base image here; repeatable
    ///
    /// An image, an archive or a directory of archives; implies --dockerfile. A name alone is searched in the local
    /// store, which is not used otherwise: the Dockerfile of an image is the same on
    /// all machines.
    #[arg(
        long,
        value_name = "IMAGE",
        conflicts_with_all = TABLE,
        help_heading = "Dockerfile"
    )]
    pub base: Vec<ImageArg>,
    /// Write the Dockerfile and its build context into new DIR
    ///
    /// The build context has the files of each COPY and ADD. Implies --dockerfile.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = TABLE,
        help_heading = "Dockerfile"
    )]
    pub extract: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

impl Args {
    /// Tests for human-readable sizes and dates.
    pub fn is_human(&self) -> bool {
        self.human.unwrap_or(true)
    }

    /// Refuses options without effect beside others.
    pub fn check(&self) -> Result<()> {
        let has_rows = self.format != "table";
        if self.annotate && has_rows && self.extract.is_none() {
            let context = "with --format, whose rows have all of it";
            return no_effect(context, &[("--annotate", true)]);
        }
        let layers = ("--layers", self.layers);
        if self.quiet {
            no_effect("with --quiet", &[layers, ("-H", self.human.is_some())])?;
        }
        match has_rows {
            true => no_effect("with --format: name the columns in it", &[layers]),
            false => Ok(()),
        }
    }
}
