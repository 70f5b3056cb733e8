//! Command line of imgrm.

use crate::cli::Common;

/// Take names and images out of the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Names or IDs
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
    /// Also remove names in several repositories, and a platform's image that several names lead to
    #[arg(short, long)]
    pub force: bool,
    #[command(flatten)]
    pub common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
