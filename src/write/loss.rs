//! Losses of a conversion: data of the input that the output cannot carry.

use std::fmt;

use crate::spec::Digest;

/// Data that an output does not carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// The contents of a referrer name a digest of the source. The referrer points to the new digest; its contents do
    /// not.
    Names {
        /// Digest of the referrer's manifest in the output.
        referrer: Digest,
        /// The digest in its contents.
        old: Digest,
    },
    /// An omitted signature of a `dir:`.
    Signature {
        /// Name of its file.
        file: String,
        /// Reason for the omission.
        why: &'static str,
    },
    /// An artifact, omitted from a format for images only.
    NotAnImage {
        /// Digest of its manifest.
        digest: Digest,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Names { referrer, old } => write!(
                f,
                "{referrer}: its contents name {old}, the digest before the conversion; a signature in it no longer verifies"
            ),
            Loss::Signature { file, why } => write!(f, "{file}: signature omitted: {why}"),
            Loss::NotAnImage { digest } => {
                write!(
                    f,
                    "{digest}: omitted: not an image, and this format holds only images"
                )
            }
        }
    }
}

/// Kinds of objects that a format can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Images, artifacts and signatures: skopeo's `dir:`.
    Signatures,
    /// Images and artifacts.
    Artifacts,
    /// Images only: docker-archives without an OCI half.
    Images,
}
