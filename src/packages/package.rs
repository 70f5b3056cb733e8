//! An installed package, as described by its manager's database.

use crate::error::Error;

/// An installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Its package manager.
    pub manager: Manager,
    /// Its name; of an npm package with the scope.
    pub name: String,
    /// Its version in the manager's notation; of an RPM package `[epoch:]version-release`.
    pub version: String,
    /// Its architecture; empty if the manager does not state one.
    pub architecture: String,
    /// Name of its source package, if stated.
    pub source: String,
    /// Its installed size in bytes, if stated.
    pub size: Option<u64>,
    /// Time of its installation in seconds since 1970, if stated.
    pub installed: Option<u64>,
    /// Its dependencies: one alternative of each item is needed.
    pub depends: Vec<Vec<Need>>,
    /// Further names that satisfy dependencies: virtual packages, libraries, commands, files.
    pub provides: Vec<String>,
    /// Path of the database that lists it.
    pub place: String,
}

/// A dependency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Need {
    /// Name of a package, or for RPM also of a file.
    pub name: String,
    /// Constraint on the version, such as `>= 2.36`; empty for any.
    pub version: String,
}

/// A package manager.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Manager {
    /// Debian's, and opkg.
    #[default]
    Dpkg,
    /// Alpine's.
    Apk,
    /// Red Hat's and SUSE's.
    Rpm,
    /// Python's.
    Pip,
    /// JavaScript's.
    Npm,
}

impl Manager {
    /// Name of the package manager.
    pub fn name(self) -> &'static str {
        match self {
            Manager::Dpkg => "dpkg",
            Manager::Apk => "apk",
            Manager::Rpm => "rpm",
            Manager::Pip => "pip",
            Manager::Npm => "npm",
        }
    }
}

/// Converts a text that may have invalid UTF-8.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The error of an invalid database.
pub(super) fn damaged(what: &'static str, found: impl Into<String>) -> Error {
    Error::schema("package database", what, found)
}
