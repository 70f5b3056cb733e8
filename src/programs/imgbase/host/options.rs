//! Options of `imgbase host`.

use std::path::PathBuf;

use crate::base::debian::DebFile;
use crate::base::debian::solver::Wanted;
use crate::programs::imgbase::emulation::EmulationOptions;
use crate::programs::imgbase::filters::Filters;
use crate::programs::imgbase::scripts::{Action, Recipe};

/// Options of the collection of packages.
#[derive(Debug, Clone, Default)]
pub struct HostOptions {
    /// Requested packages.
    pub packages: Vec<Wanted>,
    /// Packages to leave out.
    pub exclude: Vec<Wanted>,
    /// Includes recommended packages that are installed.
    pub recommends: bool,
    /// Packages to include although none depends on them.
    pub essential: Essential,
    /// Action for files that differ from those of their packages.
    pub modified: Modified,
    /// Options of the emulation.
    pub emulation: EmulationOptions,
    /// Package files from which changed and missing files are restored.
    pub debs: Vec<DebFile>,
    /// Directory for temporary files.
    pub temp_dir: PathBuf,
    /// Filters of the packages' files.
    pub filters: Filters,
    /// Recipes for scripts that the emulation does not cover.
    pub recipes: Vec<Recipe>,
    /// Actions after everything else.
    pub actions: Vec<Action>,
}

/// Packages to include although none depends on them, because every system has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Essential {
    /// None.
    None,
    /// Packages that the others use: the shell, the accounts, the interpreters of scripts.
    #[default]
    Auto,
    /// All essential packages.
    All,
}

/// Action for files that are missing or differ from those of their packages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Modified {
    /// Fail at the first one.
    #[default]
    Fail,
    /// Include them unchanged, and print a note for each.
    Warn,
    /// Include them unchanged.
    Keep,
}
