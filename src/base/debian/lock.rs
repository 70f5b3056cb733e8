//! A lock: which packages an image is made of, by digest, so that it can be made again without index or solver.
//!
//! JSON, written with two blanks for each level and a newline at its end. `version` is 1; unknown fields are refused,
//! because who reads a lock must not miss a condition. The `InRelease` of every repository is within, as it was, so that
//! the signature stays checkable long after the mirror has moved on.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clearsign::ClearSigned;
use super::openpgp::{Keyring, Signer};
use super::repository::{PackageFile, inside};
use super::{Control, IndexEntry, Release, Repository, SourceKind, Unpacked};
use crate::blob::{FileRange, open_regular};
use crate::error::{At, Error, Fault, Result};
use crate::parallel::in_parallel;
use crate::spec::Digest;

/// The form that is written and read.
const VERSION: u32 = 1;

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// The architecture of the image.
    pub architecture: String,
    /// What was asked for to begin with, in imgbase's words.
    pub variant: String,
    /// Where the packages came from, in the order that they were named.
    pub sources: Vec<LockedSource>,
    /// The packages, in the order that they are unpacked.
    pub packages: Vec<LockedPackage>,
}

/// A repository of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSource {
    /// What it is.
    pub kind: SourceKind,
    /// Its suite; empty for packages that were given as files.
    pub suite: String,
    /// The fingerprints of the keys whose good signatures it bore.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<String>,
    /// Its `InRelease` as it was, or `Release`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub in_release: String,
}

/// A package of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// Bytes of its file.
    pub size: u64,
    /// Digest of its file; empty where nobody knows it until [`Lock::complete`].
    pub digest: String,
    /// Its file in the source; for packages that were given as files the path.
    pub path: String,
    /// The number of its source, from 0.
    pub source: usize,
    /// Whether somebody asked for it by name.
    #[serde(default, skip_serializing_if = "is_false")]
    pub asked_for: bool,
    /// The repository's word on its priority.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub priority: String,
    /// The repository's word on its section.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub section: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Lock {
    /// An empty one over these repositories, which packages refer to by their order.
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

    /// Adds a package of the source of that number.
    ///
    /// # Errors
    /// As [`IndexEntry::file`].
    pub fn push(&mut self, entry: &IndexEntry<'_>, source: usize, asked_for: bool) -> Result<()> {
        let file = entry.file()?;
        self.packages.push(LockedPackage {
            name: entry.field("Package").to_owned(),
            version: entry.field("Version").to_owned(),
            architecture: entry.field("Architecture").to_owned(),
            size: file.size,
            digest: file.digest.map_or_else(String::new, |it| it.to_string()),
            path: file.name,
            source,
            asked_for,
            priority: entry.field("Priority").to_owned(),
            section: entry.field("Section").to_owned(),
        });
        Ok(())
    }

    /// Puts in the digests of packages that were given as files: these are its packages, unpacked, in the same order.
    pub fn complete(&mut self, packages: &[Unpacked]) {
        for (locked, package) in self.packages.iter_mut().zip(packages) {
            if let (true, Some(digest)) = (locked.digest.is_empty(), &package.digest) {
                locked.digest = digest.to_string();
            }
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// `Json`, `Schema`, `BadDigest` for what is none.
    pub fn parse(text: &str) -> Result<Self> {
        let lock: Lock = serde_json::from_str(text).map_err(|error| {
            let why = error.to_string();
            Error::new(Fault::Json { why })
        })?;
        let bad = |field: String, expected, found: String| {
            Err(Error::new(Fault::Schema {
                field,
                expected,
                found,
            }))
        };
        if lock.version != VERSION {
            let found = lock.version.to_string();
            return bad("version".to_owned(), "1", found);
        }
        for (number, package) in lock.packages.iter().enumerate() {
            let field = |name: &str| format!("packages[{number}].{name}");
            Digest::parse(&package.digest).at(|| field("digest"))?;
            if lock.sources.get(package.source).is_none() {
                let found = package.source.to_string();
                return bad(field("source"), "the number of a source", found);
            }
        }
        Ok(lock)
    }

    /// As a file.
    ///
    /// # Errors
    /// `Schema` if it is not complete; `Json` never in practice: everything in it is text and numbers.
    pub fn to_text(&self) -> Result<String> {
        if let Some(package) = self.packages.iter().find(|it| it.digest.is_empty()) {
            let missing = Error::new(Fault::Schema {
                field: "digest".to_owned(),
                expected: "a digest",
                found: "nothing".to_owned(),
            });
            return Err(missing.at(format!("package {}", package.name)));
        }
        let text = serde_json::to_string_pretty(self).map_err(|error| {
            let why = error.to_string();
            Error::new(Fault::Json { why })
        })?;
        Ok(format!("{text}\n"))
    }

    /// The files of its packages, below the folders that stand for its sources now. A source that is an empty path has
    /// its packages where they were; those that were given as files are looked for by their names alone.
    ///
    /// # Errors
    /// `Usage` for another number of folders than it has sources, `Schema` for a path that leads out of one.
    pub fn files(&self, roots: &[PathBuf]) -> Result<Vec<PackageFile>> {
        if roots.len() != self.sources.len() {
            let (expected, found) = (self.sources.len(), roots.len());
            let why = format!("the lock has {expected} sources, and {found} were given");
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
                        Error::new(Fault::Schema {
                            field: "path".to_owned(),
                            expected: "a path in it",
                            found: format!("'{}'", package.path),
                        })
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

    /// Whether each of its packages has a file of the right size. No file is opened.
    ///
    /// # Errors
    /// As [`Lock::files`].
    pub fn is_at(&self, roots: &[PathBuf]) -> Result<bool> {
        let files = self.files(roots)?;
        let is_there = |file: &PackageFile| {
            let found = file.path.metadata();
            found.is_ok_and(|found| found.is_file() && found.len() == file.size)
        };
        Ok(files.iter().all(is_there))
    }

    /// Compares all files with the lock and says of each that is not what it should be why: the package's number and
    /// the error. Reads everything once, on all cores.
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

    /// When the newest of its repositories was made, where one says so: the same as it was when the lock was made.
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
    /// Its release, without a word on who signed it.
    ///
    /// # Errors
    /// As [`Release::parse`].
    pub fn release(&self) -> Result<Release> {
        match ClearSigned::is_one(&self.in_release) {
            true => Release::parse(&ClearSigned::parse(&self.in_release)?.text),
            false => Release::parse(&self.in_release),
        }
    }

    /// Who signed its release, by a keyring of today.
    ///
    /// # Errors
    /// `Signature`, also where the lock has no signature within.
    pub fn signers(&self, keyring: &Keyring) -> Result<Vec<Signer>> {
        if !ClearSigned::is_one(&self.in_release) {
            let why = "there is none".to_owned();
            return Err(Fault::Signature { why }.into());
        }
        let parts = ClearSigned::parse(&self.in_release)?;
        Ok(keyring.verify(&parts.signature, &parts.signed)?.signers)
    }
}

impl LockedPackage {
    /// The repository's word on it where that may differ.
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

/// Whether a file has the size and the digest that it must have.
fn compare(file: &PackageFile) -> Result<()> {
    let range = FileRange::whole(open_regular(&file.path, true)?)?;
    if range.len() != file.size {
        return Err(Error::new(Fault::SizeMismatch {
            expected: file.size,
            found: range.len(),
        }));
    }
    let Some(expected) = &file.digest else {
        return Ok(());
    };
    let found = range.digest(expected)?;
    match found == *expected {
        true => Ok(()),
        false => Err(Error::new(Fault::DigestMismatch {
            expected: expected.to_string(),
            found: found.to_string(),
        })),
    }
}
