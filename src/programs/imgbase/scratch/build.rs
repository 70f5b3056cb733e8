//! Construction of a tree from binaries.

use std::collections::BTreeSet;
use std::path::Path;

use super::bundle::{self, Bundle};
use super::closure::{Builder, Closure, RequestedFile};
use super::owners;
use crate::base::rootfs::Node;
use crate::error::Result;
use crate::programs::imgbase::root::Root;
use crate::programs::imgbase::{Base, emulation};

/// Fills a tree with the requested files, and the files that they need.
///
/// # Errors
/// `Needs` for a missing library or interpreter, with the file that needs it as context; `Io` with `NotFound` for a missing
/// file; `Elf`, `Io`.
pub fn scratch(
    base: &mut Base,
    top: &Path,
    requested: &[RequestedFile],
    bundles: &[Bundle],
) -> Result<Closure> {
    let mut builder = Builder::new(base, Root::at(top));
    for one in requested {
        builder.add(one)?;
    }
    builder.libraries()?;
    for one in bundles {
        bundle::add(&mut builder, one)?;
    }
    builder.libraries()?;
    bundle::accounts(&mut builder, bundles)?;
    let requested_paths: BTreeSet<Vec<u8>> =
        requested.iter().map(RequestedFile::image_path).collect();
    let needed = builder
        .places
        .keys()
        .filter(|path| !requested_paths.contains(*path));
    builder.closure.needed = needed.cloned().collect();
    let cached = std::mem::take(&mut builder.cached);
    let (taken, root) = (std::mem::take(&mut builder.taken), &builder.root);
    let mut closure = std::mem::take(&mut builder.closure);
    let newest = builder.base.newest();
    builder.base.epoch = builder.base.epoch.min(newest);
    if !cached.is_empty() {
        loader_cache(builder.base, &cached)?;
    }
    closure.os_release = root.text(b"etc/os-release")?;
    closure.packages = owners::note(builder.base, root, &taken)?;
    closure.files = taken.len();
    closure.open_others.sort();
    Ok(closure)
}

/// Makes directories known to glibc's loader: in `ld.so.conf`, for later runs of ldconfig, and in its cache.
fn loader_cache(base: &mut Base, directories: &[Vec<u8>]) -> Result<()> {
    const CONF: &[u8] = b"etc/ld.so.conf";
    // A copied file is kept.
    if base.rootfs.get(CONF).is_none() {
        let mut text = directories.join(&b'\n');
        text.push(b'\n');
        let node = Node::file(0o644, text).at(base.epoch);
        base.rootfs.put(CONF, node)?;
    }
    emulation::loader_cache(base)
}
