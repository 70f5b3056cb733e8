//! Uncompressed layers compared with their diff IDs while other threads read their contents.
//!
//! A compressed layer is hashed while it is decoded. The files of an uncompressed one are read in any order, and parts
//! of it (replaced files, padding) not at all, so it is hashed separately from start to end, on threads of its own. The
//! page cache serves both readers.

use std::collections::HashSet;
use std::io::Read;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::listing::Reading;
use crate::archive::{Content, Image, Layer};
use crate::blob::{CHUNK, FileRange, Hasher, Meter};
use crate::error::{At, Error, Result};

/// Uncompressed layers in files that were not hashed yet.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    layers: Vec<Item>,
}

#[derive(Debug, Clone)]
struct Item {
    layer: Layer,
    range: FileRange,
    /// Context of its errors.
    place: String,
    /// Its number among the given layers, from the base.
    order: usize,
}

impl Proof {
    /// The uncompressed layers of a part of an image, each once. Layers from a stream were hashed before.
    ///
    /// # Errors
    /// As [`Layer::check_identity`], and for unreadable layers; placed at `layer N of M` and the blob.
    pub fn of(image: &Image, layers: Range<usize>) -> Result<Self> {
        let count = image.layers.len();
        let part = image.layers.iter().enumerate();
        let part = part.filter(|(i, _)| layers.contains(i));
        Proof::of_layers(part.map(|(i, layer)| (layer, format!("layer {} of {count}", i + 1))))
    }

    /// The uncompressed layers among any layers, each with the context of its errors.
    ///
    /// # Errors
    /// As [`Proof::of`].
    pub fn of_layers<'a>(layers: impl IntoIterator<Item = (&'a Layer, String)>) -> Result<Self> {
        let mut proof = Proof::default();
        let mut seen = HashSet::new();
        for (order, (layer, place)) in layers.into_iter().enumerate() {
            let known = layer.content().and_then(Content::known).is_some();
            if known || layer.diff_id.is_none() || !layer.is_filesystem() {
                continue;
            }
            let range = Reading::default().uncompressed_range(layer);
            let range = range.at(|| layer.place()).at(|| place.clone())?;
            if let Some(range) = range
                && seen.insert((layer.member.clone(), layer.diff_id.clone()))
            {
                proof.layers.push(Item {
                    layer: layer.clone(),
                    range,
                    place,
                    order,
                });
            }
        }
        // The largest first, so that no core is busy with it at the end.
        proof
            .layers
            .sort_by_key(|item| std::cmp::Reverse(item.range.len()));
        Ok(proof)
    }

    /// Number of bytes to hash.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|item| item.range.len()).sum()
    }

    /// Hashes all layers; `meter` counts their bytes.
    ///
    /// # Errors
    /// `DiffIdMismatch`, `Io`; placed at the layer and the blob. Of several, that of the lowest layer.
    pub fn check(&self, meter: &Meter) -> Result<()> {
        self.beside(meter, || Ok(()))
    }

    /// Runs an operation and hashes all layers meanwhile. The result of the operation is dropped if a layer differs.
    ///
    /// # Errors
    /// As [`Proof::check`]; those of the operation.
    pub fn beside<T>(&self, meter: &Meter, job: impl FnOnce() -> Result<T>) -> Result<T> {
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let faults: Mutex<Vec<(usize, Error)>> = Mutex::default();
        let work = || {
            while let Some(item) = self.layers.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = item.hash(meter, &stop) {
                    let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
                    faults.push((item.order, error));
                }
            }
        };
        let threads = rayon::current_num_threads().min(self.layers.len());
        let done = std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
            let done = job();
            if done.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            done
        });
        let faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
        let first = faults.into_iter().min_by_key(|(order, _)| *order);
        match first {
            // With a closed output nobody waits for the other layers.
            Some((_, error)) if !done.as_ref().is_err_and(Error::is_broken_pipe) => Err(error),
            _ => done,
        }
    }
}

impl Item {
    fn hash(&self, meter: &Meter, stop: &AtomicBool) -> Result<()> {
        self.compare(meter, stop)
            .at(|| self.layer.place())
            .at(|| self.place.clone())
    }

    fn compare(&self, meter: &Meter, stop: &AtomicBool) -> Result<()> {
        let Some(diff_id) = &self.layer.diff_id else {
            return Ok(());
        };
        let mut hasher = Hasher::like(diff_id)?;
        let mut reader = meter.counting(self.range.reader());
        let mut buf = vec![0; CHUNK];
        while !stop.load(Ordering::Relaxed) {
            match reader.read(&mut buf) {
                Ok(0) => return self.layer.check_diff_id(&hasher.finish()),
                Ok(n) => hasher.update(buf.get(..n).unwrap_or_default()),
                Err(error) => return Err(Error::io("read", error)),
            }
        }
        Ok(())
    }
}
