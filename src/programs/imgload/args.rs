//! Command line of imgload.

use std::path::PathBuf;

use crate::cli::{Common, ImageArg, Packing};

/// Put the images of an archive into the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// The archive, or a directory of archives; - is standard input, and the default
    #[arg(value_name = "ARCHIVE", conflicts_with = "input")]
    pub archive: Option<ImageArg>,
    /// The archive, as docker load takes it
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<ImageArg>,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Load only what goes by this name; may be repeated
    #[arg(long, value_name = "REF")]
    pub only: Vec<String>,
    /// Load OLD under the name NEW; may be repeated
    #[arg(long, value_name = "OLD=NEW", value_parser = renaming)]
    pub rename: Vec<(String, String)>,
    /// Leave names that are taken with what they stand for
    #[arg(long)]
    pub no_clobber: bool,
    /// Refuse an archive in which imgverify finds an error
    ///
    /// Nothing is loaded then. Without it such errors are warnings, as far as they are seen, see CHECKS.
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub packing: Packing,
    /// Write the IDs of the images to FILE, one per line
    #[arg(long, value_name = "FILE")]
    pub id_file: Option<PathBuf>,
    /// text or json
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text", hide_default_value = true)]
    pub format: String,
    #[command(flatten)]
    pub common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn renaming(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err("it is written OLD=NEW".to_owned()),
    }
}
