//! Bundles: archives without what a site has.

use std::path::{Path, PathBuf};

use super::args::{Args, FormatArg};
use crate::archive::{Archive, Layer, Presence};
use crate::blob::PendingFile;
use crate::bundle::{Plan, Receipt};
use crate::cli::{self, ImageArg, label_arg, no_effect};
use crate::error::{Error, Result};
use crate::write::Bundle;

/// Options for bundles.
#[derive(Debug, Clone, clap::Args)]
pub struct SinceArgs {
    /// Omit layers that a receipt or archive has; repeatable
    ///
    /// The output is a bundle, an OCI archive that the holder of the receipt completes with imgload. See BUNDLES in
    /// imgkit(7).
    #[arg(long, value_name = "RECEIPT")]
    pub since: Vec<ImageArg>,
    /// Omit layers that the receipt in FILE has, then update it
    ///
    /// FILE is the receipt that the reader will have after loading all bundles so far. It is created if it is missing, and
    /// replaced when the bundle is complete.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Label of the receipt that the reader will have
    #[arg(long, value_name = "LABEL", value_parser = label_arg, hide_short_help = true)]
    pub label: Option<String>,
    /// Write only the blobs that a request lists
    ///
    /// imgload writes requests, with --missing.
    #[arg(long, value_name = "REQUEST", conflicts_with_all = ["since", "ledger", "label", "dry_run", "tag", "rename", "lists", "platform", "compression", "json"])]
    pub only_blobs: Option<ImageArg>,
    /// Print what would be written; write nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl SinceArgs {
    /// Tests if the output is a bundle for the holder of a receipt.
    fn is_bundle(&self) -> bool {
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

/// What the readers of a bundle have.
pub(super) struct Since {
    receipts: Vec<Receipt>,
    ledger: Option<PendingFile>,
    label: Option<String>,
    /// True if the output is a bundle.
    pub is_bundle: bool,
    dry_run: bool,
}

impl Since {
    /// Reads the receipts.
    ///
    /// # Errors
    /// As [`cli::read_receipt`]; `Usage` for a label without effect; `Io` for a ledger that cannot be written.
    pub(super) fn read(args: &Args) -> Result<Self> {
        let options = &args.since;
        let is_bundle = options.is_bundle();
        if !is_bundle {
            let label = ("--label", options.label.is_some());
            no_effect("without --since or --ledger", &[label])?;
        }
        let mut receipts = Vec::new();
        for receipt in &options.since {
            receipts.push(cli::read_receipt(receipt, &args.common)?);
        }
        let mut ledger = None;
        if let Some(path) = &options.ledger {
            if path.is_file() {
                let typed = ImageArg::from(path.clone().into_os_string());
                receipts.push(cli::read_receipt(&typed, &args.common)?);
            }
            ledger = reserved(path, options.dry_run)?;
        }
        Ok(Since {
            receipts,
            ledger,
            label: options.label.clone(),
            is_bundle,
            dry_run: options.dry_run,
        })
    }

    /// Tests if there is a plan: for a bundle and in a dry run.
    pub(super) fn plans(&self) -> bool {
        self.is_bundle || self.dry_run
    }

    /// Allows an archive to lack layers that a receipt has.
    pub(super) fn supply(&self, archive: &Archive, images: &mut Bundle) {
        let layers = archive.images.iter().flat_map(|image| &image.layers);
        let missing = layers.filter(|layer| matches!(layer.presence, Presence::Missing));
        for descriptor in missing.filter_map(|layer: &Layer| layer.descriptor.as_ref()) {
            let mut receipts = self.receipts.iter();
            if receipts.any(|receipt| receipt.has(&descriptor.digest, descriptor.size)) {
                images.supply(descriptor.digest.clone(), None);
            }
        }
    }

    /// Plans the output.
    ///
    /// # Errors
    /// As [`Plan::of`].
    pub(super) fn plan(&self, images: &Bundle) -> Result<Plan> {
        Plan::of(images, &self.receipts, self.label.as_deref())
    }

    /// Replaces the ledger by the receipt that the reader will have.
    ///
    /// # Errors
    /// `Io`, with the path as context.
    pub(super) fn commit(self, plan: &Plan) -> Result<()> {
        let Some(mut ledger) = self.ledger else {
            return Ok(());
        };
        ledger.write(&plan.after.text())?;
        ledger.commit()
    }
}

/// Creates the file of a ledger before anything is written, unless nothing will be.
fn reserved(path: &Path, dry_run: bool) -> Result<Option<PendingFile>> {
    match dry_run {
        true => Ok(None),
        false => PendingFile::reserve(path).map(Some),
    }
}
