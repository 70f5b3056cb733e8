//! Reading of the wanted contents.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::entry_set::EntrySet;
use super::pieces::Pieces;
use super::plan::Job;
use super::source::{Access, Contents, Item, Place, Source, Wanted};
use crate::cache::{Cache, IndexedLayer};
use crate::error::{Error, Result};
use crate::layer::Expanded;
use crate::parallel::in_parallel;
use crate::spec::Digest;
use crate::tree::Listing;

/// Makes something of the contents of one file, or nothing. It need not read them to the end.
pub type Consume<'c, T> = dyn Fn(&mut FileContents<'_>) -> Result<Option<T>> + Sync + 'c;

/// Contents of one file, with their holes as zeros.
pub struct FileContents<'r> {
    inner: &'r mut dyn Read,
    size: u64,
    read: u64,
    hasher: Option<Sha256>,
    error: Option<Error>,
}

/// Results for the contents.
#[derive(Debug)]
pub struct Found<T> {
    found: HashMap<Place, Arc<T>>,
    refused: Vec<(Place, Error)>,
}

/// Result of one job.
struct Done<T> {
    found: Vec<(u64, T)>,
    refused: Vec<(u64, Error)>,
    /// The listing of a layer that was not listed, and its digests.
    listing: Option<(Listing, Vec<[u8; 32]>)>,
}

/// Reason why a job failed.
enum Failure {
    /// The layer's bytes do not match its index in the cache.
    Mismatch,
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl<T> Found<T> {
    /// Returns the result for the contents at a place.
    pub fn get(&self, place: Place) -> Option<&T> {
        self.found.get(&place).map(Arc::as_ref)
    }

    /// All results, in any order.
    pub fn iter(&self) -> impl Iterator<Item = (Place, &Arc<T>)> {
        self.found.iter().map(|(place, made)| (*place, made))
    }

    /// Sparse files that were not read for their holes, with their errors.
    pub fn refused(&self) -> &[(Place, Error)] {
        &self.refused
    }
}

impl FileContents<'_> {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Read for FileContents<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = match self.inner.read(buf) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                // Kept, whatever the caller does with it.
                let error = Error::io("read", error);
                self.error = Some(error.clone());
                return Err(error.into_io());
            }
        };
        self.read += read as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buf.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}

/// Passes contents on, and compares them with their digest if they were read to their end.
fn consume_one<T>(
    inner: &mut dyn Read,
    size: u64,
    digest: Option<[u8; 32]>,
    consume: &Consume<'_, T>,
) -> Result<Option<T>> {
    let mut contents = FileContents {
        inner,
        size,
        read: 0,
        hasher: digest.map(|_| Sha256::new()),
        error: None,
    };
    let made = consume(&mut contents);
    if let Some(error) = contents.error {
        return Err(error);
    }
    let made = made?;
    if let (Some(expected), Some(hasher)) = (digest, contents.hasher)
        && contents.read == size
    {
        let found: [u8; 32] = hasher.finalize().into();
        if found != expected {
            let digest = |bytes: [u8; 32]| Digest::known("sha256", &hex::encode(bytes));
            return Err(Error::digest_mismatch(digest(expected), digest(found)));
        }
    }
    Ok(made)
}

impl Contents<'_> {
    /// Reads all wanted contents, and passes each distinct one to `consume`, on all cores and in any order. Afterwards
    /// nothing is wanted, and all layers that were read are listed.
    ///
    /// A layer that fails has an error ([`Contents::error`]); nothing is found in it, and the others go on.
    pub fn read<T: Send + Sync>(&mut self, consume: &Consume<'_, T>) -> Found<T> {
        let mut all = Found {
            found: HashMap::new(),
            refused: Vec::new(),
        };
        loop {
            let plan = self.plan();
            for (place, error) in plan.refused {
                self.forget_wanted(place);
                all.refused.push((place, error));
            }
            if plan.jobs.is_empty() {
                break;
            }
            let done = in_parallel(&plan.jobs, |job| self.run(job, consume));
            for (job, done) in plan.jobs.iter().zip(done) {
                self.settle(job, done, &mut all);
            }
            for (place, same) in plan.same {
                // Contents of a layer that failed are read at the next place that has them.
                if self.error(same.0).is_some() || self.is_wanted(same) {
                    continue;
                }
                self.forget_wanted(place);
                if let Some(made) = all.found.get(&same).cloned() {
                    all.found.insert(place, made);
                }
                let refused = all.refused.iter().find(|(refused, _)| *refused == same);
                if let Some((_, error)) = refused.cloned() {
                    all.refused.push((place, error));
                }
            }
        }
        let has_failed = |place: &Place| self.error(place.0).is_some();
        all.found.retain(|place, _| !has_failed(place));
        all.refused.retain(|(place, _)| !has_failed(place));
        all
    }

    fn is_wanted(&self, (layer, entry): Place) -> bool {
        let wanted = self.sources.get(layer).map(|source| &source.wanted);
        match wanted {
            Some(Wanted::Entries(entries)) => entries.contains(entry),
            Some(Wanted::All) => true,
            None => false,
        }
    }

    fn forget_wanted(&mut self, (layer, entry): Place) {
        if let Some(source) = self.sources.get_mut(layer)
            && let Wanted::Entries(entries) = &mut source.wanted
        {
            entries.remove(entry);
        }
    }

    fn run<T>(&self, job: &Job, consume: &Consume<'_, T>) -> std::result::Result<Done<T>, Failure> {
        let (Job::Stream(number, _) | Job::Batch(number, _)) = job;
        let Some(source) = self.sources.get(*number) else {
            return Err(Error::new(crate::error::Fault::StreamConsumed).into());
        };
        let place = |error: Error| {
            let error = error.at(source.layer.place());
            Failure::Error(error.at(source.context.clone()))
        };
        match (job, &source.access) {
            (Job::Stream(_, entries), _) => {
                let done = self.stream(source, entries.as_ref(), consume);
                done.map_err(place)
            }
            (Job::Batch(_, entries), Access::Pieces(layer)) => self
                .pieces(source, layer, entries, consume)
                .map_err(|failure| match failure {
                    Failure::Error(error) => place(error),
                    Failure::Mismatch => Failure::Mismatch,
                }),
            (Job::Batch(_, entries), Access::Range(range)) => {
                let mut done = Done::new();
                for item in entries.iter().filter_map(|&entry| source.item(entry)) {
                    let stored = range.slice(item.location.offset, item.location.stored);
                    if stored.len() != item.location.stored {
                        let (expected, found) = (item.location.stored, stored.len());
                        return Err(place(Error::truncated("the contents", expected, found)));
                    }
                    let reader = self.reading.meter.counting(stored.reader());
                    let made = item.consume(reader, item.digest, consume).map_err(place)?;
                    done.found.extend(made.map(|made| (item.entry, made)));
                }
                Ok(done)
            }
            (Job::Batch(..), Access::Stream) => Ok(Done::new()),
        }
    }

    /// Reads contents of a layer from its start.
    fn stream<T>(
        &self,
        source: &Source,
        entries: Option<&EntrySet>,
        consume: &Consume<'_, T>,
    ) -> Result<Done<T>> {
        let mut done = Done::new();
        let mut visit =
            |entry: u64, size: u64, contents: std::result::Result<&mut dyn Read, Error>| {
                if entries.is_some_and(|entries| !entries.contains(entry)) {
                    return Ok(());
                }
                match contents {
                    Ok(contents) => {
                        let made = consume_one(contents, size, None, consume)?;
                        done.found.extend(made.map(|made| (entry, made)));
                    }
                    Err(refused) => done.refused.push((entry, refused)),
                }
                Ok(())
            };
        // An index that exists is not made again.
        let cache = self.cache.filter(|_| source.listing.is_none());
        let mut listing = Cache::visit(cache, self.reading, &source.layer, &mut visit)?;
        let digests = self.digests(&mut listing);
        done.listing = Some((listing, digests));
        Ok(done)
    }

    /// Reads contents out of the pieces of a layer.
    fn pieces<T>(
        &self,
        source: &Source,
        layer: &IndexedLayer,
        entries: &[u64],
        consume: &Consume<'_, T>,
    ) -> std::result::Result<Done<T>, Failure> {
        let mut done = Done::new();
        let mut pieces = Pieces::new(layer, &self.reading.limits, &self.reading.meter);
        for item in entries.iter().filter_map(|&entry| source.item(entry)) {
            let reader = pieces.range(item.location.offset, item.location.stored);
            // The hash of each piece proves the contents.
            let made = item.consume(reader, None, consume);
            if pieces.is_wrong {
                return Err(Failure::Mismatch);
            }
            done.found.extend(made?.map(|made| (item.entry, made)));
        }
        Ok(done)
    }

    /// Takes the result of a job.
    fn settle<T>(
        &mut self,
        job: &Job,
        done: std::result::Result<Done<T>, Failure>,
        all: &mut Found<T>,
    ) {
        let (Job::Stream(number, _) | Job::Batch(number, _)) = *job;
        let cache = self.cache;
        let Some(source) = self.sources.get_mut(number) else {
            return;
        };
        let done = match done {
            Ok(done) => done,
            Err(Failure::Error(error)) => {
                source.error.get_or_insert(error);
                return;
            }
            Err(Failure::Mismatch) => {
                source.distrust(cache);
                return;
            }
        };
        for (entry, made) in done.found {
            all.found.insert((number, entry), Arc::new(made));
        }
        for (entry, error) in done.refused {
            all.refused.push(((number, entry), error));
        }
        if let Some((listing, digests)) = done.listing {
            source.listing.get_or_insert(Arc::new(listing));
            (source.digests, source.was_decoded) = (digests, true);
        }
        match (job, &mut source.wanted) {
            (Job::Stream(_, None), wanted) => *wanted = Wanted::Entries(EntrySet::default()),
            (Job::Stream(_, Some(read)), Wanted::Entries(entries)) => {
                read.iter().for_each(|entry| entries.remove(entry));
            }
            (Job::Batch(_, read), Wanted::Entries(entries)) => {
                read.iter().for_each(|entry| entries.remove(*entry));
            }
            (_, Wanted::All) => {}
        }
    }
}

impl Source {
    /// Drops what the cache said of the layer, which is decoded from its start in the next round.
    fn distrust(&mut self, cache: Option<&Cache>) {
        if let (Some(cache), Access::Pieces(layer)) = (cache, &self.access) {
            cache.forget(layer);
        }
        (self.access, self.wanted) = (Access::Stream, Wanted::All);
        (self.listing, self.digests) = (None, Vec::new());
    }
}

impl Item {
    fn consume<T>(
        &self,
        stored: impl Read,
        digest: Option<[u8; 32]>,
        consume: &Consume<'_, T>,
    ) -> Result<Option<T>> {
        match &self.location.segments {
            None => {
                let mut stored = stored;
                consume_one(&mut stored, self.size, digest, consume)
            }
            Some(segments) => {
                let mut whole = Expanded::new(stored, segments.clone(), self.size);
                consume_one(&mut whole, self.size, digest, consume)
            }
        }
    }
}

impl<T> Done<T> {
    fn new() -> Self {
        Done {
            found: Vec::new(),
            refused: Vec::new(),
            listing: None,
        }
    }
}
