//! Blobs of a receipt.

use std::fmt;

use crate::error::{Error, Fault, Result};
use crate::spec::Digest;

/// Number of hexadecimal digits of a digest that is cut.
const BRIEF: usize = 32;

/// Digest in a receipt, in full or cut to 32 digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<str>);

/// Size and diff ID of a blob, as a receipt states them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Size in bytes; `None` in a list of digests.
    pub size: Option<u64>,
    /// Digest of the uncompressed tar; `None` if it is unknown, the digest itself, or the blob is no layer.
    pub diff_id: Option<Key>,
    /// The bundle that carried it last; `None` but in a ledger that remembers it.
    pub sent: Option<Sent>,
}

/// A bundle that a ledger remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Number of the bundle, from 1.
    pub bundle: u64,
    /// Its time in seconds since 1970.
    pub time: i64,
}

impl Key {
    /// Parses a digest, in full or cut.
    ///
    /// # Errors
    /// `BadDigest`.
    pub fn parse(text: &str) -> Result<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_brief = match text.split_once(':') {
            Some(("sha256" | "sha512" | "blake3", hex)) => {
                hex.len() == BRIEF && hex.bytes().all(is_digit)
            }
            _ => false,
        };
        if !is_brief {
            Digest::parse(text)?;
        }
        Ok(Key(text.into()))
    }

    /// Text of the digest.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the digest, unless it is cut.
    ///
    /// # Errors
    /// `BadDigest` for a cut one.
    pub fn digest(&self) -> Result<Digest> {
        Digest::parse(&self.0)
    }

    /// Tests if the digest is cut.
    pub fn is_brief(&self) -> bool {
        match self.0.split_once(':') {
            Some(("sha256" | "sha512" | "blake3", hex)) => hex.len() == BRIEF,
            _ => false,
        }
    }

    /// Returns the digest cut to 32 digits; one with fewer, or of an algorithm with other digits, as it is.
    #[must_use]
    pub fn brief(&self) -> Self {
        match self.0.split_once(':') {
            Some(("sha256" | "sha512" | "blake3", _)) => {
                let end = self.0.find(':').map_or(0, |colon| colon + 1 + BRIEF);
                Key(self.0.get(..end).unwrap_or(&self.0).into())
            }
            _ => self.clone(),
        }
    }
}

impl From<&Digest> for Key {
    fn from(digest: &Digest) -> Self {
        Key(digest.as_str().into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the error for a line of a receipt, counted from 1.
pub(super) fn invalid(line: usize, why: impl Into<String>) -> Error {
    let why = why.into();
    Error::new(Fault::Receipt { line, why })
}
