//! Options and input of a commit.

use crate::blob::Input;
use crate::cache::Cache;
use crate::disk::{Directory, Patterns};
use crate::spec::Timestamp;
use crate::spec::instruction::Change;
use crate::write::ListedName;

/// Options of a commit.
#[derive(Debug, Clone)]
pub struct CommitOptions {
    /// Names of the new image.
    pub names: Vec<ListedName>,
    /// Author of the change.
    pub author: Option<String>,
    /// History comment of the change.
    pub message: Option<String>,
    /// Dockerfile instructions that change the config.
    pub instructions: Vec<Change>,
    /// Paths that stay unchanged from the base image.
    pub excludes: Patterns,
    /// Take owners from the base image, and 0:0 for new files, for a directory that was unpacked without root.
    pub base_owners: bool,
    /// Creation time of the image.
    pub created: Timestamp,
    /// Latest time in seconds since 1970; later times are clamped.
    pub latest: Option<i64>,
    /// Cache of indexes of the base image's compressed layers.
    pub cache: Option<Cache>,
}

/// Changed root filesystem.
pub enum Changed<'a> {
    /// A root filesystem in a directory.
    Directory(&'a Directory),
    /// The upper directory of an overlay mount, which holds only the changes.
    Upper(&'a Directory),
    /// A root filesystem in a tar archive, and its name for error messages.
    Tar(Input, &'a str),
}
