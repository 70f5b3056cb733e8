//! Container images of an archive.

use std::fmt;
use std::sync::Arc;

use super::content::Content;
use super::positions::NodeIdx;
use crate::blob::Compression;
use crate::error::{Error, Result};
use crate::spec::{
    Descriptor, Digest, History, ImageConfig, LayerKind, Manifest, MediaType, Platform,
    aligned_history,
};

/// A container image: manifest (where the archive has one), config, layers.
///
/// ```no_run
/// use imgkit::archive::{Open, Pick};
///
/// let archive = Open::default().path("app.tar".as_ref())?;
/// let image = archive.select(&Pick::Name("demo:1".into()), None)?.image();
/// println!("{} for {}, created {:?}", image.id, image.platform, image.config.created);
/// for (key, value) in image.config.labels() {
///     println!("{key}={value}");
/// }
/// # Ok::<(), imgkit::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Image {
    /// Image ID.
    pub id: ImageId,
    /// Platform as the config states it, completed by the index.
    pub platform: Platform,
    /// Parsed config, shared by images with the same config. Empty where `config_bytes` is `None`, except for v1
    /// images.
    pub config: Arc<ImageConfig>,
    /// Bytes of the config. `None` if it is missing, and for v1 images.
    pub config_bytes: Option<Arc<[u8]>>,
    /// Parsed manifest; `None` in a docker-archive without an OCI half.
    pub manifest: Option<Manifest>,
    /// Graph node of the manifest.
    pub node: Option<NodeIdx>,
    /// Position of the item of `manifest.json` that describes the image.
    pub item: Option<usize>,
    /// Layers, from the base upward.
    pub layers: Vec<Layer>,
    /// Damage of the docker half's description of the image.
    pub faults: Vec<Error>,
}

/// Identity of an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ImageId {
    /// Digest of the config.
    Config(Digest),
    /// Label of a v1 image: 64 random hexadecimal digits, which prove nothing.
    V1(String),
}

impl ImageId {
    /// Returns the first 12 digits.
    pub fn short(&self) -> &str {
        match self {
            ImageId::Config(digest) => digest.short(),
            ImageId::V1(id) => id.get(..12).unwrap_or(id),
        }
    }

    /// Returns the hexadecimal digits without the algorithm.
    pub fn hex(&self) -> &str {
        match self {
            ImageId::Config(digest) => digest.encoded(),
            ImageId::V1(id) => id,
        }
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageId::Config(digest) => digest.fmt(f),
            ImageId::V1(id) => f.write_str(id),
        }
    }
}

/// One layer of an image.
///
/// ```no_run
/// use imgkit::archive::{Open, Pick};
/// use imgkit::blob::Meter;
/// use imgkit::layer::Limits;
///
/// let archive = Open::default().path("app.tar".as_ref())?;
/// for layer in &archive.select(&Pick::Only, None)?.image().layers {
///     let Some(content) = layer.content() else {
///         println!("{}: missing", layer.member);
///         continue;
///     };
///     // One pass over the stored bytes; comparing the digests is left to the caller.
///     let scan = content.scan(None, &Limits::default(), &Meter::default())?;
///     println!("{}: {} bytes, diff ID as stated: {}", layer.member, scan.size, scan.diff_id == layer.diff_id);
/// }
/// # Ok::<(), imgkit::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Layer {
    /// Descriptor of the stored blob in a manifest or in `LayerSources`.
    pub descriptor: Option<Descriptor>,
    /// Digest of the uncompressed tar, as the config states it.
    pub diff_id: Option<Digest>,
    /// Path of the layer in the archive.
    pub member: String,
    /// Presence of the blob.
    pub presence: Presence,
}

/// Presence of a blob in the archive.
#[derive(Debug, Clone)]
pub enum Presence {
    /// In the archive.
    Present(Content),
    /// Missing.
    Missing,
    /// In the archive but unreadable; a fault of the image or its manifest has the reason.
    Unreadable,
    /// Not in the archive by design: a foreign layer, or the empty blob.
    External,
}

impl Layer {
    /// Path of its file where the archive is a directory, which may be one of several layouts; else that in the archive.
    pub fn place(&self) -> String {
        let path = self.content().and_then(Content::path);
        path.unwrap_or(&self.member).to_owned()
    }

    /// Digest of the stored blob, as its descriptor states it.
    pub fn digest(&self) -> Option<&Digest> {
        self.descriptor.as_ref().map(|stated| &stated.digest)
    }

    /// Media type of the stored blob, as its descriptor states it.
    pub fn media_type(&self) -> Option<&MediaType> {
        self.descriptor.as_ref().map(|stated| &stated.media_type)
    }

    /// Refuses a blob whose size differs from its descriptor, before buffers of that size are made.
    ///
    /// # Errors
    /// `SizeMismatch`.
    pub fn check_size(&self) -> Result<()> {
        match (&self.descriptor, self.content()) {
            (Some(descriptor), Some(content)) if content.len() != descriptor.size => {
                Err(Error::size_mismatch(descriptor.size, content.len()))
            }
            _ => Ok(()),
        }
    }

    /// Tests if it is a readable filesystem, judged by its media type: signatures also have an image config, with other
    /// blobs as layers.
    pub fn is_filesystem(&self) -> bool {
        self.media_type().is_none_or(|media_type| {
            media_type.as_str().is_empty()
                || media_type
                    .layer_kind()
                    .is_some_and(|kind| kind != LayerKind::Encrypted)
        })
    }

    /// Returns the error for a missing layer.
    pub(crate) fn missing_error(&self) -> Error {
        match self.digest() {
            Some(digest) => Error::blob_missing(digest),
            None => Error::member_missing(&self.member),
        }
    }

    /// Content of the layer; `None` if it is not in the archive.
    pub fn content(&self) -> Option<&Content> {
        match &self.presence {
            Presence::Present(content) => Some(content),
            _ => None,
        }
    }
}

/// History entry and the layer it made, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// The entry; `None` for a layer without one.
    pub history: Option<&'a History>,
    /// Position of the layer from the base, from 0.
    pub layer: Option<usize>,
}

impl Image {
    /// Tests if the archive has the config and all layers, except those that are never in archives.
    pub fn is_complete(&self) -> bool {
        let is_present =
            |layer: &Layer| matches!(layer.presence, Presence::Present(_) | Presence::External);
        let has_config = self.config_bytes.is_some() || matches!(self.id, ImageId::V1(_));
        has_config && self.layers.iter().all(is_present)
    }

    /// Aligns history and layers, oldest first, see [`aligned_history`].
    pub fn steps(&self) -> Vec<Step<'_>> {
        let history = &self.config.history;
        let diff_ids = self.config.diff_ids.as_ref().map_or(0, Vec::len);
        let layers = diff_ids.max(self.layers.len());
        let are_empty: Vec<bool> = history.iter().map(|entry| entry.empty_layer).collect();
        let steps = aligned_history(&are_empty, layers).map(|(entry, layer)| Step {
            history: entry.and_then(|entry| history.get(entry)),
            layer,
        });
        steps.collect()
    }

    /// Returns the compression of the last layer, if it is gzip or zstd and the layer is not missing.
    pub fn last_codec(&self) -> Option<Compression> {
        let content = self.layers.last()?.content()?;
        let codec = content.compression().ok()?;
        matches!(codec, Compression::Gzip | Compression::Zstd).then_some(codec)
    }

    /// Number of history entries with a layer; `None` if it is the number of layers.
    pub fn history_mismatch(&self) -> Option<usize> {
        let with_layer = self
            .config
            .history
            .iter()
            .filter(|entry| !entry.empty_layer)
            .count();
        (!self.config.history.is_empty() && with_layer != self.layers.len()).then_some(with_layer)
    }
}
