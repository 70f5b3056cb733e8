//! imgbase deb: a base image of Debian packages, from a selection to a tree.
//!
//! In come packages that could be taken and what is wanted; they are chosen, unpacked in the order of installation, and
//! what their scripts would have made is made. Out come a tree and a report of what was taken, made and left.

use std::path::Path;

use super::Base;
use super::coverage::{self, ScriptCoverage};
use super::emulation::{self, EmulationOptions, EmulationReport, merge_usr};
use super::filters::Filters;
use super::scripts::{Action, Recipe};
use super::unconfigured::leave_unconfigured;
use super::unpack::{DebToUnpack, Diversion, UnpackOptions, unpack};
use crate::base::debian::solver::{Reason, Taken};
use crate::base::debian::{Request, Solution, Universe, solve};
use crate::blob::Meter;
use crate::error::Result;

/// What is to be made of packages.
#[derive(Debug, Clone, Default)]
pub struct DebOptions {
    /// Whether `/bin`, `/sbin` and `/lib` are links into `/usr` from the beginning.
    pub merged: bool,
    /// Which stand-ins work, and how.
    pub emulation: EmulationOptions,
    /// What of the packages' files is left out.
    pub filters: Filters,
    /// What is done for packages whose scripts do more than the stand-ins.
    pub recipes: Vec<Recipe>,
    /// What comes at the end.
    pub actions: Vec<Action>,
    /// Whether scripts are left to be run in a container, see [`emit`]: then nothing stands in for them.
    pub unconfigured: bool,
}

/// What was made of packages.
#[derive(Debug, Clone, Default)]
pub struct DebReport {
    /// Why each package of [`Base::packages`] is there, in their order.
    pub reasons: Vec<Reason>,
    /// What the stand-ins made.
    pub emulations: Vec<EmulationReport>,
    /// What is left of the packages' scripts; nothing where they are to be run in a container.
    pub scripts: Vec<ScriptCoverage>,
    /// The packages of recipes that were for none of them.
    pub unused: Vec<String>,
    /// Names of the packages' files that were left out.
    pub left_out: usize,
}

/// Chooses packages.
///
/// # Errors
/// As [`solve`]; `Unsolvable` with the facts that cannot hold together.
pub fn select(universe: &Universe<'_>, request: &Request) -> Result<Solution> {
    Ok(solve(universe, request)??)
}

/// What is diverted before anything is unpacked: the shell of dash is the system's, whoever else brings one. The database
/// has the same from dash's own script.
///
/// dash is named here because its diversions cannot be read where those of other packages would be. Diversions that hold
/// while packages are unpacked are made by a `preinst`, and dash has none: it diverts in its `postinst`, by functions that
/// ask dpkg what is diverted already. To take what every `postinst` diverts would be wrong for the others, because theirs
/// hold only for what is unpacked after they were configured. No `preinst` of Debian 12's minimal system diverts; where
/// one of another package moves what is there, it is reported as not done.
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

/// Unpacks packages that were chosen and makes what their scripts would have made.
///
/// # Errors
/// As [`unpack`], [`emulation::run`], [`emit`] and [`Action::apply`].
pub fn deb(
    base: &mut Base,
    taken: &[Taken],
    debs: &[DebToUnpack],
    architecture: &str,
    options: &DebOptions,
    landing: &Path,
    meter: &Meter,
) -> Result<DebReport> {
    if options.merged {
        merge_usr(base, architecture)?;
    }
    let how = UnpackOptions {
        diversions: &diversions(debs),
        ..UnpackOptions::new(landing, meter)
    };
    unpack(base, debs, &how)?;
    if base.epoch == i64::MAX {
        // What was made so far has no time yet.
        let times = base.rootfs.walk().map(|named| named.node.mtime);
        base.epoch = times
            .filter(|time| *time != i64::MAX)
            .max()
            .unwrap_or_default();
    }
    let mut left_out = options.filters.apply(&mut base.rootfs);
    options.filters.note(&mut base.rootfs, base.epoch)?;
    let mut report = DebReport {
        reasons: taken.iter().map(|taken| taken.reason.clone()).collect(),
        ..DebReport::default()
    };
    if options.unconfigured {
        leave_unconfigured(base, &options.emulation)?;
    } else {
        report.emulations = emulation::run(base, &options.emulation)?;
        left_out += options.filters.apply(&mut base.rootfs);
        report.unused = emulation::apply_recipes(base, &options.recipes)?;
    }
    for action in &options.actions {
        emulation::apply(base, action)?;
    }
    if !options.unconfigured {
        report.scripts = coverage::report(base, &options.recipes);
    }
    report.left_out = left_out;
    Ok(report)
}
