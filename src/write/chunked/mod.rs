//! Layers as zstd:chunked: zstd that can be read in parts, the format of containers/storage.
//!
//! In comes a plain tar, out go frames of zstd that unpack to it as any zstd does: each chunk of a file's contents by
//! itself, and what is between contents. Behind them, in frames that are skipped, are a table of contents and what
//! the tar is made of besides contents, so that a reader can fetch the chunks it lacks and still make the very tar.
//!
//! What the tar says goes out in any case. If its entries are what a table of contents cannot say (sparse files, names
//! that are no text, the same name twice, a damaged tar) there is none, and the result is ordinary zstd.

mod cut;
mod frames;
#[cfg(test)]
mod tests;
pub(crate) mod toc;
mod walk;
mod writer;

pub(crate) use writer::write;
