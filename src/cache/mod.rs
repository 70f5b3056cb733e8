//! What was found out about packed layers, kept from one run to the next.
//!
//! In goes a layer that is decoded anyway; kept of it are its entries, the SHA-256 digest of each file, and the places
//! from which decoding can begin again ([`crate::blob::Piece`]), once the stored digest and the diff ID were proven. Out
//! comes, in milliseconds, its [`Listing`], and any part of its plain bytes. Left to others: when to use it.
//!
//! # What is trusted
//!
//! - **The folder.** It belongs to the user who runs the program and nobody else can write to it; any other is refused.
//!   Files are checked for damage and for the version of their form, not for malice: whoever can write there can just
//!   as well change the program. One that is damaged, of another version or gone is made again; deleting any of them,
//!   or all, at any time is safe.
//! - **Entries** are those of the layer that has this diff ID and, where a manifest names it, is stored under this
//!   digest and in this size. The archive's own bytes are not read for them: damage in an archive, and a blob that is
//!   not what its name says, are not noticed; imgverify notices them.
//! - **Contents** are decoded from the archive's own bytes and compared with the hash they had when the diff ID was
//!   proven. Nothing comes out that does not agree: then the whole layer is decoded and verified as without a cache.
//!
//! Layers that lie plain in a file are not kept: their headers are walked as quickly. Nor are layers in xz and bzip2, nor
//! those of a stream. Of a layer that is one zstd frame, as most are, any part costs decoding it all.
//!
//! Two programs at once do each other no harm: a file appears whole under its name, and both would write the same.

mod index;
mod parts;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use parts::{PartialTar, decode_ranges};

use crate::archive::Layer;
use crate::blob::{Compression, FileRange, NewFile, PieceLog, open_regular};
use crate::error::{At, Error, Fault, Result};
use crate::layer::Limits;
use crate::parallel::in_parallel;
use crate::spec::Digest;
use crate::tree::{Listing, PlainLayer, Reading};
use index::{Index, Key};

/// A folder of layer indexes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: Arc<Path>,
    /// Why nothing could be kept, the first time.
    trouble: Arc<Mutex<Option<Error>>>,
}

/// A layer that the cache knows.
#[derive(Debug)]
pub struct IndexedLayer {
    key: Key,
    index: Index,
    file: File,
    stored: FileRange,
    compression: Compression,
}

/// A layer's entries, and its contents as far as they are at hand.
#[derive(Debug, Clone)]
pub struct ListedLayer {
    /// Its entries.
    pub listing: Arc<Listing>,
    /// Its plain tar, if that is in a file.
    pub plain: Option<FileRange>,
    /// What the cache knows of it: parts of the plain tar can be had from here.
    pub known: Option<Arc<IndexedLayer>>,
}

impl From<PlainLayer> for ListedLayer {
    fn from(layer: PlainLayer) -> Self {
        ListedLayer {
            listing: layer.listing,
            plain: Some(layer.bytes),
            known: None,
        }
    }
}

impl Cache {
    /// Opens a folder, which is made if it is not there.
    ///
    /// # Errors
    /// `Usage` for a folder of another user, or that others can write to; `NotAFile` for what is none; `Io`.
    pub fn open(folder: &Path) -> Result<Self> {
        let place = || folder.to_string_lossy().into_owned();
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder);
        let metadata = made
            .and_then(|()| std::fs::metadata(folder))
            .map_err(|error| Error::io("open", error))
            .at(place)?;
        let refused = |why: &str| Err(Error::new(Fault::Usage(why.into())).at(place()));
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return refused("not used as a cache: the folder is another user's");
        }
        if metadata.mode() & 0o022 != 0 {
            return refused("not used as a cache: others can write to the folder");
        }
        Ok(Cache {
            folder: folder.into(),
            trouble: Arc::default(),
        })
    }

    /// Why something could not be kept, if so: the first time it happened.
    pub fn trouble(&self) -> Option<Error> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is known of a layer, if that can be used; its listing has digests if `reading` asks for them.
    fn look_up(&self, reading: &Reading, layer: &Layer) -> Option<ListedLayer> {
        let (key, stored) = key(layer)?;
        let path = self.folder.join(key.name());
        let file = open_regular(&path, false).ok()?;
        // The folder is ours; a file in it that is not was put there by root, or moved.
        let metadata = file.metadata().ok()?;
        (metadata.uid() == rustix::process::geteuid().as_raw()).then_some(())?;
        let mut index = Index::read(&file, metadata.len(), &key)?;
        let compression = layer.content()?.compression().ok()?;
        let listing = Listing::thaw(&index.listing, reading.digests)?.accepting(&reading.limits);
        index.listing = Vec::new();
        within(&reading.limits, &listing, index.plain_size, stored.len()).then_some(())?;
        Some(ListedLayer {
            listing: Arc::new(listing),
            plain: None,
            known: Some(Arc::new(IndexedLayer {
                key,
                index,
                file,
                stored,
                compression,
            })),
        })
    }

    /// Forgets a layer whose bytes are not what was kept of them.
    pub fn forget(&self, known: &IndexedLayer) {
        let _ = std::fs::remove_file(self.folder.join(known.key.name()));
    }

    /// Decodes a layer, keeps what is found out, and gives it as if it had been known.
    fn make(&self, reading: &Reading, layer: &Layer, keep: Option<&Path>) -> Option<ListedLayer> {
        let (key, stored) = key(layer)?;
        let hashing = Reading {
            digests: true,
            ..reading.clone()
        };
        let log = PieceLog::new();
        let file = match keep {
            Some(landing) => Some(Arc::new(NewFile::in_directory(landing, 0o600).ok()?)),
            None => None,
        };
        let listing = hashing.list_packed(layer, file.as_ref(), Some(&log)).ok()?;
        let index = Index::new(log.take(), listing.freeze());
        let saved = self.save(&key, &index);
        if let Err(error) = saved {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            trouble.get_or_insert(error);
        }
        let plain = match file {
            Some(file) => FileRange::whole(file.file().try_clone().ok()?).ok(),
            None => None,
        };
        let listing = match reading.digests {
            true => listing,
            false => Listing::thaw(&index.listing, false)?.accepting(&reading.limits),
        };
        let known = match &plain {
            Some(_) => None,
            None => self.look_up(reading, layer).and_then(|looked| looked.known),
        };
        drop(stored);
        Some(ListedLayer {
            listing: Arc::new(listing),
            plain,
            known,
        })
    }

    fn save(&self, key: &Key, index: &Index) -> Result<()> {
        let place = || self.folder.to_string_lossy().into_owned();
        let file = NewFile::in_directory(&self.folder, 0o600)?;
        let mut out = std::io::BufWriter::new(file.file());
        index
            .write(key, &mut out)
            .and_then(|()| out.flush())
            .map_err(|error| Error::io("write", error))
            .at(place)?;
        drop(out);
        file.replace(&key.name())
    }
}

/// What a layer is kept under, and its stored bytes: if it is packed in pieces, in a file, and has a diff ID that is proven
/// whenever it is decoded.
fn key(layer: &Layer) -> Option<(Key, FileRange)> {
    let diff_id = layer.diff_id.as_ref()?;
    layer.check_identity().ok()?;
    let content = layer.content().filter(|_| layer.is_filesystem())?;
    let range = content.range().ok()??;
    if diff_id.algorithm() != "sha256" {
        return None;
    }
    let compression = content.compression().ok()?;
    let stored = layer
        .descriptor
        .as_ref()
        .map(|descriptor| descriptor.digest.clone());
    let key = Key {
        diff_id: diff_id.clone(),
        stored,
        size: range.len(),
    };
    let has_pieces = matches!(compression, Compression::Gzip | Compression::Zstd);
    has_pieces.then_some((key, range))
}

/// Whether a layer would be accepted if it were decoded now.
fn within(limits: &Limits, listing: &Listing, plain: u64, stored: u64) -> bool {
    let decode = &limits.decode;
    listing.len() as u64 <= limits.entries
        && plain <= decode.size
        && (plain <= decode.grace || plain / decode.ratio <= stored)
}

/// Lists a layer as [`Reading::list`] does; one that the cache knows is not read, one that it could know is kept.
///
/// # Errors
/// As [`Reading::list`].
pub fn list(cache: Option<&Cache>, reading: &Reading, layer: &Layer) -> Result<ListedLayer> {
    let known = cache.and_then(|cache| {
        let found = cache.look_up(reading, layer);
        found.or_else(|| cache.make(reading, layer, None))
    });
    match known {
        Some(looked) => Ok(looked),
        // What went wrong while it was to be kept is said in the words that are said without a cache.
        None => Ok(ListedLayer {
            listing: Arc::new(reading.list(layer)?),
            plain: None,
            known: None,
        }),
    }
}

/// Lists a layer and makes sure of its plain bytes as [`Reading::plain`] does, unless the cache knows it: then parts of
/// them can be had.
///
/// # Errors
/// As [`Reading::plain`].
pub fn uncompressed(
    cache: Option<&Cache>,
    reading: &Reading,
    layer: &Layer,
    landing: &Path,
) -> Result<ListedLayer> {
    let known = cache.and_then(|cache| {
        let found = cache.look_up(reading, layer);
        found.or_else(|| cache.make(reading, layer, Some(landing)))
    });
    match known {
        Some(looked) => Ok(looked),
        None => Ok(reading.plain(layer, landing)?.into()),
    }
}

impl IndexedLayer {
    /// Bytes of the plain tar.
    pub fn plain_size(&self) -> u64 {
        self.index.plain_size
    }

    /// The diff ID.
    pub fn diff_id(&self) -> &Digest {
        &self.key.diff_id
    }
}

/// Removes the longest-unused indexes of a folder until the rest takes at most `most` bytes. Returns how many bytes
/// went. Unused is what was not written for longest; what is read is not noted down.
///
/// # Errors
/// `Io` from listing the folder; what cannot be removed stays.
pub fn prune(cache: &Cache, most: u64) -> Result<u64> {
    let place = || cache.folder.to_string_lossy().into_owned();
    let entries = std::fs::read_dir(&cache.folder)
        .map_err(|error| Error::io("read", error))
        .at(place)?;
    let mut files: Vec<(i64, u64, PathBuf)> = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let is_index = path
            .extension()
            .is_some_and(|suffix| suffix == index::SUFFIX);
        if let Some(metadata) = entry
            .metadata()
            .ok()
            .filter(|found| is_index && found.is_file())
        {
            files.push((metadata.mtime(), metadata.len(), path));
        }
    }
    files.sort_unstable();
    let mut all: u64 = files.iter().map(|(_, size, _)| size).sum();
    let mut gone = 0;
    for (_, size, path) in files {
        if all <= most {
            break;
        }
        if std::fs::remove_file(path).is_ok() {
            all -= size;
            gone += size;
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_others_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/cache");
        let cache = Cache::open(&path).expect("made");
        assert_eq!(
            std::fs::metadata(&path).expect("there").mode() & 0o777,
            0o700
        );
        assert!(cache.trouble().is_none());
        for mode in [0o720, 0o702, 0o777] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a mode");
            let error = Cache::open(&path).expect_err("refused");
            assert!(matches!(error.fault(), Fault::Usage(_)), "{error}");
        }
        let file = folder.path().join("file");
        std::fs::write(&file, b"").expect("a file");
        assert!(Cache::open(&file).is_err());
    }

    #[test]
    fn pruning_keeps_the_youngest() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path()).expect("a cache");
        for (name, age) in [("a", 30), ("b", 20), ("c", 10)] {
            let path = folder.path().join(format!("{name}.{}", index::SUFFIX));
            let file = File::create(path).expect("a file");
            file.set_len(100).expect("bytes");
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            file.set_modified(time).expect("a time");
        }
        std::fs::write(folder.path().join("other"), [0; 500]).expect("a file");
        assert_eq!(prune(&cache, 200).expect("pruned"), 100);
        assert_eq!(prune(&cache, 200).expect("pruned"), 0);
        assert_eq!(prune(&cache, 0).expect("pruned"), 200);
        assert!(folder.path().join("other").exists());
    }
}
