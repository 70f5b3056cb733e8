//! Pieces of files that other programs split, joined by their names.
//!
//! Threats: pieces that are missing, or stale ones of an earlier, longer file. A gap is an error that names the piece,
//! and zarf's checksum of the whole is compared.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::joined::{Joined, Piece};
use super::names::{Member, MemberName};
use super::set::mixed;
use crate::blob::{Compression, FileRange, open_regular};
use crate::error::{At, Fault, Result, VolumeFault, same_digest, same_size, within};
use crate::spec::Digest;

/// Pieces in their order.
#[derive(Debug)]
pub struct Pieces {
    /// Paths, at least two.
    pub paths: Vec<PathBuf>,
    /// Length of the whole in bytes, and its SHA-256, where zarf states them.
    stated: Option<(u64, Digest)>,
}

/// Length in bytes of the end marker of a tar: zeros.
const END: u64 = 1024;

/// Maximum length in bytes of zarf's description of the parts.
const MAX_DESCRIPTION: u64 = 64 << 10;

impl Pieces {
    /// Returns the pieces that a file is one of; `None` for a file that stands alone.
    ///
    /// # Errors
    /// `Volumes` for a gap; `Limit` past `most` pieces.
    pub fn of(path: &Path, most: u64) -> Result<Option<Self>> {
        let file_name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = file_name.and_then(MemberName::parse) else {
            return Ok(None);
        };
        let exists = |position: u64| name.path_at(path, position).is_file();
        let first = match name.kind {
            Member::Parity => return Ok(None),
            // The extension of any other file is no suffix of split.
            Member::Letters if !exists(0) => return Ok(None),
            Member::Letters => 0,
            Member::Digits | Member::Part => u64::from(!exists(0)),
        };
        // Names of archives may end in a version.
        if exists(first) && stands_alone(&name.path_at(path, first))? || stands_alone(path)? {
            return Ok(None);
        }
        let next = name.path_at(path, name.position + 1);
        if is_compressed(&head(path)?) && (!next.is_file() || is_archive(&next)?) {
            return Ok(None);
        }
        let mut paths = Vec::new();
        let mut position = first;
        while exists(position) {
            paths.push(name.path_at(path, position));
            position += 1;
            within("volumes", most, paths.len() as u64)?;
        }
        // Whatever is named or lies behind a gap of up to 100 names belongs to the same whole.
        let behind =
            (position..position.saturating_add(100)).any(exists) || name.position > position;
        if behind && (paths.len() > 1 || name.position != first) {
            let missing = name.at(position);
            let is_alone = paths.is_empty()
                && !exists(name.position + 1)
                && !exists(name.position.saturating_sub(1));
            // A lone file whose name ends with a number may be anything.
            if is_alone && is_archive(path)? {
                return Ok(None);
            }
            return Err(Fault::Volumes(VolumeFault::Gap { name: missing }).into());
        }
        if behind {
            let missing = name.at(position);
            return Err(Fault::Volumes(VolumeFault::Gap { name: missing }).into());
        }
        if paths.len() < 2 {
            return Ok(None);
        }
        let mut stated = None;
        if (name.kind, first) == (Member::Part, 0)
            && let Some(description) = paths.first()
        {
            let count = paths.len() as u64 - 1;
            stated = described(description, count).at(|| name.at(0))?;
            if stated.is_some() {
                paths.remove(0);
            }
        }
        Ok(Some(Pieces { paths, stated }))
    }

    /// Joins the pieces, and compares the checksum that zarf states.
    ///
    /// # Errors
    /// `DigestMismatch`, `SizeMismatch`; `Io`.
    pub fn range(&self) -> Result<FileRange> {
        let mut pieces = Vec::new();
        let mut offset = 0;
        for path in &self.paths {
            let place = || path.to_string_lossy().into_owned();
            let file = open_regular(path, true).at(place)?;
            let piece = Piece::plain(file, offset).at(place)?;
            offset = piece.end();
            pieces.push(piece);
        }
        let range = FileRange::joined(Box::new(Joined::new(pieces, offset)));
        if let Some((size, digest)) = &self.stated {
            same_size(*size, offset)?;
            same_digest(digest, &range.digest(digest)?)?;
        }
        Ok(range)
    }

    /// Checks that the bytes of the archive go on in every piece.
    ///
    /// # Errors
    /// `Volumes` if the archive, which ends at `end`, ends before the last piece begins.
    pub fn check_end(&self, end: u64) -> Result<()> {
        let mut begin = 0;
        for path in &self.paths {
            if begin >= end && begin > 0 {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let why = format!("the archive ends before {name}");
                return Err(mixed(why));
            }
            begin += std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        }
        Ok(())
    }
}

/// Tests if a file begins as an archive.
fn is_archive(path: &Path) -> Result<bool> {
    let head = head(path)?;
    Ok(is_tar(&head) || is_compressed(&head))
}

/// Tests if a file begins and ends as a tar does.
fn stands_alone(path: &Path) -> Result<bool> {
    if !is_tar(&head(path)?) {
        return Ok(false);
    }
    let range = FileRange::whole(open_regular(path, true)?)?;
    let end = range.slice(range.len().saturating_sub(END), END);
    let end = end.bytes(END)?;
    Ok(end.len() as u64 == END && end.iter().all(|byte| *byte == 0))
}

/// Returns the first 512 bytes of a file, or all of them; zeros after its end.
fn head(path: &Path) -> Result<[u8; 512]> {
    let mut head = [0; 512];
    FileRange::whole(open_regular(path, true)?)?.head(&mut head)?;
    Ok(head)
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

fn is_compressed(head: &[u8]) -> bool {
    Compression::sniff(head) != Compression::None
}

/// Returns the length and the SHA-256 of the whole that zarf's first part states; `None` if it has none.
fn described(path: &Path, count: u64) -> Result<Option<(u64, Digest)>> {
    let range = FileRange::whole(open_regular(path, true)?)?;
    if range.len() > MAX_DESCRIPTION {
        return Ok(None);
    }
    let bytes = range.bytes(MAX_DESCRIPTION)?;
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(&bytes) else {
        return Ok(None);
    };
    let field = |name: &str| {
        let mut fields = fields.iter();
        fields
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    let sum = field("sha256Sum").and_then(Value::as_str);
    let Some(digest) = sum.and_then(|sum| Digest::from_hex("sha256", sum).ok()) else {
        return Ok(None);
    };
    let number = |name| field(name).and_then(Value::as_u64);
    if let Some(stated) = number("count")
        && stated != count
    {
        let why = format!("{stated} parts stated, {count} found");
        return Err(mixed(why));
    }
    Ok(number("bytes").map(|size| (size, digest)))
}
