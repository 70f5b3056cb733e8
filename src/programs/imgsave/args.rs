//! Command line of imgsave.

use std::path::PathBuf;

use super::since::SinceArgs;
use crate::cli::{ByList, Common, ImageArg, Packing, TreeNames, rename_arg};

/// Save images from any source to one archive
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Images to save (with --list, default: local store)
    #[arg(value_name = "IMAGE", required_unless_present = "lists")]
    pub images: Vec<ImageArg>,
    #[command(flatten)]
    pub by_list: ByList,
    /// Write to FILE (default: standard output)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Format: docker (default), docker-legacy, oci, oci-layout, dir
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub format: Option<FormatArg>,
    #[command(flatten)]
    pub since: SinceArgs,
    #[command(flatten)]
    pub packing: Packing,
    /// Save the only image under this name
    #[arg(
        short,
        long,
        value_name = "NAME[:TAG]",
        alias = "name",
        conflicts_with = "rename"
    )]
    pub tag: Option<String>,
    /// Save image OLD as NEW; repeatable
    #[arg(long, value_name = "OLD=NEW", value_parser = rename_arg)]
    pub rename: Vec<(String, String)>,
    /// Report the saved images as JSON; requires -o
    #[arg(long)]
    pub json: bool,
    /// Suppress progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub names: TreeNames,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatArg {
    /// Docker archive over an OCI layout, as docker 25 and later write it.
    #[default]
    Docker,
    /// Docker archive as docker 1.10 to 24 wrote it.
    DockerLegacy,
    /// OCI archive.
    Oci,
    /// OCI layout.
    OciLayout,
    /// Directory in skopeo's dir: format.
    Dir,
}
