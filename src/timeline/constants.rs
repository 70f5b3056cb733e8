//! Times that tools write instead of real ones.

use crate::layer::Mtime;

/// Constants in seconds since 1970, with the tools that write them.
const PLACEHOLDERS: [(i64, &str); 5] = [
    // Header field of a tar without a time; SOURCE_DATE_EPOCH=0.
    (0, "no time, as of archives made without one"),
    // Nix: "all files have the timestamp 1970-01-01 00:00:01" (manual, store). Jib: FilesModificationTime EPOCH_PLUS_SECOND.
    (1, "the constant of Nix and Jib"),
    // ZIP (APPNOTE 4.4.6): dates in MS-DOS format begin in 1980.
    (315_532_800, "the first day of ZIP"),
    // npm: lib/utils/tar.js, "the first commit of node": new Date('1985-10-26T08:15:00Z').
    (499_162_500, "the constant of npm"),
    // Bazel: rules_pkg's PORTABLE_MTIME, rules_docker's portable_mtime.
    (946_684_800, "the portable time of Bazel"),
];

/// First second of the year 2100.
const FAR: i64 = 4_102_444_800;

/// Returns what a time is instead of a real one.
pub(super) fn placeholder(time: Mtime) -> Option<&'static str> {
    let mut known = PLACEHOLDERS.iter();
    let constant = known.find(|(seconds, _)| *seconds == time.seconds && time.nanos == 0);
    match constant {
        Some((_, tool)) => Some(tool),
        None => (time.seconds >= FAR).then_some("a year beyond 2100"),
    }
}
