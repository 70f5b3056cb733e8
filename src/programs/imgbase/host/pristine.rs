//! Restoration of changed and missing files from their packages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::debian::DebFile;
use crate::blob::Meter;
use crate::error::Result;
use crate::programs::imgbase::Base;
use crate::programs::imgbase::report::Changed;
use crate::programs::imgbase::unpack::{DebToUnpack, UnpackOptions, unpack};

/// Restores changed and missing files from the package files with the same name, version and architecture, and marks
/// them as pristine.
///
/// # Errors
/// As [`unpack`].
pub(super) fn restore(
    base: &mut Base,
    changed: &mut [Changed],
    debs: &[DebFile],
    temp_dir: &Path,
) -> Result<()> {
    let mut wanted: BTreeMap<PathBuf, Vec<&mut Changed>> = BTreeMap::new();
    for one in changed {
        let mut packages = base.packages.iter();
        let package = packages.find(|package| package.name() == one.package);
        let Some(package) = package else { continue };
        let is_same = |given: &&DebFile| {
            let same = |field| given.control.get(field) == package.control.get(field);
            same("Package") && same("Version") && same("Architecture")
        };
        if let Some(given) = debs.iter().find(is_same) {
            wanted.entry(given.path.clone()).or_default().push(one);
        }
    }
    let meter = Meter::default();
    for (path, files) in wanted {
        let mut unpacked = Base::new(base.epoch);
        let deb = DebToUnpack {
            path,
            ..DebToUnpack::default()
        };
        unpack(&mut unpacked, &[deb], &UnpackOptions::new(temp_dir, &meter))?;
        for file in files {
            let path = unpacked.rootfs.resolve(&file.path)?;
            let Some(node) = unpacked.rootfs.get(&path) else {
                continue;
            };
            let mut packages = base.packages.iter();
            let package = packages.find(|package| package.name() == file.package);
            let origin = package.map(|package| package.origin).unwrap_or_default();
            // Packages may list `/bin/x` for a file in `/usr/bin`.
            base.rootfs.put(&file.path, node.clone().from(origin))?;
            file.pristine = true;
        }
    }
    Ok(())
}
