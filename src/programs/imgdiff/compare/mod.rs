//! Comparison of images.
//!
//! Input: [`Input`]s. [`load`] lists and applies their layers, each once, and [`diff`] compares two of them: files by
//! merging two walks, contents only where sizes agree and nothing else decides, documents key by key. Left to
//! others: opening archives, and output.

mod blame;
mod body;
mod documents;
mod fields;
mod files;
mod layers;
mod likeness;
mod many;
mod many_documents;
mod packages;
mod side;
mod stat;
mod text;
mod waste;

use std::cmp::Reverse;

pub use blame::{Made, blame};
pub use documents::{
    DocChange, PairedStep, Position, StepChange, config_changes, history_changes, paired_steps,
};
pub use fields::{Field, Fields};
pub use files::{Change, ChangeKind, Compared, compare};
pub use layers::{LayerPair, LayerReport, Marker, Match, align_layers, best_pairs, diff_layers};
pub use likeness::{Cause, Likeness, Packing, Repacked};
pub use many::{Cell, ManyLayer, ManyPackage, ManyPath, ManyReport, diff_many};
pub use many_documents::{ManyStep, ManyValue};
pub use packages::{PackageChange, has_database, packages_of};
pub use side::{Facts, Input, Loading, Side, SideLayer, load};
pub use stat::{Stat, stat};
pub use text::{TextChange, has_text, is_below, is_in_any, small_texts, texts};
pub use waste::{Bytes, Dive, LayerWaste, PathWaste, WasteReport, waste};

pub use crate::layer::Xattr;

use crate::disk::Patterns;
use crate::error::Result;
use crate::tree::NodeKind;

/// Options of a comparison and its output.
#[derive(Debug, Clone)]
pub struct Options {
    /// Fields that count as differences.
    pub fields: Fields,
    /// Paths that are not looked at.
    pub ignored: Patterns,
    /// Everything counts: order, dialect, compression and bytes.
    pub strict: bool,
    /// Find deleted files again that were added elsewhere.
    pub renames: bool,
    /// Report directories as `docker diff` does.
    pub parents: bool,
    /// The order of the changes.
    pub sort: Sort,
    /// Options for reading layers.
    pub loading: Loading,
}

/// An order of changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// By the bytes of the paths.
    #[default]
    Path,
    /// By how many bytes the change is about, the most first.
    Size,
}

/// Differences between two sides.
#[derive(Debug)]
pub struct Report {
    /// Both, the first one first.
    pub sides: [Side; 2],
    /// Differences of their files.
    pub compared: Compared,
    /// Differences of their configs, if both are images and configs are compared.
    pub config: Vec<DocChange>,
    /// Steps that only one of them has.
    pub history: Vec<StepChange>,
    /// Number of layers that both begin with.
    pub shared: usize,
    /// Differences in how layers are written and compressed.
    pub packing: Packing,
    /// Likeness of the two.
    pub likeness: Likeness,
    /// True if a selected field differs.
    pub differs: bool,
}

/// Compares two sides.
///
/// # Errors
/// As [`load`] and [`compare`].
pub fn diff(a: Input, b: Input, options: &Options) -> Result<Report> {
    let same_layers = a.has_layers_of(&b);
    let files = !options
        .fields
        .iter()
        .all(|field| matches!(field, Field::Config | Field::History));
    let sides = load(vec![a, b], &options.loading, same_layers || !files)?;
    let sides: [Side; 2] = sides.try_into().map_err(|_| side::gone())?;
    report(sides, same_layers, options)
}

/// Compares two sides that are loaded.
fn report(mut sides: [Side; 2], same_layers: bool, options: &Options) -> Result<Report> {
    let mut compared = compare(
        &mut sides,
        options.fields,
        &options.ignored,
        &options.loading,
    )?;
    let changes = &mut compared.changes;
    if options.renames {
        files::renames(&mut sides, changes, options.fields, &options.loading)?;
    }
    let [a, b] = &sides;
    if options.parents {
        files::with_parents(&a.tree, &b.tree, changes);
    }
    sort(&sides, changes, options.sort);
    let (mut config, mut history) = (Vec::new(), Vec::new());
    if let (Some(old), Some(new)) = (&a.image, &b.image) {
        if options.fields.has(Field::Config) {
            config = config_changes(old, new, options.fields, options.strict);
        }
        if options.fields.has(Field::History) {
            history = history_changes(a, b, options.fields);
        }
    }
    let ids = a.layers.iter().zip(&b.layers);
    let shared = ids
        .take_while(|(a, b)| a.layer.diff_id.is_some() && a.layer.diff_id == b.layer.diff_id)
        .count();
    let mut packing = likeness::packing(a, b)?;
    let found = likeness::Findings {
        compared: &compared,
        config: !config.is_empty(),
        history: !history.is_empty(),
        same_layers: same_layers
            || (packing.causes.is_empty() && compared.counts.is_empty() && compared.alone == 0),
    };
    let likeness = likeness::likeness(a, b, &mut packing, found);
    let differs = !compared.changes.is_empty()
        || !config.is_empty()
        || !history.is_empty()
        || (options.strict && likeness != Likeness::SameDigest);
    Ok(Report {
        sides,
        compared,
        config,
        history,
        shared,
        packing,
        likeness,
        differs,
    })
}

/// Brings changes into their order.
pub fn sort(sides: &[Side; 2], changes: &mut [Change], order: Sort) {
    let [a, b] = sides;
    let path = |change: &Change| {
        let node = change.after(&b.tree).or_else(|| change.before(&a.tree));
        node.map_or_else(Vec::new, |node| node.path())
    };
    match order {
        Sort::Path => changes.sort_by_cached_key(path),
        Sort::Size => changes.sort_by_cached_key(|change| {
            let size = |node: Option<crate::tree::Node<'_>>| {
                node.filter(|node| node.kind() == NodeKind::File)
                    .map_or(0, |node| node.size())
            };
            let (old, new) = (size(change.before(&a.tree)), size(change.after(&b.tree)));
            let about = match change.kind {
                // Every path was replaced.
                ChangeKind::Changed if change.what.has(Field::Content) => old.max(new),
                ChangeKind::Changed | ChangeKind::Renamed => old.abs_diff(new),
                ChangeKind::Added | ChangeKind::Deleted => old.max(new),
            };
            (Reverse(about), path(change))
        }),
    }
}
