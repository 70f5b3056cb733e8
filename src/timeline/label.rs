//! Names of versions in a timeline: no two versions of an image have the same name.

use super::image::TimedImage;
use crate::escape;
use crate::tree::{EntryVersion, NodeKind, VersionKind, VersionState};

/// The parts of a version's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The image, if there are several.
    pub prefix: Option<String>,
    /// `/` and the path.
    pub path: Vec<u8>,
    /// Layer and end of a version that the image does not show, else empty.
    pub ending: String,
    /// Target of a symbolic link.
    pub target: Option<Vec<u8>>,
}

impl Label {
    /// Names a version.
    pub fn of(image: &TimedImage<'_>, version: &EntryVersion<'_>) -> Self {
        let mut path = vec![b'/'];
        path.extend_from_slice(&version.path());
        let is_symlink = version.file_kind() == Some(NodeKind::Symlink);
        Label {
            prefix: image.prefix.clone(),
            path,
            ending: ending(version),
            target: is_symlink.then(|| version.symlink_target().to_vec()),
        }
    }

    /// The name for people, escaped, without the image.
    pub fn text(&self) -> String {
        let target = match &self.target {
            Some(target) => format!(" -> {}", escape::bytes(target)),
            None => String::new(),
        };
        format!("{}{}{target}", escape::bytes(&self.path), self.ending)
    }
}

/// ` (layer 3, removed by 5)`; empty for a file of the image. With the number of the entry where a layer can have several
/// of one state.
fn ending(version: &EntryVersion<'_>) -> String {
    let (layer, entry) = (version.layer() + 1, version.entry());
    let state = match (version.state(), version.kind()) {
        (VersionState::Final, VersionKind::Whiteout) => "whiteout",
        (VersionState::Final, VersionKind::Opaque) => "opaque",
        (VersionState::Final, VersionKind::Entry(_)) => return String::new(),
        (state, _) => state.name(),
    };
    match version.ended_by().filter(|by| by + 1 != layer) {
        Some(by) => format!(" (layer {layer}, {state} by {})", by + 1),
        None => format!(" (layer {layer}, entry {entry}, {state})"),
    }
}
