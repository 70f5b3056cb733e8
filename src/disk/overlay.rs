//! Markers of overlay mounts in their upper directory (Linux, "Overlay Filesystem", whiteouts and opaque directories):
//! devices 0/0 and extended attributes.

use crate::error::{Error, Result};
use crate::layer::EntryKind;

/// Marker of a file in the upper directory of an overlay mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OverlayMark {
    /// No marker: an ordinary file.
    #[default]
    None,
    /// The file of this name in lower directories is removed.
    Removed,
    /// A directory that hides the contents of lower directories.
    Opaque,
}

/// Reads the marker of a file. `attribute` returns the value of an overlay attribute by its name without namespace.
///
/// Mounts by root use `trusted.overlay.`, which only root can see, other mounts `user.overlay.`.
///
/// # Errors
/// `Unsupported` for renamed directories and for files whose contents are in another layer, which newer mounts create on
/// request: the upper directory alone does not have their contents.
pub(super) fn mark(
    kind: EntryKind,
    device: (u64, u64),
    size: u64,
    attribute: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<OverlayMark> {
    let unsupported = |what: &str| Err(Error::unsupported(what));
    match kind {
        EntryKind::CharDevice if device == (0, 0) => Ok(OverlayMark::Removed),
        EntryKind::Directory => {
            if attribute("redirect").is_some() {
                return unsupported("a renamed directory of a mount with redirect_dir");
            }
            match attribute("opaque").as_deref() {
                Some(b"y") => Ok(OverlayMark::Opaque),
                _ => Ok(OverlayMark::None),
            }
        }
        EntryKind::File => {
            if attribute("metacopy").is_some() {
                return unsupported("a file without its contents, of a mount with metacopy");
            }
            match size == 0 && attribute("whiteout").is_some() {
                true => Ok(OverlayMark::Removed),
                false => Ok(OverlayMark::None),
            }
        }
        _ => Ok(OverlayMark::None),
    }
}
