//! Form and names of recovered files.

use crate::blob::FileRange;
use crate::tree::{EntryVersion, VersionState};

/// Start of the name of a directory for entries that have no place of their own in their layer.
const ENTRY: &str = ".entry-";

/// Length of the longest path that is kept, in bytes: below that of system calls, with room for the directory it is in.
const MAX_PATH: usize = 3500;
/// Length of the longest file name, in bytes.
const MAX_NAME: usize = 255;

/// Form of recovered files in an export.
#[derive(Debug, Clone)]
pub(super) struct Recovered {
    /// Number of digits of the layers' numbers.
    pub(super) digits: usize,
    /// Contents and directories alone.
    pub(super) is_plain: bool,
    /// The record, as soon as it is written.
    pub(super) record: Option<FileRange>,
    /// Time of the record in seconds since 1970.
    pub(super) time: i64,
}

/// Returns the path of a version among the recovered files.
///
/// What a layer holds at its end fits into one directory. An entry that its own layer ended, or that was not applied, may
/// have the path of another one, or of a directory above it, and gets a directory of its own.
pub(super) fn recovered_as(version: &EntryVersion<'_>, digits: usize) -> Vec<u8> {
    let layer = format!("layer-{:0digits$}", version.layer() + 1);
    let own = format!("{layer}/{ENTRY}{}", version.entry());
    let path = version.path();
    let parts = path.split(|&byte| byte == b'/');
    // A name of an entry that was not applied can lead upward.
    let parts: Vec<&[u8]> = parts
        .filter(|part| !matches!(*part, b"" | b"." | b".."))
        .collect();
    let is_own = version.state() == VersionState::Unapplied
        || version.ended_by() == Some(version.layer())
        || parts
            .first()
            .is_some_and(|part| part.starts_with(ENTRY.as_bytes()));
    let is_long = path.len() > MAX_PATH || parts.iter().any(|part| part.len() > MAX_NAME);
    let mut name = match is_own || is_long {
        true => own.into_bytes(),
        false => layer.into_bytes(),
    };
    for part in if is_long {
        vec![&b"contents"[..]]
    } else {
        parts
    } {
        name.push(b'/');
        name.extend_from_slice(part);
    }
    name
}
