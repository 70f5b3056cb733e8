//! A package that is installed, as its manager's database describes it.

use crate::error::{Error, Fault};

/// Something that is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Who manages it.
    pub manager: Manager,
    /// Its name; npm's with their scope.
    pub name: String,
    /// Its version, as its manager writes it; of an RPM package `[epoch:]version-release`.
    pub version: String,
    /// What machine it is for; empty where the manager does not say.
    pub architecture: String,
    /// What it was built from, where that is told.
    pub source: String,
    /// Bytes that it takes, where that is told.
    pub size: Option<u64>,
    /// What it needs: each item is satisfied by one of its alternatives.
    pub depends: Vec<Vec<Need>>,
    /// Further names that satisfy what others need: virtual packages, libraries, commands, files.
    pub provides: Vec<String>,
    /// The file that tells of it.
    pub place: String,
}

/// A name that is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Need {
    /// The name, or for RPM also a file.
    pub name: String,
    /// What its version must satisfy, as `>= 2.36`; empty for any.
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
    /// Its name.
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

/// Text that need not be UTF-8.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A database that is not what it should be.
pub(super) fn damaged(what: &'static str, found: impl Into<String>) -> Error {
    Error::new(Fault::Schema {
        field: "package database".into(),
        expected: what,
        found: found.into(),
    })
}
