//! Layers recompressed, or rewritten without the differences between builds.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::options::Recode;
use super::reproduce;
use crate::archive::{Content, Kept};
use crate::blob::{Compression, FileRange, Hasher, Meter, NewFile, ReadAhead};
use crate::error::{At, During, Error, Fault, Result};
use crate::layer::{Limits, Scan};
use crate::parallel::in_parallel;
use crate::spec::{Descriptor, Digest, LayerKind};
use crate::write::bundle::Bundle;
use crate::write::chunked;
use crate::write::chunked::toc::{self, Annotations};
use crate::write::compress::{HashingWriter, compress_into, copy_into};
use crate::write::output::{BlobOut, Change, Source};
use crate::write::stored::{Stored, hashed};

/// A converted layer.
#[derive(Debug, Clone)]
pub(super) struct ConvertedLayer {
    pub blob: BlobOut,
    /// Digest of its uncompressed tar.
    pub diff_id: Digest,
    pub compression: Compression,
    /// Annotations of its descriptor about its stored bytes.
    pub annotations: Annotations,
}

/// A conversion of layers: its options, and the directory for temporary files.
pub(super) struct Conversion<'a> {
    pub recode: &'a Recode,
    /// True to decode layers that become uncompressed only while they are written, see [`Stored::guess_size`].
    pub guess_sizes: bool,
    pub temp_dir: &'a Path,
    pub meter: &'a Meter,
}

impl Bundle {
    /// Converts the layers that differ from the options. Returns the new layers by their old digests.
    pub(super) fn convert_layers(
        &mut self,
        conversion: &Conversion<'_>,
    ) -> Result<HashMap<Digest, ConvertedLayer>> {
        let mut converted = HashMap::new();
        let recode = conversion.recode;
        if !recode.changes_layers() {
            return Ok(converted);
        }
        let work = self.layers_to_convert(recode)?;
        let results = in_parallel(&work, |stored| conversion.layer(stored));
        for (stored, result) in work.into_iter().zip(results) {
            let new = result?;
            let (old, now) = (stored.digest.to_string(), new.blob.digest.to_string());
            // The blob stays if only its descriptor lacked annotations, or if there are none to add.
            if old != now {
                self.changes.push(Change {
                    what: "layer",
                    old: Some(old),
                    new: now,
                    why: reason(recode, &new),
                });
            }
            self.replace(&stored.digest, &new.blob);
            converted.insert(stored.digest, new);
        }
        Ok(converted)
    }

    /// Distinct layers that differ from the options, the largest first.
    fn layers_to_convert(&self, recode: &Recode) -> Result<Vec<Stored>> {
        let mut work: Vec<Stored> = Vec::new();
        // A manifest that an image had keeps its digest, also where a new one shares layers with it.
        let mut kept = HashSet::new();
        if recode.uncompressed.is_some() && recode.compression.is_none() {
            let existing = self.manifest_digests().into_iter();
            let existing = existing.filter(|digest| !self.new_manifests.contains(digest));
            let layers = self.layers_of(existing)?;
            kept.extend(layers.into_iter().map(|(layer, _)| layer.digest));
        }
        for (layer, diff_id) in self.layers()? {
            let Some(blob) = self.blob(&layer.digest) else {
                continue;
            };
            let Source::Stored(content) = &blob.source else {
                continue;
            };
            let from = content.compression()?;
            if layer.media_type.layer_kind() == Some(LayerKind::Encrypted) {
                return Err(Error::unsupported(format!(
                    "the encrypted layer {}",
                    layer.digest
                )));
            }
            let has_compression = (from == recode.compression_of(from)
                || kept.contains(&layer.digest))
                && (recode.compression.is_none()
                    || !recode.chunked
                    || is_chunked(&layer, content)?);
            let is_kept = has_compression && recode.reproducible.is_none();
            if !is_kept && !work.iter().any(|known| known.digest == blob.digest) {
                work.push(Stored {
                    content: content.clone(),
                    digest: blob.digest.clone(),
                    size: blob.size,
                    from,
                    diff_id,
                    limits: recode.limits,
                });
            }
        }
        work.sort_by_key(|stored| Reverse(stored.size));
        Ok(work)
    }
}

/// The reason for a change, as imgconvert prints it.
fn reason(recode: &Recode, new: &ConvertedLayer) -> &'static str {
    let lacks_toc =
        recode.chunked && new.compression == Compression::Zstd && new.annotations.is_empty();
    match (recode.reproducible, lacks_toc) {
        (Some(_), false) => "times and names of owners rewritten",
        (Some(_), true) => {
            "times and names of owners rewritten, without a table of contents, which could not describe it"
        }
        (None, false) => "recompressed",
        (None, true) => "recompressed, without a table of contents, which could not describe it",
    }
}

impl Conversion<'_> {
    /// Converts a layer, or postpones decoding to the copy if its uncompressed size can be guessed.
    fn layer(&self, stored: &Stored) -> Result<ConvertedLayer> {
        let to = match self.recode.compression_of(stored.from) {
            // Layers are not written in these formats.
            Compression::Bzip2 | Compression::Xz => Compression::Gzip,
            to => to,
        };
        if self.guess_sizes
            && self.recode.reproducible.is_none()
            && to == Compression::None
            && let Some(size) = stored.guess_size()?
        {
            let blob = BlobOut {
                digest: stored.diff_id.clone(),
                size,
                source: Source::Decoded(Arc::new(stored.clone())),
                stated: None,
            };
            return Ok(ConvertedLayer {
                blob,
                diff_id: stored.diff_id.clone(),
                compression: to,
                annotations: Vec::new(),
            });
        }
        recompress(stored, to, self.recode, self.temp_dir, self.meter).at(|| stored.place())
    }
}

/// Decodes a layer, rewrites it if the options say so, and compresses it into an anonymous temporary file. Its stored
/// digest, size and diff ID are verified.
///
/// # Errors
/// `DigestMismatch`, `SizeMismatch`, `DiffIdMismatch`, `Codec`, `Io`; as [`reproduce::layer`].
fn recompress(
    stored: &Stored,
    to: Compression,
    recode: &Recode,
    temp_dir: &Path,
    meter: &Meter,
) -> Result<ConvertedLayer> {
    let mut annotations = Vec::new();
    let (tar, check) = stored.decode(meter)?;
    let hasher = Hasher::like(&stored.diff_id)?;
    let (tar, original) = match recode.reproducible {
        None => (tar, None),
        Some(epoch) => {
            let (tar, found) = hashed(tar, hasher.clone());
            (rewritten(tar, epoch, stored.limits), Some(found))
        }
    };
    let file = Arc::new(NewFile::in_directory(temp_dir, 0o644)?);
    let (diff_id, tar_size, (digest, size)) = if to == Compression::None {
        let (found, size) = copy_into(&file, tar, hasher)?;
        (found.clone(), size, (found, size))
    } else {
        // Hashed ahead, so that compression has all cores whenever it can go on.
        let (tar, found) = hashed(tar, hasher);
        let written = if to == Compression::Zstd && recode.chunked {
            let mut out = HashingWriter::new(&file);
            annotations = chunked::write(tar, &mut out, recode.level, stored.limits.entries)?;
            out.finish()
        } else {
            compress_into(&file, tar, to, recode.level)?
        };
        let (found, tar_size) = found
            .recv()
            .map_err(|_| Error::from(Fault::StreamConsumed))?;
        (found, tar_size, written)
    };
    check.finish()?;
    let found = match original {
        None => diff_id.clone(),
        Some(original) => {
            original
                .recv()
                .map_err(|_| Error::from(Fault::StreamConsumed))?
                .0
        }
    };
    if found != stored.diff_id {
        return Err(Error::diff_id_mismatch(&stored.diff_id, &found));
    }
    let copy = file.file().try_clone().during("read")?;
    let range = FileRange::whole(copy)?;
    let scan = Scan::written(digest.clone(), size, to, diff_id.clone(), tar_size);
    let scan = Arc::new(scan);
    let source = Source::Stored(Content::Kept(Arc::new(Kept { file, range, scan })));
    Ok(ConvertedLayer {
        blob: BlobOut {
            digest,
            size,
            source,
            stated: None,
        },
        diff_id,
        compression: to,
        annotations,
    })
}

/// A tar rewritten without the differences between builds, on a thread of its own.
fn rewritten(tar: ReadAhead, epoch: i64, limits: Limits) -> ReadAhead {
    let (feeder, ahead) = ReadAhead::pair();
    std::thread::spawn(move || {
        let mut out = feeder.writer();
        let result = reproduce::layer(tar, epoch, &limits, &mut out);
        out.finish(result.map_err(Error::into_io));
    });
    ahead
}

/// Returns true if a layer is zstd:chunked as this library writes it: its descriptor's position is that of its footer.
fn is_chunked(layer: &Descriptor, content: &Content) -> Result<bool> {
    let stated = [toc::CHECKSUM, toc::POSITION, toc::SPLIT_POSITION];
    let (true, Some(range)) = (
        stated.iter().all(|key| layer.annotation(key).is_some()),
        content.range()?,
    ) else {
        return Ok(false);
    };
    let length = toc::FOOTER as u64;
    let last = range
        .slice(range.len().saturating_sub(length), length)
        .bytes(length)?;
    let Some(footer) = toc::Footer::parse(&last) else {
        return Ok(false);
    };
    Ok(layer.annotation(toc::POSITION) == Some(footer.position().as_str()))
}

/// Compresses a layer that was just made or read, into an anonymous temporary file in `temp_dir`. Returns it with the
/// annotations of its descriptor.
///
/// # Errors
/// As [`Bundle::recode`](crate::write::Bundle::recode).
pub(crate) fn compress_layer(
    scan: &Scan,
    content: Content,
    to: Compression,
    recode: &Recode,
    temp_dir: &Path,
    meter: &Meter,
) -> Result<(Kept, Annotations)> {
    let gone = || Error::new(Fault::StreamConsumed);
    let stored = Stored {
        content,
        digest: scan.digest.clone(),
        size: scan.size,
        from: scan.compression,
        diff_id: scan.diff_id.clone().ok_or_else(gone)?,
        limits: recode.limits,
    };
    let layer = recompress(&stored, to, recode, temp_dir, meter)?;
    let Source::Stored(Content::Kept(kept)) = layer.blob.source else {
        return Err(gone());
    };
    let kept = Kept {
        file: Arc::clone(&kept.file),
        range: kept.range.clone(),
        scan: Arc::clone(&kept.scan),
    };
    Ok((kept, layer.annotations))
}
