//! Distinct layers: their listings, ways to their contents, and what is wanted of them.

use std::collections::HashMap;
use std::sync::Arc;

use super::entry_set::EntrySet;
use crate::archive::{Content, Image, Layer, Presence};
use crate::blob::FileRange;
use crate::cache::{self, Cache, IndexedLayer};
use crate::error::{At, Error, Result};
use crate::index_vec::{IndexVec, index_types};
use crate::parallel::in_parallel;
use crate::spec::Digest;
use crate::tree::{Listing, Location, Reading};

index_types! {
    /// Distinct layer of a [`Contents`].
    pub struct LayerNo;
}

/// Location of contents: a layer, and the number of an entry in it, from 1.
pub type Place = (LayerNo, u64);

/// Contents of the files of many layers. See the [module](super).
pub struct Contents<'a> {
    pub(super) reading: &'a Reading,
    pub(super) cache: Option<&'a Cache>,
    pub(super) sources: IndexVec<LayerNo, Source>,
    known: HashMap<Key, LayerNo>,
    /// Number of calls of [`Contents::release`].
    releases: u64,
}

/// Entries of released layers whose listings are kept.
const KEPT_ENTRIES: usize = 2_000_000;

/// One distinct layer.
pub(super) struct Source {
    pub(super) layer: Layer,
    /// Context of its errors: the layer among those of the image that has it first.
    pub(super) context: String,
    pub(super) listing: Option<Arc<Listing>>,
    /// Digests of the listed contents, in the order of the entries; empty if they are unknown.
    pub(super) digests: Vec<[u8; 32]>,
    pub(super) access: Access,
    pub(super) wanted: Wanted,
    pub(super) error: Option<Error>,
    /// The layer was decoded from its start, which is not to happen again.
    pub(super) was_decoded: bool,
    /// Releases before the last image that has it.
    used: u64,
}

/// A layer that was listed.
pub(super) struct Listed {
    pub(super) listing: Listing,
    pub(super) digests: Vec<[u8; 32]>,
    pub(super) access: Access,
}

/// Contents of one entry.
pub(super) struct Item {
    pub(super) entry: u64,
    pub(super) location: Location,
    /// Size in bytes with holes.
    pub(super) size: u64,
    pub(super) digest: Option<[u8; 32]>,
}

/// The way to contents.
pub(super) enum Access {
    /// The uncompressed tar.
    Range(FileRange),
    /// Pieces of the compressed tar that can be decoded by themselves.
    Pieces(Arc<IndexedLayer>),
    /// The whole layer from its start.
    Stream,
}

/// Contents that the caller wants.
pub(super) enum Wanted {
    Entries(EntrySet),
    All,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Stated(Digest, Digest, u64),
    Address((u64, u64), Option<Digest>),
    Missing(usize),
}

impl<'a> Contents<'a> {
    /// Starts without layers. The cache is read, and gets an index of each layer that is decoded.
    pub fn new(reading: &'a Reading, cache: Option<&'a Cache>) -> Self {
        Contents {
            reading,
            cache,
            sources: IndexVec::default(),
            known: HashMap::new(),
            releases: 0,
        }
    }

    /// Adds the layers of an image and returns their numbers, from the base upward. Layers that are known keep theirs;
    /// one that was released, or failed elsewhere, is read from this image from now on.
    pub fn add(&mut self, image: &Image) -> Vec<LayerNo> {
        let count = image.layers.len();
        let mut numbers = Vec::new();
        for (i, layer) in image.layers.iter().enumerate() {
            let key = key(layer, self.sources.len());
            let context = || format!("layer {} of {count}", i + 1);
            let sources = &mut self.sources;
            let number = *(self.known.entry(key))
                .or_insert_with(|| sources.push(Source::new(layer, context())));
            if let Some(source) = self.sources.get_mut(number) {
                source.used = self.releases;
                source.renew(layer, context);
            }
            numbers.push(number);
        }
        numbers
    }

    /// Lets go of all files. Layers keep their numbers and, if they were decoded from their start, their listings, for
    /// the next image that has them: those used last first, to a bounded number of entries. All others are forgotten
    /// ([`Contents::is_listed`]), and listed again if they are added again.
    pub fn release(&mut self) {
        self.releases += 1;
        let mut kept: Vec<(u64, LayerNo)> = Vec::new();
        for (key, &number) in &self.known {
            let Some(source) = self.sources.get_mut(number) else {
                continue;
            };
            source.layer.presence = Presence::External;
            source.access = Access::Stream;
            // An address may be that of another file later.
            let is_stated = matches!(key, Key::Stated(..));
            match is_stated && source.was_decoded && source.error.is_none() {
                true => kept.push((source.used, number)),
                false => source.forget(),
            }
        }
        kept.sort_by_key(|(used, _)| std::cmp::Reverse(*used));
        let mut entries = 0;
        for (_, number) in kept {
            if let Some(source) = self.sources.get_mut(number) {
                entries += source.listing.as_ref().map_or(0, |listing| listing.len());
                if entries > KEPT_ENTRIES {
                    source.forget();
                }
            }
        }
        let sources = &self.sources;
        let is_listed = |number: LayerNo| sources.get(number).is_some_and(Source::is_listed);
        self.known.retain(|_, number| is_listed(*number));
    }

    /// Lists the new layers that need not be decoded for it, on all cores. A layer that fails has an error, and the
    /// others go on.
    pub fn list(&mut self) {
        self.list_new(false);
    }

    /// Lists the new layers, on all cores. A layer that fails has an error, and the others go on.
    pub fn list_all(&mut self) {
        self.list_new(true);
    }

    fn list_new(&mut self, decodes: bool) {
        let is_new = |source: &&Source| source.listing.is_none() && source.error.is_none();
        let new: Vec<LayerNo> = (self.sources.indices())
            .filter(|&number| self.sources.get(number).as_ref().is_some_and(is_new))
            .collect();
        let listed = in_parallel(&new, |&number| {
            let source = self.sources.get(number)?;
            Some((number, self.list_source(source, decodes)))
        });
        for (number, listed) in listed.into_iter().flatten() {
            let Some(source) = self.sources.get_mut(number) else {
                continue;
            };
            match listed {
                Ok(Some(listed)) => {
                    source.was_decoded = decodes && !matches!(listed.access, Access::Range(_));
                    source.listing = Some(Arc::new(listed.listing));
                    (source.digests, source.access) = (listed.digests, listed.access);
                }
                Ok(None) => {}
                Err(error) => source.error = Some(error.at(source.context.clone())),
            }
        }
    }

    fn list_source(&self, source: &Source, decodes: bool) -> Result<Option<Listed>> {
        let layer = &source.layer;
        let place = || layer.place();
        if let Some(range) = self.reading.uncompressed_range(layer).at(place)? {
            let mut listing = self.reading.list_range(&range).at(place)?;
            let digests = self.digests(&mut listing);
            return Ok(Some(Listed {
                listing,
                digests,
                access: Access::Range(range),
            }));
        }
        let hashed = Reading {
            digests: true,
            ..self.reading.clone()
        };
        let known = match decodes {
            true => {
                let reading = self.cache.map_or(self.reading, |_| &hashed);
                Some(cache::list(self.cache, reading, layer)?)
            }
            false => self.cache.and_then(|cache| cache.look_up(&hashed, layer)),
        };
        let Some(known) = known else { return Ok(None) };
        let Some(mut listing) = Arc::into_inner(known.listing) else {
            return Ok(None);
        };
        let digests = self.digests(&mut listing);
        Ok(Some(Listed {
            listing,
            digests,
            access: known.index.map_or(Access::Stream, Access::Pieces),
        }))
    }

    /// The digests of a listing, which keeps them only if they were requested: a cache must not change what is told.
    pub(super) fn digests(&self, listing: &mut Listing) -> Vec<[u8; 32]> {
        match self.reading.digests {
            true => listing.digests().to_vec(),
            false => listing.take_digests(),
        }
    }

    /// Returns true if all of these layers are listed, or have failed: then a tree can say which contents are wanted.
    pub fn is_listed(&self, layers: &[LayerNo]) -> bool {
        let mut sources = layers.iter().filter_map(|&layer| self.sources.get(layer));
        sources.all(|source| source.is_listed() || source.error.is_some())
    }

    /// Returns true if the layer's listing came from decoding it from its start, with what was wanted of it then.
    pub fn was_decoded(&self, layer: LayerNo) -> bool {
        let source = self.sources.get(layer);
        source.is_some_and(|source| source.was_decoded)
    }

    /// Wants the contents of an entry.
    pub fn want(&mut self, (layer, entry): Place) {
        if let Some(source) = self.sources.get_mut(layer)
            && let Wanted::Entries(entries) = &mut source.wanted
        {
            entries.insert(entry);
        }
    }

    /// Wants all contents of layers.
    pub fn want_all(&mut self, layers: &[LayerNo]) {
        for &layer in layers {
            if let Some(source) = self.sources.get_mut(layer) {
                source.wanted = Wanted::All;
            }
        }
    }

    /// The listings of layers for a tree.
    ///
    /// # Errors
    /// That of the lowest layer that failed, placed at layer and member; `StreamConsumed` for one that was not read yet.
    pub fn listings(&self, layers: &[LayerNo]) -> Result<Vec<Arc<Listing>>> {
        let listing = |&layer: &LayerNo| {
            let source = self.sources.get(layer);
            match source.map(|source| (&source.error, &source.listing)) {
                Some((Some(error), _)) => Err(error.clone()),
                Some((None, Some(listing))) => Ok(Arc::clone(listing)),
                _ => Err(crate::error::Fault::StreamConsumed.into()),
            }
        };
        layers.iter().map(listing).collect()
    }

    /// The listing of a layer, if it was listed.
    pub fn listing(&self, layer: LayerNo) -> Option<&Arc<Listing>> {
        self.sources.get(layer)?.listing.as_ref()
    }

    /// SHA-256 digest of the contents of an entry, if it is known without reading them.
    pub fn digest(&self, (layer, entry): Place) -> Option<[u8; 32]> {
        self.sources.get(layer)?.digest(entry)
    }

    /// Tests if there is a cache.
    pub fn has_cache(&self) -> bool {
        self.cache.is_some()
    }

    /// The cache, and a layer that was listed and read without an error: what is known of its contents may be kept.
    pub fn cached(&self, layer: LayerNo) -> Option<(&'a Cache, &Layer)> {
        let source = self.sources.get(layer)?;
        let is_sound = source.is_listed() && source.error.is_none();
        Some((self.cache.filter(|_| is_sound)?, &source.layer))
    }

    /// The error of a layer that could not be listed or read, placed at layer and member.
    pub fn error(&self, layer: LayerNo) -> Option<&Error> {
        self.sources.get(layer)?.error.as_ref()
    }
}

impl Source {
    fn new(layer: &Layer, context: String) -> Self {
        Source {
            layer: layer.clone(),
            context,
            listing: None,
            digests: Vec::new(),
            access: Access::Stream,
            wanted: Wanted::Entries(EntrySet::default()),
            error: None,
            was_decoded: false,
            used: 0,
        }
    }

    /// Continues with the same layer of another image, if this one's was released or failed and the other's may not.
    fn renew(&mut self, layer: &Layer, context: impl Fn() -> String) {
        let address = |layer: &Layer| layer.content().map(Content::address);
        let is_other = address(&self.layer) != address(layer);
        if is_other && (self.error.is_some() || self.layer.content().is_none()) {
            (self.layer, self.context, self.error) = (layer.clone(), context(), None);
        }
    }

    /// Drops what is known of the layer.
    fn forget(&mut self) {
        (self.listing, self.digests, self.error) = (None, Vec::new(), None);
        (self.wanted, self.was_decoded) = (Wanted::Entries(EntrySet::default()), false);
    }

    pub(super) fn is_listed(&self) -> bool {
        self.listing.is_some()
    }

    /// Digest of an entry's contents, by its number from 1.
    pub(super) fn digest(&self, entry: u64) -> Option<[u8; 32]> {
        let at = usize::try_from(entry.checked_sub(1)?).ok()?;
        let digest = self.digests.get(at).copied();
        digest.filter(|digest| *digest != [0; 32])
    }

    /// Returns true if nothing of the layer is to be read: it failed, or nothing is wanted.
    pub(super) fn is_done(&self) -> bool {
        let is_empty = match &self.wanted {
            Wanted::Entries(entries) => entries.iter().next().is_none(),
            Wanted::All => false,
        };
        is_empty || self.error.is_some()
    }

    /// The contents of an entry of the listing.
    pub(super) fn item(&self, entry: u64) -> Option<Item> {
        let (location, size) = self.listing.as_ref()?.contents(entry)?;
        Some(Item {
            entry,
            location,
            size,
            digest: self.digest(entry),
        })
    }
}

fn key(layer: &Layer, number: usize) -> Key {
    let Some(content) = layer.content() else {
        return Key::Missing(number);
    };
    let is_uncompressed = Reading::default().uncompressed_range(layer);
    match (&layer.diff_id, layer.digest()) {
        (Some(diff_id), Some(digest)) if matches!(is_uncompressed, Ok(None)) => {
            Key::Stated(diff_id.clone(), digest.clone(), content.len())
        }
        _ => Key::Address(content.address(), layer.diff_id.clone()),
    }
}
