//! The packages of a repository, as its indices list them.

use std::path::PathBuf;

use super::super::{Control, Paragraph};
use super::{Kind, Repository};
use crate::error::{At, Error, Fault, Result};
use crate::layer::clean_path;
use crate::spec::Digest;

/// A package that a repository has.
#[derive(Debug, Clone, Copy)]
pub struct IndexEntry<'r> {
    /// Where it is listed.
    pub repository: &'r Repository,
    /// The component that it belongs to; none in flat repositories and heaps.
    pub component: &'r str,
    /// What the index says of it.
    pub paragraph: Paragraph<'r>,
    pub(super) number: usize,
}

/// The file of a package, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Where it is.
    pub path: PathBuf,
    /// As the repository calls it.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Their digest, the strongest that is given; none for one of a heap, which is not known before it is read.
    pub digest: Option<Digest>,
}

impl<'r> IndexEntry<'r> {
    /// The value of a field, empty where there is none.
    pub fn field(&self, name: &str) -> &'r str {
        self.paragraph.get(name).unwrap_or_default()
    }

    /// Its file, which is not looked at.
    ///
    /// # Errors
    /// `Schema` where the index does not say enough of it, or what cannot be. The place is the package.
    pub fn file(&self) -> Result<PackageFile> {
        let read = || {
            let need = |field: &str, expected, found: &str| {
                let found = match found {
                    "" => "nothing".to_owned(),
                    found => format!("'{found}'"),
                };
                let field = field.to_owned();
                Error::new(Fault::Schema {
                    field,
                    expected,
                    found,
                })
            };
            let size = self.field("Size");
            let size = size.parse().map_err(|_| need("Size", "a number", size))?;
            let digests = (self.paragraph.get("SHA512"), self.paragraph.get("SHA256"));
            let digest = match (&self.repository.kind, digests) {
                (Kind::Heap(_), _) => None,
                (_, (Some(hex), _)) => Some(Digest::from_hex("sha512", hex)?),
                (_, (None, Some(hex))) => Some(Digest::from_hex("sha256", hex)?),
                (_, (None, None)) => return Err(need("SHA256", "a digest", "")),
            };
            let (path, name) = match &self.repository.kind {
                Kind::Heap(paths) => {
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
                    let clean = clean.ok_or_else(|| need("Filename", "a path in it", name))?;
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

    /// What apt calls its file.
    pub(super) fn cached_name(&self) -> String {
        let version = self.field("Version").replace(':', "%3a");
        let (name, architecture) = (self.field("Package"), self.field("Architecture"));
        format!("{name}_{version}_{architecture}.deb")
    }

    /// The fields in which the index may differ from the package: the archive's own word on its priority and section.
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

/// A path that stays below where it starts, clean.
pub(in crate::base::debian) fn inside(name: &str) -> Option<String> {
    let clean = clean_path(name.as_bytes());
    let is_inside = !clean.absolute && !clean.climbs && !clean.path.is_empty();
    let text = String::from_utf8(clean.path.into_owned()).ok()?;
    (is_inside && !text.contains('\0')).then_some(text)
}
