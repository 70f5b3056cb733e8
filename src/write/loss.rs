//! Losses of a conversion: data of the input that the output cannot carry.

use std::fmt;

use crate::spec::Digest;

/// Something that could not be carried along as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// The contents of a referrer name a digest of the source. It points to the new one; what it says does not.
    Names {
        /// The digest of the referrer's manifest in the output.
        referrer: Digest,
        /// The digest that its contents name.
        old: Digest,
    },
    /// A signature of a `dir:` that was left out.
    Signature {
        /// The file that held it.
        file: String,
        /// Why it was left out.
        why: &'static str,
    },
    /// Something that is no image, left out of a format that holds images only.
    NotAnImage {
        /// The digest of its manifest.
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
            Loss::Signature { file, why } => write!(f, "{file}: signature left out: {why}"),
            Loss::NotAnImage { digest } => {
                write!(
                    f,
                    "{digest}: left out: no image, and this format holds only images"
                )
            }
        }
    }
}

/// What a format can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Images, artifacts and signatures: skopeo's `dir:`.
    Signatures,
    /// Images and artifacts.
    Artifacts,
    /// Images only: docker-archives without an OCI half.
    Images,
}
