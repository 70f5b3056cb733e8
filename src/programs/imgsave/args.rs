//! Command line of imgsave.

use std::path::PathBuf;

use crate::cli::{Common, ImageArg, Packing};

/// Save images from any source to one archive
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Images to save
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ImageArg>,
    /// Write to FILE instead of standard output; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Archive format (see FORMATS in --help)
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: FormatArg,
    #[command(flatten)]
    pub packing: Packing,
    /// Save the only image under this name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Suppress progress output
    #[arg(short, long)]
    pub quiet: bool,
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
