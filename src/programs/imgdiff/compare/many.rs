//! More than two: which paths, layers and packages are where, and in how many versions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::body::Body;
use super::fields::Fields;
use super::files::{body_of, differences};
use super::many_documents::{self, ManyStep, ManyValue};
use super::packages::installed;
use super::side::{Input, Loading, Side, load};
use super::{Field, Options};
use crate::error::{Error, Result};
use crate::packages::Manager;
use crate::parallel::in_parallel;
use crate::tree::{Node, NodeKind, PathIdx, cmp_paths};

/// Node of one side at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Kind of the node.
    pub kind: NodeKind,
    /// Bytes of a file.
    pub size: u64,
    /// Sides with the same number have the same there: 1 is that of the first side that has anything.
    pub version: usize,
}

/// A path that is not the same everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManyPath {
    /// The path, without `/` before it.
    pub path: Vec<u8>,
    /// Node of each side; `None` where the path is missing.
    pub cells: Vec<Option<Cell>>,
}

/// A layer and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManyLayer {
    /// Digest of the uncompressed layer.
    pub diff_id: String,
    /// Its stored bytes, on the first side that has it.
    pub stored: u64,
    /// Command that made it there.
    pub created_by: String,
    /// Its number on each side, 1 being the base.
    pub numbers: Vec<Option<usize>>,
}

/// A package whose version is not the same everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManyPackage {
    /// Package manager.
    pub manager: Manager,
    /// Its name.
    pub name: String,
    /// Its versions on each side; empty where it is not installed.
    pub versions: Vec<String>,
}

/// Many sides compared.
#[derive(Debug)]
pub struct ManyReport {
    /// They.
    pub sides: Vec<Side>,
    /// Paths that differ, sorted.
    pub paths: Vec<ManyPath>,
    /// Layers, those of the first side first.
    pub layers: Vec<ManyLayer>,
    /// Values of the configs that differ, by key, if configs are compared.
    pub config: Vec<ManyValue>,
    /// Steps that are not part of all histories, if histories are compared.
    pub history: Vec<ManyStep>,
    /// Packages that differ, by manager and name.
    pub packages: Vec<ManyPackage>,
    /// Package databases that could not be read.
    pub faults: Vec<Error>,
    /// Bytes of the files of each side.
    pub bytes: Vec<u64>,
}

impl ManyReport {
    /// Tests if anything differs.
    pub fn differs(&self) -> bool {
        !self.paths.is_empty()
            || !self.packages.is_empty()
            || !self.config.is_empty()
            || !self.history.is_empty()
    }
}

/// A path with the number of its node on each side.
type Candidate = (Vec<u8>, Vec<Option<PathIdx>>);

/// Compares any number of sides.
///
/// # Errors
/// As [`super::diff`].
pub fn diff_many(inputs: Vec<Input>, options: &Options) -> Result<ManyReport> {
    let mut sides = load(inputs, &options.loading, false)?;
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut bytes = vec![0; sides.len()];
    walk(&sides, |path, nodes| {
        if options.ignored.matches(path) {
            return;
        }
        for (sum, node) in bytes.iter_mut().zip(nodes) {
            if let Some(node) =
                node.filter(|node| node.kind() == NodeKind::File && node.first_name().is_none())
            {
                *sum += node.size();
            }
        }
        let first = nodes.first().copied().flatten();
        let same = first.is_some_and(|first| {
            let same =
                |node: &Option<Node<'_>>| node.is_some_and(|node| node.is_same_entry(&first));
            nodes.iter().all(same)
        });
        if !same {
            let numbers = nodes.iter().map(|node| node.as_ref().map(Node::index));
            candidates.push((path.to_vec(), numbers.collect()));
        }
    });
    let digests = digests(&mut sides, &candidates, options)?;
    let mut paths = path_rows(&sides, candidates, &digests, options);
    paths.sort_by(|a, b| a.path.cmp(&b.path));
    let layers = layers(&sides);
    let (packages, faults) = package_rows(&mut sides, &options.loading)?;
    Ok(ManyReport {
        config: many_documents::values(&sides, options.fields, options.strict),
        history: many_documents::steps(&sides, options.fields),
        sides,
        paths,
        layers,
        packages,
        faults,
        bytes,
    })
}

/// Rows of the paths that are not equal on all sides.
fn path_rows(
    sides: &[Side],
    candidates: Vec<Candidate>,
    digests: &HashMap<(usize, usize), [u8; 32]>,
    options: &Options,
) -> Vec<ManyPath> {
    let mut paths = Vec::new();
    for (at, (path, numbers)) in candidates.into_iter().enumerate() {
        let nodes: Vec<Option<Node<'_>>> = sides
            .iter()
            .zip(&numbers)
            .map(|(side, number)| side.tree.at((*number)?))
            .collect();
        let same = |i: usize, j: usize| -> bool {
            let (Some(a), Some(b)) = (nodes[i], nodes[j]) else {
                return false;
            };
            if a.is_same_entry(&b) {
                return true;
            }
            let contents = a.kind() != NodeKind::File
                || a.size() == 0
                || !options.fields.has(Field::Content)
                || digests
                    .get(&(at, i))
                    .is_some_and(|one| Some(one) == digests.get(&(at, j)));
            contents
                && differences(&a, &b, Fields::NONE)
                    .and(options.fields)
                    .is_empty()
        };
        let mut cells: Vec<Option<Cell>> = Vec::new();
        let mut firsts: Vec<usize> = Vec::new();
        for (i, node) in nodes.iter().enumerate() {
            let Some(node) = node else {
                cells.push(None);
                continue;
            };
            let known = firsts.iter().position(|&first| same(first, i));
            let version = known.unwrap_or_else(|| {
                firsts.push(i);
                firsts.len() - 1
            });
            cells.push(Some(Cell {
                kind: node.kind(),
                size: node.size(),
                version: version + 1,
            }));
        }
        if firsts.len() > 1 || cells.iter().any(Option::is_none) {
            paths.push(ManyPath { path, cells });
        }
    }
    paths
}

/// Rows of the packages whose versions differ, and the faults of package databases.
fn package_rows(sides: &mut [Side], loading: &Loading) -> Result<(Vec<ManyPackage>, Vec<Error>)> {
    let mut faults = Vec::new();
    let mut versions: BTreeMap<(Manager, String), Vec<BTreeSet<String>>> = BTreeMap::new();
    let count = sides.len();
    for (i, side) in sides.iter_mut().enumerate() {
        let found = installed(side, loading)?;
        for package in found.list {
            let key = (package.manager, package.name);
            let row = versions
                .entry(key)
                .or_insert_with(|| vec![BTreeSet::new(); count]);
            row[i].insert(package.version);
        }
        faults.extend(
            found
                .faults
                .into_iter()
                .map(|fault| fault.at(side.name.clone())),
        );
    }
    let packages = versions
        .into_iter()
        .filter(|(_, versions)| versions.iter().any(|own| *own != versions[0]))
        .map(|((manager, name), versions)| ManyPackage {
            manager,
            name,
            versions: versions
                .into_iter()
                .map(|own| own.into_iter().collect::<Vec<_>>().join(", "))
                .collect(),
        })
        .collect();
    Ok((packages, faults))
}

/// Takes all walks together.
fn walk<'t>(sides: &'t [Side], mut take: impl FnMut(&[u8], &[Option<Node<'t>>])) {
    let mut walks: Vec<_> = sides
        .iter()
        .map(|side| side.tree.walk().map(|node| (node.path(), node)).peekable())
        .collect();
    loop {
        let mut least: Option<Vec<u8>> = None;
        for walk in &mut walks {
            if let Some((path, _)) = walk.peek()
                && least
                    .as_ref()
                    .is_none_or(|least| cmp_paths(path, least).is_lt())
            {
                least = Some(path.clone());
            }
        }
        let Some(path) = least else { return };
        let nodes: Vec<Option<Node<'t>>> = walks
            .iter_mut()
            .map(|walk| walk.next_if(|(own, _)| *own == path).map(|(_, node)| node))
            .collect();
        take(&path, &nodes);
    }
}

/// The digests of files that two sides have in one size.
fn digests(
    sides: &mut [Side],
    candidates: &[Candidate],
    options: &Options,
) -> Result<HashMap<(usize, usize), [u8; 32]>> {
    let mut work: Vec<(usize, usize, Body)> = Vec::new();
    if options.fields.has(Field::Content) {
        for (at, (_, numbers)) in candidates.iter().enumerate() {
            let bodies: Vec<(usize, Body)> = numbers
                .iter()
                .enumerate()
                .filter_map(|(i, number)| {
                    let node = sides[i].tree.at((*number)?)?;
                    Some((i, body_of(&node)?))
                })
                .collect();
            let twice = |size: u64| bodies.iter().filter(|(_, body)| body.size == size).count() > 1;
            let needed = bodies
                .iter()
                .filter(|(_, body)| body.size > 0 && twice(body.size));
            work.extend(needed.map(|(i, body)| (at, *i, body.clone())));
        }
    }
    for (i, side) in sides.iter_mut().enumerate() {
        let own = work
            .iter()
            .filter(|(_, of, body)| *of == i && body.digest.is_none());
        side.make_plain(own.map(|(.., body)| &body.place), &options.loading)?;
    }
    let sides = &*sides;
    let hashed = in_parallel(&work, |(at, i, body)| ((*at, *i), body.hash(&sides[*i])));
    hashed
        .into_iter()
        .map(|(key, digest)| Ok((key, digest?)))
        .collect()
}

fn layers(sides: &[Side]) -> Vec<ManyLayer> {
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut layers: Vec<ManyLayer> = Vec::new();
    for (i, side) in sides.iter().enumerate() {
        for (j, own) in side.layers.iter().enumerate() {
            let Some(id) = own.layer.diff_id.as_ref().map(ToString::to_string) else {
                continue;
            };
            let at = *known.entry(id.clone()).or_insert_with(|| {
                layers.push(ManyLayer {
                    diff_id: id,
                    stored: own.layer.content().map_or(0, crate::archive::Content::len),
                    created_by: side.created_by(j).to_owned(),
                    numbers: vec![None; sides.len()],
                });
                layers.len() - 1
            });
            layers[at].numbers[i].get_or_insert(side.number(j));
        }
    }
    layers
}
