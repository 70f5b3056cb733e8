//! Blobs: bytes in files and streams, their compression and their digests.
//!
//! In come files and digests, out go readers and writers. The meaning of the bytes is left to the modules above.

mod backing;
mod behind;
mod buffer;
mod compression;
mod concatenated;
mod decode;
mod deflate;
mod directory;
pub mod encode;
pub(crate) mod fault_injection;
mod file;
mod hash;
mod indexing;
mod input;
mod mapped;
mod meter;
mod new_directory;
mod new_file;
mod pending_file;
mod piece;
mod read_ahead;
mod removal;
mod resume;
mod serial_writer;
mod stream_digest;
mod tee;
mod temporary;
mod trailer;
mod window;
mod zstd_pool;

pub use backing::{Backing, ReadAt};
pub use behind::Behind;
pub(crate) use buffer::read_buffered;
pub use buffer::{CHUNK, each_chunk, read_full};
pub use compression::Compression;
pub use concatenated::ConcatenatedStreams;
pub use decode::{DecodeLimits, Decoder};
pub(crate) use directory::parent_directory;
pub use directory::{make_directory, sync_directory};
pub use file::{FileRange, RangeReader, open_fifo, open_regular};
pub use hash::{Hasher, HashingBuf, HashingReader, sha256};
pub use input::{Input, stdin};
pub use mapped::MappedFile;
pub use meter::{Counting, Meter, Part};
pub use new_directory::NewDirectory;
pub use new_file::{NewFile, replace_with_link};
pub use pending_file::{PendingFile, write_atomically};
pub use piece::{Piece, PieceLog, PieceMismatch, PieceStart};
pub use read_ahead::{Chunk, Feeder, FeedingWriter, ReadAhead};
pub use serial_writer::SerialWriter;
pub use stream_digest::{DigestedStream, InputDigests, StreamDigester};
pub use tee::TeeReader;
pub use temporary::{before_unfinished, discard_unfinished, is_leftover, remove_leftover};
