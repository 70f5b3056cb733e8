//! Properties of ELF files: target machine, dynamic linking, library name.
//!
//! Input: an ELF file, read by position. Output: an [`Elf`]. Only data that loading needs is read: the header, the
//! program headers and the data they point to, never the sections, which may be stripped. Nothing is executed. Sources:
//! the System V ABI (gABI, chapters 4 and 5), and the processor supplements for the flags.
//!
//! Threats: sizes and offsets that point outside the file or exhaust memory. All reads together are at most
//! [`MAX_READ`] and end with the file, no chain of references is followed, and the interpreter path is limited to 4096
//! bytes.

mod read;
mod types;

pub use read::{MAX_NEEDED, MAX_READ};
pub use types::{Abi, Elf, Kind, Libc, Target, machine};
