//! The files of a repository that list its packages: found in whatever form is there, unpacked, and compared with what
//! the release says of them.

use std::io::Read;
use std::path::Path;

use super::super::Packing;
use super::super::release::{Listed, Release, wrong};
use crate::blob::{DecodeLimits, FileRange, Hasher, open_regular};
use crate::error::{Error, Fault, Result};

/// Bytes of an index, as it is stored and unpacked.
const MAX_INDEX: u64 = 1 << 30;

/// How an index may be packed, the cheapest first.
const SUFFIXES: [&str; 6] = ["", ".zst", ".gz", ".xz", ".bz2", ".lzma"];

/// Whether something has that name; a link that leads nowhere has it too, and is an error when it is read.
pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

pub(super) fn whole(path: &Path, limit: u64) -> Result<Vec<u8>> {
    FileRange::whole(open_regular(path, true)?)?.bytes(limit)
}

/// An index out of a mirror, in whatever form is there.
pub(super) fn read_index(
    root: &Path,
    folder: &str,
    stem: &str,
    release: Option<&Release>,
    is_needed: bool,
) -> Result<Option<String>> {
    let plain = release.and_then(|release| release.file(stem));
    let mut is_listed = plain.is_some();
    for suffix in SUFFIXES {
        let name = format!("{stem}{suffix}");
        let listed = release.and_then(|release| release.file(&name));
        is_listed |= listed.is_some();
        let mut path = root.join(format!("{folder}{name}"));
        if let (Some(release), Some(listed)) = (release, listed)
            && release.is_by_hash()
        {
            let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
            let kind = listed.digest.algorithm().to_ascii_uppercase();
            let hex = listed.digest.encoded();
            let by_hash = root.join(format!("{folder}{parent}/by-hash/{kind}/{hex}"));
            if exists(&by_hash) {
                path = by_hash;
            }
        }
        if exists(&path) && (listed.is_some() || plain.is_some() || release.is_none()) {
            let checked = if suffix.is_empty() { None } else { plain };
            return read_packed(&path, suffix, listed, checked).map(Some);
        }
    }
    match (is_needed, is_listed) {
        (_, true) => Err(wrong("it lists an index that is not there".to_owned())),
        (true, false) => Err(wrong("it has no such index".to_owned())),
        (false, false) => Ok(None),
    }
}

/// A list of apt's, which keeps it unpacked, or packed by lz4 where it is to save room.
pub(super) fn read_list(
    lists: &Path,
    mangled: &str,
    stem: &str,
    release: Option<&Release>,
) -> Result<Option<String>> {
    let plain = release.and_then(|release| release.file(stem));
    for suffix in SUFFIXES.into_iter().chain([".lz4"]) {
        let path = lists.join(format!("{mangled}{suffix}"));
        let listed = release.and_then(|release| release.file(&format!("{stem}{suffix}")));
        if exists(&path) && (listed.is_some() || plain.is_some()) {
            let checked = if suffix.is_empty() { None } else { plain };
            return read_packed(&path, suffix, listed, checked).map(Some);
        }
    }
    Ok(None)
}

/// A file and, unpacked, the text in it. What is listed for neither is not compared.
fn read_packed(
    path: &Path,
    suffix: &str,
    stored: Option<&Listed>,
    unpacked: Option<&Listed>,
) -> Result<String> {
    let bytes = whole(path, MAX_INDEX)?;
    if let Some(listed) = stored {
        compare(&bytes, listed)?;
    }
    let bytes = match Packing::of_suffix(suffix) {
        None if suffix == ".lz4" => unpacked_lz4(&bytes)?,
        None | Some(Packing::Common(crate::blob::Compression::None)) => bytes,
        Some(packing) => {
            let limits = DecodeLimits {
                size: MAX_INDEX,
                ..DecodeLimits::default()
            };
            let mut plain = Vec::new();
            let mut decoder = packing.decoder(&bytes[..], limits)?;
            let read = decoder.read_to_end(&mut plain);
            read.map_err(|error| Error::io("read", error))?;
            plain
        }
    };
    if let (None, Some(listed)) = (stored, unpacked) {
        compare(&bytes, listed)?;
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

fn unpacked_lz4(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    let decoder = lz4_flex::frame::FrameDecoder::new(bytes);
    let read = decoder.take(MAX_INDEX + 1).read_to_end(&mut plain);
    read.map_err(|error| Error::io("read", error))?;
    match plain.len() as u64 {
        0..=MAX_INDEX => Ok(plain),
        found => Err(Error::new(Fault::Limit {
            what: "size of an index in bytes",
            limit: MAX_INDEX,
            found,
        })),
    }
}

fn compare(bytes: &[u8], listed: &Listed) -> Result<()> {
    if bytes.len() as u64 != listed.size {
        return Err(Error::new(Fault::SizeMismatch {
            expected: listed.size,
            found: bytes.len() as u64,
        }));
    }
    let mut hasher = Hasher::like(&listed.digest)?;
    hasher.update(bytes);
    let found = hasher.finish();
    match found == listed.digest {
        true => Ok(()),
        false => Err(Error::new(Fault::DigestMismatch {
            expected: listed.digest.to_string(),
            found: found.to_string(),
        })),
    }
}
