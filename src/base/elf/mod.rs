//! Facts of ELF files: for which machine they are, what they ask a dynamic linker for, what they are called.
//!
//! In comes an ELF file, read by position; out goes an [`Elf`]. Only what loading needs is read: the header, the program
//! headers and what these point to, never the sections, which may be stripped. Nothing is ever run. Sources: the System V
//! ABI (gABI, chapters 4 and 5), and the ABIs of the machines for the flags.
//!
//! What a hostile file could try: to state sizes and offsets that lead out of it or take all memory. No read is longer
//! than [`MAX_READ`] nor goes past the end of the file, nothing is followed from one place to the next without end, and
//! no string is longer than 4096 bytes.

mod read;

use std::io::{Read, Seek};

use crate::error::Result;

/// The longest run of bytes that is read at once: the dynamic strings of the largest library are a tenth of it.
pub const MAX_READ: u64 = 64 << 20;

/// How many libraries one file may need.
pub const MAX_NEEDED: usize = 4096;

/// What an ELF file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elf {
    /// For whom it is.
    pub target: Target,
    /// What it is.
    pub kind: Kind,
    /// The program that loads it, of `PT_INTERP`.
    pub interpreter: Option<Vec<u8>>,
    /// Whether there is a dynamic section: a static program has none.
    pub is_dynamic: bool,
    /// Its own name among libraries, `DT_SONAME`.
    pub soname: Option<Vec<u8>>,
    /// The libraries it asks for, `DT_NEEDED`, in its order.
    pub needed: Vec<Vec<u8>>,
    /// `DT_RPATH` as written: folders with `:` between.
    pub rpath: Option<Vec<u8>>,
    /// `DT_RUNPATH` as written.
    pub runpath: Option<Vec<u8>>,
    /// The note `NT_GNU_ABI_TAG`: system (0 is Linux) and the oldest version of it as three numbers.
    pub abi: Option<[u32; 4]>,
    /// Whether it calls `dlopen` or `dlmopen`, so that it may load what no header names.
    pub opens_libraries: bool,
}

/// For which machine and conventions code is: two files can be loaded together only if these agree in full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// 64 or 32 bits.
    pub is_64: bool,
    /// The more significant byte first.
    pub is_big_endian: bool,
    /// `e_machine`.
    pub machine: u16,
    /// `e_flags`, such as the float ABI; see [`Target::abi`].
    pub flags: u32,
}

/// What an ELF file is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `ET_EXEC`: a program at a fixed place.
    Program,
    /// `ET_DYN`: a library, or a program that can be anywhere.
    Shared,
    /// `ET_REL`, `ET_CORE` or anything else that is not loaded.
    #[default]
    Other,
}

/// The C library that a program is for, as its interpreter tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Libc {
    /// GNU's.
    Glibc,
    /// musl.
    Musl,
}

/// Calling conventions that `e_flags` tell apart on one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Abi {
    /// The machine's only one.
    Plain,
    /// 64-bit instructions with 32-bit pointers: x32.
    X32,
    /// Floating point numbers in their own registers.
    HardFloat,
    /// Floating point numbers in ordinary registers.
    SoftFloat,
    /// MIPS with 32-bit pointers and 64-bit registers.
    N32,
    /// MIPS with 64-bit pointers.
    N64,
}

/// Numbers of `e_machine`, of those that have more than one ABI or a folder of their own.
pub mod machine {
    #![allow(missing_docs)]
    pub const SPARC: u16 = 2;
    pub const I386: u16 = 3;
    pub const M68K: u16 = 4;
    pub const MIPS: u16 = 8;
    pub const PARISC: u16 = 15;
    pub const PPC: u16 = 20;
    pub const PPC64: u16 = 21;
    pub const S390: u16 = 22;
    pub const ARM: u16 = 40;
    pub const SH: u16 = 42;
    pub const SPARCV9: u16 = 43;
    pub const IA64: u16 = 50;
    pub const X86_64: u16 = 62;
    pub const AARCH64: u16 = 183;
    pub const RISCV: u16 = 243;
    pub const LOONGARCH: u16 = 258;
}

impl Elf {
    /// Reads the facts of a file; `None` if it does not start as an ELF file does.
    ///
    /// Reads a few kilobytes in most files, wherever they lie.
    ///
    /// # Errors
    /// `Elf` for a file that is damaged or larger in a part than any real one, `Io`.
    pub fn read(from: impl Read + Seek) -> Result<Option<Self>> {
        read::read(from)
    }

    /// The C library of its interpreter, if it names a known one.
    pub fn libc(&self) -> Option<Libc> {
        let path = self.interpreter.as_deref()?;
        let name = path.rsplit(|byte| *byte == b'/').next()?;
        if name.starts_with(b"ld-musl-") {
            Some(Libc::Musl)
        } else if name.starts_with(b"ld-linux")
            || name.starts_with(b"ld64.so")
            || name == b"ld.so.1"
        {
            Some(Libc::Glibc)
        } else {
            None
        }
    }
}

impl Target {
    /// The conventions that code follows, out of class and flags.
    pub fn abi(&self) -> Abi {
        match (self.machine, self.flags) {
            (machine::X86_64, _) if !self.is_64 => Abi::X32,
            // EF_ARM_ABI_FLOAT_HARD and _SOFT.
            (machine::ARM, flags) if flags & 0x400 != 0 => Abi::HardFloat,
            (machine::ARM, flags) if flags & 0x200 != 0 => Abi::SoftFloat,
            // EF_RISCV_FLOAT_ABI: 0 is soft, 2 single, 4 double, 6 quad.
            (machine::RISCV, flags) if flags & 6 == 0 => Abi::SoftFloat,
            (machine::RISCV, _) => Abi::HardFloat,
            // EF_LOONGARCH_ABI_MODIFIER: 1 is soft, 3 is double.
            (machine::LOONGARCH, flags) if flags & 7 == 1 => Abi::SoftFloat,
            (machine::LOONGARCH, _) => Abi::HardFloat,
            (machine::MIPS, _) if self.is_64 => Abi::N64,
            // EF_MIPS_ABI2.
            (machine::MIPS, flags) if flags & 0x20 != 0 => Abi::N32,
            _ => Abi::Plain,
        }
    }

    /// Whether one program can load both.
    pub fn goes_with(&self, other: &Target) -> bool {
        let (a, b) = (self.abi(), other.abi());
        // Code of ARM that says neither hard nor soft goes with both.
        let abis = a == b || self.machine == machine::ARM && (a == Abi::Plain || b == Abi::Plain);
        abis && (self.is_64, self.is_big_endian, self.machine)
            == (other.is_64, other.is_big_endian, other.machine)
    }
}
