//! Options of the emulation of maintainer scripts.

use std::collections::BTreeSet;

/// Form in which the installed packages are recorded in the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Database {
    /// `Full` where dpkg is one of the packages, else `StatusD`.
    #[default]
    Auto,
    /// `/var/lib/dpkg`: `status`, `info`, `triggers`.
    Full,
    /// `/var/lib/dpkg/status.d`: for each package a paragraph and its checksums.
    StatusD,
    /// No record.
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
