//! The search: archives, their images, the versions of each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::args::Args;
use super::facts::{Found, Item, Searched};
use super::images::{Named, images};
use super::output::Output;
use crate::archive::{Image, Layer, Open};
use crate::blob::Meter;
use crate::cache::{self, Cache};
use crate::cli::{Io, Opened, Openings, Scope, Takes, VersionChoice, VersionRecords};
use crate::error::{At, Error, Result};
use crate::find::{Expression, Kind};
use crate::tree::{Listing, Reading, Tree};

/// A search with its options.
pub(super) struct Search<'a> {
    pub(super) args: &'a Args,
    pub(super) expression: &'a Expression,
    pub(super) cache: Option<&'a Cache>,
    /// Digests of contents are needed.
    pub(super) has_digests: bool,
    pub(super) output: Output<'a>,
    /// The expression or the options ended the search.
    pub(super) is_over: bool,
    /// An image was searched.
    pub(super) has_images: bool,
    /// Platforms of the images that were not searched because of `--platform`.
    pub(super) other_platforms: Vec<String>,
}

/// Listings of an archive's layers, by member and diff ID.
type Known = HashMap<(String, Option<String>), Arc<Listing>>;

impl Search<'_> {
    /// Searches all inputs in the order of the arguments. One that cannot be read is reported, and the others follow.
    pub(super) fn run(&mut self, io: &mut Io) -> Result<()> {
        let mut openings = Openings::of(&self.args.images);
        let base = match &self.args.versions.since {
            Some(base) => Some(base.open(&self.args.common, &Meter::default())?),
            None => None,
        };
        let base = base.as_ref();
        let base = base
            .map(|base| base.select(&self.args.common))
            .transpose()?;
        let base = base.as_ref().map(|selected| selected.image());
        for image in &self.args.images {
            let meter = Meter::default();
            let progress = io.progress(image.text(), None, &meter, self.args.quiet);
            // Layers of a stream are kept: states are known at its end.
            let open = Open::with(&self.args.common, &meter, Some(std::env::temp_dir()));
            let mut each = openings.each(image, &self.args.common, open, Takes::Several);
            let mut next = each.next();
            drop(progress);
            self.output.is_several |= image.directory_to_search().is_some();
            while let Some(opened) = next {
                let searched = opened.and_then(|opened| self.archive(&opened, base, io));
                if let Err(error) = searched {
                    self.report(error, io)?;
                }
                if self.is_over {
                    return Ok(());
                }
                next = each.next();
            }
        }
        match &self.args.common.platform {
            Some(platform) if !self.has_images && !self.other_platforms.is_empty() => {
                let others = std::mem::take(&mut self.other_platforms);
                Err(Error::no_such_image(
                    platform.to_string(),
                    others.into_iter().collect(),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Reports an error about an input; one of the output ends the program.
    fn report(&self, error: Error, io: &mut Io) -> Result<()> {
        if error.is_broken_pipe() {
            return Err(error);
        }
        io.fail(&error);
        Ok(())
    }

    fn archive(&mut self, opened: &Opened, base: Option<&Image>, io: &mut Io) -> Result<()> {
        for fault in opened.faults()? {
            io.fail(&fault);
        }
        let (images, others) = images(opened, self.args.common.platform.as_ref())?;
        self.has_images |= !images.is_empty();
        self.other_platforms.extend(others);
        let is_several = self.output.is_several;
        self.output.is_several |= images.len() > 1;
        let mut known = Known::new();
        for named in &images {
            let searched = self.image(named, base, &mut known, io);
            if let Err(error) = searched.at(|| opened.archive.place.clone()) {
                self.report(error, io)?;
            }
            if self.is_over {
                break;
            }
        }
        self.output.is_several = is_several;
        Ok(())
    }

    fn image(
        &mut self,
        named: &Named<'_>,
        base: Option<&Image>,
        known: &mut Known,
        io: &mut Io,
    ) -> Result<()> {
        let image = named.image;
        let choice = self.args.versions.choice(image, base)?;
        let reading = Reading {
            limits: self.args.common.limits(),
            digests: self.has_digests,
            ..Reading::default()
        };
        let (listings, faults) = {
            let stored = image.layers.iter().filter_map(Layer::content);
            let total = stored.map(|content| content.len()).sum();
            let place = &named.archive.place;
            let _progress = io.progress(place, Some(total), &reading.meter, self.args.quiet);
            listings(image, &reading, self.cache, known)?
        };
        let tree = Tree::apply(listings)?;
        let searched = Searched::new(image, &tree, reading.limits);
        self.versions(named, &searched, &choice, io)?;
        for fault in faults {
            io.fail(&fault.at(named.archive.place.clone()));
        }
        Ok(())
    }

    /// Evaluates the expression for the versions of an image.
    fn versions(
        &mut self,
        named: &Named<'_>,
        searched: &Searched<'_>,
        choice: &VersionChoice,
        io: &mut Io,
    ) -> Result<()> {
        self.output.begin();
        let records = VersionRecords::new(named.archive, named.image, &named.name, 0);
        let mut pruned: HashSet<Vec<u8>> = HashSet::new();
        for item in items(searched, self.expression.is_depth_first()) {
            if !is_searched(&item, choice, self.args.versions.scope) {
                continue;
            }
            let found = Found::new(searched, item);
            if found.path.is_empty() || is_below(&found.path, &pruned) {
                continue;
            }
            let output = &mut self.output;
            let mut has_acted = false;
            let outcome = self.expression.evaluate(&found, |action| {
                has_acted = true;
                output.act(action, (named, &records), &found, io)
            })?;
            self.output.count(&found, has_acted || outcome.is_match);
            if outcome.is_pruned {
                pruned.insert(found.path);
            }
            if outcome.is_end || self.args.quiet && self.output.has_found() {
                self.is_over = true;
                break;
            }
        }
        Ok(())
    }
}

/// Lists the layers of an image. One that cannot be read counts as empty, and is an error beside the others.
fn listings(
    image: &Image,
    reading: &Reading,
    cache: Option<&Cache>,
    known: &mut Known,
) -> Result<(Vec<Arc<Listing>>, Vec<Error>)> {
    let key = |layer: &Layer| {
        let diff_id = layer.diff_id.as_ref().map(ToString::to_string);
        (layer.member.clone(), diff_id)
    };
    let count = image.layers.len();
    let listed = reading.each(image, 0..count, |layer| {
        Ok(match known.get(&key(layer)) {
            Some(listing) => Ok(Arc::clone(listing)),
            None => cache::list(cache, reading, layer).map(|listed| listed.listing),
        })
    })?;
    let mut listings = Vec::new();
    let mut faults = Vec::new();
    for (i, (layer, listing)) in image.layers.iter().zip(listed).enumerate() {
        let listing = listing.at(|| format!("layer {} of {count}", i + 1));
        listings.push(match listing {
            Ok(listing) => Arc::clone(known.entry(key(layer)).or_insert(listing)),
            Err(error) => {
                faults.push(error);
                Arc::default()
            }
        });
    }
    Ok((listings, faults))
}

/// Versions and directories without entries, by the bytes of their paths; with `is_depth_first` each directory behind its
/// contents.
fn items<'a>(
    searched: &'a Searched<'a>,
    is_depth_first: bool,
) -> Box<dyn Iterator<Item = Item<'a>> + 'a> {
    let implied = searched.tree.walk().filter(|node| node.is_implied());
    let mut implied: Vec<_> = implied.map(|node| (node.path(), node)).collect();
    implied.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut implied = implied.into_iter().peekable();
    let mut versions = searched.tree.versions().peekable();
    let merged = std::iter::from_fn(move || {
        let is_implied = match (implied.peek(), versions.peek()) {
            (Some((path, _)), Some(version)) => *path < version.path(),
            (implied, _) => implied.is_some(),
        };
        match is_implied {
            true => implied.next().map(|(_, node)| Item::Implied(node)),
            false => versions.next().map(Item::Version),
        }
    });
    if !is_depth_first {
        return Box::new(merged);
    }
    let mut items: Vec<Item<'a>> = merged.collect();
    // Of two paths, one of which is above the other, the longer one comes first.
    items.sort_by_cached_key(|item| {
        let mut path = item.path();
        // No byte of a path is 0: a component ends before any other byte, and a path behind everything below it.
        path.iter_mut()
            .filter(|byte| **byte == b'/')
            .for_each(|byte| *byte = 0);
        path.extend_from_slice(&[0, 0xff, 0xff]);
        path
    });
    Box::new(items.into_iter())
}

/// Tests if an item is to be searched. Whiteouts are none of the files that the image shows.
fn is_searched(item: &Item<'_>, choice: &VersionChoice, scope: Scope) -> bool {
    let is_shown = !matches!(item.kind(), Kind::Whiteout | Kind::Opaque);
    (scope != Scope::Final || is_shown)
        && choice.layers().contains(&item.layer())
        && scope.includes(item.state())
}

/// Tests if a directory above a path was pruned.
fn is_below(path: &[u8], pruned: &HashSet<Vec<u8>>) -> bool {
    let mut slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    !pruned.is_empty()
        && slashes.any(|(at, _)| path.get(..at).is_some_and(|above| pruned.contains(above)))
}
