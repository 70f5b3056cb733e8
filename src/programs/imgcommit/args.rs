//! Command line of imgcommit.

use std::path::PathBuf;

use crate::cli::{Caching, Common, ImageArg, OutputArgs, Packing, Selecting};

/// Commit filesystem changes as a new layer
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Changed root filesystem; not with --squash
    #[arg(value_name = "DIR|TAR|-")]
    pub input: Option<PathBuf>,
    /// Name of the new image
    #[arg(value_name = "NAME[:TAG]", conflicts_with = "tag")]
    pub name: Option<String>,
    /// Image to compare with
    #[arg(long, value_name = "IMAGE", required_unless_present = "squash")]
    pub base: Option<ImageArg>,
    /// DIR is an overlayfs upperdir
    #[arg(long, conflicts_with_all = ["squash", "base_owners"])]
    pub upper: bool,
    /// Merge layers of IMAGE into one
    #[arg(long, value_name = "IMAGE", conflicts_with = "base")]
    pub squash: Option<ImageArg>,
    /// Layers to merge, up to the last, as IMAGE@N..
    #[arg(long, value_name = "N..", requires = "squash", conflicts_with_all = ["base", "layer_out"])]
    pub layer: Option<String>,
    /// Older spelling of --layer N..
    #[arg(long, value_name = "N", hide = true, requires = "squash", conflicts_with_all = ["base", "layer_out", "layer"], value_parser = clap::value_parser!(u32).range(1..))]
    pub from: Option<u32>,
    /// Write only the layer to FILE (- is stdout)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["squash", "output", "name", "tag", "changes", "author", "message", "id_file", "format"])]
    pub layer_out: Option<PathBuf>,
    /// Author of the change
    #[arg(short, long, value_name = "TEXT")]
    pub author: Option<String>,
    /// Commit message
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Take owners from the base, 0:0 for new files
    ///
    /// For directories unpacked without root.
    #[arg(long, conflicts_with = "squash", hide_short_help = true)]
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
