//! Checks of an archive before and after loading.

use crate::archive::{Archive, ImageIdx};
use crate::blob::Meter;
use crate::cli::Io;
use crate::error::{Error, Fault, Result};
use crate::escape;
use crate::layer::Limits;
use crate::verify::{self, Finding, Severity};
use crate::write::Scans;

/// Most findings that are printed one by one.
const MAX_PRINTED: usize = 20;

/// Verifies an archive as imgverify does and prints its errors.
///
/// # Errors
/// `Unsound` for an archive with errors; the first error that prevents a full check.
pub(super) fn check(archive: &Archive, limits: &Limits, quiet: bool, io: &Io) -> Result<()> {
    let meter = Meter::default();
    let total = verify::workload(archive);
    let progress = io.progress(&archive.place, Some(total), &meter, quiet);
    let report = verify::verify(archive, limits, &meter);
    drop(progress);
    if let Some(error) = report.trouble.first() {
        return Err(error.clone().at(archive.place.clone()));
    }
    let errors = report.findings.into_iter();
    let errors: Vec<Finding> = errors
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    for line in lines(archive, &errors) {
        io.note(&format!("error: {line}"));
    }
    match errors.len() {
        0 => Ok(()),
        found => Err(Error::new(Fault::Unsound { found }).at(archive.place.clone())),
    }
}

/// Warns of the errors in loaded images that show in their documents and in the scans of their layers.
pub(super) fn warn(
    archive: &Archive,
    images: &[ImageIdx],
    limits: &Limits,
    scans: &Scans,
    io: &mut Io,
) {
    for line in lines(archive, &verify::glance(archive, images, limits, scans)) {
        io.warn(&line);
    }
}

/// Returns one line for each of the first findings, and one with the number of all others.
fn lines(archive: &Archive, findings: &[Finding]) -> Vec<String> {
    let place = escape::text(&archive.place);
    let printed = findings.iter().take(MAX_PRINTED);
    let mut lines: Vec<String> = printed
        .map(|finding| format!("{place}: {finding} [{}]", finding.code))
        .collect();
    if let more @ 1.. = findings.len().saturating_sub(MAX_PRINTED) {
        lines.push(format!(
            "{place}: and {more} more errors; imgverify lists them"
        ));
    }
    lines
}
