//! Bytes against everything that states their digests, sizes and formats.

use std::io::BufReader;

use super::finding::{Found, Severity};
use super::tasks::{Claim, Mismatch, Task};
use crate::archive::Content;
use crate::blob::{CHUNK, Compression, Decoder, Hasher, HashingReader};
use crate::error::{During, Error, Fault, Result};
use crate::layer::{Limits, Scan};
use crate::spec::Digest;

/// Checks stated digests whose algorithm is not that of the computed one.
pub(super) fn others(
    task: &Task<'_>,
    digest: &Digest,
    algorithms: &[&Digest],
    found: &mut Found,
    places: &[String],
) {
    for like in algorithms {
        if like.algorithm() == digest.algorithm() {
            continue;
        }
        match task.content.digest(like) {
            Ok(digest) => compare_digest(task, &digest, found, places),
            Err(error) => unsupported(&error, like, found, places),
        }
    }
}

/// Reports a digest that could not be computed.
fn unsupported(error: &Error, digest: &Digest, found: &mut Found, places: &[String]) {
    match error.fault() {
        Fault::StreamConsumed | Fault::UnsupportedDigest { .. } => {
            let why = match error.fault() {
                Fault::StreamConsumed => "in one pass over a stream",
                _ => "here",
            };
            let message = format!("{digest} is by an algorithm that cannot be checked {why}");
            found.within(Severity::Error, "unsupported-digest", places, message);
        }
        _ => found.error_within(error, places),
    }
}

/// Compares size and digest with everything that states them.
pub(super) fn compare(
    task: &Task<'_>,
    size: u64,
    digest: &Digest,
    found: &mut Found,
    places: &[String],
) {
    let mut sizes: Vec<u64> = task
        .descriptors
        .iter()
        .map(|descriptor| descriptor.size)
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    for expected in sizes.into_iter().filter(|&expected| expected != size) {
        let message = format!("size mismatch: expected {expected} bytes, found {size}");
        found.within(Severity::Error, "size-mismatch", places, message);
    }
    compare_digest(task, digest, found, places);
}

fn compare_digest(task: &Task<'_>, digest: &Digest, found: &mut Found, places: &[String]) {
    let stated = task.descriptors.iter().map(|descriptor| &descriptor.digest);
    let mut wrong: Vec<&Digest> = stated
        .chain(&task.digest)
        .filter(|stated| stated.algorithm() == digest.algorithm() && *stated != digest)
        .collect();
    wrong.sort_unstable();
    wrong.dedup();
    for expected in wrong {
        let message = format!("digest mismatch: expected {expected}, found {digest}");
        found.within(Severity::Error, "digest-mismatch", places, message);
    }
}

/// Compares the diff ID and media type that one image states of a layer with its bytes.
pub(super) fn layer_findings(
    task: &Task<'_>,
    claim: &Claim<'_>,
    scan: &Scan,
    limits: &Limits,
    found: &mut Found,
) {
    if !claim.is_tar() {
        return;
    }
    if let (Some(expected), Some(plain)) = (claim.diff_id, &scan.diff_id) {
        let other = match expected.algorithm() == plain.algorithm() {
            true => Ok(plain.clone()),
            false => plain_digest(&task.content, scan.compression, expected, limits),
        };
        match other {
            Ok(plain) if plain == *expected => {}
            Ok(plain) => {
                let message = format!("diff ID mismatch: expected {expected}, found {plain}");
                let (code, message) = match claim.mismatch {
                    Mismatch::Damage => ("diff-id-mismatch", message),
                    Mismatch::Halves => (
                        "halves-disagree",
                        format!("another layer than index.json has here: {message}"),
                    ),
                    Mismatch::Items => (
                        "ambiguous",
                        format!("another layer than the config has elsewhere: {message}"),
                    ),
                };
                found.within(Severity::Error, code, &claim.places, message);
            }
            Err(error) => unsupported(&error, expected, found, &claim.places),
        }
    }
    let lie = claim
        .media_type
        .and_then(|media_type| media_type_lies(media_type, scan.compression));
    if let Some(claimed) = lie {
        let bytes = match scan.compression.name() {
            "none" => "not compressed",
            name => name,
        };
        let message = format!("media type says {claimed}, the bytes are {bytes}");
        found.within(Severity::Warning, "media-type", &claim.places, message);
    }
}

/// Digest of the uncompressed bytes with the algorithm of `like`. Decodes the layer once more; such diff IDs are rare.
fn plain_digest(
    content: &Content,
    compression: Compression,
    like: &Digest,
    limits: &Limits,
) -> Result<Digest> {
    let hasher = Hasher::like(like)?;
    let stored = BufReader::with_capacity(CHUNK, content.reader()?);
    let decoder = Decoder::new(stored, compression, limits.decode)?;
    let mut hashing = HashingReader::new(decoder, hasher);
    std::io::copy(&mut hashing, &mut std::io::sink()).during("read")?;
    Ok(hashing.finish().0)
}

/// Compression that a layer's media type states, if it differs from the actual one.
fn media_type_lies(
    media_type: &crate::spec::MediaType,
    compression: Compression,
) -> Option<&'static str> {
    use crate::spec::LayerKind;
    let claimed = match media_type.layer_kind()? {
        LayerKind::Tar => Compression::None,
        LayerKind::Gzip => Compression::Gzip,
        LayerKind::Zstd => Compression::Zstd,
        LayerKind::Encrypted => return None,
    };
    (claimed != compression).then(|| claimed.name())
}
