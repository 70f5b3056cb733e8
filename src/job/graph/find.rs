//! Archives and layouts below a folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::archive::{Archive, Open};
use crate::blob::{Compression, Decoder, FileRange};
use crate::error::{At, Error, Fault, NotAnImage, Result};
use crate::layer::Limits;

/// How deep folders are searched, and how many names are looked at.
const MAX_DEPTH: usize = 16;
const MAX_NAMES: usize = 200_000;

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Found {
    /// The archives, sorted by path.
    pub archives: Vec<Archive>,
    /// Archives that are damaged, and what could not be read at all.
    pub faults: Vec<Error>,
}

/// Searches a folder and the folders in it, links not followed. What is no image archive is passed over, and so are
/// tars so damaged that they show no image; of what is a layout itself, the inside is not searched. Packed files are
/// only opened if a tar is in them.
///
/// # Errors
/// `Io` if the folder itself cannot be read, `Limit` for more than 200,000 names.
pub fn find(folder: &Path, open: &Open) -> Result<Found> {
    let mut found = Found::default();
    let mut names = 0;
    let mut work: Vec<(PathBuf, usize)> = vec![(folder.to_owned(), 0)];
    while let Some((path, depth)) = work.pop() {
        let place = || path.to_string_lossy().into_owned();
        let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir());
        if !is_folder || depth > 0 && is_layout(&path) {
            if is_folder || may_be_archive(&path) {
                match open.path(&path) {
                    Ok(archive) => found.archives.push(archive),
                    Err(error) => found.faults.extend(told(error, &path, open)),
                }
            }
            continue;
        }
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if depth > 0 => {
                found.faults.push(Error::io("open", error).at(place()));
                continue;
            }
            Err(error) => return Err(Error::io("open", error).at(place())),
        };
        let mut inside = BTreeSet::new();
        for entry in entries {
            let entry = entry.map_err(|error| Error::io("read", error)).at(place)?;
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            names += 1;
            if names > MAX_NAMES {
                let (what, limit) = ("files of a folder", MAX_NAMES as u64);
                let fault = Fault::Limit {
                    what,
                    limit,
                    found: names as u64,
                };
                return Err(Error::new(fault).at(place()));
            }
            if kind.is_file() || kind.is_dir() && depth < MAX_DEPTH {
                inside.insert(entry.path());
            }
        }
        work.extend(inside.into_iter().rev().map(|path| (path, depth + 1)));
    }
    if found.archives.is_empty() && found.faults.is_empty() {
        let place = folder.to_string_lossy().into_owned();
        return Err(Error::new(Fault::NotAnImage(NotAnImage::NoManifest)).at(place));
    }
    Ok(found)
}

/// What to say of a file that could not be opened: nothing, unless it is an image archive though a damaged one.
fn told(error: Error, path: &Path, open: &Open) -> Option<Error> {
    if matches!(error.fault(), Fault::NotAnImage(_)) {
        return None;
    }
    let examine = Open {
        examine: true,
        ..open.clone()
    };
    let unreadable = matches!(error.fault(), Fault::Io { .. });
    let is_archive = || {
        examine
            .path(path)
            .is_ok_and(|archive| !archive.images.is_empty())
    };
    (unreadable || is_archive()).then_some(error)
}

/// Whether a folder has what a layout, a `dir:` or an unpacked archive has at its top.
pub(super) fn is_layout(path: &Path) -> bool {
    ["index.json", "manifest.json", "oci-layout", "repositories"]
        .iter()
        .any(|name| path.join(name).is_file())
}

/// Whether a file is a tar, packed or not, by its first bytes.
fn may_be_archive(path: &Path) -> bool {
    let look = || -> Result<bool> {
        let range = FileRange::whole(crate::blob::open_regular(path, false)?)?;
        let mut head = [0; 512];
        let n = range.head(&mut head)?;
        let packed = Compression::sniff(&head[..n]);
        if packed == Compression::None {
            return Ok(n == 512 && is_header(&head));
        }
        let limits = Limits::default();
        let source = std::io::BufReader::new(range.reader());
        let mut plain = Decoder::new(source, packed, limits.decode)?;
        let whole = std::io::Read::read_exact(&mut plain, &mut head);
        Ok(whole.is_ok() && is_header(&head))
    };
    look().unwrap_or(false)
}

/// Whether a block is a tar header: its checksum is that of its bytes.
fn is_header(block: &[u8; 512]) -> bool {
    let stated = std::str::from_utf8(&block[148..156]).unwrap_or_default();
    let stated = stated.trim_matches(['\0', ' ']);
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(i, &byte)| u64::from(if (148..156).contains(&i) { b' ' } else { byte }))
        .sum();
    u64::from_str_radix(stated, 8).is_ok_and(|stated| stated == sum)
}
