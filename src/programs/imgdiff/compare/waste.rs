//! Bytes that an image carries and nobody sees.
//!
//! Every file that a layer writes is counted once: as visible in the end, or as one kind of waste. So wasted and visible
//! bytes add up to the contents of the layers, and the score is one minus the wasted share.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::body::{Body, same};
use super::files::body_of;
use super::side::{Input, Loading, Side, load};
use crate::disk::Patterns;
use crate::error::Result;
use crate::parallel::in_parallel;
use crate::tree::{Event, Inode, NodeKind, Step, Tree};

/// Bytes that are wasted, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Replaced by a later layer with other contents.
    pub shadowed: u64,
    /// Deleted by a later layer.
    pub deleted: u64,
    /// Replaced by a later layer with equal contents: only mode, owner, time or attributes changed.
    pub metadata: u64,
    /// Equal to a visible file with another name.
    pub duplicate: u64,
}

impl Bytes {
    /// All of them.
    pub fn sum(&self) -> u64 {
        self.shadowed + self.deleted + self.metadata + self.duplicate
    }

    fn add(&mut self, why: Why, bytes: u64) {
        *match why {
            Why::Shadowed => &mut self.shadowed,
            Why::Deleted => &mut self.deleted,
            Why::Metadata => &mut self.metadata,
            Why::Duplicate => &mut self.duplicate,
        } += bytes;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Shadowed,
    Deleted,
    Metadata,
    Duplicate,
}

/// Waste of one layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerWaste {
    /// Bytes of the files that it writes.
    pub files: u64,
    /// Its stored bytes.
    pub stored: u64,
    /// Wasted bytes of its files.
    pub wasted: Bytes,
}

impl LayerWaste {
    /// Wasted share of the stored bytes: the wasted share of its files, because a compressed layer has no bytes per file.
    pub fn stored_wasted(&self) -> u64 {
        let share =
            u128::from(self.stored) * u128::from(self.wasted.sum()) / u128::from(self.files.max(1));
        u64::try_from(share).unwrap_or(u64::MAX).min(self.stored)
    }
}

/// Waste of one path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathWaste {
    /// The path, without `/` before it.
    pub path: Vec<u8>,
    /// Number of wasted copies.
    pub copies: u64,
    /// Their bytes.
    pub wasted: Bytes,
    /// In which layers they are, from 0.
    pub layers: Vec<usize>,
}

/// Result by dive's formula.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Dive {
    /// Its efficiency score, from 0 to 1.
    pub efficiency: f64,
    /// Its wasted bytes, in which every copy counts, also the one that is seen.
    pub wasted: u64,
}

/// Waste of an image.
#[derive(Debug)]
pub struct WasteReport {
    /// The image.
    pub side: Side,
    /// Each layer, from the base upward.
    pub layers: Vec<LayerWaste>,
    /// Paths with waste, the most first.
    pub paths: Vec<PathWaste>,
    /// Bytes of all files of all layers.
    pub files: u64,
    /// Wasted bytes of all files.
    pub wasted: Bytes,
    /// Result by dive's formula.
    pub dive: Dive,
}

impl WasteReport {
    /// The share of the files' bytes that is not wasted, from 0 to 1; 1 for an image without files.
    pub fn score(&self) -> f64 {
        match self.files {
            0 => 1.0,
            files => 1.0 - self.wasted.sum() as f64 / files as f64,
        }
    }

    /// Stored bytes that are wasted, see [`LayerWaste::stored_wasted`].
    pub fn stored_wasted(&self) -> u64 {
        self.layers.iter().map(LayerWaste::stored_wasted).sum()
    }
}

/// A file that is not seen in the end, or is seen twice.
struct Lost {
    path: Vec<u8>,
    layer: usize,
    size: u64,
    why: Why,
}

/// Finds the waste of an image.
///
/// # Errors
/// As [`load`] and reading contents.
pub fn waste(input: Input, ignored: &Patterns, loading: &Loading) -> Result<WasteReport> {
    let mut sides = load(vec![input], loading, false)?;
    let mut side = sides.pop().ok_or_else(super::side::gone)?;
    let count = side.layers.len();
    let mut layers = vec![LayerWaste::default(); count];
    for (layer, own) in layers.iter_mut().zip(&side.layers) {
        layer.stored = own.layer.content().map_or(0, crate::archive::Content::len);
    }
    let mut lost: Vec<Lost> = Vec::new();
    // Rewritten with as many bytes: the contents tell why.
    let mut rewritten: Vec<(usize, Body, Body)> = Vec::new();
    let alive: HashSet<Inode> = side.tree.walk().filter_map(|node| node.inode()).collect();
    for past in side.tree.all_paths() {
        let life = past.steps();
        for (i, step) in life.iter().enumerate() {
            let wrote = matches!(step.event, Event::Added | Event::Replaced);
            let is_file = wrote && step.kind() == NodeKind::File && !step.is_hard_link();
            let Some(inode) = step.inode().filter(|_| is_file) else {
                continue;
            };
            layers[step.layer].files += step.size();
            let path = past.path();
            if alive.contains(&inode) || step.size() == 0 || ignored.matches(&path) {
                continue;
            }
            let next = life.get(i + 1);
            let why = match next.map(|next| next.event) {
                Some(Event::Removed | Event::Hidden) => Why::Deleted,
                _ => Why::Shadowed,
            };
            let body = |step: &Step<'_>| -> Option<Body> {
                Some(Body {
                    place: step.location()?,
                    size: step.size(),
                    digest: step.digest(),
                })
            };
            if let Some(next) =
                next.filter(|next| next.event == Event::Replaced && next.kind() == NodeKind::File)
                && next.size() == step.size()
                && let (Some(was), Some(is)) = (body(step), body(next))
            {
                rewritten.push((lost.len(), was, is));
            }
            lost.push(Lost {
                path,
                layer: step.layer,
                size: step.size(),
                why,
            });
        }
    }
    let files = equal_sizes(&side, ignored);
    let read = rewritten.iter().flat_map(|(_, was, is)| [was, is]);
    let needed = read
        .chain(files.iter().map(|(_, body)| body))
        .filter(|body| body.digest.is_none());
    side.make_plain(needed.map(|body| &body.place), loading)?;
    let equal = in_parallel(&rewritten, |(at, was, is)| {
        (*at, same((&side, was), (&side, is)))
    });
    for (at, equal) in equal {
        if equal? {
            lost[at].why = Why::Metadata;
        }
    }
    let hashed = in_parallel(&files, |(_, body)| body.hash(&side));
    let mut seen: HashSet<(u64, [u8; 32])> = HashSet::new();
    for ((path, body), digest) in files.into_iter().zip(hashed) {
        if !seen.insert((body.size, digest?)) {
            lost.push(Lost {
                path,
                layer: body.place.layer,
                size: body.size,
                why: Why::Duplicate,
            });
        }
    }
    let (wasted, paths) = sums(lost, &mut layers);
    Ok(WasteReport {
        dive: dive(&side)?,
        files: layers.iter().map(|layer| layer.files).sum(),
        layers,
        paths,
        wasted,
        side,
    })
}

/// Visible files that have a size in common with another one, by path: they may be equal.
fn equal_sizes(side: &Side, ignored: &Patterns) -> Vec<(Vec<u8>, Body)> {
    let mut sizes: HashMap<u64, Vec<(Vec<u8>, Body)>> = HashMap::new();
    for node in side.tree.walk() {
        if node.kind() == NodeKind::File && node.first_name().is_none() && node.size() > 0 {
            let path = node.path();
            if let Some(body) = body_of(&node).filter(|_| !ignored.matches(&path)) {
                sizes.entry(body.size).or_default().push((path, body));
            }
        }
    }
    sizes.retain(|_, files| files.len() > 1);
    let mut files: Vec<(Vec<u8>, Body)> = sizes.into_values().flatten().collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// Sums of wasted bytes: total, and for each path, the largest first. Adds them to the layers, too.
fn sums(lost: Vec<Lost>, layers: &mut [LayerWaste]) -> (Bytes, Vec<PathWaste>) {
    let mut wasted = Bytes::default();
    let mut paths: BTreeMap<Vec<u8>, PathWaste> = BTreeMap::new();
    for one in lost {
        wasted.add(one.why, one.size);
        layers[one.layer].wasted.add(one.why, one.size);
        let path = paths.entry(one.path.clone()).or_insert_with(|| PathWaste {
            path: one.path,
            ..PathWaste::default()
        });
        path.copies += 1;
        path.wasted.add(one.why, one.size);
        if !path.layers.contains(&one.layer) {
            path.layers.push(one.layer);
        }
    }
    let mut paths: Vec<PathWaste> = paths.into_values().collect();
    paths.sort_by_key(|path| std::cmp::Reverse(path.wasted.sum()));
    (wasted, paths)
}

/// Computes dive's score with its omissions: of the leaves of each layer's own tree, the smallest size of each path over
/// the sum of all. A removed directory counts its contents, a removed file nothing, an opaque marker is ignored. A
/// directory without an entry in the last layer that has it does not exist for dive, and its removal counts nothing.
fn dive(side: &Side) -> Result<Dive> {
    let mut leaves: HashMap<Vec<u8>, (u64, u64, u64)> = HashMap::new();
    let mut has_entry: HashMap<Vec<u8>, bool> = HashMap::new();
    for (i, layer) in side.layers.iter().enumerate() {
        let own = Tree::apply(vec![layer.listing.clone()])?;
        let mut below: Option<Tree> = None;
        let mut all = own.all_paths().skip(1).peekable();
        while let Some(past) = all.next() {
            let path = past.path();
            if let Some(node) = past
                .node()
                .filter(|node| node.kind() == NodeKind::Directory)
            {
                has_entry.insert(path.clone(), !node.is_implied());
            }
            let is_leaf = all.peek().is_none_or(|next| {
                let next = next.path();
                !(next.starts_with(&path) && next.get(path.len()) == Some(&b'/'))
            });
            if !is_leaf {
                continue;
            }
            let size = match past.node() {
                Some(node) if node.kind() == NodeKind::File && node.first_name().is_none() => {
                    node.size()
                }
                Some(_) => 0,
                None if has_entry.get(&path) == Some(&false) => 0,
                None => {
                    if below.is_none() {
                        let listings = side.layers[..i].iter().map(|layer| layer.listing.clone());
                        below = Some(Tree::apply(listings.collect())?);
                    }
                    let directory = below.as_ref().and_then(|below| below.get(&path));
                    directory
                        .filter(|node| node.kind() == NodeKind::Directory)
                        .map_or(0, |directory| {
                            let mut sum = 0;
                            let mut work = vec![directory];
                            while let Some(node) = work.pop() {
                                if node.kind() == NodeKind::File && node.first_name().is_none() {
                                    sum += node.size();
                                }
                                work.extend(node.children());
                            }
                            sum
                        })
                }
            };
            let leaf = leaves.entry(path).or_insert((u64::MAX, 0, 0));
            *leaf = (leaf.0.min(size), leaf.1 + size, leaf.2 + 1);
        }
    }
    let least: u64 = leaves.values().map(|leaf| leaf.0).sum();
    let all: u64 = leaves.values().map(|leaf| leaf.1).sum();
    let twice = leaves.values().filter(|leaf| leaf.2 > 1);
    Ok(Dive {
        efficiency: if all == 0 {
            1.0
        } else {
            least as f64 / all as f64
        },
        wasted: twice.map(|leaf| leaf.1).sum(),
    })
}
