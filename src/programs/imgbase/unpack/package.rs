//! Packages to unpack, and options.

use std::path::{Path, PathBuf};

use crate::base::debian::{Control, IndexEntry, Lock};
use crate::blob::{DecodeLimits, Meter};
use crate::error::{Error, Fault, Result};
use crate::spec::Digest;

/// A package that is to be unpacked.
#[derive(Debug, Clone, Default)]
pub struct DebToUnpack {
    /// Its `.deb`.
    pub path: PathBuf,
    /// What the file must be; nothing for one that was given without a word on it.
    pub expected: Option<Expected>,
    /// The repository's word on it where that differs, see [`Unpacked::overrides`](crate::base::debian::Unpacked).
    pub overrides: Control,
    /// Whether somebody asked for it by name.
    pub asked_for: bool,
}

impl DebToUnpack {
    /// A package of a repository.
    ///
    /// # Errors
    /// As [`IndexEntry::file`].
    pub fn of_entry(entry: &IndexEntry<'_>, asked_for: bool) -> Result<Self> {
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
            asked_for,
        })
    }

    /// The packages of a lock, below the directories that stand for its sources.
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
                asked_for: package.asked_for,
            });
        Ok(all.collect())
    }
}

/// What a `.deb` must be. An empty text is not compared.
#[derive(Debug, Clone)]
pub struct Expected {
    /// `Package` of its control data.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`.
    pub architecture: String,
    /// Bytes of the file.
    pub size: Option<u64>,
    /// Digest of the file, where somebody has said one.
    pub digest: Option<Digest>,
}

/// What goes elsewhere than its package says, `dpkg-divert(1)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// The path in packages, clean.
    pub from: Vec<u8>,
    /// Where it goes.
    pub to: Vec<u8>,
    /// The package whose own file stays; none for a local diversion, which is for every package.
    pub by: Option<String>,
}

/// How packages are unpacked.
#[derive(Debug, Clone, Copy)]
pub struct UnpackOptions<'a> {
    /// The directory where the files are kept until layers are made of them, without a name: beside the output.
    pub landing: &'a Path,
    /// Diversions, as the packages' scripts would make them.
    pub diversions: &'a [Diversion],
    /// What a package may unpack to.
    pub limits: DecodeLimits,
    /// Counts the bytes of the `.deb` files.
    pub meter: &'a Meter,
}

impl<'a> UnpackOptions<'a> {
    /// Without diversions, with the usual limits.
    pub fn new(landing: &'a Path, meter: &'a Meter) -> Self {
        UnpackOptions {
            landing,
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
