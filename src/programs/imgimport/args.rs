//! Command line of imgimport.

use std::path::PathBuf;

use crate::cli::{self, Common, OutputArgs, Packing, Selecting};

/// Create an image from a root filesystem
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Root filesystem: a tar archive, a cpio archive or a directory; - is standard input
    #[arg(value_name = "FILE|DIR|-")]
    pub input: PathBuf,
    /// Name of the image
    #[arg(value_name = "NAME[:TAG]")]
    pub name: Option<String>,
    /// History comment of the image (default: 'Imported from -')
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Image config to start from
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Owner of all files of a directory, as numeric IDs (default: their current owners)
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
