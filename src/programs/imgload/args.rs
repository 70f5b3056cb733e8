//! Command line of imgload.

use std::path::PathBuf;

use crate::cli::{Common, ImageArg, Packing};

/// Load images from an archive into the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Archive, or directory of archives; - is standard input, the default
    #[arg(value_name = "ARCHIVE", conflicts_with = "input")]
    pub archive: Option<ImageArg>,
    /// Archive, as in docker load
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<ImageArg>,
    /// Suppress progress output
    #[arg(short, long)]
    pub quiet: bool,
    /// Load only this image; may be repeated
    #[arg(long, value_name = "REF")]
    pub only: Vec<String>,
    /// Load image OLD as NEW; may be repeated
    #[arg(long, value_name = "OLD=NEW", value_parser = rename_arg)]
    pub rename: Vec<(String, String)>,
    /// Keep existing tags; do not overwrite them
    #[arg(long)]
    pub no_clobber: bool,
    /// Refuse an archive in which imgverify finds an error
    ///
    /// Nothing is loaded in that case. Without this option, errors that are detected while loading are warnings, see
    /// CHECKS.
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub packing: Packing,
    /// Write the image IDs to FILE, one per line
    #[arg(long, value_name = "FILE")]
    pub id_file: Option<PathBuf>,
    /// Output format: text or json
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text", hide_default_value = true)]
    pub format: String,
    #[command(flatten)]
    pub common: Common,
}

/// Parses the argument of `--rename`.
fn rename_arg(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err("expected OLD=NEW".to_owned()),
    }
}
