//! The record of a bundle: the blobs that it omits, against its manifests and its members.

use super::finding::{Found, Severity};
use crate::archive::Archive;
use crate::bundle::{RECORD, Record, check_record};
use crate::layer::Limits;
use crate::spec::Descriptor;

/// Reads the record of a bundle; `None` if the archive is none, or the record is invalid, which is added.
pub(super) fn record(archive: &Archive, limits: &Limits, found: &mut Found) -> Option<Record> {
    let record = match Record::of(&archive.container) {
        Ok(record) => record?,
        Err(error) => {
            found.error(&error);
            return None;
        }
    };
    if !archive.is_part
        && let Err(error) = check_record(&record, archive, limits)
    {
        found.error(&error.at(RECORD));
    }
    Some(record)
}

/// Tests if a bundle omits a blob, with the size that the manifest states.
pub(super) fn is_omitted(record: Option<&Record>, stated: &Descriptor) -> bool {
    let omitted = record.and_then(|record| record.omitted.get(&stated.digest));
    omitted.is_some_and(|omitted| omitted.size == stated.size)
}

/// Adds a note on what completes the bundle.
pub(super) fn completeness(record: &Record, found: &mut Found) {
    let made_for = record.made_for();
    if record.answers.is_some() {
        let message = format!("blobs without images, for {made_for}");
        found.add(Severity::Note, "answer", RECORD, message);
        return;
    }
    let count = record.omitted.len();
    let plural = if count == 1 { "" } else { "s" };
    let message = format!("complete with {made_for}: {count} blob{plural} omitted");
    found.add(Severity::Note, "bundle", RECORD, message);
}
