//! The documents behind the frames: the table of contents, the tar-split, and the footer that leads to both.
//!
//! The table of contents repeats what the tar's headers say as Go's `archive/tar` reads them, since that is what its
//! readers compare it with. The tar-split (vbatts/tar-split) holds every byte of the tar that is no file's contents.

mod format;
mod read;
mod row;
mod write;

pub(crate) use format::{
    Annotations, CHECKSUM, CRC, Extent, FOOTER, Footer, MAX_SIZE, POSITION, Positions,
    SPLIT_POSITION,
};
pub(crate) use read::{Part, next_part, parse};
pub(crate) use row::Row;
pub(super) use write::{Chunk, Packed, Split, Toc, codec, trailer};
