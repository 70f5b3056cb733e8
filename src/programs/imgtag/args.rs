//! Command line of imgtag.

use crate::cli::{Common, ImageArg};

/// Give an image of the local store another name
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// The image
    #[arg(value_name = "SOURCE")]
    pub source: ImageArg,
    #[arg(value_name = "NEW", help = "The new name: NAME[:TAG]")]
    pub name: String,
    #[command(flatten)]
    pub common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
