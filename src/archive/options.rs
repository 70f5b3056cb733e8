//! Options for opening an archive.

use std::fs::File;
use std::path::PathBuf;

use crate::blob::{Meter, ReadAhead, StreamDigester};
use crate::layer::Limits;

/// Options for opening an archive.
#[derive(Debug, Clone, Default)]
pub struct Open {
    /// Limits on the input.
    pub limits: Limits,
    /// Progress counter for the bytes of a stream.
    pub meter: Meter,
    /// Directory for anonymous temporary files that keep the members of a stream, so that these can be read again or be
    /// linked to a name in that directory. `None` keeps only small documents.
    pub temp_dir: Option<PathBuf>,
    /// The one half to read, as skopeo's `docker-archive:` and `oci:` do; `None` reads both.
    pub only: Option<Half>,
    /// Registry that the names of a tree of repositories get in front: host, and directory if there is one.
    pub registry: Option<String>,
    /// True to open damaged archives for examination: one half beside another that is broken, the beginning of a
    /// truncated tar. The damage is in [`Archive::faults`](super::Archive::faults) or with the part it concerns.
    pub examine: bool,
    /// Digest of all bytes of a stream; sees nothing of a file that can be read by position.
    pub tap: Option<StreamDigester>,
}

/// One half of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Half {
    /// `manifest.json` and `repositories`.
    Docker,
    /// `index.json`.
    Oci,
    /// `manifest.json` of skopeo's `dir:`.
    Dir,
    /// A directory of repositories.
    Tree(TreeKind),
}

impl Open {
    /// Reads a stream ahead on a thread of its own, through the tap if there is one.
    pub(super) fn read_ahead(&self, file: File) -> ReadAhead {
        match &self.tap {
            Some(tap) => ReadAhead::new(tap.wrap(file)),
            None => ReadAhead::new(file),
        }
    }
}

/// Kinds of directories of repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TreeKind {
    /// Storage tree of the CNCF distribution registry.
    Registry,
    /// OCI layouts, one for each repository, as zot stores them.
    Layouts,
    /// `dir:` images, one for each name, as skopeo sync writes them.
    Dirs,
    /// Manifests and blobs of repositories as files, as `oc mirror` of version 1 writes them. Only read.
    Mirror,
}
