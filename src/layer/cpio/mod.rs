//! cpio archives as entries: the portable formats of POSIX (`odc`) and SVR4 (`newc`, `crc`), which initramfs images use.
//!
//! In comes a stream, out go entries with their contents, in archive order. Hard links are recognised by device and inode
//! numbers, which is left to [`CpioLinks`]. Concatenated archives are read as one, compressed or not, with zeros between
//! them, as the Linux kernel reads them. The old binary format, whose byte order depends on its writer, is refused.
//!
//! Attacks by a hostile archive: numbers must be digits, names are limited like those of a tar, no allocation is sized by
//! a stated size, and an archive without its trailer is truncated.

mod header;
mod links;
mod reader;

pub use header::is_cpio;
pub use links::{CpioLinks, CpioName};
pub use reader::{Cpio, CpioEntry};
