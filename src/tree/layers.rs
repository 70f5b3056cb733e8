//! Listings of an image's layers, and their uncompressed bytes for random access.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::listing::{Listing, Reading, Visit};
use super::node::Location;
use crate::archive::{Content, Image, Layer};
use crate::blob::{
    CHUNK, Compression, Decoder, FileRange, Hasher, HashingBuf, Meter, NewFile, PieceLog,
    ReadAhead, TeeReader,
};
use crate::error::{At, During, Error, Fault, Result};
use crate::layer::{FileInput, StreamInput, Walker};
use crate::limits::Limits;
use crate::parallel::in_parallel;
use crate::spec::{Digest, MediaType};

/// A layer's listing and its uncompressed tar.
#[derive(Debug, Clone)]
pub struct DecodedLayer {
    /// Its entries.
    pub listing: Arc<Listing>,
    /// The uncompressed tar: in the archive, or in an anonymous temporary file that is deleted with the last clone.
    pub bytes: FileRange,
}

impl Reading {
    /// Lists a layer.
    ///
    /// Of an uncompressed layer in a file only the headers are read, and only [`Layer::check_identity`] is verified.
    /// With digests, and for all other layers, everything is read once and verified on the way: stored digest, size and
    /// diff ID.
    ///
    /// # Errors
    /// `BlobMissing` or `MemberMissing` for a missing layer, `Unsupported` for a layer that is no filesystem,
    /// `StreamConsumed` for one that came from a stream and was not kept; `DigestMismatch`, `SizeMismatch`,
    /// `DiffIdMismatch`, `Codec`, `Tar`, `Limit`, `Io`. All are placed at the layer's member.
    pub fn list(&self, layer: &Layer) -> Result<Listing> {
        let list = || match self.uncompressed_range(layer)?.filter(|_| !self.digests) {
            Some(range) => self.list_range(&range),
            None => self.list_compressed(layer, None, None, None),
        };
        list().at(|| layer.place())
    }

    /// Lists an uncompressed tar in a file.
    ///
    /// # Errors
    /// As [`Listing::of`].
    pub fn list_range(&self, range: &FileRange) -> Result<Listing> {
        let (file, start) = range.parts();
        let input = FileInput::new(Arc::clone(file), start, range.len());
        let mut walker = Walker::new(input).within(&self.limits);
        Listing::of(&mut walker, self.digests)
    }

    /// Lists an uncompressed tar from a stream, and reads the stream to its end.
    ///
    /// # Errors
    /// As [`Listing::of`].
    pub fn list_stream(&self, stream: impl BufRead) -> Result<Listing> {
        self.visit_stream(stream, None)
    }

    fn visit_stream(&self, stream: impl BufRead, visit: Option<&mut Visit<'_>>) -> Result<Listing> {
        let mut walker = Walker::new(StreamInput::new(stream)).within(&self.limits);
        let listing = Listing::visiting(&mut walker, self.digests, visit)?;
        walker.check_tail()?;
        Ok(listing)
    }

    /// Lists an image's layers on all cores, from the base upward. A repeated layer is read once.
    ///
    /// # Errors
    /// As [`Reading::list`], for the lowest layer with an error, placed at `layer N of M`.
    pub fn list_all(&self, image: &Image) -> Result<Vec<Arc<Listing>>> {
        self.each(image, 0..image.layers.len(), |layer| {
            self.list(layer).map(Arc::new)
        })
    }

    /// Lists an image's layers and decodes the compressed ones, on all cores, into anonymous temporary files in
    /// `temp_dir`. Decoded layers are verified.
    ///
    /// # Errors
    /// As [`Reading::list_all`]; `Io` for a full disk.
    pub fn decode_all(&self, image: &Image, temp_dir: &Path) -> Result<Vec<DecodedLayer>> {
        self.decode_some(image, 0..image.layers.len(), temp_dir)
    }

    /// Lists and decodes some of an image's layers.
    ///
    /// # Errors
    /// As [`Reading::decode_all`].
    pub fn decode_some(
        &self,
        image: &Image,
        layers: Range<usize>,
        temp_dir: &Path,
    ) -> Result<Vec<DecodedLayer>> {
        self.each(image, layers, |layer| self.decode(layer, temp_dir))
    }

    /// Lists and decodes one layer.
    ///
    /// # Errors
    /// As [`Reading::list`]; `Io` for a full disk.
    pub fn decode(&self, layer: &Layer, temp_dir: &Path) -> Result<DecodedLayer> {
        let decode = || -> Result<DecodedLayer> {
            if let Some(bytes) = self.uncompressed_range(layer)? {
                let listing = Arc::new(self.list_range(&bytes)?);
                return Ok(DecodedLayer { listing, bytes });
            }
            let file = Arc::new(NewFile::in_directory(temp_dir, 0o600)?);
            let listing = Arc::new(self.list_compressed(layer, Some(&file), None, None)?);
            let file = file.file().try_clone();
            let bytes = FileRange::whole(file.during("open")?)?;
            Ok(DecodedLayer { listing, bytes })
        };
        decode().at(|| layer.place())
    }

    /// Reads some layers of an image on all cores, repeated ones once. Results are in the order of the layers, errors
    /// are placed at the layer.
    pub(crate) fn each<T: Clone + Send>(
        &self,
        image: &Image,
        layers: Range<usize>,
        read: impl Fn(&Layer) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let count = image.layers.len();
        // The largest first, so that no core is busy with it at the end.
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
        // The error of the lowest layer is returned, whatever the order of reading.
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

    /// The bytes of a layer that is an uncompressed tar in a file.
    pub(crate) fn uncompressed_range(&self, layer: &Layer) -> Result<Option<FileRange>> {
        let range = content_of(layer)?.range()?;
        let Some(range) = range else { return Ok(None) };
        let mut head = [0; 6];
        let n = range.head(&mut head)?;
        let head = head.get(..n).unwrap_or_default();
        Ok((Compression::sniff(head) == Compression::None).then_some(range))
    }

    /// Decodes, lists and verifies a layer. The tar is written to `keep`, and `log` records the points where decoding
    /// can resume. `visit` receives the contents of files, before they are verified.
    pub(crate) fn list_compressed(
        &self,
        layer: &Layer,
        keep: Option<&Arc<NewFile>>,
        log: Option<&PieceLog>,
        visit: Option<&mut Visit<'_>>,
    ) -> Result<Listing> {
        let decoder = self.decoder(layer, log)?;
        let unseen = Meter::default();
        let like = layer.diff_id.as_ref();
        let hasher = like.map_or_else(|| Ok(Hasher::default()), Hasher::like)?;
        let (listing, (found, _)) = match keep {
            Some(file) => {
                let mut keeping = TeeReader::new(decoder, Arc::clone(file));
                let mut hashing = HashingBuf::new(&mut keeping, hasher, &unseen);
                let listing = self.visit_stream(&mut hashing, visit)?;
                let found = hashing.finish();
                let written = keeping.finish();
                written.during("write")?;
                (listing, found)
            }
            None => {
                let mut hashing = HashingBuf::new(decoder, hasher, &unseen);
                (self.visit_stream(&mut hashing, visit)?, hashing.finish())
            }
        };
        layer.check_diff_id(&found)?;
        Ok(listing)
    }

    /// Returns the layer's uncompressed bytes, decoded on threads of their own. The stored bytes are verified before
    /// the end is returned.
    fn decoder(&self, layer: &Layer, log: Option<&PieceLog>) -> Result<ReadAhead> {
        let content = content_of(layer)?;
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
        let head = stored.fill_buf().during("read")?;
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

/// Reads contents of a file that is not sparse. A compressed layer is decoded up to them; what is read is not verified.
///
/// # Errors
/// Those of [`Reading::list`] for a layer that cannot be read; `Truncated` if it ends before.
pub fn file_bytes(image: &Image, location: &Location, limits: &Limits) -> Result<Vec<u8>> {
    let layer = image.layers.get(location.layer);
    let layer = layer.ok_or(Fault::StreamConsumed)?;
    let read = || {
        let content = content_of(layer)?;
        let mut stored = BufReader::with_capacity(CHUNK, content.reader()?);
        let compression = Compression::sniff(stored.fill_buf().during("read")?);
        let mut uncompressed = match content.range()? {
            Some(range) if compression == Compression::None => {
                let part = range.slice(location.offset, location.stored);
                Box::new(part.reader()) as Box<dyn Read>
            }
            _ => {
                let mut decoder = Decoder::new(stored, compression, limits.decode)?;
                let before = (&mut decoder).take(location.offset);
                io::copy(&mut { before }, &mut io::sink()).during("read")?;
                Box::new(decoder.take(location.stored))
            }
        };
        let mut bytes = Vec::new();
        uncompressed.read_to_end(&mut bytes).during("read")?;
        match bytes.len() as u64 == location.stored {
            true => Ok(bytes),
            false => Err(Error::truncated(
                "file",
                location.stored,
                bytes.len() as u64,
            )),
        }
    };
    read().at(|| layer.member.clone())
}

fn content_of(layer: &Layer) -> Result<&Content> {
    if !layer.is_filesystem() {
        let media_type = layer.media_type().map(MediaType::as_str);
        return Err(Error::unsupported(format!(
            "a layer of type {}",
            media_type.unwrap_or_default()
        )));
    }
    layer.check_identity()?;
    layer.content().ok_or_else(|| layer.missing_error())
}

/// Reader that compares the stored bytes with their descriptor at the end.
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
        if self.size != size {
            return Err(Error::size_mismatch(size, self.size).into_io());
        }
        match found == digest {
            true => Ok(0),
            false => Err(Error::digest_mismatch(digest, found).into_io()),
        }
    }
}
