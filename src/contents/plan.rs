//! Work that reads all wanted contents, each distinct one once.

use std::collections::{BTreeSet, HashMap};

use super::source::{Access, Contents, LayerNo, Place, Source, Wanted};
use crate::cache::IndexedLayer;
use crate::error::Error;
use crate::limits::HOLES;
use crate::tree::{Listing, Location};

/// Bytes of contents that one thread reads at a time, in layers with random access.
const BATCH: u64 = 8 << 20;

/// Largest piece that is held in memory.
const LARGEST_PIECE: u64 = 32 << 20;

/// Contents of one entry.
pub(super) struct Item {
    pub(super) entry: u64,
    pub(super) location: Location,
    /// Size in bytes with holes.
    pub(super) size: u64,
    pub(super) digest: Option<[u8; 32]>,
}

/// Work for one thread.
pub(super) enum Job {
    /// A layer from its start: these entries, or all.
    Stream(LayerNo, Option<BTreeSet<u64>>),
    /// Contents of a layer with random access, in their order.
    Batch(LayerNo, Vec<Item>),
}

/// All work of a round.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) jobs: Vec<Job>,
    /// Wanted contents, and the place of the same ones that is read instead.
    pub(super) same: Vec<(Place, Place)>,
    /// Sparse files that are not read.
    pub(super) refused: Vec<(Place, Error)>,
}

impl Contents<'_> {
    /// Plans the reading of what is wanted and was not read.
    pub(super) fn plan(&mut self) -> Plan {
        let mut plan = Plan::default();
        let mut first: HashMap<[u8; 32], Place> = HashMap::new();
        for number in self.sources.indices() {
            let Some(source) = self.sources.get_mut(number) else {
                continue;
            };
            if source.is_done() {
                continue;
            }
            let Some(listing) = source.listing.clone() else {
                plan.jobs.push(Job::Stream(number, None));
                continue;
            };
            let mut items = Vec::new();
            let mut holes = HOLES;
            for entry in source.wanted_of(&listing) {
                let Some((location, size)) = listing.contents(entry) else {
                    continue;
                };
                let place = (number, entry);
                let digest = source.digest(entry);
                if let Some(&known) = digest.and_then(|digest| first.get(&digest)) {
                    plan.same.push((place, known));
                    continue;
                }
                let own = size.saturating_sub(location.stored);
                match holes.checked_sub(own) {
                    Some(rest) => holes = rest,
                    None => {
                        let what = "holes of sparse files in bytes";
                        plan.refused.push((place, Error::limit(what, HOLES, own)));
                        continue;
                    }
                }
                first.extend(digest.map(|digest| (digest, place)));
                items.push(Item {
                    entry,
                    location,
                    size,
                    digest,
                });
            }
            plan.add(number, source, items);
        }
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
}

impl Source {
    /// The wanted entries of a listed layer. All of them are wanted one by one from now on.
    fn wanted_of(&mut self, listing: &Listing) -> Vec<u64> {
        if let Wanted::All = self.wanted {
            let files =
                (1..=listing.len() as u64).filter(|&entry| listing.contents(entry).is_some());
            self.wanted = Wanted::Entries(files.collect());
        }
        match &self.wanted {
            Wanted::Entries(entries) => entries.iter().copied().collect(),
            Wanted::All => Vec::new(),
        }
    }
}

impl Plan {
    fn add(&mut self, number: LayerNo, source: &Source, items: Vec<Item>) {
        let too_large = match &source.access {
            Access::Range(_) => false,
            Access::Pieces(layer) => items.iter().any(|item| has_large_piece(layer, item)),
            Access::Stream => true,
        };
        if too_large {
            if !items.is_empty() {
                let entries = items.iter().map(|item| item.entry).collect();
                self.jobs.push(Job::Stream(number, Some(entries)));
            }
            return;
        }
        let mut batch: Vec<Item> = Vec::new();
        let mut size = 0;
        for item in items {
            let is_new = match (&source.access, batch.last()) {
                (_, None) => false,
                // A piece is decoded by one thread only.
                (Access::Pieces(layer), Some(last)) => {
                    size >= BATCH && pieces(layer, last).end <= pieces(layer, &item).start
                }
                (_, Some(_)) => size >= BATCH,
            };
            if is_new {
                self.jobs
                    .push(Job::Batch(number, std::mem::take(&mut batch)));
                size = 0;
            }
            size += item.location.stored;
            batch.push(item);
        }
        if !batch.is_empty() {
            self.jobs.push(Job::Batch(number, batch));
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
