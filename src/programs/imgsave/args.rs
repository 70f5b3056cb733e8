//! Command line of imgsave.

use std::path::PathBuf;

use crate::cli::{Common, ImageArg, Packing};

/// Write images from anywhere into one archive
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ImageArg>,
    /// Write to FILE and not to standard output; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The shape of the archive (see FORMATS in --help)
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: FormatArg,
    #[command(flatten)]
    pub packing: Packing,
    /// Save the one image under this name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatArg {
    /// For every tool.
    #[default]
    Docker,
    /// As docker before 25.
    DockerLegacy,
    /// An OCI archive.
    Oci,
    /// An OCI layout.
    OciLayout,
    /// skopeo's dir:.
    Dir,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
