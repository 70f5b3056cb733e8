//! Digests: `algorithm:encoded`, validated before use.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Fault, Result};

/// Content digest that conforms to the grammar of the image specification ("Descriptors, Digests").
///
/// For the registered algorithms (sha256, sha512, blake3) length and alphabet are checked too. A `Digest` is safe in a
/// path: it has no `/` and no leading dot. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    text: Arc<str>,
    colon: usize,
}

impl Digest {
    /// Parses a digest.
    ///
    /// # Errors
    /// `BadDigest` with the broken rule. An unknown algorithm is an error only when bytes are hashed with it.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why| {
            Error::new(Fault::BadDigest {
                text: shortened(text),
                why,
            })
        };
        let Some((algorithm, encoded)) = text.split_once(':') else {
            return Err(bad("missing ':'"));
        };
        let mut parts = algorithm.split(['+', '.', '_', '-']);
        if !parts.all(|p| {
            !p.is_empty()
                && p.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        }) {
            return Err(bad(
                "expected an algorithm of lower-case letters and digits",
            ));
        }
        let length = match algorithm {
            "sha256" | "blake3" => Some(64),
            "sha512" => Some(128),
            _ => None,
        };
        if let Some(length) = length {
            if encoded.len() != length {
                return Err(bad("wrong length for the algorithm"));
            }
            if !encoded
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            {
                return Err(bad("expected lower-case hexadecimal digits"));
            }
        } else if encoded.is_empty()
            || encoded.len() > 1024
            || !encoded
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'=' | b'_' | b'-'))
        {
            return Err(bad(
                "expected letters, digits, '=', '_' or '-' after the ':'",
            ));
        }
        Ok(Digest {
            text: text.into(),
            colon: algorithm.len(),
        })
    }

    /// Returns the digest of a bare lower-case hash, for formats that omit the algorithm.
    pub fn from_hex(algorithm: &str, hex: &str) -> Result<Self> {
        Digest::parse(&format!("{algorithm}:{hex}"))
    }

    /// Returns a digest computed by this program, without validation.
    pub(crate) fn known(algorithm: &'static str, hex: &str) -> Self {
        Digest {
            text: format!("{algorithm}:{hex}").into(),
            colon: algorithm.len(),
        }
    }

    /// Text of the digest, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Name of the algorithm.
    pub fn algorithm(&self) -> &str {
        &self.text[..self.colon]
    }

    /// Encoded part, after the colon.
    pub fn encoded(&self) -> &str {
        &self.text[self.colon + 1..]
    }

    /// First 12 characters of the encoded part, as docker prints IDs in tables.
    pub fn short(&self) -> &str {
        let encoded = self.encoded();
        &encoded[..encoded.len().min(12)]
    }

    /// Path of the blob in an OCI layout: `blobs/sha256/…`.
    pub fn blob_path(&self) -> String {
        format!("blobs/{}/{}", self.algorithm(), self.encoded())
    }

    /// Returns the digest in the name of a layout's blob.
    pub fn from_blob_path(path: &str) -> Option<Self> {
        let (algorithm, encoded) = path.strip_prefix("blobs/")?.split_once('/')?;
        Digest::from_hex(algorithm, encoded).ok()
    }
}

/// Shortens a hostile text for a message.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn parts_of_a_digest() {
        let digest = Digest::parse(EMPTY).expect("a digest");
        assert_eq!(
            (digest.algorithm(), digest.short()),
            ("sha256", "e3b0c44298fc")
        );
        assert_eq!(Digest::from_blob_path(&digest.blob_path()), Some(digest));
    }

    #[test]
    fn hostile_digests_are_refused() {
        for text in [
            "sha256:../../etc/passwd",
            "sha256:",
            "sha256",
            ":abc",
            "SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
            "x/y:abc",
            "x+:abc",
            "other:a/b",
            "other:a\0b",
        ] {
            assert!(Digest::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn unknown_algorithms_are_digests() {
        assert_eq!(
            Digest::parse("multihash+base58:QmRZxt2b1")
                .expect("a digest")
                .algorithm(),
            "multihash+base58"
        );
    }
}
