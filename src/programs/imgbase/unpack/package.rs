//! Packages to unpack, and options.

use std::path::{Path, PathBuf};

use crate::base::debian::{Control, IndexEntry, Lock};
use crate::blob::{DecodeLimits, Meter};
use crate::error::{Error, Fault, Result};
use crate::spec::Digest;

/// A package to unpack.
#[derive(Debug, Clone, Default)]
pub struct DebToUnpack {
    /// Path of the `.deb` file.
    pub path: PathBuf,
    /// Expected properties of the file, if known.
    pub expected: Option<Expected>,
    /// Fields that the repository states otherwise, see [`Unpacked::overrides`](crate::base::debian::Unpacked).
    pub overrides: Control,
    /// True if the package was requested by name.
    pub is_requested: bool,
}

impl DebToUnpack {
    /// Returns a package of a repository.
    ///
    /// # Errors
    /// As [`IndexEntry::file`].
    pub fn of_entry(entry: &IndexEntry<'_>, is_requested: bool) -> Result<Self> {
        let file = entry.file()?;
        Ok(DebToUnpack {
            path: file.path,
            expected: Some(Expected {
                name: entry.field("Package").to_owned(),
                version: entry.field("Version").to_owned(),
                architecture: entry.field("Architecture").to_owned(),
                size: Some(file.size),
                digest: file.digest,
            }),
            overrides: entry.overrides(),
            is_requested,
        })
    }

    /// Returns the packages of a lock, below the directories of its sources.
    ///
    /// # Errors
    /// As [`Lock::files`].
    pub fn of_lock(lock: &Lock, roots: &[PathBuf]) -> Result<Vec<Self>> {
        let files = lock.files(roots)?.into_iter();
        let all = files
            .zip(&lock.packages)
            .map(|(file, package)| DebToUnpack {
                path: file.path,
                expected: Some(Expected {
                    name: package.name.clone(),
                    version: package.version.clone(),
                    architecture: package.architecture.clone(),
                    size: Some(file.size),
                    digest: file.digest,
                }),
                overrides: package.overrides(),
                is_requested: package.is_requested,
            });
        Ok(all.collect())
    }
}

/// Expected properties of a `.deb` file. An empty text is not compared.
#[derive(Debug, Clone)]
pub struct Expected {
    /// `Package` of the control data.
    pub name: String,
    /// `Version` of the control data.
    pub version: String,
    /// `Architecture` of the control data.
    pub architecture: String,
    /// Size of the file in bytes.
    pub size: Option<u64>,
    /// Digest of the file, if known.
    pub digest: Option<Digest>,
}

/// A diversion of a file (`dpkg-divert(1)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// Path in packages, clean.
    pub from: Vec<u8>,
    /// New path.
    pub to: Vec<u8>,
    /// Package that is not diverted; `None` for a local diversion, which applies to every package.
    pub by: Option<String>,
}

/// Options of unpacking.
#[derive(Debug, Clone, Copy)]
pub struct UnpackOptions<'a> {
    /// Directory of the anonymous temporary file with the contents, which exists until layers are written.
    pub temp_dir: &'a Path,
    /// Diversions in effect.
    pub diversions: &'a [Diversion],
    /// Limits on decoded packages.
    pub limits: DecodeLimits,
    /// Counts the bytes of the `.deb` files.
    pub meter: &'a Meter,
}

impl<'a> UnpackOptions<'a> {
    /// Returns options without diversions and with default limits.
    pub fn new(temp_dir: &'a Path, meter: &'a Meter) -> Self {
        UnpackOptions {
            temp_dir,
            diversions: &[],
            limits: DecodeLimits::default(),
            meter,
        }
    }
}

impl Expected {
    /// Compares control data with the expected package.
    ///
    /// # Errors
    /// `OtherPackage` for the first field that differs.
    pub(super) fn check(&self, control: &Control) -> Result<()> {
        for (field, expected) in [
            ("Package", &self.name),
            ("Version", &self.version),
            ("Architecture", &self.architecture),
        ] {
            let found = control.get(field).unwrap_or_default();
            if !expected.is_empty() && found != expected {
                return Err(Error::new(Fault::OtherPackage {
                    field,
                    expected: expected.clone(),
                    found: found.to_owned(),
                }));
            }
        }
        Ok(())
    }
}
