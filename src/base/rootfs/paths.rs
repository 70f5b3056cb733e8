//! Clean paths as bytes.

use std::ops::Bound;

/// The parts of a path that say anything: neither empty nor `.`.
pub(super) fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
}

/// The folder that a clean path is in; of the top the top.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    let cut = path.iter().rposition(|byte| *byte == b'/');
    &path[..cut.unwrap_or(0)]
}

/// The range of all paths below a folder.
pub(super) fn below(folder: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    match folder {
        b"" => (Bound::Excluded(Vec::new()), Bound::Unbounded),
        // '0' is the byte after '/'.
        _ => (
            Bound::Included([folder, b"/"].concat()),
            Bound::Excluded([folder, b"0"].concat()),
        ),
    }
}
