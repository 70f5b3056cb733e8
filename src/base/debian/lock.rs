//! Lock file: the packages of an image with their digests, to build it again without index or solver.
//!
//! JSON, indented by two spaces, with a final newline. `version` is 1; unknown fields are refused, so that no condition is
//! ignored. The lock includes the unchanged `InRelease` of every repository, so that signatures can still be verified
//! after the mirror has changed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clearsign::ClearSigned;
use super::openpgp::{Keyring, Signer};
use super::repository::{PackageFile, inside};
use super::{Control, IndexEntry, Release, Repository, SourceKind, Unpacked};
use crate::blob::{FileRange, open_regular};
use crate::error::{At, Error, Fault, Result, same_digest, same_size};
use crate::parallel::in_parallel;
use crate::spec::Digest;

/// Format version written and read.
const VERSION: u32 = 1;

/// Lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// Architecture of the image.
    pub architecture: String,
    /// Variant, as imgbase names it.
    pub variant: String,
    /// Sources of the packages, in command-line order.
    pub sources: Vec<LockedSource>,
    /// Packages, in the order of unpacking.
    pub packages: Vec<LockedPackage>,
}

/// Source of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSource {
    /// Kind of source.
    pub kind: SourceKind,
    /// Suite; empty for `.deb` files.
    pub suite: String,
    /// Fingerprints of the keys with valid signatures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<String>,
    /// Unchanged `InRelease`, or `Release`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub in_release: String,
}

/// Package of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture, or `all`.
    pub architecture: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// Digest of the file; empty for `.deb` files until [`Lock::complete`].
    pub digest: String,
    /// Path of the file in the source; for `.deb` files the path given.
    pub path: String,
    /// Index of the source, from 0.
    pub source: usize,
    /// Set if the package was requested by name.
    #[serde(rename = "asked_for", default, skip_serializing_if = "is_false")]
    pub is_requested: bool,
    /// Priority in the index of the repository.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub priority: String,
    /// Section in the index of the repository.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub section: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Lock {
    /// Creates a lock without packages. Packages refer to the repositories by index.
    pub fn new(architecture: &str, variant: &str, repositories: &[Repository]) -> Self {
        let sources = repositories.iter().map(|repository| LockedSource {
            kind: repository.kind(),
            suite: repository.suite().to_owned(),
            signed_by: repository
                .signers()
                .iter()
                .map(|signer| signer.fingerprint.clone())
                .collect(),
            in_release: repository.signed_text().to_owned(),
        });
        Lock {
            version: VERSION,
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
            sources: sources.collect(),
            packages: Vec::new(),
        }
    }

    /// Adds a package of the source with index `source`.
    ///
    /// # Errors
    /// As [`IndexEntry::file`].
    pub fn push(
        &mut self,
        entry: &IndexEntry<'_>,
        source: usize,
        is_requested: bool,
    ) -> Result<()> {
        let file = entry.file()?;
        self.packages.push(LockedPackage {
            name: entry.field("Package").to_owned(),
            version: entry.field("Version").to_owned(),
            architecture: entry.field("Architecture").to_owned(),
            size: file.size,
            digest: file.digest.map_or_else(String::new, |it| it.to_string()),
            path: file.name,
            source,
            is_requested,
            priority: entry.field("Priority").to_owned(),
            section: entry.field("Section").to_owned(),
        });
        Ok(())
    }

    /// Fills in missing digests from the unpacked packages, given in the order of the lock.
    pub fn complete(&mut self, packages: &[Unpacked]) {
        for (locked, package) in self.packages.iter_mut().zip(packages) {
            if let (true, Some(digest)) = (locked.digest.is_empty(), &package.digest) {
                locked.digest = digest.to_string();
            }
        }
    }

    /// Parses a lock file.
    ///
    /// # Errors
    /// `Json`, `Schema`, `BadDigest` for an invalid lock.
    pub fn parse(text: &str) -> Result<Self> {
        let lock: Lock = serde_json::from_str(text).map_err(invalid_json)?;
        if lock.version != VERSION {
            return Err(Error::schema("version", "1", lock.version.to_string()));
        }
        for (number, package) in lock.packages.iter().enumerate() {
            let field = |name: &str| format!("packages[{number}].{name}");
            Digest::parse(&package.digest).at(|| field("digest"))?;
            if lock.sources.get(package.source).is_none() {
                let (expected, found) = ("the index of a source", package.source.to_string());
                return Err(Error::schema(field("source"), expected, found));
            }
        }
        Ok(lock)
    }

    /// Returns the text of the lock file.
    ///
    /// # Errors
    /// `Schema` for a missing digest; `Json` if serialization fails.
    pub fn to_text(&self) -> Result<String> {
        if let Some(package) = self.packages.iter().find(|it| it.digest.is_empty()) {
            let missing = Error::schema("digest", "a digest", "nothing");
            return Err(missing.at(format!("package {}", package.name)));
        }
        let text = serde_json::to_string_pretty(self).map_err(invalid_json)?;
        Ok(format!("{text}\n"))
    }

    /// Returns the files of the packages, with one root directory per source. An empty root leaves paths unchanged;
    /// `.deb` files are expected directly in the root of their source.
    ///
    /// # Errors
    /// `Usage` if the number of roots is not that of the sources, `Schema` for a path outside the root.
    pub fn files(&self, roots: &[PathBuf]) -> Result<Vec<PackageFile>> {
        if roots.len() != self.sources.len() {
            let (expected, found) = (self.sources.len(), roots.len());
            let why = format!("number of sources mismatch: expected {expected}, found {found}");
            return Err(Fault::Usage(why).into());
        }
        let file = |package: &LockedPackage| {
            let root = roots.get(package.source).map_or(Path::new(""), |root| root);
            let source = self.sources.get(package.source);
            let is_file = source.is_some_and(|source| source.kind == SourceKind::Debs);
            let name = Path::new(&package.path).file_name();
            let path = match (root.as_os_str().is_empty(), name) {
                (true, _) => PathBuf::from(&package.path),
                (false, Some(name)) if is_file => root.join(name),
                (false, _) => {
                    let clean = inside(&package.path).ok_or_else(|| {
                        let found = format!("'{}'", package.path);
                        Error::schema("path", "a path inside the repository", found)
                    });
                    root.join(clean.at(|| format!("package {}", package.name))?)
                }
            };
            Ok(PackageFile {
                path,
                name: package.path.clone(),
                size: package.size,
                digest: Some(Digest::parse(&package.digest)?),
            })
        };
        self.packages.iter().map(file).collect()
    }

    /// Returns whether every package has a file of the expected size. No file is opened.
    ///
    /// # Errors
    /// As [`Lock::files`].
    pub fn is_at(&self, roots: &[PathBuf]) -> Result<bool> {
        let files = self.files(roots)?;
        let exists = |file: &PackageFile| {
            let found = file.path.metadata();
            found.is_ok_and(|found| found.is_file() && found.len() == file.size)
        };
        Ok(files.iter().all(exists))
    }

    /// Compares all files with the lock and returns the index and the error of each package that differs. Reads all
    /// files once, in parallel.
    ///
    /// # Errors
    /// As [`Lock::files`].
    pub fn mismatches(&self, roots: &[PathBuf]) -> Result<Vec<(usize, Error)>> {
        let files = self.files(roots)?;
        let compared = in_parallel(&files, |file| {
            compare(file).at(|| file.path.to_string_lossy().into_owned())
        });
        let wrong = compared.into_iter().enumerate();
        Ok(wrong
            .filter_map(|(number, result)| Some((number, result.err()?)))
            .collect())
    }

    /// Returns the date of the newest release, in seconds since 1970; `None` if no release states one.
    ///
    /// # Errors
    /// As [`Release::parse`].
    pub fn date(&self) -> Result<Option<i64>> {
        let mut newest = None;
        for source in &self.sources {
            if !source.in_release.is_empty() {
                newest = newest.max(source.release()?.date());
            }
        }
        Ok(newest)
    }
}

impl LockedSource {
    /// Returns the release. The signature is not verified.
    ///
    /// # Errors
    /// As [`Release::parse`].
    pub fn release(&self) -> Result<Release> {
        match ClearSigned::is_one(&self.in_release) {
            true => Release::parse(&ClearSigned::parse(&self.in_release)?.text),
            false => Release::parse(&self.in_release),
        }
    }

    /// Returns the signers of the release by a keyring.
    ///
    /// # Errors
    /// `Signature` for an invalid or missing signature.
    pub fn signers(&self, keyring: &Keyring) -> Result<Vec<Signer>> {
        if !ClearSigned::is_one(&self.in_release) {
            let why = "missing signature".to_owned();
            return Err(Fault::Signature { why }.into());
        }
        let parts = ClearSigned::parse(&self.in_release)?;
        Ok(keyring.verify(&parts.signature, &parts.signed)?.signers)
    }
}

impl LockedPackage {
    /// Returns the control fields of the index that may differ from the package.
    pub fn overrides(&self) -> Control {
        let mut overrides = Control::default();
        for (field, value) in [("Priority", &self.priority), ("Section", &self.section)] {
            if !value.is_empty() {
                overrides.push(field, value.as_str());
            }
        }
        overrides
    }
}

fn invalid_json(error: serde_json::Error) -> Error {
    Error::json(error.to_string())
}

/// Checks size and digest of a file.
fn compare(file: &PackageFile) -> Result<()> {
    let range = FileRange::whole(open_regular(&file.path, true)?)?;
    same_size(file.size, range.len())?;
    match &file.digest {
        Some(expected) => same_digest(expected, &range.digest(expected)?),
        None => Ok(()),
    }
}
