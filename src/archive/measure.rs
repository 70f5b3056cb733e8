//! Sizes of layers, each measured once, on all cores.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::archive::{Archive, Content, Image, ImageIdx, Layer};
use crate::blob::{Compression, Meter};
use crate::error::{At, Error, Result};
use crate::layer::{FileInput, LayerSummary, Limits, Walker};
use crate::parallel::in_parallel;

/// Sizes of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSize {
    /// Stored bytes.
    pub stored: u64,
    /// Bytes of the extracted files as docker counts them, see [`LayerSummary::content_size`].
    pub content: u64,
    /// Bytes of the extracted files without symbolic links, see [`LayerSummary::file_size`].
    pub files: u64,
    /// Compression.
    pub compression: Compression,
}

/// Sizes of an archive's layers, by member. Missing and damaged layers are not included.
#[derive(Debug, Default)]
pub struct Sizes {
    known: HashMap<String, LayerSize>,
    faults: Vec<Error>,
}

impl Sizes {
    /// Errors of layers that could not be measured, one for each, in the order of images and layers.
    pub fn faults(&self) -> &[Error] {
        &self.faults
    }

    /// Returns the sizes if all layers could be measured.
    ///
    /// # Errors
    /// The first of [`Sizes::faults`].
    pub fn complete(self) -> Result<Self> {
        match self.faults.first() {
            Some(error) => Err(error.clone()),
            None => Ok(self),
        }
    }

    /// Returns the sizes of a layer; `None` if it is missing.
    pub fn of(&self, layer: &Layer) -> Option<LayerSize> {
        self.known.get(&layer.member).copied()
    }

    /// Returns the size in bytes that docker lists for each layer of an image, from the base upward; `None` for a
    /// missing layer.
    ///
    /// An engine records the size of a layer when it is made: storage drivers count extracted files, BuildKit adds up
    /// the sizes in the tar, where a symbolic link has none. The history tells which of them made a layer.
    pub fn docker_sizes(&self, image: &Image) -> Vec<Option<u64>> {
        let mut docker_sizes: Vec<Option<u64>> = image
            .layers
            .iter()
            .map(|layer| self.of(layer).map(|size| size.content))
            .collect();
        for step in image.steps() {
            let by_buildkit = step
                .history
                .is_some_and(|entry| entry.comment.starts_with("buildkit."));
            if let (true, Some(i)) = (by_buildkit, step.layer)
                && let (Some(layer), Some(slot)) = (image.layers.get(i), docker_sizes.get_mut(i))
            {
                *slot = self.of(layer).map(|size| size.files);
            }
        }
        docker_sizes
    }

    /// Returns the size in bytes that docker lists for an image; `None` if a layer is missing.
    pub fn total(&self, image: &Image) -> Option<u64> {
        self.docker_sizes(image).into_iter().sum()
    }
}

/// Measures the layers of images of an archive.
///
/// Of an uncompressed layer only the headers are read. A compressed layer is decoded and verified: stored digest, size
/// and diff ID. Layers shared by images are measured once, in parallel.
///
/// A damaged layer has no size and an error in [`Sizes::faults`]: `DigestMismatch`, `SizeMismatch`, `DiffIdMismatch`,
/// `Tar`, `Codec`, `Limit` or `Io`, with the layer as context.
pub fn measure(archive: &Archive, images: &[ImageIdx], limits: &Limits, meter: &Meter) -> Sizes {
    let mut seen = HashSet::new();
    let mut work: Vec<(&Layer, &Content, usize, usize)> = Vec::new();
    for &image in images {
        let layers = &archive.images[image].layers;
        for (i, layer) in layers.iter().enumerate() {
            if let Some(content) = layer.content().filter(|_| layer.is_filesystem())
                && seen.insert(layer.member.as_str())
            {
                work.push((layer, content, i + 1, layers.len()));
            }
        }
    }
    // Largest first, so that no core is left with a large layer at the end.
    let mut order: Vec<usize> = (0..work.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(work[i].1.len()));
    let measured = in_parallel(&order, |&i| {
        let (layer, content, number, of) = work[i];
        let size = one(layer, content, limits, meter)
            .at(|| layer.place())
            .at(|| format!("layer {number} of {of}"));
        (i, size)
    });
    let mut sizes = Sizes::default();
    let mut faults = Vec::new();
    for (i, size) in measured {
        match size {
            Ok(size) => {
                sizes.known.insert(work[i].0.member.clone(), size);
            }
            Err(error) => faults.push((i, error)),
        }
    }
    faults.sort_by_key(|(i, _)| *i);
    sizes.faults = faults.into_iter().map(|(_, error)| error).collect();
    sizes
}

fn one(layer: &Layer, content: &Content, limits: &Limits, meter: &Meter) -> Result<LayerSize> {
    layer.check_identity()?;
    if let (None, Some(range)) = (content.known(), content.range()?) {
        let mut head = [0; 6];
        let n = range.head(&mut head)?;
        if Compression::sniff(&head[..n]) == Compression::None {
            let (file, start) = range.parts();
            let input = FileInput::new(Arc::clone(file), start, range.len());
            let summary = LayerSummary::of(&mut Walker::new(input).within(limits))?;
            let compression = Compression::None;
            return Ok(LayerSize {
                stored: range.len(),
                content: summary.content_size,
                files: summary.file_size,
                compression,
            });
        }
    }
    let expected = layer.digest();
    let scan = content.scan(expected, limits, meter)?;
    layer.check_scan(&scan)?;
    if let Some(fault) = &scan.fault {
        return Err(fault.clone());
    }
    Ok(LayerSize {
        stored: scan.size,
        content: scan.summary.content_size,
        files: scan.summary.file_size,
        compression: scan.compression,
    })
}
