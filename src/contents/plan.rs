//! Work that reads all wanted contents, each distinct one once.

use super::entry_set::EntrySet;
use super::source::{Access, Contents, Item, LayerNo, Place, Source, Wanted};
use crate::cache::IndexedLayer;
use crate::error::Error;
use crate::limits::HOLES;

/// Bytes of contents that one thread reads at a time, in layers with random access.
const BATCH: u64 = 8 << 20;

/// Largest piece that is held in memory.
const LARGEST_PIECE: u64 = 32 << 20;

/// Work for one thread.
pub(super) enum Job {
    /// A layer from its start: these entries, or all.
    Stream(LayerNo, Option<EntrySet>),
    /// Entries of a layer with random access, in their order.
    Batch(LayerNo, Vec<u64>),
}

/// All work of a round.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) jobs: Vec<Job>,
    /// Wanted contents, and the place of the same ones that is read instead, in the order of the places.
    pub(super) same: Vec<(Place, Place)>,
    /// Sparse files that are not read.
    pub(super) refused: Vec<(Place, Error)>,
}

impl Contents<'_> {
    /// Plans the reading of what is wanted and was not read.
    pub(super) fn plan(&mut self) -> Plan {
        let mut plan = Plan {
            same: self.same(),
            ..Plan::default()
        };
        let mut same = plan.same.iter().map(|(place, _)| *place).peekable();
        let mut refused = Vec::new();
        let mut jobs = Vec::new();
        for number in self.sources.indices() {
            let Some(source) = self.sources.get_mut(number) else {
                continue;
            };
            if source.is_done() {
                continue;
            }
            source.want_one_by_one();
            if source.listing.is_none() {
                jobs.push(Job::Stream(number, None));
                continue;
            }
            let mut entries = Vec::new();
            let mut holes = HOLES;
            for entry in source.wanted_entries() {
                let place = (number, entry);
                if same.next_if_eq(&place).is_some() {
                    continue;
                }
                let Some(item) = source.item(entry) else {
                    continue;
                };
                let own = item.size.saturating_sub(item.location.stored);
                match holes.checked_sub(own) {
                    Some(rest) => holes = rest,
                    None => {
                        let what = "holes of sparse files in bytes";
                        refused.push((place, Error::limit(what, HOLES, own)));
                        continue;
                    }
                }
                entries.push(entry);
            }
            source.add_jobs(number, entries, &mut jobs);
        }
        drop(same);
        (plan.jobs, plan.refused) = (jobs, refused);
        // The largest first, so that no core is busy with one at the end.
        let size = |job: &Job| match job {
            Job::Stream(number, _) => {
                let source = self.sources.get(*number);
                let content = source.and_then(|source| source.layer.content());
                content.map_or(0, |content| content.len()).max(BATCH)
            }
            Job::Batch(..) => 0,
        };
        plan.jobs.sort_by_key(|job| std::cmp::Reverse(size(job)));
        plan
    }

    /// Wanted contents whose digest another wanted place has, with the first such place; in the order of the places.
    fn same(&mut self) -> Vec<(Place, Place)> {
        let mut known: Vec<Place> = Vec::new();
        for number in self.sources.indices() {
            let source = self.sources.get_mut(number);
            let listed = source.filter(|source| source.is_listed() && !source.is_done());
            if let Some(source) = listed.filter(|source| !source.digests.is_empty()) {
                source.want_one_by_one();
                let with_digest =
                    (source.wanted_entries()).filter(|&entry| source.digest(entry).is_some());
                known.extend(with_digest.map(|entry| (number, entry)));
            }
        }
        known.sort_by_key(|place| self.digest(*place));
        let groups = known.chunk_by(|a, b| self.digest(*a) == self.digest(*b));
        let same = groups.filter_map(<[Place]>::split_first);
        let same = same.flat_map(|(first, others)| others.iter().map(|place| (*place, *first)));
        let mut same: Vec<_> = same.collect();
        same.sort_unstable();
        same
    }
}

impl Source {
    /// All contents of a listed layer are wanted one by one from now on, if all are wanted.
    fn want_one_by_one(&mut self) {
        if let (Wanted::All, Some(listing)) = (&self.wanted, &self.listing) {
            let entries = 1..=listing.len() as u64;
            let files = entries.filter(|&entry| listing.contents(entry).is_some());
            self.wanted = Wanted::Entries(files.collect());
        }
    }

    fn wanted_entries(&self) -> impl Iterator<Item = u64> {
        let entries = match &self.wanted {
            Wanted::Entries(entries) => Some(entries.iter()),
            Wanted::All => None,
        };
        entries.into_iter().flatten()
    }

    /// Adds the reading of these entries.
    fn add_jobs(&self, number: LayerNo, entries: Vec<u64>, jobs: &mut Vec<Job>) {
        let items = || entries.iter().filter_map(|&entry| self.item(entry));
        let too_large = match &self.access {
            Access::Range(_) => false,
            Access::Pieces(layer) => items().any(|item| has_large_piece(layer, &item)),
            Access::Stream => true,
        };
        if too_large {
            if !entries.is_empty() {
                jobs.push(Job::Stream(number, Some(entries.into_iter().collect())));
            }
            return;
        }
        let mut batch: Vec<u64> = Vec::new();
        let mut size = 0;
        let mut last: Option<Item> = None;
        for item in items() {
            let is_new = match (&self.access, &last) {
                (_, None) => false,
                // A piece is decoded by one thread only.
                (Access::Pieces(layer), Some(last)) => {
                    size >= BATCH && pieces(layer, last).end <= pieces(layer, &item).start
                }
                (_, Some(_)) => size >= BATCH,
            };
            if is_new {
                jobs.push(Job::Batch(number, std::mem::take(&mut batch)));
                size = 0;
            }
            size += item.location.stored;
            batch.push(item.entry);
            last = Some(item);
        }
        if !batch.is_empty() {
            jobs.push(Job::Batch(number, batch));
        }
    }
}

fn pieces(layer: &IndexedLayer, item: &Item) -> std::ops::Range<usize> {
    layer.covering(item.location.offset, item.location.stored.max(1))
}

fn has_large_piece(layer: &IndexedLayer, item: &Item) -> bool {
    let ranges = pieces(layer, item).filter_map(|piece| layer.piece_range(piece));
    ranges.into_iter().any(|(_, length)| length > LARGEST_PIECE)
}
