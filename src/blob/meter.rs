//! Counting bytes for people who wait.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Count of the bytes that a job is done with, shared between those who read and whoever shows it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    all: Arc<All>,
    part: Option<Arc<Part>>,
}

#[derive(Debug, Default)]
struct All {
    done: AtomicU64,
    skipped: AtomicU64,
    parts: Mutex<Vec<Weak<Part>>>,
}

/// A part of a job that is being worked on: a blob, as a rule.
#[derive(Debug)]
pub struct Part {
    /// What it is called.
    pub label: String,
    /// Its bytes in all.
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
    /// Bytes that are done, whether they were read or skipped.
    pub fn done(&self) -> u64 {
        self.read() + self.all.skipped.load(Ordering::Relaxed)
    }

    /// Bytes read so far, from which a speed can be told.
    pub fn read(&self) -> u64 {
        self.all.done.load(Ordering::Relaxed)
    }

    /// Notes that bytes need not be read, because what would be made of them exists.
    pub fn skip(&self, bytes: u64) {
        self.all.skipped.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes that bytes were read.
    pub fn add(&self, bytes: u64) {
        self.all.done.fetch_add(bytes, Ordering::Relaxed);
        if let Some(part) = &self.part {
            part.done.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// A meter for a part of the job, which counts for the whole too. The part is in work until its last clone is gone.
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
            all: Arc::clone(&self.all),
            part: Some(part),
        }
    }

    /// The parts in work, in the order they were begun.
    pub fn parts(&self) -> Vec<Arc<Part>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Part>>> {
        self.all
            .parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what is read through it.
    pub fn counting<R: Read>(&self, inner: R) -> Counting<R> {
        Counting {
            inner,
            meter: self.clone(),
        }
    }
}

/// Counts what is read through it.
pub struct Counting<R> {
    inner: R,
    meter: Meter,
}

impl<R> Counting<R> {
    /// What is read.
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
    fn parts_count_for_the_whole_and_are_gone_when_they_are_done() {
        let meter = Meter::default();
        let (first, second) = (meter.part("first", 10), meter.part("second", 20));
        first.add(3);
        second.clone().add(4);
        meter.add(1);
        let told = |meter: &Meter| -> Vec<(String, u64, u64)> {
            let parts = meter.parts();
            parts
                .iter()
                .map(|part| (part.label.clone(), part.done(), part.total))
                .collect()
        };
        let expected = [("first".to_owned(), 3, 10), ("second".to_owned(), 4, 20)];
        assert_eq!((meter.done(), told(&meter)), (8, expected.to_vec()));
        drop(first);
        assert_eq!(told(&meter), expected[1..]);
        meter.skip(5);
        assert_eq!((meter.done(), meter.read()), (13, 8));
    }
}
