//! Command line of imgcommit.

use std::path::PathBuf;

use crate::cli::{Caching, Common, ImageArg, Making, Packing, Selecting};

/// Make a changed root filesystem one more layer of an image
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// The changed root filesystem: a folder or a tar; - is standard input. Not with --squash
    #[arg(value_name = "DIR|TAR|-")]
    pub input: Option<PathBuf>,
    /// The new image's name
    #[arg(value_name = "NAME[:TAG]")]
    pub name: Option<String>,
    /// The image that has been changed
    #[arg(long, value_name = "IMAGE", required_unless_present = "squash")]
    pub base: Option<ImageArg>,
    /// The folder is the upper one of an overlay mount
    #[arg(long, conflicts_with_all = ["squash", "base_owners"])]
    pub upper: bool,
    /// Merge layers of this image into one
    #[arg(long, value_name = "IMAGE", conflicts_with = "base")]
    pub squash: Option<ImageArg>,
    /// The first layer to be merged, counted from 1 at the base; as --squash IMAGE@N..
    #[arg(long, value_name = "N", requires = "squash", conflicts_with_all = ["base", "layer_out"], value_parser = clap::value_parser!(u32).range(1..))]
    pub from: Option<u32>,
    /// Write the layer alone to FILE, and make no image; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["squash", "output", "name", "changes", "author", "message", "id_file", "format"])]
    pub layer_out: Option<PathBuf>,
    /// Who made the change
    #[arg(short, long, value_name = "TEXT")]
    pub author: Option<String>,
    /// What it is about
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Take owners from the base, and 0 for what is new: for folders unpacked without root
    #[arg(long, conflicts_with = "squash")]
    pub base_owners: bool,
    #[command(flatten)]
    pub selecting: Selecting,
    #[command(flatten)]
    pub making: Making,
    #[command(flatten)]
    pub packing: Packing,
    #[command(flatten)]
    pub caching: Caching,
    #[command(flatten)]
    pub common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
