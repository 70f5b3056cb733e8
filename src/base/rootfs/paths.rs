//! Functions on clean paths.

use std::ops::Bound;

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
