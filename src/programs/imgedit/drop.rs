//! Layers taken out of an image, and what that changes in its files.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use regex_automata::meta;

use crate::archive::{Archive, ImageIdx};
use crate::cli;
use crate::error::{At, Error, Result};
use crate::escape;
use crate::layer::Limits;
use crate::spec::Digest;
use crate::tree::{Listing, NodeKind, Reading, Tree};
use crate::write::ImageEdit;

/// Bytes of the automaton of one expression.
const MAX_SIZE: usize = 10 << 20;

/// Layers that are named on the command line.
pub(super) enum Layers {
    /// A number, a range or a digest, see [`cli::layer_range`].
    Range(String),
    /// Layers whose command in the history has a match.
    CreatedBy(meta::Regex),
}

impl Layers {
    /// Parses a selection.
    ///
    /// # Errors
    /// The invalid regular expression as text.
    pub(super) fn parse(text: &str) -> std::result::Result<Self, String> {
        let Some(pattern) = text.strip_prefix("created-by:") else {
            return Ok(Layers::Range(text.to_owned()));
        };
        let config = meta::Config::new().nfa_size_limit(Some(MAX_SIZE));
        let regex = meta::Builder::new().configure(config).build(pattern);
        regex.map(Layers::CreatedBy).map_err(|error| {
            let syntax = error.syntax_error().map(ToString::to_string);
            syntax.unwrap_or_else(|| error.to_string())
        })
    }

    /// Returns the positions of the layers in an image, from 0.
    fn of(&self, image: &ImageEdit) -> Result<BTreeSet<usize>> {
        match self {
            Layers::Range(text) => {
                let layers = image.layers.iter();
                let digests =
                    layers.map(|layer| [Some(&layer.descriptor.digest), Some(&layer.diff_id)]);
                let range = cli::range_of(&digests.collect::<Vec<_>>(), text)?;
                Ok(range.collect())
            }
            Layers::CreatedBy(regex) => {
                let commands = image.config.layer_commands(image.layers.len())?;
                let commands = commands.into_iter();
                let matching = commands.filter(|(_, command)| regex.is_match(command));
                Ok(matching.map(|(layer, _)| layer).collect())
            }
        }
    }
}

/// Listings of layers by their diff IDs.
#[derive(Default)]
pub(super) struct Listings(HashMap<Digest, Arc<Listing>>);

impl Listings {
    /// Lists the layers of an image.
    ///
    /// # Errors
    /// As [`Reading::list_all`].
    pub(super) fn add(&mut self, archive: &Archive, image: ImageIdx, limits: Limits) -> Result<()> {
        let reading = Reading {
            limits,
            ..Reading::default()
        };
        let image = &archive.images[image];
        let listings = reading
            .list_all(image)
            .at(|| archive.place.clone())?
            .into_iter();
        let diff_ids = image.config.diff_ids.iter().flatten().cloned();
        self.0.extend(diff_ids.zip(listings));
        Ok(())
    }

    /// Adds a layer that the image did not have.
    pub(super) fn insert(&mut self, diff_id: Digest, listing: Arc<Listing>) {
        self.0.insert(diff_id, listing);
    }

    fn tree(&self, image: &ImageEdit) -> Result<Tree> {
        let listing = |diff_id: &Digest| {
            let listing = self.0.get(diff_id).cloned();
            listing.ok_or_else(|| Error::blob_missing(diff_id))
        };
        let layers = image.layers.iter();
        let listings = layers.map(|layer| listing(&layer.diff_id));
        Tree::apply(listings.collect::<Result<_>>()?)
    }
}

/// Takes layers and their entries in the history out of an image. Returns what that changes in its files, one line each.
///
/// # Errors
/// `Usage` for layers that the image does not have; as [`Tree::apply`].
pub(super) fn drop(
    image: &mut ImageEdit,
    layers: &Layers,
    listings: &Listings,
) -> Result<Option<Vec<String>>> {
    let dropped = layers.of(image)?;
    if dropped.is_empty() {
        return Ok(None);
    }
    let before = listings.tree(image)?;
    let count = image.layers.len();
    image.config.unset_history(count, &dropped)?;
    let kept: Vec<usize> = (0..count).filter(|at| !dropped.contains(at)).collect();
    let mut at = 0..;
    let is_kept = |at: Option<usize>| at.is_some_and(|at| !dropped.contains(&at));
    image.layers.retain(|_| is_kept(at.next()));
    let after = listings.tree(image)?;
    let mut lines = vanished(&before, &after);
    lines.extend(returned(&before, &after, &kept));
    Ok(Some(lines))
}

/// Paths that only the first tree has; of a directory without those below it.
fn vanished(before: &Tree, after: &Tree) -> Vec<String> {
    let mut found: Vec<(Vec<u8>, usize)> = Vec::new();
    for node in before.walk() {
        let path = node.path();
        if path.is_empty() || after.get(&path).is_some() {
            continue;
        }
        match found.last_mut() {
            Some((above, count)) if is_below(&path, above) => *count += 1,
            _ => found.push((path, 0)),
        }
    }
    let lines = found.into_iter().map(|(path, count)| {
        let path = escape::bytes(&path).into_owned();
        match count {
            0 => format!("/{path} vanishes"),
            1 => format!("/{path} vanishes, with 1 path below it"),
            count => format!("/{path} vanishes, with {count} paths below it"),
        }
    });
    lines.collect()
}

/// Paths that the second tree has from another layer than the first. `kept`: the layers of the second tree, by their
/// positions in the first.
fn returned(before: &Tree, after: &Tree, kept: &[usize]) -> Vec<String> {
    let mut lines = Vec::new();
    for node in after.walk() {
        let path = node.path();
        let layer = kept.get(node.layer()).copied().unwrap_or_default();
        let is_same = before.get(&path).is_some_and(|old| {
            let are_directories = [old.kind(), node.kind()] == [NodeKind::Directory; 2];
            old.is_implied() && node.is_implied()
                || old.layer() == layer && old.is_implied() == node.is_implied()
                || are_directories && old.meta() == node.meta()
        });
        if !path.is_empty() && !is_same && !node.is_implied() {
            let path = escape::bytes(&path).into_owned();
            lines.push(format!("/{path} comes back, from layer {}", layer + 1));
        }
    }
    lines
}

fn is_below(path: &[u8], above: &[u8]) -> bool {
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| rest.starts_with(b"/"))
}
