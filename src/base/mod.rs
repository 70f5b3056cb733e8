//! Building blocks of base images: root filesystems in the making, Debian's packages as files, facts of ELF files.

pub mod debian;
pub mod elf;
pub mod rootfs;
