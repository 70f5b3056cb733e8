//! Package indices of a repository: found in any supported compression, decompressed, and verified by the digests in the
//! release.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::DebCompression;
use super::super::release::{Listed, Release, wrong};
use crate::blob::{DecodeLimits, FileRange, Hasher, open_regular};
use crate::error::{During, Result, same_digest, same_size, within};

/// Maximum size of an index in bytes, compressed and uncompressed.
const MAX_INDEX: u64 = 1 << 30;

/// Suffixes of compressed indices, cheapest to decompress first.
const SUFFIXES: [&str; 6] = ["", ".zst", ".gz", ".xz", ".bz2", ".lzma"];

/// Returns whether a path exists. A broken link counts as existing, and is an error when read.
pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Reads a whole file of at most `limit` bytes.
pub(super) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>> {
    FileRange::whole(open_regular(path, true)?)?.bytes(limit)
}

/// Reads an index of a mirror in any compression; `None` if it is missing and neither needed nor listed.
pub(super) fn read_index(
    root: &Path,
    directory: &str,
    stem: &str,
    release: Option<&Release>,
    is_needed: bool,
) -> Result<Option<String>> {
    let path = |name: &str, listed: Option<&Listed>| {
        if let (Some(release), Some(listed)) = (release, listed)
            && release.is_by_hash()
        {
            let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
            let kind = listed.digest.algorithm().to_ascii_uppercase();
            let hex = listed.digest.encoded();
            let by_hash = root.join(format!("{directory}{parent}/by-hash/{kind}/{hex}"));
            if exists(&by_hash) {
                return by_hash;
            }
        }
        root.join(format!("{directory}{name}"))
    };
    if let Some(index) = read_first(&SUFFIXES, stem, release, path)? {
        return Ok(Some(index));
    }
    let is_listed = |release: &Release| {
        let mut names = SUFFIXES.iter().map(|suffix| format!("{stem}{suffix}"));
        names.any(|name| release.file(&name).is_some())
    };
    match (is_needed, release.is_some_and(is_listed)) {
        (_, true) => Err(wrong("listed index is missing".to_owned())),
        (true, false) => Err(wrong("missing index".to_owned())),
        (false, false) => Ok(None),
    }
}

/// Reads an index from the lists of apt, which are uncompressed, or compressed with lz4 if so configured.
pub(super) fn read_list(
    lists: &Path,
    mangled: &str,
    stem: &str,
    release: Option<&Release>,
) -> Result<Option<String>> {
    let suffixes = ["", ".zst", ".gz", ".xz", ".bz2", ".lzma", ".lz4"];
    read_first(&suffixes, stem, release, |name, _| {
        let suffix = name.strip_prefix(stem).unwrap_or_default();
        lists.join(format!("{mangled}{suffix}"))
    })
}

/// Reads an index in the first compression whose file exists; `None` if there is none. `path` returns the path of a file
/// by its name in the release.
fn read_first(
    suffixes: &[&str],
    stem: &str,
    release: Option<&Release>,
    path: impl Fn(&str, Option<&Listed>) -> PathBuf,
) -> Result<Option<String>> {
    let uncompressed = release.and_then(|release| release.file(stem));
    for suffix in suffixes {
        let name = format!("{stem}{suffix}");
        let listed = release.and_then(|release| release.file(&name));
        let path = path(&name, listed);
        if exists(&path) && (listed.is_some() || uncompressed.is_some() || release.is_none()) {
            let checked = uncompressed.filter(|_| !suffix.is_empty());
            return read_compressed(&path, suffix, listed, checked).map(Some);
        }
    }
    Ok(None)
}

/// Reads, verifies and decompresses an index; `compressed` and `uncompressed` are the listed digests, if any.
fn read_compressed(
    path: &Path,
    suffix: &str,
    compressed: Option<&Listed>,
    uncompressed: Option<&Listed>,
) -> Result<String> {
    let bytes = read_file(path, MAX_INDEX)?;
    if let Some(listed) = compressed {
        compare(&bytes, listed)?;
    }
    let bytes = match DebCompression::of_suffix(suffix) {
        None if suffix == ".lz4" => decompress_lz4(&bytes)?,
        None | Some(DebCompression::Common(crate::blob::Compression::None)) => bytes,
        Some(compression) => {
            let limits = DecodeLimits {
                size: MAX_INDEX,
                ..DecodeLimits::default()
            };
            let mut uncompressed = Vec::new();
            let mut decoder = compression.decoder(&bytes[..], limits)?;
            decoder.read_to_end(&mut uncompressed).during("read")?;
            uncompressed
        }
    };
    if let (None, Some(listed)) = (compressed, uncompressed) {
        compare(&bytes, listed)?;
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// Decompresses lz4, up to the size limit.
fn decompress_lz4(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut uncompressed = Vec::new();
    let decoder = lz4_flex::frame::FrameDecoder::new(bytes);
    let read = decoder.take(MAX_INDEX + 1).read_to_end(&mut uncompressed);
    read.during("read")?;
    let found = uncompressed.len() as u64;
    within("size of an index in bytes", MAX_INDEX, found)?;
    Ok(uncompressed)
}

/// Compares size and digest.
fn compare(bytes: &[u8], listed: &Listed) -> Result<()> {
    same_size(listed.size, bytes.len() as u64)?;
    let mut hasher = Hasher::like(&listed.digest)?;
    hasher.update(bytes);
    same_digest(&listed.digest, &hasher.finish())
}
