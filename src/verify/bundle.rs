//! The record of a bundle: the blobs that it omits, against its manifests and its members.

use super::finding::{Found, Severity};
use crate::archive::{Archive, Layer};
use crate::bundle::{RECORD, Record, check_record};
use crate::layer::Limits;

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

/// Tests if a bundle omits a layer, with the size that the manifest states.
pub(super) fn is_omitted(record: Option<&Record>, layer: &Layer) -> bool {
    let stated = layer.descriptor.as_ref();
    stated.zip(record).is_some_and(|(stated, record)| {
        let omitted = record.omitted.get(&stated.digest);
        omitted.is_some_and(|omitted| omitted.size == stated.size)
    })
}

/// Adds a note on what completes the bundle.
pub(super) fn completeness(record: &Record, found: &mut Found) {
    let (code, message) = match &record.answers {
        Some(_) => (
            "answer",
            format!("blobs without images, for {}", record.made_for()),
        ),
        None => {
            let count = record.omitted.len();
            let plural = if count == 1 { "" } else { "s" };
            let made_for = record.made_for();
            (
                "bundle",
                format!("complete with {made_for}: {count} blob{plural} omitted"),
            )
        }
    };
    found.add(Severity::Note, code, RECORD, message);
}
