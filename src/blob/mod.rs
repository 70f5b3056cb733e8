//! Bytes with an identity: where they lie, how they are packed, what they hash to.
//!
//! In come files and digests, out go readers. What the bytes mean is left to the rooms further on.

mod concatenated;
mod decode;
pub mod encode;
pub(crate) mod fault_injection;
mod file;
mod hash;
mod input;
mod meter;
mod new_file;
mod read_ahead;
mod restart;
mod serial_writer;
mod stream_digest;
mod unfinished;
mod window;
mod write_behind;
mod zstd_pool;

pub use concatenated::ConcatenatedStreams;
pub use decode::{Compression, DecodeLimits, Decoder};
pub use file::{FileRange, RangeReader, open_fifo, open_regular};
pub use hash::{Hasher, HashingBuf, HashingReader, sha256};
pub use input::Input;
pub use meter::{Counting, Meter, Part};
pub(crate) use new_file::parent_directory;
pub use new_file::{
    NewDirectory, NewFile, PendingFile, is_leftover, make_directory, sync_directory,
    write_atomically,
};
pub use read_ahead::{Chunk, Feeder, FeedingWriter, ReadAhead};
pub use restart::{Piece, PieceLog, PieceMismatch, Start};
pub use serial_writer::SerialWriter;
pub use stream_digest::{DigestedStream, InputDigests, StreamDigester};
pub use unfinished::{before_unfinished, discard_unfinished, remove_leftover};
pub use write_behind::{TeeReader, WriteBehind};

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
