//! Merged `/usr`: `/bin`, `/sbin` and `/lib*` are links before the first package is unpacked.

use crate::base::rootfs::Node;
use crate::error::Result;
use crate::programs::imgbase::Base;

/// Directories for libraries of a second kind that architectures of Debian have.
fn directories(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "amd64" => &["bin", "lib", "lib64", "sbin"],
        "i386" | "arm64" | "armel" | "armhf" | "riscv64" => &["bin", "lib", "sbin"],
        "loong64" | "ppc64" | "ppc64el" | "mips64el" | "mipsel" | "s390x" | "sparc64" => {
            &["bin", "lib", "lib64", "sbin"]
        }
        "x32" => &["bin", "lib", "libx32", "sbin"],
        _ => &["bin", "lib", "sbin"],
    }
}

/// Lays out merged `/usr` in an empty tree: `bin -> usr/bin` and so on, and the directories they lead to. Call it before
/// packages are unpacked: what they have in `/bin` then lands in `/usr/bin`.
///
/// `lib64` and its like are made where the architecture's loader is in it, as the packages that make base systems do;
/// further ones (`lib32`, `libx32`) when a package brings files for them.
///
/// # Errors
/// `Entry` if there is something else in the way.
pub fn merge_usr(base: &mut Base, architecture: &str) -> Result<()> {
    let origin = base.origin("usrmerge");
    let epoch = base.epoch;
    for directory in directories(architecture) {
        let target = format!("usr/{directory}");
        let made = Node::folder(0o755).at(epoch).from(origin);
        base.rootfs.put(target.as_bytes(), made)?;
        let link = Node::symlink(&target).at(epoch).from(origin);
        base.rootfs.put(directory.as_bytes(), link)?;
    }
    Ok(())
}

/// Whether a tree has merged `/usr`.
pub fn is_merged(base: &Base) -> bool {
    ["bin", "sbin", "lib"].iter().all(|directory| {
        let there = base.rootfs.follow(directory.as_bytes());
        there.is_ok_and(|there| there == format!("usr/{directory}").into_bytes())
    })
}
