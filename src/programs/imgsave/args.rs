//! Command line of imgsave.

use std::path::PathBuf;

use super::split::SplitArgs;
use crate::archive::Filter;
use crate::cli::{self, ByList, Common, ImageArg, Packing, TreeNames, label_arg, rename_arg};
use crate::error::{Error, Result};
use crate::spec::Timestamp;

/// Save images from any source to one archive
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Images to save (with --list, default: local store)
    #[arg(value_name = "IMAGE", required_unless_present = "lists")]
    pub images: Vec<ImageArg>,
    #[command(flatten)]
    pub by_list: ByList,
    /// Write to FILE (default: standard output)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Format: docker (default), docker-legacy, oci, oci-layout, dir
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub format: Option<FormatArg>,
    #[command(flatten)]
    pub since: SinceArgs,
    #[command(flatten)]
    pub split: SplitArgs,
    #[command(flatten)]
    pub packing: Packing,
    /// Save the only image under this name
    #[arg(
        short,
        long,
        value_name = "NAME[:TAG]",
        alias = "name",
        conflicts_with = "rename"
    )]
    pub tag: Option<String>,
    /// Save image OLD as NEW; repeatable
    #[arg(long, value_name = "OLD=NEW", value_parser = rename_arg)]
    pub rename: Vec<(String, String)>,
    /// Report the saved images as JSON; requires -o
    #[arg(long)]
    pub json: bool,
    /// Suppress progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub names: TreeNames,
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

/// Options for bundles.
#[derive(Debug, Clone, clap::Args)]
pub struct SinceArgs {
    /// Omit layers that a receipt or archive has; repeatable
    ///
    /// The output is a bundle, an OCI archive that the holder of the receipt completes with imgload. See BUNDLES in
    /// imgkit(7).
    #[arg(long, value_name = "RECEIPT")]
    pub since: Vec<ImageArg>,
    /// Require signatures of the receipts by keys of FILE, which gpg exports; repeatable
    ///
    /// A signature is beside its receipt, in RECEIPT.asc or RECEIPT.sig. See BUNDLES in imgkit(7).
    #[arg(long, value_name = "FILE", requires = "since", hide_short_help = true)]
    pub keyring: Vec<PathBuf>,
    /// Signature of the receipt, if it is elsewhere; one for each --since
    #[arg(
        long,
        value_name = "FILE",
        requires = "keyring",
        hide_short_help = true
    )]
    pub since_signature: Vec<PathBuf>,
    /// Omit layers that the receipt in FILE has, then update it
    ///
    /// FILE is the receipt that the reader will have after loading all bundles so far. It is created if it is missing, and
    /// replaced when the bundle is complete.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Send blobs again that only the ledger has, from before DATE or N bundles ago
    ///
    /// DATE is a time in RFC 3339 or an age like 720h. The ledger remembers from then on which bundle carried a blob. See
    /// BUNDLES in imgkit(7).
    #[arg(long, value_name = "DATE|N", value_parser = resend_arg, requires = "ledger", hide_short_help = true)]
    pub resend_after: Option<ResendAfter>,
    /// Label of the receipt that the reader will have
    #[arg(long, value_name = "LABEL", value_parser = label_arg, hide_short_help = true)]
    pub label: Option<String>,
    /// Write only the blobs that a request lists
    ///
    /// imgload writes requests.
    #[arg(long, value_name = "REQUEST", conflicts_with_all = ["since", "ledger", "label", "dry_run", "tag", "rename", "lists", "platform", "compression", "level", "json", "registry"])]
    pub only_blobs: Option<ImageArg>,
    /// Print what would be written; write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Age of blobs that are sent again.
#[derive(Debug, Clone, Copy)]
pub enum ResendAfter {
    /// More bundles ago.
    Bundles(u64),
    /// Before that time.
    Time(Timestamp),
}

/// Parses `--resend-after`.
fn resend_arg(text: &str) -> std::result::Result<ResendAfter, String> {
    if let Ok(bundles) = text.parse() {
        return Ok(ResendAfter::Bundles(bundles));
    }
    match Filter::parse(&format!("until={text}"), cli::now()) {
        Ok(Filter::Until(time)) => Ok(ResendAfter::Time(time)),
        _ => Err("expected a number of bundles, a time in RFC 3339, or an age like 720h".into()),
    }
}

impl SinceArgs {
    /// Tests if the output is a bundle for the holder of a receipt.
    pub(super) fn is_bundle(&self) -> bool {
        !self.since.is_empty() || self.ledger.is_some()
    }

    /// Returns the format of the output: of a bundle an OCI archive, because docker's documents would promise layers that
    /// are missing.
    ///
    /// # Errors
    /// `Usage` for a bundle in another format.
    pub(super) fn format(&self, format: Option<FormatArg>) -> Result<FormatArg> {
        let is_bundle = self.is_bundle() || self.only_blobs.is_some();
        match format {
            None if is_bundle => Ok(FormatArg::Oci),
            None => Ok(FormatArg::default()),
            Some(format @ (FormatArg::Oci | FormatArg::OciLayout)) => Ok(format),
            Some(_) if is_bundle => Err(Error::usage(
                "a bundle is an OCI archive or layout: expected --format oci or oci-layout",
            )),
            Some(format) => Ok(format),
        }
    }
}
