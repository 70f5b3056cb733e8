//! Cache of layer indexes, kept between runs.
//!
//! An index is created when a compressed layer is decoded, once its stored digest and diff ID are verified. It holds the
//! layer's entries, the SHA-256 digest of each file, the anomalies of the tar, and the points from which decoding can start
//! ([`crate::blob::Piece`]). Later runs get from it, in milliseconds, the layer's [`Listing`](crate::tree::Listing) and
//! any range of its uncompressed bytes. Left to others: when to use it.
//!
//! # Trust
//!
//! - **The directory** belongs to the user who runs the program, and nobody else can write to it; any other is refused.
//!   Files are checked for damage and for their format version, not for malice: whoever can write there could change the
//!   program as well. A damaged, outdated or missing file is created again; deleting any of them, or all, at any time is
//!   safe.
//! - **Entries** are those of the layer with this diff ID and, where a manifest names it, with this stored digest and
//!   size. The archive's own bytes are not read for them: damage in an archive, and a blob with a wrong name, are not
//!   noticed; imgverify notices them.
//! - **Contents** are decoded from the archive's own bytes and compared with the hash they had when the diff ID was
//!   verified. On a mismatch the whole layer is decoded and verified as without a cache.
//!
//! Facts of contents (kind, ELF headers, digests of other algorithms) are kept in a second file beside the index, only
//! if a program asked for them, by the digests that the contents had when the diff ID was verified.
//!
//! Uncompressed layers in a file are not cached: walking their headers is as fast. Nor are layers in xz and bzip2, nor
//! those of a stream. For a layer of one zstd frame, as most are, any range costs decoding all of it.
//!
//! Two programs may use a cache at the same time: a file appears under its name only when complete, and both would write
//! the same bytes, but for facts: of two programs that add to them, one's stay.

mod facts;
mod index;
mod layers;
mod partial;

pub use facts::KnownFacts;
pub use layers::{Cache, IndexedLayer, ListedLayer, list, prune, uncompressed};
pub use partial::{PartialTar, decode_ranges};
