//! The marks that an overlay mount leaves in its upper folder (Linux, "Overlay Filesystem", whiteouts and opaque
//! directories): devices 0/0 and extended attributes.

use crate::error::{Fault, Result};
use crate::layer::EntryKind;

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OverlayMark {
    /// Nothing: it is what it is.
    #[default]
    None,
    /// Something of a lower folder is removed.
    Removed,
    /// A folder hides what lower ones have in it.
    Opaque,
}

/// Reads the marks of one thing. `attribute` gives the value of an overlay attribute by its bare name.
///
/// Mounts by root use `trusted.overlay.`, which only root can see, those of others `user.overlay.`.
///
/// # Errors
/// `Unsupported` for a folder that was renamed and a file whose contents are elsewhere, which newer mounts can be told
/// to make: the upper folder alone does not say what is in them.
pub(super) fn mark(
    kind: EntryKind,
    device: (u64, u64),
    size: u64,
    attribute: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<OverlayMark> {
    let unsupported = |what: &str| Err(Fault::Unsupported { what: what.into() }.into());
    match kind {
        EntryKind::CharDevice if device == (0, 0) => Ok(OverlayMark::Removed),
        EntryKind::Directory => {
            if attribute("redirect").is_some() {
                return unsupported("a renamed folder of a mount with redirect_dir");
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
