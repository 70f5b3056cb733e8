//! Digests of contents.

/// Digest of contents, as a list of files states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentDigest {
    /// MD5.
    Md5([u8; 16]),
    /// SHA-1.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl ContentDigest {
    /// Parses hexadecimal digits, by their number; `None` for other digests.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        fn decode<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
            let mut bytes = [0; N];
            hex::decode_to_slice(digits, &mut bytes).ok()?;
            Some(bytes)
        }
        match digits.len() {
            32 => decode(digits).map(ContentDigest::Md5),
            40 => decode(digits).map(ContentDigest::Sha1),
            64 => decode(digits).map(ContentDigest::Sha256),
            _ => None,
        }
    }
}

/// Digests of contents, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digests {
    /// MD5.
    pub md5: Option<[u8; 16]>,
    /// SHA-1.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
}

impl Digests {
    /// Reports whether a stated digest is one of them.
    pub fn has(&self, stated: &ContentDigest) -> bool {
        match stated {
            ContentDigest::Md5(digest) => self.md5.as_ref() == Some(digest),
            ContentDigest::Sha1(digest) => self.sha1.as_ref() == Some(digest),
            ContentDigest::Sha256(digest) => self.sha256.as_ref() == Some(digest),
        }
    }
}
