//! Sorted digests.

use crate::error::{Error, Result};
use crate::facts::{ContentDigest, Digests};

/// Digests.
#[derive(Debug, Default)]
pub struct DigestSet {
    md5: Vec<[u8; 16]>,
    sha1: Vec<[u8; 20]>,
    sha256: Vec<[u8; 32]>,
}

impl DigestSet {
    /// Adds a digest of a kind that files are asked for, and skips longer ones.
    ///
    /// # Errors
    /// `Schema` for what is no digest.
    pub(super) fn add(&mut self, digits: &[u8]) -> Result<()> {
        match ContentDigest::parse(digits) {
            Some(ContentDigest::Md5(digest)) => self.md5.push(digest),
            Some(ContentDigest::Sha1(digest)) => self.sha1.push(digest),
            Some(ContentDigest::Sha256(digest)) => self.sha256.push(digest),
            None => {
                // SHA-224, SHA-384 and SHA-512, which files are not asked for.
                let is_other = [56, 96, 128].contains(&digits.len());
                if !is_other || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(no_list("another line"));
                }
            }
        }
        Ok(())
    }

    /// Ends the adding.
    pub(super) fn sorted(mut self) -> Self {
        self.md5.sort_unstable();
        self.sha1.sort_unstable();
        self.sha256.sort_unstable();
        self
    }

    /// Reports whether MD5 or SHA-1 is needed: the set has digests of this kind.
    pub fn kinds(&self) -> (bool, bool) {
        (!self.md5.is_empty(), !self.sha1.is_empty())
    }

    /// Tests if one of the digests is in the set.
    pub fn contains(&self, digests: &Digests) -> bool {
        fn is_in<const N: usize>(set: &[[u8; N]], digest: Option<[u8; N]>) -> bool {
            digest.is_some_and(|digest| set.binary_search(&digest).is_ok())
        }
        is_in(&self.sha256, digests.sha256)
            || is_in(&self.sha1, digests.sha1)
            || is_in(&self.md5, digests.md5)
    }

    /// Bytes of all digests.
    pub(super) fn size(&self) -> u64 {
        (16 * self.md5.len() + 20 * self.sha1.len() + 32 * self.sha256.len()) as u64
    }
}

/// The error of another file than a list.
pub(super) fn no_list(found: &str) -> Error {
    Error::schema(
        "set of digests",
        "lines with MD5, SHA-1 or SHA-256 digests",
        found,
    )
}
