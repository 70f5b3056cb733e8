//! One container image of an archive.

use std::fmt;
use std::sync::Arc;

use super::Content;
use crate::error::{Error, Fault, Result};
use crate::spec::{Descriptor, Digest, History, ImageConfig, LayerKind, Manifest, Platform};

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
    /// Its ID.
    pub id: ImageId,
    /// What machine it is for: as the config says, else as the index does.
    pub platform: Platform,
    /// The config, parsed; images with one config share it. Empty where `config_bytes` is `None` and the image is no v1
    /// image.
    pub config: Arc<ImageConfig>,
    /// The config as it is. `None` if it is not in the archive, or the image is of the time before configs.
    pub config_bytes: Option<Arc<[u8]>>,
    /// The manifest, parsed; a docker-archive without an OCI half has none.
    pub manifest: Option<Manifest>,
    /// The node of the graph that holds the manifest.
    pub node: Option<usize>,
    /// The item of `manifest.json` that describes it.
    pub item: Option<usize>,
    /// The layers, from the base upward.
    pub layers: Vec<Layer>,
    /// What is wrong with the docker half's description of it.
    pub faults: Vec<Error>,
}

/// What identifies an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ImageId {
    /// The digest of the config.
    Config(Digest),
    /// The label of a v1 image: 64 random hexadecimal digits, which prove nothing.
    V1(String),
}

impl ImageId {
    /// The first 12 digits.
    pub fn short(&self) -> &str {
        match self {
            ImageId::Config(digest) => digest.short(),
            ImageId::V1(id) => id.get(..12).unwrap_or(id),
        }
    }

    /// The hexadecimal digits alone.
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
    /// What a manifest (or `LayerSources`) states of the stored blob.
    pub descriptor: Option<Descriptor>,
    /// The digest of the plain tar, as the config states it.
    pub diff_id: Option<Digest>,
    /// Where in the archive it is or should be.
    pub member: String,
    /// Whether it is there.
    pub presence: Presence,
}

/// Whether a blob is in the archive.
#[derive(Debug, Clone)]
pub enum Presence {
    /// It is.
    Here(Content),
    /// It is not, though it should be.
    Absent,
    /// Something is there under its name that cannot be read; a fault of the image or its manifest says why.
    Unreadable,
    /// It is not and need not be: a foreign layer, or the empty blob.
    External,
}

impl Layer {
    /// Refuses a blob that is not as long as its descriptor says, before anything is made as long as that.
    ///
    /// # Errors
    /// `SizeMismatch`.
    pub fn check_size(&self) -> Result<()> {
        match (&self.descriptor, self.content()) {
            (Some(descriptor), Some(content)) if content.len() != descriptor.size => {
                let fault = Fault::SizeMismatch {
                    expected: descriptor.size,
                    found: content.len(),
                };
                Err(fault.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether it is a filesystem that can be read, as far as its media type tells: signatures have the config of an
    /// image too, and other blobs for layers.
    pub fn is_filesystem(&self) -> bool {
        let media_type = self
            .descriptor
            .as_ref()
            .map(|descriptor| &descriptor.media_type);
        media_type.is_none_or(|media_type| {
            media_type.as_str().is_empty()
                || media_type
                    .layer_kind()
                    .is_some_and(|kind| kind != LayerKind::Encrypted)
        })
    }

    /// What is wrong with it where it is not there though it should be.
    pub(crate) fn absent(&self) -> Error {
        let fault = match &self.descriptor {
            Some(descriptor) => Fault::BlobAbsent {
                digest: descriptor.digest.to_string(),
            },
            None => Fault::MemberAbsent {
                name: self.member.clone(),
            },
        };
        fault.into()
    }

    /// The layer's bytes, if they are in the archive.
    pub fn content(&self) -> Option<&Content> {
        match &self.presence {
            Presence::Here(content) => Some(content),
            _ => None,
        }
    }
}

/// A history entry and the layer it made, if it made one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// The entry; `None` for a layer that no entry speaks of.
    pub history: Option<&'a History>,
    /// The layer's number from the base, from 0.
    pub layer: Option<usize>,
}

impl Image {
    /// Aligns history and layers, oldest first. Nothing is dropped where they do not match in number.
    ///
    /// Each entry without `empty_layer` takes the next layer (image specification, "Image Configuration", history).
    /// Where there are fewer such entries than layers, the base came without history: entries are aligned from the
    /// top, and the layers at the bottom get none. Where there are more, the last entries get no layer.
    pub fn steps(&self) -> Vec<Step<'_>> {
        let history = &self.config.history;
        let layers = self
            .config
            .diff_ids
            .as_ref()
            .map_or(0, Vec::len)
            .max(self.layers.len());
        let with_layer = history.iter().filter(|entry| !entry.empty_layer).count();
        let mut next = layers.saturating_sub(with_layer);
        let mut steps: Vec<Step<'_>> = (0..next)
            .map(|i| Step {
                history: None,
                layer: Some(i),
            })
            .collect();
        for entry in history {
            let layer = (!entry.empty_layer && next < layers).then_some(next);
            next += usize::from(layer.is_some());
            steps.push(Step {
                history: Some(entry),
                layer,
            });
        }
        steps
    }

    /// How many history entries claim a layer, if that is not the number of layers.
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
