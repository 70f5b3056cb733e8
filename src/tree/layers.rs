//! From the layers of an image to listings, and to plain bytes that can be read at any place.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::listing::{Listing, Reading};
use crate::archive::{Content, Image, Layer};
use crate::blob::{
    Compression, Decoder, FileRange, Hasher, HashingBuf, Meter, NewFile, PieceLog, ReadAhead,
    TeeReader,
};
use crate::error::{At, Error, Fault, Result};
use crate::layer::{FileInput, StreamInput, Walker};
use crate::parallel::in_parallel;
use crate::spec::Digest;

/// A layer's listing and its plain tar.
#[derive(Debug, Clone)]
pub struct PlainLayer {
    /// Its entries.
    pub listing: Arc<Listing>,
    /// The plain tar: where the archive has it, or in a file without a name that vanishes with the last clone.
    pub bytes: FileRange,
}

impl Reading {
    /// Lists a layer.
    ///
    /// Of an uncompressed layer in a file only the headers are read, and only what shows without hashing is compared: see
    /// [`Layer::check_identity`]. With digests, and of any other, all is read once and verified on the way: stored digest
    /// and size, diff ID.
    ///
    /// # Errors
    /// `BlobMissing` or `MemberMissing` if it is not in the archive, `Unsupported` for what is no filesystem, `StreamConsumed` for
    /// what went by on a stream and was not kept; `DigestMismatch`, `SizeMismatch`, `DiffIdMismatch`, `Codec`, `Tar`,
    /// `Limit`, `Io`. The place is the layer's member.
    pub fn list(&self, layer: &Layer) -> Result<Listing> {
        let list = || match self.plain_range(layer)?.filter(|_| !self.digests) {
            Some(range) => self.list_range(&range),
            None => self.list_packed(layer, None, None),
        };
        list().at(|| layer.member.clone())
    }

    /// Lists a plain tar in a file.
    ///
    /// # Errors
    /// As [`Listing::of`].
    pub fn list_range(&self, range: &FileRange) -> Result<Listing> {
        let (file, start) = range.parts();
        let input = FileInput::new(Arc::clone(file), start, range.len());
        let mut walker = Walker::new(input).within(&self.limits);
        Listing::of(&mut walker, self.digests)
    }

    /// Lists a plain tar that comes by, and reads it to the very end.
    ///
    /// # Errors
    /// As [`Listing::of`].
    pub fn list_stream(&self, stream: impl BufRead) -> Result<Listing> {
        let mut walker = Walker::new(StreamInput::new(stream)).within(&self.limits);
        let listing = Listing::of(&mut walker, self.digests)?;
        walker.check_tail()?;
        Ok(listing)
    }

    /// Lists an image's layers on all cores, the base first. A layer that comes twice is read once.
    ///
    /// # Errors
    /// As [`Reading::list`], of the first layer that has one, placed at `layer N of M`.
    pub fn list_all(&self, image: &Image) -> Result<Vec<Arc<Listing>>> {
        self.list_some(image, 0..image.layers.len())
    }

    /// The same for some of the layers.
    ///
    /// # Errors
    /// As [`Reading::list_all`].
    pub fn list_some(&self, image: &Image, layers: Range<usize>) -> Result<Vec<Arc<Listing>>> {
        self.each(image, layers, |layer| self.list(layer).map(Arc::new))
    }

    /// Lists an image's layers, and makes sure of their plain bytes: what is packed is decoded once, on all cores, into
    /// files without a name in `landing`, and listed and verified on the way.
    ///
    /// # Errors
    /// As [`Reading::list_all`]; `Io` for a full disk.
    pub fn plain_all(&self, image: &Image, landing: &Path) -> Result<Vec<PlainLayer>> {
        self.plain_some(image, 0..image.layers.len(), landing)
    }

    /// The same for some of the layers.
    ///
    /// # Errors
    /// As [`Reading::plain_all`].
    pub fn plain_some(
        &self,
        image: &Image,
        layers: Range<usize>,
        landing: &Path,
    ) -> Result<Vec<PlainLayer>> {
        self.each(image, layers, |layer| self.plain(layer, landing))
    }

    /// The same for one layer.
    ///
    /// # Errors
    /// As [`Reading::list`]; `Io` for a full disk.
    pub fn plain(&self, layer: &Layer, landing: &Path) -> Result<PlainLayer> {
        let plain = || -> Result<PlainLayer> {
            if let Some(bytes) = self.plain_range(layer)? {
                let listing = Arc::new(self.list_range(&bytes)?);
                return Ok(PlainLayer { listing, bytes });
            }
            let file = Arc::new(NewFile::in_directory(landing, 0o600)?);
            let listing = Arc::new(self.list_packed(layer, Some(&file), None)?);
            let file = file.file().try_clone();
            let bytes = FileRange::whole(file.map_err(|error| Error::io("open", error))?)?;
            Ok(PlainLayer { listing, bytes })
        };
        plain().at(|| layer.member.clone())
    }

    /// Does the same with some layers of an image, each once, on all cores: in their order, with the places in errors.
    pub(crate) fn each<T: Clone + Send>(
        &self,
        image: &Image,
        layers: Range<usize>,
        read: impl Fn(&Layer) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let count = image.layers.len();
        // The largest first, so that no core is left with it at the end.
        let mut order: Vec<usize> = layers.clone().filter(|&i| i < count).collect();
        let size = |&i: &usize| image.layers[i].content().map_or(0, Content::len);
        order.sort_by_key(|i| std::cmp::Reverse(size(i)));
        let mut seen = HashMap::new();
        order.retain(|&i| {
            let layer = &image.layers[i];
            let key = (
                layer.member.as_str(),
                layer.diff_id.as_ref().map(Digest::as_str),
            );
            match seen.entry(key) {
                std::collections::hash_map::Entry::Occupied(_) => false,
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(i);
                    true
                }
            }
        });
        let mut done: HashMap<usize, Result<T>> = in_parallel(&order, |&i| {
            let result = read(&image.layers[i]).at(|| format!("layer {} of {count}", i + 1));
            (i, result)
        })
        .into_iter()
        .collect();
        // The first layer that has an error says it, whatever order they were read in.
        let failed = layers
            .clone()
            .find(|i| done.get(i).is_some_and(Result::is_err));
        if let Some(Err(error)) = failed.and_then(|i| done.remove(&i)) {
            return Err(error);
        }
        let result = |layer: &Layer| {
            let key = (
                layer.member.as_str(),
                layer.diff_id.as_ref().map(Digest::as_str),
            );
            match seen.get(&key).and_then(|i| done.get(i)) {
                Some(Ok(value)) => Ok(value.clone()),
                _ => Err(Fault::StreamConsumed.into()),
            }
        };
        let layers = image.layers.get(layers).unwrap_or_default();
        layers.iter().map(result).collect()
    }

    /// The layer where it lies, if that is a plain tar in a file.
    pub(crate) fn plain_range(&self, layer: &Layer) -> Result<Option<FileRange>> {
        let range = content(layer)?.range()?;
        let Some(range) = range else { return Ok(None) };
        let mut head = [0; 6];
        let n = range.head(&mut head)?;
        let head = head.get(..n).unwrap_or_default();
        Ok((Compression::sniff(head) == Compression::None).then_some(range))
    }

    /// Decodes a layer once: lists it, verifies it, keeps the plain tar if there is a file for it, and notes in `log`
    /// where decoding can begin again.
    pub(crate) fn list_packed(
        &self,
        layer: &Layer,
        keep: Option<&Arc<NewFile>>,
        log: Option<&PieceLog>,
    ) -> Result<Listing> {
        let decoder = self.decoder(layer, log)?;
        let unseen = Meter::default();
        let like = layer.diff_id.as_ref();
        let hasher = like.map_or_else(|| Ok(Hasher::default()), Hasher::like)?;
        let (listing, (found, _)) = match keep {
            Some(file) => {
                let mut keeping = TeeReader::new(decoder, Arc::clone(file));
                let mut hashing = HashingBuf::new(&mut keeping, hasher, &unseen);
                let listing = self.list_stream(&mut hashing)?;
                let found = hashing.finish();
                let written = keeping.finish();
                written.map_err(|error| Error::io("write", error))?;
                (listing, found)
            }
            None => {
                let mut hashing = HashingBuf::new(decoder, hasher, &unseen);
                (self.list_stream(&mut hashing)?, hashing.finish())
            }
        };
        layer.check_diff_id(&found)?;
        Ok(listing)
    }

    /// The layer's plain bytes, decoded on threads of their own. What is stored is verified before the end is given.
    fn decoder(&self, layer: &Layer, log: Option<&PieceLog>) -> Result<ReadAhead> {
        let content = content(layer)?;
        let stored = content.reader()?;
        let expected = layer.descriptor.as_ref();
        let checked = Checked {
            inner: self.meter.counting(stored),
            hasher: match expected {
                Some(descriptor) => Hasher::like(&descriptor.digest)?,
                None => Hasher::default(),
            },
            expected: expected.map(|descriptor| (descriptor.digest.clone(), descriptor.size)),
            size: 0,
            done: false,
        };
        let mut stored = ReadAhead::new(checked);
        let head = stored
            .fill_buf()
            .map_err(|error| Error::io("read", error))?;
        let compression = Compression::sniff(head);
        let decode = self.limits.decode;
        Ok(ReadAhead::new(match log {
            None => Decoder::new(stored, compression, decode)?,
            Some(log) => {
                Decoder::indexing(stored, compression, decode, content.len(), log.clone())?
            }
        }))
    }
}

fn content(layer: &Layer) -> Result<&Content> {
    if !layer.is_filesystem() {
        let media_type = layer
            .descriptor
            .as_ref()
            .map(|descriptor| descriptor.media_type.as_str());
        return Err(Fault::Unsupported {
            what: format!("a layer of type {}", media_type.unwrap_or_default()),
        }
        .into());
    }
    layer.check_identity()?;
    layer.content().ok_or_else(|| layer.missing_error())
}

/// Compares stored bytes with what a descriptor states of them, when they have all been read.
struct Checked<R> {
    inner: R,
    hasher: Hasher,
    expected: Option<(Digest, u64)>,
    size: u64,
    done: bool,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.size += n as u64;
        self.hasher.update(buf.get(..n).unwrap_or_default());
        if n > 0 || buf.is_empty() || self.done {
            return Ok(n);
        }
        self.done = true;
        let Some((digest, size)) = self.expected.take() else {
            return Ok(0);
        };
        let found = std::mem::take(&mut self.hasher).finish();
        let fault = if self.size != size {
            Fault::SizeMismatch {
                expected: size,
                found: self.size,
            }
        } else if found != digest {
            Fault::DigestMismatch {
                expected: digest.to_string(),
                found: found.to_string(),
            }
        } else {
            return Ok(0);
        };
        Err(Error::new(fault).into_io())
    }
}
