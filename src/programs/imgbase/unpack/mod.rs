//! Unpacking of packages into a tree, as by dpkg.
//!
//! Packages are decoded on all cores into one anonymous temporary file. Their entries are installed afterwards, in the
//! order of the packages and of their archives, so that the result does not depend on the order of decoding, and a
//! package that fails verification leaves nothing.
//!
//! The rules are those of dpkg: an existing directory is kept, also behind a link; a file of two packages is an error that
//! names both, unless one `Replaces` the other, or both are the same package for two architectures and the files are
//! equal; a diverted file goes to its new path. Stricter than dpkg: paths count as equal if links make them equal (`bin/sh`
//! and `usr/bin/sh` with merged `/usr`), a directory never replaces another entry, and a hard link cannot name a file of
//! another package.

mod content_file;
mod decode;
mod install;
mod package;
mod packages;
#[cfg(test)]
mod tests;

pub use package::{DebToUnpack, Diversion, Expected, UnpackOptions};
pub use packages::unpack;
