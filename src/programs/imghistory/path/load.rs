//! Layers of several images, each read once.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::args::Args;
use crate::archive::{Image, Layer};
use crate::blob::{FileRange, Meter};
use crate::cache::{self, Cache};
use crate::cli::Common;
use crate::error::{At, Error, Result};
use crate::tree::{DecodedLayer, Listing, Reading, Tree};

/// Layers by member and diff ID.
type Key = (String, Option<String>);

/// Listings of the layers of an archive, and what else is known of them.
pub(super) struct Loaded<'a> {
    common: &'a Common,
    meter: Meter,
    cache: Option<&'a Cache>,
    /// Contents are wanted as well.
    with_contents: bool,
    known: HashMap<Key, DecodedOrListed>,
    faults: Vec<Error>,
}

/// A layer; without contents only its listing.
#[derive(Clone)]
struct DecodedOrListed {
    listing: Arc<Listing>,
    bytes: Option<FileRange>,
}

impl<'a> Loaded<'a> {
    pub(super) fn new(args: &'a Args, cache: Option<&'a Cache>, meter: &Meter) -> Self {
        Loaded {
            common: &args.common,
            cache,
            meter: meter.clone(),
            with_contents: args.path.patch,
            known: HashMap::new(),
            faults: Vec::new(),
        }
    }

    /// Returns the tree of an image, and the uncompressed bytes of its layers if contents are wanted. A layer that cannot
    /// be read counts as empty, and its error is kept.
    ///
    /// # Errors
    /// As [`Tree::apply`].
    pub(super) fn tree(&mut self, image: &Image) -> Result<(Tree, Vec<Option<FileRange>>)> {
        let reading = Reading {
            digests: true,
            limits: self.common.limits(),
            meter: self.meter.clone(),
        };
        let count = image.layers.len();
        let read = reading.each(image, 0..count, |layer| {
            Ok(match self.known.get(&key(layer)) {
                Some(known) => Ok(known.clone()),
                None => read(&reading, layer, self.cache, self.with_contents),
            })
        })?;
        let (mut listings, mut bytes) = (Vec::new(), Vec::new());
        for (number, (layer, read)) in image.layers.iter().zip(read).enumerate() {
            let read = read.at(|| format!("layer {} of {count}", number + 1));
            let layer = match read {
                Ok(read) => self.known.entry(key(layer)).or_insert(read).clone(),
                Err(error) => {
                    self.faults.push(error);
                    DecodedOrListed {
                        listing: Arc::default(),
                        bytes: None,
                    }
                }
            };
            listings.push(layer.listing);
            bytes.push(layer.bytes);
        }
        Ok((Tree::apply(listings)?, bytes))
    }

    /// Errors of layers.
    pub(super) fn into_faults(self) -> Vec<Error> {
        self.faults
    }
}

fn key(layer: &Layer) -> Key {
    let diff_id = layer.diff_id.as_ref().map(ToString::to_string);
    (layer.member.clone(), diff_id)
}

fn read(
    reading: &Reading,
    layer: &Layer,
    cache: Option<&Cache>,
    with_contents: bool,
) -> Result<DecodedOrListed> {
    if !with_contents {
        return Ok(DecodedOrListed {
            listing: cache::list(cache, reading, layer)?.listing,
            bytes: None,
        });
    }
    let DecodedLayer { listing, bytes } = reading.decode(layer, &std::env::temp_dir())?;
    Ok(DecodedOrListed {
        listing,
        bytes: Some(bytes),
    })
}
