//! Byte counts for progress displays.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Byte count of an operation, shared between its readers and the progress display. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    total: Arc<Total>,
    part: Option<Arc<Part>>,
}

#[derive(Debug, Default)]
struct Total {
    done: AtomicU64,
    skipped: AtomicU64,
    parts: Mutex<Vec<Weak<Part>>>,
}

/// A part of an operation in progress: usually a blob.
#[derive(Debug)]
pub struct Part {
    /// Name to display.
    pub label: String,
    /// Size in bytes.
    pub total: u64,
    done: AtomicU64,
}

impl Part {
    /// Bytes read so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

impl Meter {
    /// Bytes read or skipped so far.
    pub fn done(&self) -> u64 {
        self.read() + self.total.skipped.load(Ordering::Relaxed)
    }

    /// Bytes read so far, without skipped ones; the basis of a speed.
    pub fn read(&self) -> u64 {
        self.total.done.load(Ordering::Relaxed)
    }

    /// Counts bytes that need not be read because their result exists.
    pub fn skip(&self, bytes: u64) {
        self.total.skipped.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that were read.
    pub fn add(&self, bytes: u64) {
        self.total.done.fetch_add(bytes, Ordering::Relaxed);
        if let Some(part) = &self.part {
            part.done.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Creates a meter for a part, whose bytes also count for the whole operation. The part is in progress until its last
    /// clone is dropped. `total` is its size in bytes.
    pub fn part(&self, label: &str, total: u64) -> Meter {
        let part = Arc::new(Part {
            label: label.to_owned(),
            total,
            done: AtomicU64::new(0),
        });
        let mut parts = self.lock();
        parts.retain(|part| part.strong_count() > 0);
        parts.push(Arc::downgrade(&part));
        drop(parts);
        Meter {
            total: Arc::clone(&self.total),
            part: Some(part),
        }
    }

    /// Parts in progress, in the order in which they were started.
    pub fn parts(&self) -> Vec<Arc<Part>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Part>>> {
        self.total
            .parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Wraps a reader so that its bytes are counted.
    pub fn counting<R: Read>(&self, inner: R) -> Counting<R> {
        Counting {
            inner,
            meter: self.clone(),
        }
    }
}

/// Reader that counts the bytes read through it.
pub struct Counting<R> {
    inner: R,
    meter: Meter,
}

impl<R> Counting<R> {
    /// Returns the wrapped reader.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.meter.add(n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_count_for_the_whole_until_they_are_dropped() {
        let meter = Meter::default();
        let (first, second) = (meter.part("first", 10), meter.part("second", 20));
        first.add(3);
        second.clone().add(4);
        meter.add(1);
        let listed = |meter: &Meter| -> Vec<(String, u64, u64)> {
            let parts = meter.parts();
            parts
                .iter()
                .map(|part| (part.label.clone(), part.done(), part.total))
                .collect()
        };
        let expected = [("first".to_owned(), 3, 10), ("second".to_owned(), 4, 20)];
        assert_eq!((meter.done(), listed(&meter)), (8, expected.to_vec()));
        drop(first);
        assert_eq!(listed(&meter), expected[1..]);
        meter.skip(5);
        assert_eq!((meter.done(), meter.read()), (13, 8));
    }
}
