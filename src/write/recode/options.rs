//! Requested changes to the layers and documents of a bundle.

use crate::blob::Compression;
use crate::layer::Limits;
use crate::write::media_types::MediaTypes;

/// What is to be otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recode {
    /// How layers are to be packed; as they are without it.
    pub compression: Option<Compression>,
    /// With zstd: in parts that can be fetched one by one, as `zstd:chunked`.
    pub chunked: bool,
    /// The codec's level.
    pub level: Option<i32>,
    /// Whose media types documents are to use; as they are without it.
    pub media_types: Option<MediaTypes>,
    /// Take what is not here out of indexes.
    pub prune_sparse: bool,
    /// Take out of layers and configs what differs from one build to the next; no time is later than this one, in
    /// seconds since 1970.
    pub reproducible: Option<i64>,
    /// What is accepted at most of what is read.
    pub limits: Limits,
}
