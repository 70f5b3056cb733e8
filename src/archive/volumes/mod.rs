//! Archives in several files: volumes with tables and parity, and pieces that other programs split.
//!
//! In come the path of any file of a set, or directories; out goes an input that is read by position, without a joined
//! copy. Missing volumes leave a sparse archive; damaged chunks are repaired while they are read, if the parity allows.

mod input;
mod joined;
mod names;
mod parity;
mod pieces;
mod repaired;
mod set;
mod table;

pub use input::{Run, SetInput};
pub(super) use input::{Source, is_follower, not_one_set, only_set_in, source_of};
pub use joined::{Extent, ExtentFile, Joined, Piece, ranges, runs};
pub use names::is_volume_of;
pub use parity::encode_stripe;
pub use repaired::Repaired;
pub use set::{Volume, VolumePart, VolumeSet, set_of, sets_below, sets_in};
pub use table::{
    CHUNK_LENGTH, ChunkDigest, ChunkHasher, MAGIC, ParityColumns, VolumeTable, chunk_digest,
    chunk_length,
};
