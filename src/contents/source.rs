//! Distinct layers: their listings, ways to their contents, and what is wanted of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::archive::{Image, Layer};
use crate::blob::FileRange;
use crate::cache::{Cache, IndexedLayer};
use crate::error::{At, Error, Result};
use crate::index_vec::{IndexVec, index_types};
use crate::parallel::in_parallel;
use crate::spec::Digest;
use crate::tree::{Listing, Reading};

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
}

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
}

/// A layer that was listed.
pub(super) struct Listed {
    pub(super) listing: Listing,
    pub(super) digests: Vec<[u8; 32]>,
    pub(super) access: Access,
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
    Entries(BTreeSet<u64>),
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
        }
    }

    /// Adds the layers of an image and returns their numbers, from the base upward. Layers that are known keep theirs.
    pub fn add(&mut self, image: &Image) -> Vec<LayerNo> {
        let count = image.layers.len();
        let mut numbers = Vec::new();
        for (i, layer) in image.layers.iter().enumerate() {
            let key = key(layer, self.sources.len());
            let sources = &mut self.sources;
            let number = self.known.entry(key).or_insert_with(|| {
                sources.push(Source {
                    layer: layer.clone(),
                    context: format!("layer {} of {count}", i + 1),
                    listing: None,
                    digests: Vec::new(),
                    access: Access::Stream,
                    wanted: Wanted::Entries(BTreeSet::new()),
                    error: None,
                })
            });
            numbers.push(*number);
        }
        numbers
    }

    /// Lists the new layers that need not be decoded for it, on all cores. A layer that fails has an error, and the
    /// others go on.
    pub fn list(&mut self) {
        let is_new = |source: &&Source| source.listing.is_none() && source.error.is_none();
        let new: Vec<LayerNo> = (self.sources.indices())
            .filter(|&number| self.sources.get(number).as_ref().is_some_and(is_new))
            .collect();
        let listed = in_parallel(&new, |&number| {
            let source = self.sources.get(number)?;
            Some((number, self.list_source(source)))
        });
        for (number, listed) in listed.into_iter().flatten() {
            let Some(source) = self.sources.get_mut(number) else {
                continue;
            };
            match listed {
                Ok(Some(listed)) => {
                    source.listing = Some(Arc::new(listed.listing));
                    (source.digests, source.access) = (listed.digests, listed.access);
                }
                Ok(None) => {}
                Err(error) => source.error = Some(error.at(source.context.clone())),
            }
        }
    }

    fn list_source(&self, source: &Source) -> Result<Option<Listed>> {
        let layer = &source.layer;
        let listed = || -> Result<_> {
            if let Some(range) = self.reading.uncompressed_range(layer)? {
                let mut listing = self.reading.list_range(&range)?;
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
            let known = self.cache.and_then(|cache| cache.look_up(&hashed, layer));
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
        };
        listed().at(|| layer.member.clone())
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
        sources.all(|source| source.listing.is_some() || source.error.is_some())
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

    /// The error of a layer that could not be listed or read, placed at layer and member.
    pub fn error(&self, layer: LayerNo) -> Option<&Error> {
        self.sources.get(layer)?.error.as_ref()
    }
}

impl Source {
    /// Digest of an entry's contents, by its number from 1.
    pub(super) fn digest(&self, entry: u64) -> Option<[u8; 32]> {
        let at = usize::try_from(entry.checked_sub(1)?).ok()?;
        let digest = self.digests.get(at).copied();
        digest.filter(|digest| *digest != [0; 32])
    }

    /// Returns true if nothing of the layer is to be read: it failed, or nothing is wanted.
    pub(super) fn is_done(&self) -> bool {
        let is_empty = match &self.wanted {
            Wanted::Entries(entries) => entries.is_empty(),
            Wanted::All => false,
        };
        is_empty || self.error.is_some()
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
