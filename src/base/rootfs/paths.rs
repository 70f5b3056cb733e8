//! Functions on clean paths.

use std::ops::Bound;

/// Returns the components of a path, without empty ones and `.`.
pub(super) fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|component| !matches!(*component, b"" | b"."))
}

/// Returns the range of all paths below a directory.
pub(super) fn below(directory: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    match directory {
        b"" => (Bound::Excluded(Vec::new()), Bound::Unbounded),
        // '0' is the byte after '/'.
        _ => (
            Bound::Included([directory, b"/"].concat()),
            Bound::Excluded([directory, b"0"].concat()),
        ),
    }
}
