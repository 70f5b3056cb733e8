//! Bundles: archives without what a site has.

use std::path::Path;

use super::args::{Args, ResendAfter};
use super::signed;
use crate::archive::{Archive, Layer, Presence};
use crate::blob::PendingFile;
use crate::bundle::{Plan, Receipt, Sent};
use crate::cli::{self, ImageArg, no_effect};
use crate::error::Result;
use crate::spec::Digest;
use crate::write::Bundle;

/// Blobs that the readers of a bundle have.
pub(super) struct Since {
    receipts: Vec<Receipt>,
    ledger: Option<PendingFile>,
    /// Number of the bundle, if the ledger remembers which of them carried a blob.
    number: Option<u64>,
    resend_after: Option<ResendAfter>,
    /// True if the last receipt is the ledger.
    has_ledger: bool,
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
        let mut receipts = match options.keyring.is_empty() {
            true => Vec::new(),
            false => signed::receipts(options, &args.common)?,
        };
        for receipt in options.since.get(receipts.len()..).unwrap_or_default() {
            receipts.push(cli::read_receipt(receipt, &args.common)?);
        }
        let (mut ledger, mut number, mut has_ledger) = (None, None, false);
        if let Some(path) = &options.ledger {
            if path.is_file() {
                has_ledger = true;
                let typed = ImageArg::from(path.clone().into_os_string());
                receipts.push(cli::read_receipt(&typed, &args.common)?);
            }
            ledger = reserved(path, options.dry_run)?;
            let known = receipts.last().filter(|_| has_ledger);
            let before = known.and_then(|ledger| ledger.bundles);
            let before = before.or(options.resend_after.map(|_| 0));
            number = before.map(|before| before.saturating_add(1));
        }
        Ok(Since {
            receipts,
            ledger,
            number,
            resend_after: options.resend_after,
            has_ledger,
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
        Plan::of(images, &self.receipts, self.label.as_deref(), |digest| {
            self.is_old(digest)
        })
    }

    /// Tests if only the ledger says that the reader has a blob, and an old bundle carried it.
    fn is_old(&self, digest: &Digest) -> bool {
        let (Some(after), Some(number), true) = (self.resend_after, self.number, self.has_ledger)
        else {
            return false;
        };
        let Some((ledger, others)) = self.receipts.split_last() else {
            return false;
        };
        let Some(sent) = ledger.held(digest).and_then(|held| held.sent) else {
            return false;
        };
        others.iter().all(|other| other.held(digest).is_none())
            && match after {
                ResendAfter::Bundles(bundles) => number.saturating_sub(sent.bundle) > bundles,
                ResendAfter::Time(time) => sent.time < time.seconds(),
            }
    }

    /// Replaces the ledger by the receipt that the reader will have.
    ///
    /// # Errors
    /// `Io`, with the path as context.
    pub(super) fn commit(self, plan: &Plan) -> Result<()> {
        let Some(mut ledger) = self.ledger else {
            return Ok(());
        };
        let text = match self.number {
            None => plan.after.text(),
            Some(bundle) => {
                let time = cli::now().seconds();
                plan.ledger(Sent { bundle, time }).text()
            }
        };
        ledger.write(&text)?;
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
