//! The result of a verification.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::finding::{Finding, Severity};
use crate::archive::Content;
use crate::error::Error;
use crate::spec::Digest;

/// Bytes of all layers' entries that [`super::verify`] may keep, as [`crate::layer::Limits::trace`], to apply layers to one another.
pub const TRACE: u64 = 1 << 30;

/// Result of verifying one archive.
#[derive(Debug)]
pub struct VerifyReport {
    /// All findings, in the order of the archive's parts; equal on every run.
    pub findings: Vec<Finding>,
    /// Number of container images.
    pub images: usize,
    /// Number of distinct layers in the archive.
    pub layers: usize,
    /// Number of distinct blobs and layer members that were read.
    pub blobs: usize,
    /// Stored bytes that were read and hashed.
    pub bytes: u64,
    /// True if listed manifests are missing, as in archives of engines that hold one platform of several.
    pub sparse: bool,
    /// Digests and sizes of the blobs that were read.
    pub(crate) read: HashMap<Key, ReadBlob>,
    /// Errors other than damage that kept something from being verified: exceeded limits, unreadable files.
    pub trouble: Vec<Error>,
}

impl VerifyReport {
    /// Tests if damage was found.
    pub fn is_damaged(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.severity == Severity::Error)
    }

    /// Tests if all errors are paths that escape the root directory: all bytes are verified.
    pub fn is_unsafe(&self) -> bool {
        let mut errors = self
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .peekable();
        errors.peek().is_some()
            && errors.all(|error| matches!(error.code, "climbing-path" | "member-through-link"))
    }

    /// Tests if everything was verified and nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.trouble.is_empty() && !self.is_damaged()
    }

    /// Returns the digests of all blobs that were read.
    pub fn digests(&self) -> HashSet<&Digest> {
        self.read.values().map(|blob| &blob.digest).collect()
    }
}

/// Digest and size of a blob that was read.
#[derive(Debug, Clone)]
pub struct ReadBlob {
    /// Digest of the stored bytes.
    pub digest: Digest,
    /// Number of stored bytes.
    pub size: u64,
    /// Digest and size in bytes of the uncompressed tar; `None` for blobs that are not layers.
    pub plain: Option<(Digest, u64)>,
    /// Name of a layer's compression.
    pub compression: Option<&'static str>,
    /// True if all documents agree with it; `None` if no document states its digest or diff ID.
    pub verified: Option<bool>,
}

/// Identity of a run of bytes, so that links and repeated names cost one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A file or a block of memory by its address, and the run in it.
    At(usize, u64, u64),
    /// A file of a directory, by device and inode.
    Inode(u64, u64),
}

pub(crate) fn key(content: &Content) -> Key {
    match content {
        Content::File(file) => {
            let (device, inode) = file.identity();
            Key::Inode(device, inode)
        }
        Content::Range(range) => {
            let (file, offset) = range.parts();
            Key::At(Arc::as_ptr(file) as usize, offset, range.len())
        }
        Content::Memory(bytes) => Key::At(bytes.as_ptr() as usize, 0, bytes.len() as u64),
        Content::Kept(kept) => Key::At(Arc::as_ptr(kept) as usize, 0, kept.scan.size),
        Content::Passed(scan) => Key::At(Arc::as_ptr(scan) as usize, 0, scan.size),
    }
}
