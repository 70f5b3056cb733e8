//! Packages of a repository, as listed in its indices.

use std::path::PathBuf;

use super::super::{Control, Paragraph};
use super::{Kind, Repository};
use crate::error::{At, Error, Result};
use crate::layer::clean_path;
use crate::spec::Digest;

/// Package in an index.
#[derive(Debug, Clone, Copy)]
pub struct IndexEntry<'r> {
    /// Repository of the index.
    pub repository: &'r Repository,
    /// Component; empty in flat repositories and for `.deb` files.
    pub component: &'r str,
    /// Paragraph of the index.
    pub paragraph: Paragraph<'r>,
    pub(super) number: usize,
}

/// File of a package, with its expected size and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Path on disk.
    pub path: PathBuf,
    /// Path in the repository.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Strongest digest listed; `None` for `.deb` files, whose digest is unknown until they are read.
    pub digest: Option<Digest>,
}

impl<'r> IndexEntry<'r> {
    /// Returns the value of a field; empty if missing.
    pub fn field(&self, name: &str) -> &'r str {
        self.paragraph.get(name).unwrap_or_default()
    }

    /// Returns the file of the package. The file is not accessed.
    ///
    /// # Errors
    /// `Schema` for missing or invalid fields. The context is the package.
    pub fn file(&self) -> Result<PackageFile> {
        let read = || {
            let invalid = |field: &str, expected, found: &str| {
                let found = match found {
                    "" => "nothing".to_owned(),
                    found => format!("'{found}'"),
                };
                Error::schema(field, expected, found)
            };
            let size = self.field("Size");
            let size = size
                .parse()
                .map_err(|_| invalid("Size", "a number", size))?;
            let digests = (self.paragraph.get("SHA512"), self.paragraph.get("SHA256"));
            let digest = match (&self.repository.kind, digests) {
                (Kind::Files(_), _) => None,
                (_, (Some(hex), _)) => Some(Digest::from_hex("sha512", hex)?),
                (_, (None, Some(hex))) => Some(Digest::from_hex("sha256", hex)?),
                (_, (None, None)) => return Err(invalid("SHA256", "a digest", "")),
            };
            let (path, name) = match &self.repository.kind {
                Kind::Files(paths) => {
                    let path = paths.get(self.number).cloned().unwrap_or_default();
                    let name = path.to_string_lossy().into_owned();
                    (path, name)
                }
                Kind::Cache(_) => {
                    let name = self.cached_name();
                    (self.repository.root.join(&name), name)
                }
                Kind::Mirror => {
                    let name = self.field("Filename");
                    let clean = inside(name);
                    let clean = clean
                        .ok_or_else(|| invalid("Filename", "a path inside the repository", name))?;
                    (self.repository.root.join(&clean), clean)
                }
            };
            Ok(PackageFile {
                path,
                name,
                size,
                digest,
            })
        };
        read().at(|| format!("package {}", self.field("Package")))
    }

    /// Returns the file name in the cache of apt.
    pub(super) fn cached_name(&self) -> String {
        let version = self.field("Version").replace(':', "%3a");
        let (name, architecture) = (self.field("Package"), self.field("Architecture"));
        format!("{name}_{version}_{architecture}.deb")
    }

    /// Returns the fields that the index overrides: priority and section.
    pub fn overrides(&self) -> Control {
        let mut overrides = Control::default();
        for field in ["Priority", "Section"] {
            if let Some(value) = self.paragraph.get(field) {
                overrides.push(field, value);
            }
        }
        overrides
    }
}

/// Returns a cleaned relative path; `None` if it is absolute, empty or outside its root.
pub(in crate::base::debian) fn inside(name: &str) -> Option<String> {
    let clean = clean_path(name.as_bytes());
    let is_inside = !clean.absolute && !clean.climbs && !clean.path.is_empty();
    let text = String::from_utf8(clean.path.into_owned()).ok()?;
    (is_inside && !text.contains('\0')).then_some(text)
}
