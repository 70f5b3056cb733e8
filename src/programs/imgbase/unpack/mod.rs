//! The files of packages into the tree, as dpkg would put them there.
//!
//! Packages are decoded on all cores into one file without a name; what is in them goes into the tree afterwards, in
//! the order of the packages and of their archives, so that the result does not depend on which was decoded first, and
//! a package that is not what it should be has left nothing.
//!
//! Rules are dpkg's: a directory that is there stays as it is, also where a link leads to it; a file of two packages is an
//! error that names both, unless one says that it `Replaces` the other's, or both are the same package for two
//! architectures and the file is the same; what is diverted goes where the diversion leads. Stricter than dpkg: names
//! count as the same that links make the same (`bin/sh` and `usr/bin/sh` on a merged `/usr`), a directory never takes the
//! place of something else, and a hard link cannot name another package's file.

mod content_file;
mod decode;
mod install;
mod package;
mod packages;
#[cfg(test)]
mod tests;

pub use package::{DebToUnpack, Diversion, Expected, UnpackOptions};
pub use packages::unpack;
