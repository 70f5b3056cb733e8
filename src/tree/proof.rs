//! Uncompressed layers compared with their diff IDs while others read their contents.
//!
//! A compressed layer is hashed while it is decoded. An uncompressed one is read where it lies, in whatever order its
//! files are wanted, and much of it (what upper layers replace, padding) by nobody; so it is hashed beside that, from its
//! start to its end, by threads of its own. What one of both has read the system has at hand for the other.

use std::collections::HashSet;
use std::io::Read;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::listing::Reading;
use crate::archive::{Content, Image, Layer};
use crate::blob::{CHUNK, FileRange, Hasher, Meter};
use crate::error::{At, Error, Result};

/// Layers that lie uncompressed in a file and were not hashed yet.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    layers: Vec<Item>,
}

#[derive(Debug, Clone)]
struct Item {
    layer: Layer,
    range: FileRange,
    /// Its place in errors.
    place: String,
    /// Its number among those that were given, from the base.
    order: usize,
}

impl Proof {
    /// The uncompressed layers of a part of an image, each once. Those that went by on a stream were hashed then.
    ///
    /// # Errors
    /// As [`Layer::check_identity`], and for layers that cannot be read; placed at `layer N of M` and the blob.
    pub fn of(image: &Image, layers: Range<usize>) -> Result<Self> {
        let count = image.layers.len();
        let part = image.layers.iter().enumerate();
        let part = part.filter(|(i, _)| layers.contains(i));
        Proof::of_layers(part.map(|(i, layer)| (layer, format!("layer {} of {count}", i + 1))))
    }

    /// The same for layers from anywhere, with their places.
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
            let range = Reading::default().plain_range(layer);
            let range = range.at(|| layer.member.clone()).at(|| place.clone())?;
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
        // The largest first, so that no core is left with it at the end.
        proof
            .layers
            .sort_by_key(|item| std::cmp::Reverse(item.range.len()));
        Ok(proof)
    }

    /// Bytes to be hashed.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|item| item.range.len()).sum()
    }

    /// Hashes all layers; `meter` counts their bytes.
    ///
    /// # Errors
    /// `DiffIdMismatch`, `Io`; placed at the layer and the blob. Of several, the one of the lowest layer.
    pub fn check(&self, meter: &Meter) -> Result<()> {
        self.beside(meter, || Ok(()))
    }

    /// Does a job, and hashes all layers meanwhile. The job's result counts for nothing if a layer is another one.
    ///
    /// # Errors
    /// As [`Proof::check`]; those of the job.
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
            // Nobody waits for the rest where the reader of the output went away.
            Some((_, error)) if !done.as_ref().is_err_and(Error::is_broken_pipe) => Err(error),
            _ => done,
        }
    }
}

impl Item {
    fn hash(&self, meter: &Meter, stop: &AtomicBool) -> Result<()> {
        self.compare(meter, stop)
            .at(|| self.layer.member.clone())
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
