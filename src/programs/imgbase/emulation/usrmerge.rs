//! Merged `/usr`: links for `/bin`, `/sbin` and `/lib*`, made before the first package is unpacked.

use crate::base::rootfs::Node;
use crate::error::Result;
use crate::programs::imgbase::Base;

/// Returns the merged directories of an architecture.
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

/// Makes the layout of merged `/usr` in an empty tree: links such as `bin -> usr/bin`, and their targets. Must be called
/// before packages are unpacked, so that files in `/bin` are installed in `/usr/bin`.
///
/// `lib64` is made for architectures whose loader is in it, as in base systems; `lib32` and `libx32` are made when a
/// package has files in them.
///
/// # Errors
/// `Entry` if another entry is in the way.
pub fn merge_usr(base: &mut Base, architecture: &str) -> Result<()> {
    let origin = base.origin("usrmerge");
    let epoch = base.epoch;
    for directory in directories(architecture) {
        let target = format!("usr/{directory}");
        let made = Node::directory(0o755).at(epoch).from(origin);
        base.rootfs.put(target.as_bytes(), made)?;
        let link = Node::symlink(&target).at(epoch).from(origin);
        base.rootfs.put(directory.as_bytes(), link)?;
    }
    Ok(())
}

/// Returns whether a tree has merged `/usr`.
pub fn is_merged(base: &Base) -> bool {
    ["bin", "sbin", "lib"].iter().all(|directory| {
        let resolved = base.rootfs.follow(directory.as_bytes());
        resolved.is_ok_and(|resolved| resolved == format!("usr/{directory}").into_bytes())
    })
}
