//! The documents after the frames: the table of contents, the tar-split, and the footer with their positions.
//!
//! The table of contents repeats the tar's headers as Go's `archive/tar` reads them, because its readers compare it
//! with those. The tar-split (vbatts/tar-split) holds all bytes of the tar that are not contents of files.

mod format;
mod read;
mod row;
mod write;

pub(crate) use format::{
    Annotations, CHECKSUM, CRC, Extent, FOOTER, Footer, MAGIC, MAX_SIZE, OLD_MAGIC, POSITION,
    Positions, SPLIT_POSITION,
};
pub(crate) use read::{Part, next_part, parse};
pub(crate) use row::Row;
pub(super) use write::{Chunk, CompressedDocument, Split, Toc, codec_error, trailer};
