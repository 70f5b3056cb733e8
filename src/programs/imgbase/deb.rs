//! imgbase deb: a tree of Debian packages.
//!
//! The input is the selected packages. They are unpacked in the order of installation, and their maintainer scripts are
//! emulated. The result is a tree, and a report of the packages, the emulation and uncovered scripts.

use std::path::Path;

use super::Base;
use super::coverage;
use super::emulation::{self, EmulationOptions, merge_usr};
use super::filters::Filters;
use super::report::Report;
use super::scripts::{Action, Recipe};
use super::unconfigured::leave_unconfigured;
use super::unpack::{DebToUnpack, Diversion, UnpackOptions, unpack};
use crate::base::debian::solver::Taken;
use crate::base::debian::{Request, Solution, Universe, solve};
use crate::blob::Meter;
use crate::error::Result;

/// Options of a tree of packages.
#[derive(Debug, Clone, Default)]
pub struct DebOptions {
    /// Makes `/bin`, `/sbin` and `/lib` links into `/usr`.
    pub merged: bool,
    /// Options of the emulation.
    pub emulation: EmulationOptions,
    /// Filters of the packages' files.
    pub filters: Filters,
    /// Recipes for scripts that the emulation does not cover.
    pub recipes: Vec<Recipe>,
    /// Actions after everything else.
    pub actions: Vec<Action>,
    /// Leaves the scripts to a container instead of emulating them, see [`leave_unconfigured`].
    pub unconfigured: bool,
}

/// Selects packages and their dependencies.
///
/// # Errors
/// As [`solve`]; `Unsolvable` with the facts that contradict each other.
pub fn select(universe: &Universe<'_>, request: &Request) -> Result<Solution> {
    Ok(solve(universe, request)??)
}

/// Returns the diversions that hold while packages are unpacked: dash provides `/bin/sh`. The emulation of dash's own
/// script records them in the database.
///
/// dash is a special case because its diversions cannot be read from a `preinst`, where a package makes diversions that
/// hold during unpacking. dash has none: it diverts in its `postinst`, with functions that ask dpkg for existing
/// diversions. Applying the diversions of every `postinst` would be wrong for other packages, because these hold only for
/// packages that are unpacked later. No `preinst` of Debian 12's minimal system diverts; one that does is reported as
/// uncovered.
fn diversions(debs: &[DebToUnpack]) -> Vec<Diversion> {
    let is_dash = |deb: &DebToUnpack| deb.expected.as_ref().is_some_and(|it| it.name == "dash");
    let diversion = |(from, to): (&str, &str)| Diversion {
        from: from.into(),
        to: to.into(),
        by: Some("dash".to_owned()),
    };
    match debs.iter().any(is_dash) {
        false => Vec::new(),
        true => [
            ("bin/sh", "bin/sh.distrib"),
            ("usr/bin/sh", "usr/bin/sh.distrib"),
            (
                "usr/share/man/man1/sh.1.gz",
                "usr/share/man/man1/sh.distrib.1.gz",
            ),
        ]
        .map(diversion)
        .to_vec(),
    }
}

/// Unpacks the selected packages, and emulates their scripts.
///
/// # Errors
/// As [`unpack`], [`emulation::run`], [`leave_unconfigured`] and [`emulation::apply`].
pub fn deb(
    base: &mut Base,
    taken: &[Taken],
    debs: &[DebToUnpack],
    architecture: &str,
    options: &DebOptions,
    temp_dir: &Path,
    meter: &Meter,
) -> Result<Report> {
    if options.merged {
        merge_usr(base, architecture)?;
    }
    let unpack_options = UnpackOptions {
        diversions: &diversions(debs),
        ..UnpackOptions::new(temp_dir, meter)
    };
    unpack(base, debs, &unpack_options)?;
    if base.epoch == i64::MAX {
        // Generated files have no time yet.
        let times = base.rootfs.walk().map(|named| named.node.mtime);
        base.epoch = times
            .filter(|time| *time != i64::MAX)
            .max()
            .unwrap_or_default();
    }
    let mut report = Report {
        reasons: taken.iter().map(|taken| taken.reason.clone()).collect(),
        left_out: options.filters.apply(&mut base.rootfs),
        unconfigured: options.unconfigured,
        ..Report::default()
    };
    options.filters.write_config(&mut base.rootfs, base.epoch)?;
    if options.unconfigured {
        leave_unconfigured(base, &options.emulation)?;
    } else {
        report.emulations = emulation::run(base, &options.emulation)?;
        report.left_out += options.filters.apply(&mut base.rootfs);
        report.unused = emulation::apply_recipes(base, &options.recipes)?;
    }
    for action in &options.actions {
        emulation::apply(base, action)?;
    }
    if !options.unconfigured {
        report.scripts = coverage::report(base, &options.recipes);
    }
    Ok(report)
}
