//! Paths with symbolic links, followed inside a root.

use super::path::parent;
use crate::error::{Fault, Result};

/// Maximum number of symbolic links in the resolution of one path, as in Linux.
pub const MAX_LINKS: usize = 40;

/// Returns the components of a path, without empty ones and `.`.
pub(crate) fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|component| !matches!(*component, b"" | b"."))
}

/// Resolves `..` and symbolic links of a path within a tree. `target` returns the target of the link at a path, if there
/// is one to be followed; its second argument tells whether the path has all components.
///
/// # Errors
/// `Entry` for more than [`MAX_LINKS`] links, and the errors of `target`.
pub fn resolve_links(
    path: &[u8],
    mut target: impl FnMut(&[u8], bool) -> Result<Option<Vec<u8>>>,
) -> Result<Vec<u8>> {
    let mut done: Vec<u8> = Vec::with_capacity(path.len());
    // Remaining components, the next one last.
    let mut remaining: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
    let mut links = 0;
    while let Some(component) = remaining.pop() {
        let start = done.len();
        if component == b".." {
            done.truncate(parent(&done).len());
            continue;
        }
        if start > 0 {
            done.push(b'/');
        }
        done.extend(component);
        let Some(target) = target(&done, remaining.is_empty())? else {
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            let why = "too many symbolic links";
            return Err(Fault::Entry { why }.into());
        }
        match target.first() {
            Some(b'/') => done.clear(),
            _ => done.truncate(start),
        }
        remaining.extend(components(&target).rev().map(<[u8]>::to_vec));
    }
    Ok(done)
}
