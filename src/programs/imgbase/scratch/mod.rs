//! Binaries with the files that they load: the closure over interpreters and libraries, read and never run.
//!
//! A file is copied with the links that lead to it, so that the tree keeps the layout of its source (`/lib` as a link to
//! `usr/lib`, `libz.so.1` as a link to `libz.so.1.2.13`). The packages that own the files are recorded in
//! `var/lib/dpkg/status.d`, which scanners read. Libraries that a program opens with `dlopen` are not stated in the file;
//! programs that may do so are reported.
//!
//! Libraries in `glibc-hwcaps` directories are for newer processors than the baseline of an image, and are not copied.

mod build;
mod bundle;
mod closure;
mod elf_cache;
mod owners;
mod search;

pub use build::scratch;
pub use bundle::Bundle;
pub use closure::{Closure, RequestedFile};
