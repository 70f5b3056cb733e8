//! Command line of imgcommit.

use std::path::PathBuf;

use crate::cli::{Caching, Common, ImageArg, OutputArgs, Packing, Selecting};

/// Commit a changed root filesystem as a new layer of an image
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Changed root filesystem: a directory or tar archive; - is standard input. Not with --squash
    #[arg(value_name = "DIR|TAR|-")]
    pub input: Option<PathBuf>,
    /// Name of the new image
    #[arg(value_name = "NAME[:TAG]")]
    pub name: Option<String>,
    /// Image to compare with
    #[arg(long, value_name = "IMAGE", required_unless_present = "squash")]
    pub base: Option<ImageArg>,
    /// Treat DIR as the upper directory of an overlay mount
    #[arg(long, conflicts_with_all = ["squash", "base_owners"])]
    pub upper: bool,
    /// Merge layers of IMAGE into one
    #[arg(long, value_name = "IMAGE", conflicts_with = "base")]
    pub squash: Option<ImageArg>,
    /// First layer to merge, from 1 at the base; same as --squash IMAGE@N..
    #[arg(long, value_name = "N", requires = "squash", conflicts_with_all = ["base", "layer_out"], value_parser = clap::value_parser!(u32).range(1..))]
    pub from: Option<u32>,
    /// Write only the layer to FILE, without an image; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["squash", "output", "name", "changes", "author", "message", "id_file", "format"])]
    pub layer_out: Option<PathBuf>,
    /// Author of the change
    #[arg(short, long, value_name = "TEXT")]
    pub author: Option<String>,
    /// History comment of the change
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Take owners from the base, and 0:0 for new files: for directories unpacked without root
    #[arg(long, conflicts_with = "squash")]
    pub base_owners: bool,
    #[command(flatten)]
    pub selecting: Selecting,
    #[command(flatten)]
    pub destination: OutputArgs,
    #[command(flatten)]
    pub packing: Packing,
    #[command(flatten)]
    pub caching: Caching,
    #[command(flatten)]
    pub common: Common,
}
