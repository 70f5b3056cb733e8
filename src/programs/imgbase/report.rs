//! Report on a tree of packages: what was selected, made, left out and changed.

use super::coverage::ScriptCoverage;
use super::emulation::EmulationReport;
use crate::base::debian::solver::Reason;

/// Report on a tree of packages.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Reason for each package of [`Base::packages`](super::Base::packages), in the same order.
    pub reasons: Vec<Reason>,
    /// Changes that each emulation made.
    pub emulations: Vec<EmulationReport>,
    /// Coverage of the packages' scripts; empty if they are left to a container.
    pub scripts: Vec<ScriptCoverage>,
    /// Files of a host that are missing or differ from those of their packages.
    pub changed: Vec<Changed>,
    /// Packages of recipes that applied to none.
    pub unused: Vec<String>,
    /// Number of paths that were left out.
    pub left_out: usize,
    /// True if the scripts are left to a container.
    pub unconfigured: bool,
}

/// A file that is missing or differs from that of its package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Name of the package.
    pub package: String,
    /// Path, as dpkg lists it.
    pub path: Vec<u8>,
    /// True if the file exists.
    pub is_there: bool,
    /// True if the file was restored from its package.
    pub pristine: bool,
}

impl Changed {
    /// Describes a file that was not restored.
    pub fn new(package: &str, path: &[u8], is_there: bool) -> Self {
        Changed {
            package: package.to_owned(),
            path: path.to_vec(),
            is_there,
            pristine: false,
        }
    }
}
