//! The search: archives, their images, the versions of each.

use super::args::Args;
use super::documents::{Text, Where, texts};
use super::facts::{ByPlace, Found, Item, Searched};
use super::lines::Of;
use super::output::Output;
use super::results::Results;
use crate::archive::{Image, Open};
use crate::blob::{Meter, StreamDigester};
use crate::cli::{Io, Named, Opened, Openings, Scope, Takes, VersionChoice, VersionRecords};
use crate::contents::{Contents, LayerNo};
use crate::error::{At, Error, Result};
use crate::escape;
use crate::find::{Expression, Facts, Kind, Outcome};
use crate::hashset::DigestSet;
use crate::owners::LayerOwners;
use crate::tree::Tree;
use crate::verify::{self, Region, RegionOf, Unreferenced};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// A search with its options.
pub(super) struct Search<'a> {
    pub(super) args: &'a Args,
    pub(super) expression: &'a Expression,
    pub(super) contents: Contents<'a>,
    /// Those of the expression.
    pub(super) hash_sets: &'a [DigestSet],
    /// Of a search for contents.
    pub(super) results: Option<Results<'a>>,
    pub(super) meter: &'a Meter,
    pub(super) output: Output<'a>,
    /// The expression or the options ended the search.
    pub(super) is_over: bool,
    /// An image was searched.
    pub(super) has_images: bool,
    /// Platforms of the images that were not searched because of `--platform`.
    pub(super) other_platforms: Vec<String>,
    /// Digests of an input that is a stream, for a record.
    pub(super) tap: Option<StreamDigester>,
}

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
            let open = Open {
                tap: self.tap.clone(),
                ..Open::with(&self.args.common, &meter, Some(std::env::temp_dir()))
            };
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
        let (mut images, others) = opened.named(self.args.common.platform.as_ref())?;
        let unreferenced = match self.args.unreferenced {
            true => verify::unreferenced(&opened.archive, &self.args.common.limits())?,
            false => Unreferenced::default(),
        };
        fail(unreferenced.failed, &opened.archive.place, io);
        images.extend(unreferenced.images.iter().map(|image| Named {
            archive: &opened.archive,
            image,
            name: format!("@blob/{}", image.id),
        }));
        self.has_images |= !images.is_empty();
        self.other_platforms.extend(others);
        let is_several = self.output.is_several;
        self.output.is_several |= images.len() > 1;
        let layers = self.list(&images, &opened.archive.place, io);
        if let Some(first) = images.first()
            && self.args.patterns.searches(Where::Slack)
        {
            self.slack(first, io)?;
        }
        let mut failed = HashSet::new();
        for (named, layers) in images.iter().zip(&layers) {
            let searched = self.image(named, base, layers, io);
            if let Err(error) = searched.at(|| opened.archive.place.clone()) {
                self.report(error, io)?;
            }
            for &layer in layers {
                if let Some(error) = self.contents.error(layer)
                    && failed.insert(layer)
                {
                    io.fail(&error.clone().at(opened.archive.place.clone()));
                }
            }
            if self.is_over {
                break;
            }
        }
        self.output.is_several = is_several;
        if let Some(results) = &self.results {
            results.save(&self.contents);
        }
        self.contents.release();
        if let Some(results) = &mut self.results {
            results.release(&self.contents);
        }
        Ok(())
    }

    /// Lists the layers of images. One that cannot be read counts as empty, and is an error beside the others.
    fn list(&mut self, images: &[Named<'_>], place: &str, io: &Io) -> Vec<Vec<LayerNo>> {
        let contents = &mut self.contents;
        let layers: Vec<_> = images
            .iter()
            .map(|named| contents.add(named.image))
            .collect();
        let _progress = io.progress(place, None, self.meter, self.args.quiet);
        match &mut self.results {
            Some(results) if results.has_tests() || self.args.patterns.searches(Where::Files) => {
                contents.list();
                results.read_unlisted(contents, &layers.concat());
            }
            _ => contents.list_all(),
        }
        layers
    }

    /// Searches the bytes of an archive that no image shows.
    fn slack(&mut self, named: &Named<'_>, io: &mut Io) -> Result<()> {
        let Some(results) = &self.results else {
            return Ok(());
        };
        let output = &mut self.output;
        let limits = self.args.common.limits();
        let failed = verify::slack(named.archive, &limits, &mut |region, bytes| {
            let matches = results.search(bytes, None)?;
            let text = Text {
                document: "slack",
                pointer: place_of(region),
                text: String::new(),
            };
            let about = (named, Of::Text(&text));
            output.matches(matches.as_ref(), &results.store, about, io)
        })?;
        for error in failed {
            io.fail(&error.at(named.archive.place.clone()));
        }
        Ok(())
    }

    fn image(
        &mut self,
        named: &Named<'_>,
        base: Option<&Image>,
        layers: &[LayerNo],
        io: &mut Io,
    ) -> Result<()> {
        let choice = self.args.versions.choice(named.image, base)?;
        let listings = layers
            .iter()
            .map(|&layer| self.contents.listing(layer).cloned());
        let tree = Tree::apply(listings.map(Option::unwrap_or_default).collect())?;
        let limits = self.args.common.limits();
        let mut searched = Searched::new(named.image, &tree, limits, self.hash_sets);
        if self.expression.uses().packages {
            let (owners, faults) = LayerOwners::read(&tree, layers, &mut self.contents)?;
            fail(faults, &named.archive.place, io);
            searched.know_owners(owners);
        }
        let records = VersionRecords::new(named.archive, named.image, &named.name, 0);
        let about = (named, &records);
        self.output.begin();
        let (expression, args) = (self.expression, self.args);
        let output = &mut self.output;
        if let Some(results) = &mut self.results
            && results.has_tests()
        {
            let _progress = io.progress(&named.archive.place, None, self.meter, args.quiet);
            let asked = asked(&searched, &choice, args, expression)?;
            let (tested, refused) = test(results, &mut self.contents, layers, &asked);
            fail(refused, &named.archive.place, io);
            searched.know_contents(tested);
        }
        let Some(results) = self.results.as_mut().filter(|results| results.has_search()) else {
            self.is_over = each(&searched, &choice, args, expression, |found| {
                let mut has_acted = false;
                let mut outcome = expression.evaluate(found, |action| {
                    has_acted = true;
                    output.act(action, about, found, io)
                })?;
                output.count(found, has_acted || outcome.is_match);
                outcome.is_end |= args.quiet && output.has_found();
                Ok(outcome)
            })?;
            return Ok(());
        };
        let patterns = &args.patterns;
        for text in texts(named, &patterns.places) {
            let matches = results.search_text(text.text.as_bytes())?;
            output.matches(
                matches.as_ref(),
                &results.store,
                (named, Of::Text(&text)),
                io,
            )?;
        }
        let mut selected: Vec<Item<'_>> = Vec::new();
        self.is_over = each(&searched, &choice, args, expression, |found| {
            expression.evaluate(found, |_| {
                selected.push(found.item);
                Ok(())
            })
        })?;
        let most = patterns.max_filesize.unwrap_or(u64::MAX);
        let (has_names, has_files) = (
            patterns.searches(Where::Names),
            patterns.searches(Where::Files),
        );
        let place = |item: &Item<'_>| {
            let is_file = has_files && item.kind() == Kind::File && item.size() <= most;
            let (layer, entry) = item.contents().filter(|_| is_file)?;
            Some((*layers.get(layer)?, entry))
        };
        let progress = io.progress(&named.archive.place, None, self.meter, args.quiet);
        results.read_matches(&mut self.contents, selected.iter().filter_map(place));
        drop(progress);
        for item in selected {
            let found = Found::new(&searched, item.path(), item);
            let about = (named, Of::Version(&records, &found, None));
            if has_names {
                for name in [&*found.path, found.target()] {
                    let matches = results.search_text(name)?.filter(|_| !name.is_empty());
                    output.matches(matches.as_ref(), &results.store, about, io)?;
                }
            }
            if let Some(place) = place(&item) {
                match results.matches(place) {
                    Some(all) => output.all_matches(all, &results.store, about, io)?,
                    None => output.matches(None, &results.store, about, io)?,
                }
            }
            if args.quiet && output.has_found() {
                self.is_over = true;
                break;
            }
        }
        Ok(())
    }
}

/// Reports errors of an archive.
fn fail(errors: Vec<Error>, place: &str, io: &mut Io) {
    for error in errors {
        io.fail(&error.at(place.to_owned()));
    }
}

/// Contents that the expression tests, each with a version that has them.
type AskedFor<'s> = BTreeMap<(usize, u64), Item<'s>>;

/// Reads contents for the expression, and returns the errors of those that cannot be read, placed at their paths.
fn test(
    results: &mut Results<'_>,
    contents: &mut Contents<'_>,
    layers: &[LayerNo],
    asked: &AskedFor<'_>,
) -> (ByPlace, Vec<Error>) {
    let place = |own: &(usize, u64)| Some((*layers.get(own.0)?, own.1));
    results.read_tested(contents, asked.keys().filter_map(place));
    let (mut tested, mut refused) = (ByPlace::new(), Vec::new());
    for (own, item) in asked {
        let Some(place) = place(own) else { continue };
        let error = results.take_untested(place);
        refused.extend(error.map(|error| error.at(escape::bytes(&item.path()))));
        let found = results.tested(place);
        tested.extend(found.map(|found| (*own, Arc::clone(found))));
    }
    (tested, refused)
}

/// Returns the contents that the expression tests.
fn asked<'s>(
    searched: &'s Searched<'s>,
    choice: &VersionChoice,
    args: &Args,
    expression: &Expression,
) -> Result<AskedFor<'s>> {
    let mut asked = BTreeMap::new();
    each(searched, choice, args, expression, |found| {
        let outcome = expression.evaluate(found, |_| Ok(()))?;
        if found.asks_contents()
            && let Some(own) = found.item.contents()
        {
            asked.entry(own).or_insert(found.item);
        }
        // What is pruned is a directory and has no contents, but what ends the search may depend on them.
        Ok(Outcome {
            is_end: false,
            ..outcome
        })
    })?;
    Ok(asked)
}

/// Place of a region: `/trailing-data/layer-2/10240`, with the offset in what it is of.
fn place_of(region: &Region) -> String {
    let place = String::from_utf8_lossy(&region.place);
    let number = region.layer.unwrap_or_default();
    let of = match region.of {
        RegionOf::Archive => "archive".to_owned(),
        RegionOf::Member => place.into_owned(),
        RegionOf::Stored => format!("stored-{number}"),
        RegionOf::Layer => format!("layer-{number}"),
    };
    format!("/{}/{of}/{}", region.code, region.offset)
}

/// Evaluates the expression for the versions of an image, in order. Returns true if it ended the search.
fn each<'s>(
    searched: &'s Searched<'s>,
    choice: &VersionChoice,
    args: &Args,
    expression: &Expression,
    mut evaluate: impl FnMut(&Found<'s>) -> Result<Outcome>,
) -> Result<bool> {
    let mut pruned: HashSet<Vec<u8>> = HashSet::new();
    for (path, item) in items(searched, expression.is_depth_first()) {
        if !is_searched(&item, choice, args.versions.scope) {
            continue;
        }
        let found = Found::new(searched, path, item);
        if found.path.is_empty() || is_below(&found.path, &pruned) {
            continue;
        }
        let outcome = evaluate(&found)?;
        if outcome.is_end {
            return Ok(true);
        }
        if outcome.is_pruned {
            pruned.insert(found.path);
        }
    }
    Ok(false)
}

/// Versions and directories without entries with their paths, by the bytes of these; with `is_depth_first` each directory
/// behind its contents.
fn items<'a>(
    searched: &'a Searched<'a>,
    is_depth_first: bool,
) -> Box<dyn Iterator<Item = (Vec<u8>, Item<'a>)> + 'a> {
    let implied = searched.tree.walk().filter(|node| node.is_implied());
    let mut implied: Vec<_> = implied.map(|node| (node.path(), node)).collect();
    implied.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut implied = implied.into_iter().peekable();
    let versions = searched.tree.versions();
    let mut versions = versions.map(|version| (version.path(), version)).peekable();
    let merged = std::iter::from_fn(move || {
        let is_implied = match (implied.peek(), versions.peek()) {
            (Some((path, _)), Some((other, _))) => path < other,
            (implied, _) => implied.is_some(),
        };
        match is_implied {
            true => implied
                .next()
                .map(|(path, node)| (path, Item::Implied(node))),
            false => versions
                .next()
                .map(|(path, version)| (path, Item::Version(version))),
        }
    });
    if !is_depth_first {
        return Box::new(merged);
    }
    let mut items: Vec<Item<'a>> = merged.map(|(_, item)| item).collect();
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
    let items = items.into_iter();
    Box::new(items.map(|item| (item.path(), item)))
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
