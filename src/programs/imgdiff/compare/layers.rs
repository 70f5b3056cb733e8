//! Two images layer by layer, aligned so that one layer that was put in between does not spoil the rest.
//!
//! As many layers as possible are paired by diff ID, in order. Layers between them are paired by command and by their
//! paths, and the rest stays single.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::documents::align;
use super::files::{Change, compare};
use super::side::{Input, Side, SideLayer, load};
use super::{Options, sort};
use crate::error::Result;
use crate::tree::{Hides, Tree};

/// Share of common paths from which two layers count as versions of each other.
const ALIKE: f64 = 0.5;
/// The most pairs of layers that are compared by their paths.
const PAIRS: usize = 40_000;

/// Reason for pairing two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// Equal diff IDs.
    DiffId,
    /// Equal commands.
    Instruction,
    /// They speak of the same paths.
    Similarity,
    /// Only one of the images has it.
    Alone,
}

impl Match {
    /// In a word.
    pub fn text(self) -> &'static str {
        match self {
            Match::DiffId => "diff ID",
            Match::Instruction => "instruction",
            Match::Similarity => "similarity",
            Match::Alone => "none",
        }
    }
}

/// A marker that only one of two layers has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marker {
    /// Removed path; for an opaque marker, the directory.
    pub path: Vec<u8>,
    /// True if the contents of the directory are removed, not the directory.
    pub opaque: bool,
    /// True if the second layer has it.
    pub added: bool,
}

/// Two layers that stand for one another, or one that stands alone.
#[derive(Debug)]
pub struct LayerPair {
    /// The layer of the first, from 0.
    pub old: Option<usize>,
    /// The layer of the second, from 0.
    pub new: Option<usize>,
    /// Reason for the pair.
    pub by: Match,
    /// Each layer as a side of its own; empty where there is none. `None` for the same diff ID.
    pub sides: Option<[Side; 2]>,
    /// Differences in the entries that the layers write.
    pub changes: Vec<Change>,
    /// Differences in the paths that the layers remove.
    pub markers: Vec<Marker>,
}

/// Two images layer by layer.
#[derive(Debug)]
pub struct LayerReport {
    /// Both.
    pub sides: [Side; 2],
    /// Their layers, from the base upward.
    pub pairs: Vec<LayerPair>,
    /// Tests if any pair differs.
    pub differs: bool,
}

/// Compares layer by layer.
///
/// # Errors
/// As [`super::diff`].
pub fn diff_layers(a: Input, b: Input, options: &Options) -> Result<LayerReport> {
    let skip = a.has_layers_of(&b);
    let sides = load(vec![a, b], &options.loading, skip)?;
    let sides: [Side; 2] = sides.try_into().map_err(|_| super::side::gone())?;
    let [a, b] = &sides;
    let mut pairs = Vec::new();
    for (old, new, by) in align_layers(a, b) {
        let mut pair = LayerPair {
            old,
            new,
            by,
            sides: None,
            changes: Vec::new(),
            markers: Vec::new(),
        };
        if by != Match::DiffId {
            let mut both = [alone(a, old)?, alone(b, new)?];
            pair.markers = markers(&both, options);
            pair.changes = compare(
                &mut both,
                options.fields,
                &options.ignored,
                &options.loading,
            )?
            .changes;
            sort(&both, &mut pair.changes, options.sort);
            pair.sides = Some(both);
        }
        pairs.push(pair);
    }
    let differs = pairs.iter().any(|pair| {
        pair.by == Match::Alone
            || !pair.changes.is_empty()
            || !pair.markers.is_empty()
            || (options.strict && pair.by != Match::DiffId)
    });
    Ok(LayerReport {
        sides,
        pairs,
        differs,
    })
}

/// One layer as a side; without one, an empty side.
fn alone(side: &Side, layer: Option<usize>) -> Result<Side> {
    let own = layer.and_then(|i| side.layers.get(i));
    let layers: Vec<SideLayer> = own.into_iter().cloned().collect();
    let listings = layers.iter().map(|layer| Arc::clone(&layer.listing));
    Ok(Side {
        name: side.name.clone(),
        image: None,
        // Hard links to files of lower layers lead nowhere here, and that is no fault of the layer.
        tree: Tree::apply(listings.collect())?,
        layers,
        below: side.below + layer.unwrap_or_default(),
        of: side.of,
        steps: side.steps.clone(),
        directory: None,
    })
}

fn markers(sides: &[Side; 2], options: &Options) -> Vec<Marker> {
    let of = |side: &Side| -> HashSet<(Vec<u8>, bool)> {
        let mut all = HashSet::new();
        for past in side.tree.all_paths() {
            let opaque = past
                .node()
                .is_some_and(|node| node.hides() == Hides::Contents);
            if opaque || past.is_removed() {
                let path = past.path();
                if !options.ignored.matches(&path) {
                    all.insert((path, opaque));
                }
            }
        }
        all
    };
    let [old, new] = [of(&sides[0]), of(&sides[1])];
    let told = |added| {
        move |(path, opaque): &(Vec<u8>, bool)| Marker {
            path: path.clone(),
            opaque: *opaque,
            added,
        }
    };
    let mut markers: Vec<Marker> = old.difference(&new).map(told(false)).collect();
    markers.extend(new.difference(&old).map(told(true)));
    markers.sort();
    markers
}

/// A diff ID that is known; one that is not is like no other.
struct Known<'a>(Option<&'a str>);

impl PartialEq for Known<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_some() && self.0 == other.0
    }
}

type Pair = (Option<usize>, Option<usize>, Match);

/// Pairs the layers of two sides, from the base upward: positions from 0, and the reason for each pair.
pub fn align_layers(a: &Side, b: &Side) -> Vec<Pair> {
    let ids = |side: &'_ Side| -> Vec<Option<String>> {
        let id = |layer: &SideLayer| layer.layer.diff_id.as_ref().map(ToString::to_string);
        side.layers.iter().map(id).collect()
    };
    let (old, new) = (ids(a), ids(b));
    let known = |ids: &'_ [Option<String>]| -> Vec<Option<String>> { ids.to_vec() };
    let (old, new) = (known(&old), known(&new));
    let (old, new): (Vec<Known>, Vec<Known>) = (
        old.iter().map(|id| Known(id.as_deref())).collect(),
        new.iter().map(|id| Known(id.as_deref())).collect(),
    );
    let mut pairs = Vec::new();
    let (mut left, mut right): (Vec<usize>, Vec<usize>) = Default::default();
    for pair in align(&old, &new) {
        match pair {
            (Some(i), Some(j)) => {
                between(a, b, &left, &right, &mut pairs);
                (left, right) = Default::default();
                pairs.push((Some(i), Some(j), Match::DiffId));
            }
            (i, j) => {
                left.extend(i);
                right.extend(j);
            }
        }
    }
    between(a, b, &left, &right, &mut pairs);
    pairs
}

/// Pairs layers between two that are the same: in order, so that commands and paths agree as much as they can.
fn between(a: &Side, b: &Side, left: &[usize], right: &[usize], pairs: &mut Vec<Pair>) {
    let (n, m) = (left.len(), right.len());
    let close = n.saturating_mul(m) <= PAIRS;
    let paths = |side: &Side, layers: &[usize]| -> Vec<HashSet<u64>> {
        let of = |&i: &usize| {
            let mut all = HashSet::new();
            side.layers[i].listing.paths(|path| {
                let mut hasher = DefaultHasher::new();
                path.hash(&mut hasher);
                all.insert(hasher.finish());
            });
            all
        };
        if close && n > 0 && m > 0 {
            layers.iter().map(of).collect()
        } else {
            Vec::new()
        }
    };
    let (old, new) = (paths(a, left), paths(b, right));
    let score = |i: usize, j: usize| -> (f64, Match) {
        let (was, is) = (a.created_by(left[i]), b.created_by(right[j]));
        let told = !was.is_empty() && was == is;
        let (x, y) = (&old[i], &new[j]);
        let both = x.intersection(y).count() as f64;
        let alike = both / (x.len() as f64 + y.len() as f64 - both).max(1.0);
        match (told, alike >= ALIKE) {
            (true, _) => (2.0 + alike, Match::Instruction),
            (false, true) => (alike, Match::Similarity),
            (false, false) => (0.0, Match::Alone),
        }
    };
    let scores: Vec<(f64, Match)> = match close {
        true => (0..n * m).map(|at| score(at / m, at % m)).collect(),
        false => Vec::new(),
    };
    let values: Vec<f64> = scores.iter().map(|score| score.0).collect();
    pairs.extend(best_pairs(n, m, &values).into_iter().map(|(i, j)| {
        let by = match (i, j) {
            (Some(i), Some(j)) => scores[i * m + j].1,
            _ => Match::Alone,
        };
        (i.map(|i| left[i]), j.map(|j| right[j]), by)
    }));
}

/// Pairs the items of two lists in order, so that the sum of the scores of the pairs is as large as it can be; items with
/// score 0 are never paired. `scores` has a row of `m` for each of the first `n`; without it no items are paired.
pub fn best_pairs(n: usize, m: usize, scores: &[f64]) -> Vec<(Option<usize>, Option<usize>)> {
    let mut pairs = Vec::new();
    let (mut i, mut j) = (0, 0);
    if n > 0 && m > 0 && scores.len() == n.saturating_mul(m) {
        let width = m + 1;
        let mut best = vec![0.0f64; (n + 1) * width];
        for i in (0..n).rev() {
            for j in (0..m).rev() {
                let with = scores[i * m + j] + best[(i + 1) * width + j + 1];
                best[i * width + j] = with
                    .max(best[(i + 1) * width + j])
                    .max(best[i * width + j + 1]);
            }
        }
        while i < n && j < m {
            let score = scores[i * m + j];
            if score > 0.0 && best[i * width + j] <= score + best[(i + 1) * width + j + 1] {
                pairs.push((Some(i), Some(j)));
                (i, j) = (i + 1, j + 1);
            } else if best[(i + 1) * width + j] >= best[i * width + j + 1] {
                pairs.push((Some(i), None));
                i += 1;
            } else {
                pairs.push((None, Some(j)));
                j += 1;
            }
        }
    }
    pairs.extend((i..n).map(|i| (Some(i), None)));
    pairs.extend((j..m).map(|j| (None, Some(j))));
    pairs
}
