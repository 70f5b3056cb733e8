//! Bytes with an identity: where they lie, how they are packed, what they hash to.
//!
//! In come files and digests, out go readers. What the bytes mean is left to the rooms further on.

mod ahead;
mod behind;
pub mod codec;
pub mod encode;
mod file;
mod hash;
mod input;
mod meter;
mod new_file;
mod restart;
mod segments;
pub(crate) mod step;
mod tap;
mod turns;
mod unfinished;
mod unzstd;
mod window;

pub use ahead::{Chunk, Feeder, FeedingWriter, ReadAhead};
pub use behind::{Keeping, WriteBehind};
pub use codec::{Compression, DecodeLimits, Decoder};
pub use file::{FileRange, RangeReader, open_fifo, open_regular};
pub use hash::{Hasher, HashingBuf, HashingReader, sha256};
pub use input::Input;
pub use meter::{Counting, Meter, Part};
pub(crate) use new_file::folder_of;
pub use new_file::{
    NewFile, NewFolder, Written, is_leftover, make_folder, sync_folder, unique_name, write_whole,
};
pub use restart::{Piece, PieceLog, Start, Unproven};
pub use segments::Segments;
pub use tap::{Seen, Tap, Tapped};
pub use turns::Turns;
pub use unfinished::{before_unfinished, discard_unfinished, remove_leftover};

/// How many bytes are moved at a time where a whole blob is read: large enough that the system calls do not show,
/// small enough that buffers of all layers in work stay in the processor's cache.
pub const CHUNK: usize = 256 * 1024;

/// Reads out of a reader's own buffer: what `Read` is to those that are made to be read as `BufRead`.
pub(crate) fn read_buffered(
    from: &mut impl std::io::BufRead,
    buf: &mut [u8],
) -> std::io::Result<usize> {
    let available = from.fill_buf()?;
    let n = available.len().min(buf.len());
    buf[..n].copy_from_slice(&available[..n]);
    from.consume(n);
    Ok(n)
}
