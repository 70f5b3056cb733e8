//! Lookup, creation and removal of layer indexes.

use std::io::{BufReader, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::facts::{self, KnownFacts};
use super::index::{CacheKey, Index, SUFFIX};
use crate::archive::Layer;
use crate::blob::{
    CHUNK, Compression, FileRange, MappedFile, Meter, NewFile, PieceLog, PieceMismatch,
    open_regular,
};
use crate::error::{At, During, Error, Result};
use crate::layer::Limits;
use crate::spec::Digest;
use crate::tree::{DecodedLayer, Listing, Reading, Visit};

/// A directory of layer indexes, and of facts of the layers' contents. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: Arc<Path>,
    /// First error of saving a file.
    save_error: Arc<Mutex<Option<Error>>>,
}

/// A layer with an index in the cache.
#[derive(Debug)]
pub struct IndexedLayer {
    key: CacheKey,
    pub(super) index: Index,
    /// File of the index.
    pub(super) file: MappedFile,
    /// Compressed bytes of the layer.
    pub(super) compressed: FileRange,
    pub(super) compression: Compression,
}

/// Listing of a layer, with its uncompressed tar or its index where available.
#[derive(Debug, Clone)]
pub struct ListedLayer {
    /// Entries of the layer.
    pub listing: Arc<Listing>,
    /// Uncompressed tar, if it is in a file.
    pub uncompressed: Option<FileRange>,
    /// Index, from which ranges of the uncompressed tar can be decoded.
    pub index: Option<Arc<IndexedLayer>>,
}

impl From<DecodedLayer> for ListedLayer {
    fn from(layer: DecodedLayer) -> Self {
        ListedLayer {
            listing: layer.listing,
            uncompressed: Some(layer.bytes),
            index: None,
        }
    }
}

impl Cache {
    /// Opens a cache directory, and creates it if it does not exist.
    ///
    /// # Errors
    /// `Usage` for a directory that belongs to another user or that others can write to; `Io`.
    pub fn open(directory: &Path) -> Result<Self> {
        let context = || directory.to_string_lossy().into_owned();
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory);
        let metadata = made
            .and_then(|()| std::fs::metadata(directory))
            .during("open")
            .at(context)?;
        let refused = |why: &str| Err(Error::usage(why).at(context()));
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return refused("unsafe cache directory: it belongs to another user");
        }
        if metadata.mode() & 0o022 != 0 {
            return refused("unsafe cache directory: other users can write to it");
        }
        Ok(Cache {
            directory: directory.into(),
            save_error: Arc::default(),
        })
    }

    /// First error of saving a file, if any.
    pub fn save_error(&self) -> Option<Error> {
        let error = self.save_error.lock();
        error.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the index of a layer, if it is usable; the listing has digests if `reading` asks for them.
    pub(crate) fn look_up(&self, reading: &Reading, layer: &Layer) -> Option<ListedLayer> {
        let (key, compressed) = key(layer)?;
        let file = self.file(&key.name(SUFFIX))?;
        let (index, listing) = Index::read(&file, &key)?;
        let compression = layer.content()?.compression().ok()?;
        let listing = Listing::thaw(listing, reading.digests)?.accepting(&reading.limits);
        within_limits(
            &reading.limits,
            &listing,
            index.uncompressed_size,
            compressed.len(),
        )
        .then_some(())?;
        Some(ListedLayer {
            listing: Arc::new(listing),
            uncompressed: None,
            index: Some(Arc::new(IndexedLayer {
                key,
                index,
                file,
                compressed,
                compression,
            })),
        })
    }

    /// Opens a file of the cache.
    fn file(&self, name: &str) -> Option<MappedFile> {
        let file = open_regular(&self.directory.join(name), false).ok()?;
        // A file of another user was put there by root, or moved.
        let metadata = file.metadata().ok()?;
        (metadata.uid() == rustix::process::geteuid().as_raw()).then_some(())?;
        MappedFile::map(&file).ok()
    }

    /// Reads the facts of a layer's contents; none if there is no usable file of them.
    pub fn facts(&self, layer: &Layer) -> KnownFacts {
        let known = || {
            let (key, _) = key(layer)?;
            KnownFacts::read(&self.file(&key.name(facts::SUFFIX))?, &key)
        };
        known().unwrap_or_default()
    }

    /// Saves facts of a layer's contents, if they are new and the layer can have an index. The first error of saving is
    /// remembered ([`Cache::save_error`]).
    pub fn keep_facts(&self, layer: &Layer, known: &KnownFacts) {
        if let Some((key, _)) = key(layer).filter(|_| known.is_changed()) {
            let write = |out: &mut dyn Write| known.write(&key, out);
            self.remember(self.save(&key.name(facts::SUFFIX), write));
        }
    }

    /// Removes the index of a layer whose bytes do not match it.
    pub fn forget(&self, layer: &IndexedLayer) {
        let _ = std::fs::remove_file(self.directory.join(layer.key.name(SUFFIX)));
    }

    /// Decodes a layer and saves its index. With `temp_dir`, the uncompressed tar is kept in a temporary file there.
    fn create(
        &self,
        reading: &Reading,
        layer: &Layer,
        temp_dir: Option<&Path>,
    ) -> Option<ListedLayer> {
        let (key, _) = key(layer)?;
        let hashing = Reading {
            digests: true,
            ..reading.clone()
        };
        let log = PieceLog::new();
        let file = match temp_dir {
            Some(directory) => Some(Arc::new(NewFile::in_directory(directory, 0o600).ok()?)),
            None => None,
        };
        let listing = hashing
            .list_compressed(layer, file.as_ref(), Some(&log), None)
            .ok()?;
        let frozen = listing.freeze();
        self.keep(&key, &log, &frozen);
        let uncompressed = match file {
            Some(file) => FileRange::whole(file.file().try_clone().ok()?).ok(),
            None => None,
        };
        let listing = match reading.digests {
            true => listing,
            false => Listing::thaw(&frozen, false)?.accepting(&reading.limits),
        };
        let index = match &uncompressed {
            Some(_) => None,
            None => self.look_up(reading, layer).and_then(|found| found.index),
        };
        Some(ListedLayer {
            listing: Arc::new(listing),
            uncompressed,
            index,
        })
    }

    /// Lists a layer and saves its index if it can have one; `visit` receives the contents of its files before they are
    /// verified. The listing has digests if `reading` asks for them, or if an index was saved.
    ///
    /// # Errors
    /// Those of [`Reading::list`] for a compressed layer, and of `visit`.
    pub(crate) fn visit(
        cache: Option<&Cache>,
        reading: &Reading,
        layer: &Layer,
        visit: &mut Visit<'_>,
    ) -> Result<Listing> {
        let Some((cache, (key, _))) = cache.and_then(|cache| Some((cache, key(layer)?))) else {
            return reading.list_compressed(layer, None, None, Some(visit));
        };
        let hashing = Reading {
            digests: true,
            ..reading.clone()
        };
        let log = PieceLog::new();
        let listing = hashing.list_compressed(layer, None, Some(&log), Some(visit))?;
        cache.keep(&key, &log, &listing.freeze());
        Ok(listing)
    }

    /// Saves an index, and remembers the first error of that.
    fn keep(&self, key: &CacheKey, log: &PieceLog, listing: &[u8]) {
        let index = Index::new(log.take());
        let write = |out: &mut dyn Write| index.write(key, listing, out);
        self.remember(self.save(&key.name(SUFFIX), write));
    }

    fn remember(&self, saved: Result<()>) {
        if let Err(error) = saved {
            let first = self.save_error.lock();
            first
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(error);
        }
    }

    fn save(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<()> {
        let context = || self.directory.to_string_lossy().into_owned();
        let file = NewFile::in_directory(&self.directory, 0o600)?;
        let mut out = std::io::BufWriter::new(file.file());
        write(&mut out)
            .and_then(|()| out.flush())
            .during("write")
            .at(context)?;
        drop(out);
        file.replace(name)
    }
}

/// Cache key and compressed bytes of a layer that can be indexed: one in gzip or zstd, in a file, with a diff ID that is
/// verified whenever it is decoded.
fn key(layer: &Layer) -> Option<(CacheKey, FileRange)> {
    let diff_id = layer.diff_id.as_ref()?;
    layer.check_identity().ok()?;
    let content = layer.content().filter(|_| layer.is_filesystem())?;
    let range = content.range().ok()??;
    if diff_id.algorithm() != "sha256" {
        return None;
    }
    let compression = content.compression().ok()?;
    let stored = layer.digest().cloned();
    let key = CacheKey {
        diff_id: diff_id.clone(),
        stored,
        size: range.len(),
    };
    let has_pieces = matches!(compression, Compression::Gzip | Compression::Zstd);
    has_pieces.then_some((key, range))
}

/// Reports whether a layer would be accepted if it were decoded now. Sizes are in bytes.
fn within_limits(limits: &Limits, listing: &Listing, uncompressed: u64, compressed: u64) -> bool {
    let decode = &limits.decode;
    listing.len() as u64 <= limits.entries
        && uncompressed <= decode.size
        && (uncompressed <= decode.grace || uncompressed / decode.ratio <= compressed)
}

/// Lists a layer as [`Reading::list`] does. A layer in the cache is not read; one that can be indexed is added to it.
///
/// # Errors
/// Those of [`Reading::list`].
pub fn list(cache: Option<&Cache>, reading: &Reading, layer: &Layer) -> Result<ListedLayer> {
    let cached = cache.and_then(|cache| {
        let found = cache.look_up(reading, layer);
        found.or_else(|| cache.create(reading, layer, None))
    });
    match cached {
        Some(found) => Ok(found),
        // An error of indexing is met again here, and reported as without a cache.
        None => Ok(ListedLayer {
            listing: Arc::new(reading.list(layer)?),
            uncompressed: None,
            index: None,
        }),
    }
}

/// Lists a layer and decodes it into a temporary file in `temp_dir`; a layer in the cache is not read, and ranges of it can
/// be decoded later.
///
/// # Errors
/// Those of [`Reading::decode`].
pub fn uncompressed(
    cache: Option<&Cache>,
    reading: &Reading,
    layer: &Layer,
    temp_dir: &Path,
) -> Result<ListedLayer> {
    let cached = cache.and_then(|cache| {
        let found = cache.look_up(reading, layer);
        found.or_else(|| cache.create(reading, layer, Some(temp_dir)))
    });
    match cached {
        Some(found) => Ok(found),
        None => Ok(reading.decode(layer, temp_dir)?.into()),
    }
}

impl IndexedLayer {
    /// Size of the uncompressed tar in bytes.
    pub fn uncompressed_size(&self) -> u64 {
        self.index.uncompressed_size
    }

    /// Numbers of the pieces that cover a range of uncompressed bytes.
    pub(crate) fn covering(&self, offset: u64, length: u64) -> Range<usize> {
        self.index.covering(offset, length)
    }

    /// Offset and length of a piece's uncompressed bytes.
    pub(crate) fn piece_range(&self, piece: usize) -> Option<(u64, u64)> {
        self.index.piece_range(piece)
    }

    /// Decodes a piece and verifies its hash. `write` receives the bytes with their offsets, before they are verified.
    pub(crate) fn decode_piece<E: From<PieceMismatch>>(
        &self,
        piece: usize,
        limits: &Limits,
        meter: &Meter,
        write: impl FnMut(u64, &[u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let piece = self.index.piece(&self.file, piece).ok_or(PieceMismatch)?;
        let left = self
            .compressed
            .len()
            .saturating_sub(piece.compressed_offset);
        let compressed = self.compressed.slice(piece.compressed_offset, left);
        let buffer = CHUNK.min(usize::try_from(piece.length).unwrap_or(CHUNK).max(4096));
        let source = BufReader::with_capacity(buffer, meter.counting(compressed.reader()));
        piece.decode(source, self.compression, limits.decode, write)
    }

    /// Diff ID of the layer.
    pub fn diff_id(&self) -> &Digest {
        &self.key.diff_id
    }
}

/// Removes the oldest indexes and files of facts until the rest takes at most `most` bytes, and returns the number of
/// bytes removed. Age is the time since a file was written; reads do not count.
///
/// # Errors
/// `Io` from listing the directory. Files that cannot be removed stay.
pub fn prune(cache: &Cache, most: u64) -> Result<u64> {
    let context = || cache.directory.to_string_lossy().into_owned();
    let entries = std::fs::read_dir(&cache.directory)
        .during("read")
        .at(context)?;
    let mut files: Vec<(i64, u64, PathBuf)> = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let is_own = |suffix| suffix == SUFFIX || suffix == facts::SUFFIX;
        let is_own = path.extension().is_some_and(is_own);
        if let Some(metadata) = entry
            .metadata()
            .ok()
            .filter(|found| is_own && found.is_file())
        {
            files.push((metadata.mtime(), metadata.len(), path));
        }
    }
    files.sort_unstable();
    let mut all: u64 = files.iter().map(|(_, size, _)| size).sum();
    let mut removed = 0;
    for (_, size, path) in files {
        if all <= most {
            break;
        }
        if std::fs::remove_file(path).is_ok() {
            all -= size;
            removed += size;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::error::Fault;

    #[test]
    fn a_directory_writable_by_others_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a/cache");
        let cache = Cache::open(&path).expect("made");
        assert_eq!(
            std::fs::metadata(&path).expect("there").mode() & 0o777,
            0o700
        );
        assert!(cache.save_error().is_none());
        for mode in [0o720, 0o702, 0o777] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a mode");
            let error = Cache::open(&path).expect_err("refused");
            assert!(matches!(error.fault(), Fault::Usage(_)), "{error}");
        }
        let file = directory.path().join("file");
        std::fs::write(&file, b"").expect("a file");
        assert!(Cache::open(&file).is_err());
    }

    #[test]
    fn pruning_keeps_the_newest() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(directory.path()).expect("a cache");
        for (name, age) in [("a", 30), ("b", 20), ("c", 10)] {
            let path = directory.path().join(format!("{name}.{}", SUFFIX));
            let file = File::create(path).expect("a file");
            file.set_len(100).expect("bytes");
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            file.set_modified(time).expect("a time");
        }
        std::fs::write(directory.path().join("other"), [0; 500]).expect("a file");
        assert_eq!(prune(&cache, 200).expect("pruned"), 100);
        assert_eq!(prune(&cache, 200).expect("pruned"), 0);
        assert_eq!(prune(&cache, 0).expect("pruned"), 200);
        assert!(directory.path().join("other").exists());
    }
}
