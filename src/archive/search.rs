//! Archives and layouts below a directory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::container::Container;
use super::discover::DRIVERS;
use super::layouts::holds_image;
use super::model::Archive;
use super::options::Open;
use super::tree::registry_root;
use super::volumes::is_follower;
use crate::blob::{Compression, Decoder, FileRange};
use crate::error::{At, During, Error, Fault, NotAnImage, Result, within};
use crate::layer::Limits;

/// Depth of the search, and number of names looked at.
const MAX_DEPTH: usize = 16;
const MAX_NAMES: usize = 200_000;

/// Archives below a directory, in the order of their paths, each opened on demand.
///
/// Links are not followed. Other files are skipped, and so are directories inside a layout, inside the storage tree of a
/// registry, which is one archive, and inside the storage of an engine. Compressed files are opened only if a tar is in them. A damaged archive or unreadable file is
/// returned as an error.
#[derive(Debug)]
pub struct Search {
    open: Open,
    steps: std::vec::IntoIter<Result<PathBuf>>,
}

impl Search {
    /// Lists a directory; `open` has the options for its archives.
    ///
    /// # Errors
    /// `Io` if the directory itself cannot be read, `Limit` for more than 200,000 names.
    pub fn below(top: &Path, open: Open) -> Result<Self> {
        let mut steps = Vec::new();
        let mut names = 0;
        let mut work: Vec<(PathBuf, usize)> = vec![(top.to_owned(), 0)];
        while let Some((path, depth)) = work.pop() {
            let place = || path.to_string_lossy().into_owned();
            let is_directory = match depth {
                // The directory as typed may be a link.
                0 => true,
                _ => std::fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir()),
            };
            if !is_directory || depth > 0 && (holds_image(&path) || registry_root(&path).is_some())
            {
                steps.push(Ok(path));
                continue;
            }
            let entries = match std::fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) if depth > 0 => {
                    steps.push(Err(Error::io("open", error).at(place())));
                    continue;
                }
                Err(error) => return Err(Error::io("open", error).at(place())),
            };
            let deeper = depth < MAX_DEPTH && !is_storage(&path);
            let mut inside = BTreeSet::new();
            for entry in entries {
                let entry = entry.during("read").at(place)?;
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                names += 1;
                within("names in a directory", MAX_NAMES as u64, names as u64).at(place)?;
                if kind.is_file() || kind.is_dir() && deeper {
                    inside.insert(entry.path());
                }
            }
            work.extend(inside.into_iter().rev().map(|path| (path, depth + 1)));
        }
        Ok(Search {
            open,
            steps: steps.into_iter(),
        })
    }

    fn open(&self, path: &Path) -> Option<Result<Archive>> {
        if !path.is_dir() {
            if is_follower(path, self.open.limits.volumes) {
                return None;
            }
            match may_be_archive(path) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    let place = path.to_string_lossy().into_owned();
                    return matches!(error.fault(), Fault::Io { .. }).then(|| Err(error.at(place)));
                }
            }
        }
        match self.open.path(path) {
            Ok(archive) if self.open.examine => archive.is_image_archive().then_some(Ok(archive)),
            Ok(archive) => Some(Ok(archive)),
            Err(error) => self.is_reported(&error, path).then_some(Err(error)),
        }
    }

    /// Tests if the error of a file that cannot be opened is reported: only if the file is an image archive, though a
    /// damaged one.
    fn is_reported(&self, error: &Error, path: &Path) -> bool {
        let examine = Open {
            examine: true,
            ..self.open.clone()
        };
        let is_detected = || {
            let container = Container::open(path, &examine);
            container.is_ok_and(|container| container.signs().of_image())
        };
        match error.fault() {
            // It may be truncated between two members, before its documents.
            Fault::NotAnImage(NotAnImage::NoManifest) => is_detected(),
            Fault::NotAnImage(_) => false,
            Fault::Io { .. } => true,
            _ => {
                let archive = examine.path(path);
                archive.is_ok_and(|archive| archive.is_image_archive()) || is_detected()
            }
        }
    }
}

impl Iterator for Search {
    type Item = Result<Archive>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = match self.steps.next()? {
                Ok(path) => self.open(&path),
                Err(error) => Some(Err(error)),
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

impl Archive {
    /// Tests if it is an image archive, even if no image of it is readable.
    fn is_image_archive(&self) -> bool {
        let is_known = self.docker.is_some() || self.oci.is_some() || !self.images.is_empty();
        is_known || self.container.signs().of_image()
    }
}

/// Tests if a directory is the storage of an engine, which holds no archives.
fn is_storage(path: &Path) -> bool {
    let has = |name: &str| path.join(name).is_dir();
    let is_docker = |driver: &str| {
        let inside = format!("image/{driver}");
        ["imagedb", "layerdb"]
            .iter()
            .any(|name| has(&format!("{inside}/{name}")))
    };
    DRIVERS.iter().any(|driver| is_docker(driver))
        || has("graph") && has("containers")
        || has("overlay-images")
        || has("vfs-images")
        || has("io.containerd.content.v1.content")
}

/// Tests if a file is a tar, compressed or not, by its first bytes.
fn may_be_archive(path: &Path) -> Result<bool> {
    let range = FileRange::whole(crate::blob::open_regular(path, false)?)?;
    let mut head = [0; 512];
    let n = range.head(&mut head)?;
    let compression = Compression::sniff(&head[..n]);
    if compression == Compression::None {
        return Ok(n == 512 && is_header(&head));
    }
    let limits = Limits::default();
    let source = std::io::BufReader::new(range.reader());
    let Ok(mut uncompressed) = Decoder::new(source, compression, limits.decode) else {
        return Ok(false);
    };
    let whole = std::io::Read::read_exact(&mut uncompressed, &mut head);
    Ok(whole.is_ok() && is_header(&head))
}

/// Tests if a block is a tar header by its checksum.
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
