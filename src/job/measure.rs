//! How large layers are, each measured once, on all cores.

use std::collections::HashMap;
use std::sync::Arc;

use crate::archive::{Archive, Content, Image, Layer};
use crate::blob::{Compression, Meter};
use crate::error::{At, Error, Fault, Result};
use crate::layer::{FileInput, LayerSummary, Limits, Scan, Walker};
use crate::parallel::in_parallel;
use crate::spec::Digest;

/// What is known of one layer's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSize {
    /// Bytes as the archive stores them.
    pub stored: u64,
    /// Bytes of the files once unpacked, as docker counts them, see [`LayerSummary::content_size`].
    pub content: u64,
    /// The same without symbolic links, see [`LayerSummary::file_size`].
    pub files: u64,
    /// How it is packed.
    pub compression: Compression,
}

/// The sizes of an archive's layers, by the member that holds each. Layers that are not in the archive are not here.
#[derive(Debug, Default)]
pub struct Sizes(HashMap<String, LayerSize>);

impl Sizes {
    /// The size of a layer; `None` if it is not in the archive.
    pub fn of(&self, layer: &Layer) -> Option<LayerSize> {
        self.0.get(&layer.member).copied()
    }

    /// The bytes that docker shows for each layer of an image, from the base upward; `None` for a layer that is not
    /// in the archive.
    ///
    /// An engine remembers what a layer took when it was made. The storage drivers count what they unpacked; BuildKit
    /// adds up the sizes in the tar, where a symbolic link has none. Which one it was is told by the history.
    pub fn shown(&self, image: &Image) -> Vec<Option<u64>> {
        let mut shown: Vec<Option<u64>> = image
            .layers
            .iter()
            .map(|layer| self.of(layer).map(|size| size.content))
            .collect();
        for step in image.steps() {
            let by_buildkit = step
                .history
                .is_some_and(|entry| entry.comment.starts_with("buildkit."));
            if let (true, Some(i)) = (by_buildkit, step.layer)
                && let (Some(layer), Some(slot)) = (image.layers.get(i), shown.get_mut(i))
            {
                *slot = self.of(layer).map(|size| size.files);
            }
        }
        shown
    }

    /// The bytes that docker shows for an image; `None` if a layer is not in the archive.
    pub fn total(&self, image: &Image) -> Option<u64> {
        self.shown(image).into_iter().sum()
    }
}

/// Measures the layers of images of an archive.
///
/// Of a plain layer only the headers are read. A packed one has to be decoded, and is verified on the way: stored
/// digest, size and diff ID. A layer that several images share is measured once; layers are taken on all cores.
///
/// # Errors
/// `DigestMismatch`, `SizeMismatch`, `DiffIdMismatch`, `Tar`, `Codec`, `Limit`, `Io`, placed at the layer.
pub fn measure(
    archive: &Archive,
    images: &[usize],
    limits: &Limits,
    meter: &Meter,
) -> Result<Sizes> {
    let mut seen = HashMap::new();
    for &image in images {
        let layers = &archive.images[image].layers;
        for (i, layer) in layers.iter().enumerate() {
            if let Some(content) = layer.content() {
                let place = format!("layer {} of {}", i + 1, layers.len());
                seen.entry(layer.member.as_str())
                    .or_insert((layer, content, place));
            }
        }
    }
    let mut work: Vec<(&Layer, &Content, String)> = seen.into_values().collect();
    // The largest first, so that no core is left with it at the end.
    work.sort_by(|a, b| {
        b.1.len()
            .cmp(&a.1.len())
            .then_with(|| a.0.member.cmp(&b.0.member))
    });
    let sizes = in_parallel(&work, |(layer, content, place)| {
        one(layer, content, limits, meter)
            .at(|| layer.member.clone())
            .at(|| place.clone())
    });
    let mut by_member = HashMap::with_capacity(work.len());
    for ((layer, ..), size) in work.iter().zip(sizes) {
        by_member.insert(layer.member.clone(), size?);
    }
    Ok(Sizes(by_member))
}

fn one(layer: &Layer, content: &Content, limits: &Limits, meter: &Meter) -> Result<LayerSize> {
    if let (None, Some(range)) = (content.known(), content.range()?) {
        let mut head = [0; 6];
        let n = range.head(&mut head)?;
        if Compression::sniff(&head[..n]) == Compression::None {
            let (file, start) = range.parts();
            let input = FileInput::new(Arc::clone(file), start, range.len());
            let summary = LayerSummary::of(&mut Walker::new(input).max_entries(limits.entries))?;
            let compression = Compression::None;
            return Ok(LayerSize {
                stored: range.len(),
                content: summary.content_size,
                files: summary.file_size,
                compression,
            });
        }
    }
    let expected = layer
        .descriptor
        .as_ref()
        .map(|descriptor| &descriptor.digest);
    let scan = content.scan(expected, limits, meter)?;
    check_layer(layer, &scan)?;
    Ok(LayerSize {
        stored: scan.size,
        content: scan.summary.content_size,
        files: scan.summary.file_size,
        compression: scan.compression,
    })
}

/// Compares what a pass over a layer found with what manifest and config state.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn check_layer(layer: &Layer, scan: &Scan) -> Result<()> {
    if let Some(descriptor) = &layer.descriptor {
        check_blob(&descriptor.digest, descriptor.size, scan)?;
    }
    if let Some(fault) = &scan.fault {
        return Err(fault.clone());
    }
    match (&layer.diff_id, &scan.diff_id) {
        (Some(expected), Some(found))
            if expected != found && expected.algorithm() == found.algorithm() =>
        {
            Err(Fault::DiffIdMismatch {
                expected: expected.to_string(),
                found: found.to_string(),
            }
            .into())
        }
        _ => Ok(()),
    }
}

/// Compares a blob with its descriptor.
pub(super) fn check_blob(digest: &Digest, size: u64, scan: &Scan) -> Result<(), Error> {
    if scan.size != size {
        return Err(Fault::SizeMismatch {
            expected: size,
            found: scan.size,
        }
        .into());
    }
    if scan.digest != *digest {
        let (expected, found) = (digest.to_string(), scan.digest.to_string());
        return Err(Fault::DigestMismatch { expected, found }.into());
    }
    Ok(())
}
