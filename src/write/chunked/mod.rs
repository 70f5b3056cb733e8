//! zstd:chunked layers: zstd that can be read in parts, the format of containers/storage.
//!
//! A tar becomes a series of zstd frames that decode to it as any zstd does: one for each chunk of a file's contents,
//! and others for the bytes between contents. Skippable frames follow with a table of contents, and with all bytes of
//! the tar besides contents, so that a reader can fetch only the chunks that it lacks and still rebuild the tar.
//!
//! Any tar can be written. If a table of contents cannot describe its entries (sparse files, names that are not UTF-8,
//! repeated names, a damaged tar), there is none, and the result is ordinary zstd.

mod cut;
mod frames;
#[cfg(test)]
mod tests;
pub(crate) mod toc;
mod walk;
mod writer;

pub(crate) use writer::write;
