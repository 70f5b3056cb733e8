//! Properties of ELF files: target, kind, dynamic linking.

use serde::{Deserialize, Serialize};

/// Properties of an ELF file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elf {
    /// Machine and calling conventions.
    pub target: Target,
    /// Object file type.
    pub kind: Kind,
    /// Path of the dynamic linker, from `PT_INTERP`.
    pub interpreter: Option<Vec<u8>>,
    /// Set if there is a dynamic section; static programs have none.
    pub is_dynamic: bool,
    /// Library name, `DT_SONAME`.
    pub soname: Option<Vec<u8>>,
    /// Needed libraries, `DT_NEEDED`, in file order.
    pub needed: Vec<Vec<u8>>,
    /// `DT_RPATH` as written: directories separated by `:`.
    pub rpath: Option<Vec<u8>>,
    /// `DT_RUNPATH` as written.
    pub runpath: Option<Vec<u8>>,
    /// Note `NT_GNU_ABI_TAG`: operating system (0 is Linux) and its minimum version as three numbers.
    pub abi: Option<[u32; 4]>,
    /// Note `NT_GNU_BUILD_ID`: identity of the build, in bytes.
    pub build_id: Option<Vec<u8>>,
    /// Set if it imports `dlopen` or `dlmopen`: it may load libraries that no header lists.
    pub opens_libraries: bool,
}

/// Machine and calling conventions of code. Two files can be loaded together only if all of these agree.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Target {
    /// Set for 64-bit files, unset for 32-bit files.
    pub is_64: bool,
    /// Set if the most significant byte comes first.
    pub is_big_endian: bool,
    /// `e_machine`.
    pub machine: u16,
    /// `e_flags`, such as the float ABI; see [`Target::abi`].
    pub flags: u32,
}

/// Object file type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// `ET_EXEC`: a program at a fixed address.
    Program,
    /// `ET_DYN`: a library, or a position-independent program.
    Shared,
    /// `ET_REL`, `ET_CORE` or any other file that is not loaded.
    #[default]
    Other,
}

/// C library of a program, derived from its interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Libc {
    /// GNU C library.
    Glibc,
    /// musl.
    Musl,
}

/// Calling conventions of one machine, distinguished by `e_flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Abi {
    /// The only ABI of the machine, or no ABI stated.
    Plain,
    /// 64-bit instructions with 32-bit pointers: x32.
    X32,
    /// Floating-point arguments in floating-point registers.
    HardFloat,
    /// Floating-point arguments in integer registers.
    SoftFloat,
    /// MIPS with 32-bit pointers and 64-bit registers.
    N32,
    /// MIPS with 64-bit pointers.
    N64,
}

/// Values of `e_machine` for machines with several ABIs or a library directory of their own.
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
    /// Returns the C library of the interpreter; `None` without an interpreter or for an unknown one.
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
    /// Returns the calling conventions, derived from class and flags.
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

    /// Returns whether files of both targets can be loaded into one process.
    pub fn is_compatible_with(&self, other: &Target) -> bool {
        let (a, b) = (self.abi(), other.abi());
        // ARM code that states neither hard nor soft float is compatible with both.
        let abis = a == b || self.machine == machine::ARM && (a == Abi::Plain || b == Abi::Plain);
        abis && (self.is_64, self.is_big_endian, self.machine)
            == (other.is_64, other.is_big_endian, other.machine)
    }
}
