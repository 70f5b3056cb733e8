//! Building blocks of base images: root filesystems in the making, Debian's packages as files.

pub mod debian;
pub mod rootfs;
