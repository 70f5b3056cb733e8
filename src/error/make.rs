//! Errors of the faults that many readers and programs report, without context.

use std::fmt::Display;

use super::candidates::Candidates;
use super::context::{Error, Result};
use super::fault::Fault;

/// Checks a number against a limit.
///
/// # Errors
/// `Limit` if it is greater.
#[inline]
pub fn within(what: &'static str, limit: u64, found: u64) -> Result<()> {
    match found > limit {
        true => Err(Error::limit(what, limit, found)),
        false => Ok(()),
    }
}

/// Checks that two sizes in bytes are equal.
///
/// # Errors
/// `SizeMismatch` if they differ.
pub fn same_size(expected: u64, found: u64) -> Result<()> {
    match expected == found {
        true => Ok(()),
        false => Err(Error::size_mismatch(expected, found)),
    }
}

/// Checks that two digests are equal.
///
/// # Errors
/// `DigestMismatch` if they differ.
pub fn same_digest<D: PartialEq + Display>(expected: &D, found: &D) -> Result<()> {
    match expected == found {
        true => Ok(()),
        false => Err(Error::digest_mismatch(expected, found)),
    }
}

impl Error {
    /// Returns a `Limit` error; see [`within`].
    pub fn limit(what: &'static str, limit: u64, found: u64) -> Self {
        Error::new(Fault::Limit { what, limit, found })
    }

    /// Returns a `Truncated` error; sizes are in bytes.
    pub fn truncated(what: &'static str, expected: u64, found: u64) -> Self {
        Error::new(Fault::Truncated {
            what,
            expected,
            found,
        })
    }

    /// Returns a `SizeMismatch` error; sizes are in bytes.
    pub fn size_mismatch(expected: u64, found: u64) -> Self {
        Error::new(Fault::SizeMismatch { expected, found })
    }

    /// Returns a `DigestMismatch` error.
    pub fn digest_mismatch(expected: impl Display, found: impl Display) -> Self {
        let (expected, found) = (expected.to_string(), found.to_string());
        Error::new(Fault::DigestMismatch { expected, found })
    }

    /// Returns a `DiffIdMismatch` error.
    pub fn diff_id_mismatch(expected: impl Display, found: impl Display) -> Self {
        let (expected, found) = (expected.to_string(), found.to_string());
        Error::new(Fault::DiffIdMismatch { expected, found })
    }

    /// Returns a `NotAFile` error.
    pub fn not_a_file(kind: &'static str) -> Self {
        Error::new(Fault::NotAFile { kind })
    }

    /// Returns a `BlobMissing` error.
    pub fn blob_missing(digest: impl Display) -> Self {
        let digest = digest.to_string();
        Error::new(Fault::BlobMissing { digest })
    }

    /// Returns a `MemberMissing` error.
    pub fn member_missing(name: impl Into<String>) -> Self {
        Error::new(Fault::MemberMissing { name: name.into() })
    }

    /// Returns a `Schema` error.
    pub fn schema(
        field: impl Into<String>,
        expected: &'static str,
        found: impl Into<String>,
    ) -> Self {
        Error::new(Fault::Schema {
            field: field.into(),
            expected,
            found: found.into(),
        })
    }

    /// Returns an `Unsupported` error.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Error::new(Fault::Unsupported { what: what.into() })
    }

    /// Returns an `Ambiguous` error.
    pub fn ambiguous(why: impl Into<String>) -> Self {
        Error::new(Fault::Ambiguous { why: why.into() })
    }

    /// Returns a `Codec` error.
    pub fn codec(codec: &'static str, why: impl Into<String>) -> Self {
        let why = why.into();
        Error::new(Fault::Codec { codec, why })
    }

    /// Returns a `NoSuchImage` error.
    pub fn no_such_image(wanted: impl Into<String>, candidates: Candidates) -> Self {
        let wanted = wanted.into();
        Error::new(Fault::NoSuchImage { wanted, candidates })
    }

    /// Returns a `NotFound` error, with the name that is most likely meant.
    pub fn not_found(wanted: impl Into<String>, closest: Option<String>) -> Self {
        let wanted = wanted.into();
        Error::new(Fault::NotFound { wanted, closest })
    }

    /// Returns an `Exists` error.
    pub fn exists(kind: &'static str) -> Self {
        Error::new(Fault::Exists { kind })
    }

    /// Returns an `Entry` error.
    pub fn entry(why: &'static str) -> Self {
        Error::new(Fault::Entry { why })
    }

    /// Returns a `Json` error.
    pub fn json(why: impl Into<String>) -> Self {
        Error::new(Fault::Json { why: why.into() })
    }

    /// Returns a `Usage` error.
    pub fn usage(why: impl Into<String>) -> Self {
        Error::new(Fault::Usage(why.into()))
    }
}
