//! Layers that cannot be applied to one another, found without unpacking them.
//!
//! Each layer's entries were recorded in the pass that hashed it. Faults of a layer by itself (names with `..`,
//! whiteouts of nothing, a root that is not a directory) are reported by that pass.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::finding::{Found, Severity};
use super::labels::Labels;
use crate::archive::{Archive, ImageIdx};
use crate::layer::Whiteout;
use crate::tree::{Listing, Tree};

/// The most entries that are applied for all images of one archive together.
const MOST: usize = 50_000_000;

/// The most faults that are reported for one image.
const FAULTS: usize = 20;

/// The most paths of whiteouts that are told for one layer.
const NAMES: usize = 3;

/// Applies the layers of every image whose layers are all known. `listing` gives a layer's, by image and layer, with a
/// number that is the same for the same layer.
pub(super) fn layers(
    archive: &Archive,
    labels: &Labels,
    listing: impl Fn(ImageIdx, usize) -> Option<(usize, Arc<Listing>)>,
    found: &mut Found,
) {
    let mut seen = HashSet::new();
    let mut applied = 0_usize;
    let mut left_out = 0;
    for (image, described) in archive.images.iter_enumerated() {
        let known: Option<Vec<_>> = (0..described.layers.len())
            .map(|layer| listing(image, layer))
            .collect();
        let Some(known) = known.filter(|known| !known.is_empty()) else {
            continue;
        };
        let (numbers, listings): (Vec<_>, Vec<_>) = known.into_iter().unzip();
        if !seen.insert(numbers) {
            continue;
        }
        applied += listings.iter().map(|listing| listing.len()).sum::<usize>();
        if applied > MOST {
            left_out += 1;
            continue;
        }
        match Tree::apply(listings) {
            Ok(tree) => {
                faults(&tree, labels.prefix(image), found);
                whiteouts(&tree, labels.prefix(image), found);
            }
            Err(error) => found.add(
                Severity::Note,
                "not-applied",
                labels.image(image),
                format!("the layers were not applied: {}", error.fault()),
            ),
        }
    }
    if left_out > 0 {
        let message = format!("the layers of {left_out} images were not applied: too many entries");
        found.add(Severity::Note, "not-applied", "", message);
    }
}

fn faults(tree: &Tree, prefix: Option<&str>, found: &mut Found) {
    let mut told = 0;
    for fault in tree.faults() {
        let places: Vec<String> = fault.context().map(str::to_owned).collect();
        if places.last().is_none_or(|path| is_said(path)) {
            continue;
        }
        told += 1;
        if told > FAULTS {
            continue;
        }
        let places = placed(prefix, places);
        let message = format!("cannot be applied: {}", fault.fault());
        found.within(Severity::Error, "does-not-apply", &places, message);
    }
    if told > FAULTS || tree.fault_count() > tree.faults().len() as u64 {
        let place = prefix.unwrap_or_default();
        let message = "and more entries that cannot be applied";
        found.add(Severity::Error, "does-not-apply", place, message);
    }
    for notice in tree.notices().iter().take(FAULTS) {
        let places = placed(prefix, notice.context().map(str::to_owned).collect());
        let message = notice.fault().to_string();
        found.within(Severity::Warning, "parent-not-directory", &places, message);
    }
    if tree.notice_count() > FAULTS as u64 {
        let place = prefix.unwrap_or_default();
        let message = "and more paths where a parent is no directory";
        found.add(Severity::Warning, "parent-not-directory", place, message);
    }
}

/// Adds the whiteouts that remove nothing, and those of paths that their own layer has.
fn whiteouts(tree: &Tree, prefix: Option<&str>, found: &mut Found) {
    let mut idle: BTreeMap<usize, Names> = BTreeMap::new();
    let mut own: BTreeMap<usize, Names> = BTreeMap::new();
    for whiteout in tree.whiteouts() {
        if whiteout.is_of_own_path() {
            own.entry(whiteout.layer())
                .or_default()
                .add(whiteout.path());
        } else if whiteout.removes_nothing() {
            idle.entry(whiteout.layer())
                .or_default()
                .add(whiteout.path());
        }
    }
    let place = |layer: usize| {
        let layer = format!("layer {} of {}", layer + 1, tree.layers());
        placed(prefix, vec![layer])
    };
    for (layer, names) in own {
        let message = format!(
            "the layer has the path and its whiteout, and readers differ in which one counts: {}",
            names.text()
        );
        found.within(Severity::Warning, "own-whiteout", &place(layer), message);
    }
    for (layer, names) in idle {
        let message = format!(
            "nothing below is removed by the whiteout of {}",
            names.text()
        );
        found.within(
            Severity::Note,
            "whiteout-of-nothing",
            &place(layer),
            message,
        );
    }
}

/// Paths, of which the first are told.
#[derive(Default)]
struct Names {
    first: Vec<String>,
    count: usize,
}

impl Names {
    fn add(&mut self, path: Vec<u8>) {
        if self.first.len() < NAMES {
            self.first.push(String::from_utf8_lossy(&path).into_owned());
        }
        self.count += 1;
    }

    fn text(&self) -> String {
        let first = self.first.join(", ");
        match self.count.saturating_sub(self.first.len()) {
            0 => first,
            more => format!("{first} and {more} more"),
        }
    }
}

fn placed(prefix: Option<&str>, places: Vec<String>) -> Vec<String> {
    let prefix = prefix.map(str::to_owned);
    prefix.into_iter().chain(places).collect()
}

/// Tests if the pass over the layer reports this entry.
fn is_said(path: &str) -> bool {
    path == "."
        || path.split('/').any(|part| part == "..")
        || Whiteout::of(path.as_bytes()) == Whiteout::Invalid
}
