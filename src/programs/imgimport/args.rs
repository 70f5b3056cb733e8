//! Command line of imgimport.

use std::path::PathBuf;

use crate::cli::{self, Common, OutputArgs, Packing, Selecting};

/// Create an image from a root filesystem
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Root filesystem: a tar or cpio archive or a directory
    #[arg(value_name = "FILE|DIR|-")]
    pub input: PathBuf,
    /// Name of the image
    #[arg(value_name = "NAME[:TAG]", conflicts_with = "tag")]
    pub name: Option<String>,
    /// Commit message (default: 'Imported from -')
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Image config to start from
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Numeric owner of all files of a directory
    #[arg(long, value_name = "UID[:GID]", value_parser = cli::owner_arg)]
    pub owner: Option<(u32, u32)>,
    #[command(flatten)]
    pub selecting: Selecting,
    #[command(flatten)]
    pub destination: OutputArgs,
    #[command(flatten)]
    pub packing: Packing,
    #[command(flatten)]
    pub common: Common,
}
