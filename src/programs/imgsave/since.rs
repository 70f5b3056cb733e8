//! Bundles: archives without what a site has.

use std::path::Path;

use super::args::Args;
use crate::archive::{Archive, Layer, Presence};
use crate::blob::PendingFile;
use crate::bundle::{Plan, Receipt};
use crate::cli::{self, ImageArg, no_effect};
use crate::error::Result;
use crate::write::Bundle;

/// Blobs that the readers of a bundle have.
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
