//! Signatures that lie beside a manifest in skopeo's `dir:`.
//!
//! `signature-1` signs `manifest.json`, `<hex>.signature-1` one manifest of a list. They sign a manifest's bytes, so
//! they are kept only with a manifest that does not change.

use std::sync::Arc;

use crate::archive::{Archive, Format};
use crate::error::Result;
use crate::spec::Digest;

/// A signature of a manifest.
#[derive(Debug, Clone)]
pub struct Signature {
    /// Digest of the manifest.
    pub(super) of: Digest,
    /// Number of the signature among those of the manifest, from 1.
    number: u32,
    /// Name of its file.
    pub(super) file: String,
    pub(super) bytes: Arc<[u8]>,
}

impl Signature {
    /// Name of its file in a `dir:` whose `manifest.json` is `main`.
    pub(super) fn name(&self, main: &Digest) -> String {
        match self.of == *main {
            true => format!("signature-{}", self.number),
            false => format!("{}.signature-{}", self.of.encoded(), self.number),
        }
    }
}

/// Adds the signatures of a `dir:` for manifests that `is_known` returns true for.
///
/// # Errors
/// `Limit` for a signature that is larger than a document; `Io`.
pub(super) fn read(
    archive: &Archive,
    is_known: impl Fn(&Digest) -> bool,
    signatures: &mut Vec<Signature>,
) -> Result<()> {
    if archive.format != Format::Dir {
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
        // An image for one platform comes without the signatures of the list and of other platforms.
        if !is_known(&of) || signatures.iter().any(|known| known.file == file) {
            continue;
        }
        if let Some(bytes) = archive.container.read(&file, limits.of_document())? {
            signatures.push(Signature {
                of,
                number,
                file,
                bytes,
            });
        }
    }
    Ok(())
}
