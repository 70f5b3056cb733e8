//! How large layers are, each measured once, on all cores.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::archive::{Archive, Content, Image, Layer};
use crate::blob::{Compression, Meter};
use crate::error::{At, Error, Result};
use crate::layer::{FileInput, LayerSummary, Limits, Walker};
use crate::parallel::in_parallel;

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

/// The sizes of an archive's layers, by the member that holds each. Layers that are not in the archive, or are damaged,
/// are not here.
#[derive(Debug, Default)]
pub struct Sizes {
    known: HashMap<String, LayerSize>,
    faults: Vec<Error>,
}

impl Sizes {
    /// What is wrong with the layers that could not be measured, one error each, in the order of images and layers.
    pub fn faults(&self) -> &[Error] {
        &self.faults
    }

    /// The same sizes, if all layers could be measured.
    ///
    /// # Errors
    /// The first of [`Sizes::faults`].
    pub fn whole(self) -> Result<Self> {
        match self.faults.first() {
            Some(error) => Err(error.clone()),
            None => Ok(self),
        }
    }

    /// The size of a layer; `None` if it is not in the archive.
    pub fn of(&self, layer: &Layer) -> Option<LayerSize> {
        self.known.get(&layer.member).copied()
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
/// One that is damaged has no size and an error in [`Sizes::faults`]: `DigestMismatch`, `SizeMismatch`,
/// `DiffIdMismatch`, `Tar`, `Codec`, `Limit` or `Io`, placed at the layer.
pub fn measure(archive: &Archive, images: &[usize], limits: &Limits, meter: &Meter) -> Sizes {
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
    // The largest first, so that no core is left with it at the end.
    let mut order: Vec<usize> = (0..work.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(work[i].1.len()));
    let measured = in_parallel(&order, |&i| {
        let (layer, content, number, of) = work[i];
        let size = one(layer, content, limits, meter)
            .at(|| layer.member.clone())
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
    let expected = layer
        .descriptor
        .as_ref()
        .map(|descriptor| &descriptor.digest);
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
