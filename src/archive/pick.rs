//! Selection of an image in an archive, as typed.

use crate::spec::Digest;

/// Selection of an image inside an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Pick {
    /// The only image.
    #[default]
    Only,
    /// Name: `NAME[:TAG]`, a lone tag, or the text of a `ref.name`.
    Name(String),
    /// Position, from 0: in `index.json` if only that half is read, else in the order of the listing.
    Position(usize),
    /// Digest of a manifest, an index or a config.
    Digest(Digest),
}

impl Pick {
    /// Returns the selection as typed after the archive.
    pub(super) fn text(&self) -> String {
        match self {
            Pick::Only => String::new(),
            Pick::Name(name) => name.clone(),
            Pick::Position(position) => format!("@{position}"),
            Pick::Digest(digest) => digest.to_string(),
        }
    }
}
