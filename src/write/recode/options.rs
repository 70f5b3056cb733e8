//! Requested changes to the layers and documents of a bundle.

use crate::blob::Compression;
use crate::layer::Limits;
use crate::write::media_types::MediaTypes;

/// Requested changes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recode {
    /// Compression of layers; `None` keeps it.
    pub compression: Option<Compression>,
    /// Compression of uncompressed layers that only new manifests list, if `compression` keeps the others; `None` keeps
    /// these, too.
    pub uncompressed: Option<Compression>,
    /// With zstd: compress as zstd:chunked, for partial pulls.
    pub chunked: bool,
    /// Compression level; `None` for the codec's default.
    pub level: Option<i32>,
    /// Media types of documents and layers; `None` keeps them.
    pub media_types: Option<MediaTypes>,
    /// Remove missing manifests from indexes.
    pub prune_sparse: bool,
    /// Remove differences between builds from layers and configs; later times become this one, in seconds since 1970.
    pub reproducible: Option<i64>,
    /// Limits of reading.
    pub limits: Limits,
}

impl Recode {
    /// Tests if layers may have to be rewritten.
    pub fn changes_layers(&self) -> bool {
        self.compression.is_some() || self.uncompressed.is_some() || self.reproducible.is_some()
    }

    /// Compression that a layer gets.
    pub(super) fn compression_of(&self, from: Compression) -> Compression {
        match (self.compression, self.uncompressed, from) {
            (Some(to), ..) | (None, Some(to), Compression::None) => to,
            (None, ..) => from,
        }
    }
}
