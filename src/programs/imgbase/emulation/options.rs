//! Options of the emulation of maintainer scripts.

use std::collections::BTreeSet;

/// Form in which the installed packages are recorded in the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Database {
    /// Full if dpkg is one of the packages, else status.d.
    #[default]
    Auto,
    /// The database of dpkg.
    Full,
    /// /var/lib/dpkg/status.d, as in distroless images.
    StatusD,
    /// No database.
    None,
}

/// Selection of emulations and their parameters.
#[derive(Debug, Clone, Default)]
pub struct EmulationOptions {
    /// Names of the disabled emulations.
    pub without: BTreeSet<String>,
    /// Form of the package database.
    pub database: Database,
    /// Time zone, a path below `/usr/share/zoneinfo`; `Etc/UTC` by default.
    pub time_zone: Option<String>,
}
