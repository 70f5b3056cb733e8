//! Command line of imgimport.

use std::path::PathBuf;

use crate::cli::{self, Common, Making, Packing, Selecting};

/// Make an image of a root filesystem
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// The root filesystem: a tar, a cpio archive or a folder; - is standard input
    #[arg(value_name = "FILE|DIR|-")]
    pub input: PathBuf,
    /// The image's name
    #[arg(value_name = "NAME[:TAG]")]
    pub name: Option<String>,
    /// What the history says of the image, instead of 'Imported from -'
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Start from this image config
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Who owns the files of a folder, in numbers, instead of who owns them here
    #[arg(long, value_name = "UID[:GID]", value_parser = cli::owner_arg)]
    pub owner: Option<(u32, u32)>,
    #[command(flatten)]
    pub selecting: Selecting,
    #[command(flatten)]
    pub making: Making,
    #[command(flatten)]
    pub packing: Packing,
    #[command(flatten)]
    pub common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
