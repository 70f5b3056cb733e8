//! Options of `imgbase host`, and its report.

use std::path::PathBuf;

use crate::base::debian::Given;
use crate::base::debian::solver::{Reason, Wanted};
use crate::programs::imgbase::coverage::ScriptCoverage;
use crate::programs::imgbase::emulation::{EmulationOptions, EmulationReport};
use crate::programs::imgbase::filters::Filters;
use crate::programs::imgbase::scripts::{Action, Recipe};

/// What to make of a system.
#[derive(Debug, Clone, Default)]
pub struct HostOptions {
    /// The packages.
    pub packages: Vec<Wanted>,
    /// Packages that must not come along.
    pub exclude: Vec<Wanted>,
    /// Whether to take what they recommend, where it is installed.
    pub recommends: bool,
    /// Which packages come that nobody names.
    pub essential: Essential,
    /// What to do about files that are not what was installed.
    pub modified: Modified,
    /// Which stand-ins run.
    pub emulation: EmulationOptions,
    /// Packages as they came, in the place of whose changed and missing files their own are taken.
    pub debs: Vec<Given>,
    /// Where those are unpacked, without a name.
    pub landing: PathBuf,
    /// What of the packages' files is left out.
    pub filters: Filters,
    /// What is done for packages whose scripts do more than the stand-ins.
    pub recipes: Vec<Recipe>,
    /// What comes at the end.
    pub actions: Vec<Action>,
}

/// Which packages come that no other depends on, because every system has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Essential {
    /// None.
    None,
    /// Those that the others use: the shell, the accounts, the loader's settings, the interpreters of their scripts.
    #[default]
    Auto,
    /// All.
    All,
}

/// What to do about files that are gone or not what was installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Modified {
    /// The first one is an error.
    #[default]
    Fail,
    /// They are taken as they are, and told.
    Warn,
    /// They are taken as they are.
    Keep,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct HostReport {
    /// The machine's architecture, in Debian's words.
    pub architecture: String,
    /// Why each package of [`Base::packages`] is there, in their order.
    pub reasons: Vec<Reason>,
    /// The files that are not what was installed: package, path and whether it is there.
    pub changed: Vec<Changed>,
    /// Names of the packages' files that were left out.
    pub left_out: usize,
    /// The packages of recipes that were for none of them.
    pub unused: Vec<String>,
    /// What the stand-ins did.
    pub emulations: Vec<EmulationReport>,
    /// What is left of the packages' scripts.
    pub scripts: Vec<ScriptCoverage>,
}

/// A file that is not what was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its package.
    pub package: String,
    /// Where, as dpkg lists it.
    pub path: Vec<u8>,
    /// Whether it is there at all.
    pub is_there: bool,
    /// Whether it was taken from the package that it came in.
    pub pristine: bool,
}
