//! Signatures that lie beside a manifest in skopeo's `dir:`, and what no output can carry along.
//!
//! `signature-1` is about `manifest.json`, `<hex>.signature-1` about one manifest of a list. They are of a manifest's
//! bytes, so they go with it where it stays what it is.

use std::sync::Arc;

use super::bundle::Bundle;
use super::rewrite::Loss;
use crate::archive::{Archive, Shape};
use crate::error::Result;
use crate::spec::Digest;

/// A signature of a manifest.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The manifest.
    pub(super) of: Digest,
    /// Its number among those of the manifest, from 1.
    number: u32,
    /// The file that held it.
    file: String,
    pub(super) bytes: Arc<[u8]>,
}

impl Signature {
    /// What its file is called beside the manifest of a `dir:`, or in a `dir:` with that manifest among others.
    pub(super) fn name(&self, main: &Digest) -> String {
        match self.of == *main {
            true => format!("signature-{}", self.number),
            false => format!("{}.signature-{}", self.of.encoded(), self.number),
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

impl Bundle {
    /// Takes the signatures of a `dir:` along.
    ///
    /// # Errors
    /// `Limit` for one that is larger than a document; `Io`.
    pub(super) fn add_signatures(&mut self, archive: &Archive) -> Result<()> {
        if archive.shape != Shape::Dir {
            return Ok(());
        }
        let main = archive.oci.as_ref().and_then(|oci| oci.edges.first());
        let Some(main) = main.map(|edge| &edge.descriptor.digest) else {
            return Ok(());
        };
        let limits = &archive.container.limits;
        for file in archive.container.names(limits)? {
            let (of, number) = match file.split_once(".signature-") {
                Some((hex, number)) => (Digest::from_hex("sha256", hex).ok(), number),
                None => match file.strip_prefix("signature-") {
                    Some(number) => (Some(main.clone()), number),
                    None => continue,
                },
            };
            let number = number.parse().ok().filter(|number| *number > 0);
            let (Some(of), Some(number)) = (of, number) else {
                continue;
            };
            // An image for one platform comes without the others' and without that of the list.
            if self.blob(&of).is_none() || self.signatures.iter().any(|known| known.file == file) {
                continue;
            }
            if let Some(bytes) = archive.container.read(&file, limits.of_document())? {
                self.signatures.push(Signature {
                    of,
                    number,
                    file,
                    bytes,
                });
            }
        }
        Ok(())
    }

    /// The signatures of manifests that are still what they were.
    pub(super) fn valid_signatures(&self) -> impl Iterator<Item = &Signature> {
        let signatures = self.signatures.iter();
        signatures.filter(|signature| self.blob(&signature.of).is_some())
    }

    /// All that could not be carried along as it was into a format that holds no more than that.
    pub fn losses(&self, holds: Holds) -> Vec<Loss> {
        let mut losses = self.losses.clone();
        for signature in &self.signatures {
            let why = match self.blob(&signature.of) {
                None => "the manifest that it is about changed",
                Some(_) if holds == Holds::Signatures => continue,
                Some(_) => "only dir: holds signatures",
            };
            let file = signature.file.clone();
            losses.push(Loss::Signature { file, why });
        }
        if holds == Holds::Images {
            let others = self.listed.iter().filter(|listed| listed.image.is_none());
            losses.extend(others.map(|listed| Loss::NotAnImage {
                digest: listed.descriptor.digest.clone(),
            }));
        }
        losses
    }
}
