//! Archives that are drawn, and the images selected from them.

use std::collections::HashSet;
use std::sync::Arc;

use super::args::{Args, FormatArg, SizeArg, ViewArg};
use crate::archive::{self, Archive, Filter, ImageIdx, Name, Open, Pick, Root, Sizes};
use crate::blob::Meter;
use crate::cli::{self, Io, Openings, Takes};
use crate::error::At;
use crate::{Error, Result};

/// An opened archive and the images selected from it.
pub struct Input {
    /// The archive.
    pub archive: Arc<Archive>,
    /// Selection on the command line.
    pub pick: Pick,
    /// Positions of the images that the filters accept.
    pub images: Vec<ImageIdx>,
    /// Sizes of the layers, if measured.
    pub sizes: Sizes,
}

impl Input {
    /// Returns the selected roots.
    pub fn roots(&self) -> Result<Vec<&Root>> {
        match self.pick {
            Pick::Only => Ok(self.archive.roots.iter().collect()),
            _ => {
                let chosen = self.archive.chosen(&self.pick);
                let chosen = chosen.at(|| self.archive.place.clone())?;
                Ok(chosen.into_iter().map(|one| one.root).collect())
            }
        }
    }
}

/// Opens all inputs; reports those that cannot be opened, and goes on.
pub fn open(args: &Args, io: &mut Io) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    let mut take = |archive: Arc<Archive>, pick: Pick| {
        inputs.push(Input {
            archive,
            pick,
            images: Vec::new(),
            sizes: Sizes::default(),
        });
    };
    if args.images.is_empty() {
        if let Some(archive) = cli::open_store(
            &args.common,
            &Open {
                limits: args.common.limits(),
                ..Open::default()
            },
        )? {
            take(Arc::new(archive), Pick::Only);
        }
        return Ok(inputs);
    }
    // Packages and treemaps need a second pass over the layers, which a stream does not allow.
    let temporary = match args.view == ViewArg::Packages || args.format == FormatArg::Html {
        true => Some(std::env::temp_dir()),
        false => None,
    };
    let mut openings = Openings::of(&args.images);
    for image in &args.images {
        let meter = Meter::default();
        let _progress = io.progress(image.text(), None, &meter, false);
        let open = Open::with(&args.common, &meter, temporary.clone());
        for opened in openings.each(image, &args.common, open, Takes::Several) {
            match opened {
                Ok(one) => take(one.archive, one.pick),
                Err(error) => io.fail(&error),
            }
        }
    }
    Ok(inputs)
}

/// Selects the images: those given, for the given platform, that the filters accept.
pub fn select(args: &Args, inputs: &mut [Input], filters: &[Filter], io: &mut Io) -> Result<()> {
    let limits = age_limits(inputs, filters)?;
    for one in inputs.iter_mut() {
        let archive = &one.archive;
        let roots = one.roots()?;
        let mut faults: Vec<&Error> = match one.pick {
            Pick::Only => archive.all_faults().collect(),
            _ => archive.faults_below(&roots),
        };
        faults.dedup_by_key(|fault| fault.to_string());
        for fault in faults {
            io.fail(&fault.clone().at(archive.place.clone()));
        }
        let mut images: Vec<ImageIdx> = Vec::new();
        let mut seen = HashSet::new();
        for root in roots {
            let below = archive.images_of(root);
            let below = match &args.common.platform {
                Some(platform) => archive.choose(&below, Some(platform)).into_iter().collect(),
                None => below,
            };
            images.extend(below.into_iter().filter(|&image| seen.insert(image)));
        }
        images.retain(|&i| is_selected(archive, i, filters, &limits));
        one.images = images;
    }
    Ok(())
}

/// Returns the creation times of the images of `before=` (true) and `since=` (false).
fn age_limits(inputs: &[Input], filters: &[Filter]) -> Result<Vec<(bool, Option<i128>)>> {
    let mut limits = Vec::new();
    for filter in filters {
        let (wanted, before) = match filter {
            Filter::Before(wanted) => (wanted, true),
            Filter::Since(wanted) => (wanted, false),
            _ => continue,
        };
        let pick = Pick::Name(wanted.clone());
        let found = inputs.iter().find_map(|one| {
            let selection = one.archive.find(&pick, None).ok()?;
            Some(created(&one.archive, selection.index))
        });
        let Some(created) = found else {
            let names = inputs.iter().flat_map(|one| one.archive.roots.iter());
            let names = names.flat_map(|root| root.names.iter().map(Name::to_string));
            return Err(Error::no_such_image(wanted.clone(), names.collect()));
        };
        limits.push((before, created));
    }
    Ok(limits)
}

/// Returns the creation time of an image in nanoseconds.
fn created(archive: &Archive, image: ImageIdx) -> Option<i128> {
    let text = archive.images[image].config.created.as_deref()?;
    crate::spec::Timestamp::parse(text).map(crate::spec::Timestamp::nanoseconds)
}

/// Tests if the filters accept an image.
fn is_selected(
    archive: &Archive,
    i: ImageIdx,
    filters: &[Filter],
    limits: &[(bool, Option<i128>)],
) -> bool {
    if filters.is_empty() {
        return true;
    }
    let names = archive.names_of(i);
    let image = &archive.images[i];
    let mut references = filters
        .iter()
        .filter(|filter| matches!(filter, Filter::Reference(_)))
        .peekable();
    let name_matches = references.peek().is_none()
        || references.any(|filter| {
            names
                .iter()
                .any(|name| filter.reference_matches(Some(name)))
        });
    let others_match = filters.iter().all(|filter| match filter {
        Filter::Dangling(wanted) => names.is_empty() == *wanted,
        filter => {
            filter.label_matches(image) && filter.time_matches(image.config.created.as_deref())
        }
    });
    let created = created(archive, i);
    let age_matches = limits.iter().all(|(before, limit)| match before {
        true => created < *limit,
        false => created > *limit,
    });
    name_matches && others_match && age_matches
}

/// Measures the sizes of uncompressed layers, for `--size raw`.
pub fn measure(args: &Args, inputs: &mut [Input], io: &mut Io) {
    if args.size != Some(SizeArg::Raw) || args.view == ViewArg::Blobs {
        return;
    }
    for one in inputs {
        let meter = Meter::default();
        let progress = io.progress(&one.archive.place, None, &meter, false);
        one.sizes = archive::measure(&one.archive, &one.images, &args.common.limits(), &meter);
        drop(progress);
        for fault in one.sizes.faults() {
            io.fail(&fault.clone().at(one.archive.place.clone()));
        }
    }
}
