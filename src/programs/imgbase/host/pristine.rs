//! Files that were changed or removed, as their packages brought them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::options::Changed;
use crate::base::debian::Given;
use crate::blob::Meter;
use crate::error::Result;
use crate::programs::imgbase::Base;
use crate::programs::imgbase::unpack::{DebToUnpack, UnpackOptions, unpack};

/// Puts the packages' own files in the place of changed and missing ones, where a package of that name, version and
/// architecture is at hand, and says so of them.
///
/// # Errors
/// As [`unpack`].
pub(super) fn restore(
    base: &mut Base,
    changed: &mut [Changed],
    debs: &[Given],
    landing: &Path,
) -> Result<()> {
    let mut wanted: BTreeMap<PathBuf, Vec<&mut Changed>> = BTreeMap::new();
    for one in changed {
        let mut packages = base.packages.iter();
        let package = packages.find(|package| package.name() == one.package);
        let Some(package) = package else { continue };
        let is_it = |given: &&Given| {
            let same = |field| given.control.get(field) == package.control.get(field);
            same("Package") && same("Version") && same("Architecture")
        };
        if let Some(given) = debs.iter().find(is_it) {
            wanted.entry(given.path.clone()).or_default().push(one);
        }
    }
    let meter = Meter::default();
    for (path, files) in wanted {
        let mut aside = Base::new(base.epoch);
        let deb = DebToUnpack {
            path,
            ..DebToUnpack::default()
        };
        unpack(&mut aside, &[deb], &UnpackOptions::new(landing, &meter))?;
        for file in files {
            let there = aside.rootfs.resolve(&file.path)?;
            let Some(node) = aside.rootfs.get(&there) else {
                continue;
            };
            let mut packages = base.packages.iter();
            let package = packages.find(|package| package.name() == file.package);
            let origin = package.map(|package| package.origin).unwrap_or_default();
            // Packages write `/bin/x` where the system has it in `/usr/bin`.
            base.rootfs.put(&file.path, node.clone().from(origin))?;
            file.pristine = true;
        }
    }
    Ok(())
}
