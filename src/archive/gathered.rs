//! The images of a directory of repositories, gathered as one layout.

use std::collections::HashMap;
use std::sync::Arc;

use rustix::fs::FileType;
use serde_json::Value;

use super::files::Files;
use crate::error::{Error, Result, within};
use crate::limits::Limits;
use crate::spec::Digest;

/// Images of a directory, gathered as one layout.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Registry that names get in front.
    pub registry: Option<String>,
    /// Descriptors of the virtual `index.json`.
    pub entries: Vec<Value>,
    /// Path of each blob.
    pub paths: HashMap<Digest, String>,
    /// Further files of the same digest.
    pub copies: Vec<(Digest, String)>,
    /// Damage that leaves the rest readable.
    pub faults: Vec<Error>,
}

impl Gathered {
    /// Adds the blobs of a directory: `<algorithm>/<hex>` or `<digest>`.
    ///
    /// # Errors
    /// `Limit`; `Io`.
    pub fn blobs_in(&mut self, directory: &Files, blobs: &str, limits: &Limits) -> Result<()> {
        for (base, kind) in directory.list(blobs, limits.entries)? {
            if let Ok(digest) = Digest::parse(&base) {
                self.place(digest, format!("{blobs}/{base}"));
            } else if kind == FileType::Directory {
                let inside = format!("{blobs}/{base}");
                for (hex, _) in directory.list(&inside, limits.entries)? {
                    if let Ok(digest) = Digest::from_hex(&base, &hex) {
                        self.place(digest, format!("{inside}/{hex}"));
                    }
                }
            }
            self.check_count(limits)?;
        }
        Ok(())
    }

    /// Puts the registry in front of a name, if there is one.
    pub fn below_registry(&self, name: String) -> String {
        match &self.registry {
            Some(registry) => format!("{registry}/{name}"),
            None => name,
        }
    }

    pub fn place(&mut self, digest: Digest, path: String) {
        match self.paths.contains_key(&digest) {
            true => self.copies.push((digest, path)),
            false => drop(self.paths.insert(digest, path)),
        }
    }

    pub fn check_count(&self, limits: &Limits) -> Result<()> {
        let count = self.paths.len() + self.copies.len();
        within("files", limits.entries, count as u64)
    }
}

/// Reads a document of a tree.
///
/// # Errors
/// `NotFound` for a missing one; `Limit`; `BadLink`; `Io`.
pub(super) fn document(directory: &Files, name: &str, limits: &Limits) -> Result<Arc<[u8]>> {
    let content = directory.get(name, limits.hops)?;
    let content = content.ok_or_else(|| Error::member_missing(name))?;
    content.bytes(limits.of_document())
}
