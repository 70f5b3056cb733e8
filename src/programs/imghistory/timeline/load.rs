//! Images of the command line, their listings, and what is found in their files on the way.

use super::altered::{Altered, altered};
use super::files::{Found, consume, place, places};
use super::output::Form;
use crate::archive::Open;
use crate::blob::{Meter, StreamDigester};
use crate::cache::Cache;
use crate::cli::{Io, Named, Opened, Openings, Takes, VersionChoice};
use crate::contents::{Contents, LayerNo};
use crate::error::{At, Error, Result};
use crate::facts::Asked;
use crate::owners::LayerOwners;
use crate::programs::imghistory::args::Args;
use crate::tree::{Reading, Tree};

/// The opened archives.
pub(super) struct Inputs {
    opened: Vec<Opened>,
    base: Option<Opened>,
}

/// An image and the choice of its versions.
pub(super) struct Chosen<'a> {
    pub(super) named: Named<'a>,
    pub(super) choice: VersionChoice,
}

/// Options of reading layers.
pub(super) fn reading(args: &Args, form: &Form) -> Reading {
    Reading {
        limits: args.common.limits(),
        digests: args.times.anomalies || form.has_digests(),
        ..Reading::default()
    }
}

impl Inputs {
    /// Opens all archives. One that cannot be opened is reported, and the others follow. `tap` hashes
    /// an input that is a stream.
    pub(super) fn open(args: &Args, tap: Option<&StreamDigester>, io: &mut Io) -> Result<Self> {
        let mut openings = Openings::of(args.images());
        let base = match &args.times.versions.since {
            Some(base) => Some(base.open(&args.common, &Meter::default())?),
            None => None,
        };
        let mut opened = Vec::new();
        for image in args.images() {
            let meter = Meter::default();
            let _progress = io.progress(image.text(), None, &meter, false);
            // Layers of a stream are kept: states are known at its end.
            let open = Open {
                tap: tap.cloned(),
                ..Open::with(&args.common, &meter, Some(std::env::temp_dir()))
            };
            for one in openings.each(image, &args.common, open, Takes::Several) {
                match one {
                    Ok(one) => opened.push(one),
                    Err(error) => io.fail(&error),
                }
            }
        }
        Ok(Inputs { opened, base })
    }

    /// The images of all archives.
    ///
    /// # Errors
    /// `NoSuchImage` if none has the requested platform.
    pub(super) fn images(&self, args: &Args, io: &mut Io) -> Result<Vec<Chosen<'_>>> {
        let base = self.base.as_ref();
        let base = base.map(|base| base.select(&args.common)).transpose()?;
        let base = base.as_ref().map(|selected| selected.image());
        let (mut images, mut others) = (Vec::new(), Vec::new());
        for opened in &self.opened {
            let place = || opened.archive.place.clone();
            let (named, without) = match opened.named(args.common.platform.as_ref()) {
                Ok(found) => found,
                Err(error) => {
                    io.fail(&error);
                    continue;
                }
            };
            for fault in opened.faults()? {
                io.fail(&fault);
            }
            others.extend(without);
            for named in named {
                match args.times.versions.choice(named.image, base).at(place) {
                    Ok(choice) => images.push(Chosen { named, choice }),
                    Err(error) => io.fail(&error),
                }
            }
        }
        match &args.common.platform {
            Some(platform) if images.is_empty() && !others.is_empty() => {
                let others = others.into_iter().collect();
                Err(Error::no_such_image(platform.to_string(), others))
            }
            _ => Ok(images),
        }
    }
}

/// Trees of the images, and what was found in their files.
pub(super) struct Loaded {
    pub(super) trees: Vec<Tree>,
    pub(super) found: Found,
    /// Of each image, with `--anomalies`.
    pub(super) altered: Vec<Altered>,
}

/// Lists the layers of all images, and reads the files that record installations, or all for digests. A layer that
/// cannot be read counts as empty and is reported. With SHA-1 digests, files are compared with the lists of packages.
pub(super) fn trees(
    images: &[Chosen<'_>],
    asked: Asked,
    reading: &Reading,
    cache: Option<&Cache>,
    io: &mut Io,
) -> Result<Loaded> {
    let mut contents = Contents::new(reading, cache);
    let mut found = Found::default();
    for image in images {
        found.layers.push(contents.add(image.named.image));
    }
    contents.list();
    let mut layers: Vec<LayerNo> = found.layers.iter().flatten().copied().collect();
    layers.sort_unstable();
    layers.dedup();
    let is_listed = |layer: &LayerNo| contents.is_listed(&[*layer]);
    let (listed, decoded): (Vec<_>, Vec<_>) = layers.iter().copied().partition(is_listed);
    // The listing of a compressed layer comes with its contents, whose paths are not known yet.
    contents.want_all(&decoded);
    found.add(contents.read(&|file| consume(file, asked)));
    let mut trees = Vec::new();
    for (image, layers) in images.iter().zip(&found.layers) {
        let archive = || image.named.archive.place.clone();
        let listing = |&layer: &LayerNo| {
            let listing = contents.listings(&[layer]).ok();
            listing.and_then(|mut one| one.pop()).unwrap_or_default()
        };
        trees.push(Tree::apply(layers.iter().map(listing).collect()).at(archive)?);
    }
    let mut owners = Vec::new();
    if asked.sha1 {
        for ((image, tree), layers) in images.iter().zip(&trees).zip(&found.layers) {
            let (own, faults) = LayerOwners::read(tree, layers, &mut contents)?;
            for fault in faults {
                io.fail(&fault.at(image.named.archive.place.clone()));
            }
            owners.push(own);
        }
    }
    for ((image, tree), layers) in images.iter().zip(&trees).zip(&found.layers) {
        let mut wanted = places(tree, layers);
        if asked != Asked::default() {
            let chosen = tree
                .versions()
                .filter(|version| image.choice.includes(version));
            wanted.extend(chosen.filter_map(|version| place(&version, layers)));
        }
        for wanted in wanted {
            if listed.contains(&wanted.0) {
                contents.want(wanted);
            }
        }
    }
    found.add(contents.read(&|file| consume(file, asked)));
    for layer in layers {
        let has_it = found
            .layers
            .iter()
            .position(|layers| layers.contains(&layer));
        let image = has_it.and_then(|at| images.get(at));
        if let (Some(error), Some(image)) = (contents.error(layer), image) {
            io.fail(&error.clone().at(image.named.archive.place.clone()));
        }
    }
    let altered = (trees.iter().zip(&owners).zip(&found.layers))
        .map(|((tree, owners), layers)| {
            altered(tree, owners, |version| found.digests(version, layers))
        })
        .collect();
    Ok(Loaded {
        trees,
        found,
        altered,
    })
}
