//! Files of an export, selected from the tree of an image's layers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::options::ExportOptions;
use super::recovered::Recovered;
use super::row::Row;
use super::select::{Selected, display};
use crate::archive::Image;
use crate::blob::FileRange;
use crate::cache::{self, Cache, ListedLayer, PartialTar};
use crate::error::{At, Error, Fault, Result, within};
use crate::layer::Limits;
use crate::tree::{Hides, Inode, Listing, Location, NodeKind, Proof, Reading, Tree};

/// Files to export, in order: each directory before its contents, names sorted by bytes.
#[derive(Debug)]
pub struct Export {
    pub(super) tree: Tree,
    /// Uncompressed layers of the tree; empty for a listing.
    pub(super) plain: Vec<FileRange>,
    /// Number of the lowest layer, from 0.
    pub(super) base: usize,
    pub(super) rows: Vec<Row>,
    /// Files with several names among the rows.
    groups: HashMap<Inode, Group>,
    pub(super) clamp: Option<i64>,
    size: u64,
    /// Uncompressed layers that are hashed while contents are written.
    pub(super) proof: Proof,
    /// Form of versions among the rows.
    pub(super) recovered: Option<Recovered>,
}

/// Rows of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) count: u32,
}

impl Export {
    /// Reads the layers and selects the files to export, with contents.
    ///
    /// Compressed layers are decoded into anonymous temporary files in `temp_dir` and verified: as a whole, or, if the
    /// cache has an index of the layer, only the selected parts. Uncompressed layers are compared with their diff IDs
    /// while their contents are written, unless only some paths are selected.
    ///
    /// # Errors
    /// As [`Reading::decode_all`] and [`Tree::checked`]; `Usage` for a path that does not exist; `Limit` for sparse
    /// files that are far larger than their stored contents.
    pub fn plan(
        image: &Image,
        options: &ExportOptions,
        reading: &Reading,
        cache: Option<&Cache>,
        temp_dir: &Path,
    ) -> Result<Self> {
        let layers = options.layers.clone().unwrap_or(0..image.layers.len());
        let listed = reading.each(image, layers.clone(), |layer| {
            cache::uncompressed(cache, reading, layer, temp_dir)
        })?;
        let (plain, parts) = opened(&listed, temp_dir)?;
        let listings = listed.into_iter().map(|layer| layer.listing).collect();
        let mut export = Export::of(listings, plain, layers.start, image.layers.len(), options)?;
        if options.verify || options.selects_all() {
            export.proof = Proof::of(image, layers)?;
        }
        export.check_holes(&reading.limits)?;
        if export.decode_parts(&parts, reading, cache)? {
            return Ok(export);
        }
        // The cache was wrong: its entry was removed, and the layer is decoded as a whole now.
        Export::plan(image, options, reading, None, temp_dir)
    }

    /// Decodes the parts of layers that the rows need; returns false if a layer does not match its index in the cache.
    pub(super) fn decode_parts(
        &self,
        parts: &[Option<Arc<PartialTar>>],
        reading: &Reading,
        cache: Option<&Cache>,
    ) -> Result<bool> {
        if parts.iter().all(Option::is_none) {
            return Ok(true);
        }
        let mut runs: Vec<Vec<(u64, u64)>> = vec![Vec::new(); parts.len()];
        for row in &self.rows {
            if let Some(place) = row.location(&self.tree)
                && let Some(runs) = runs.get_mut(place.layer)
            {
                runs.push((place.offset, place.stored));
            }
        }
        let wanted: Vec<(&PartialTar, Vec<(u64, u64)>)> = parts
            .iter()
            .zip(runs)
            .filter_map(|(part, runs)| Some((&**part.as_ref()?, runs)))
            .collect();
        let proven = cache::decode_ranges(&wanted, &reading.limits, &reading.meter)?;
        for ((part, _), _) in wanted.iter().zip(&proven).filter(|(_, proven)| !**proven) {
            if let Some(cache) = cache {
                cache.forget(part.layer());
            }
        }
        Ok(!proven.contains(&false))
    }

    /// Reads the layers and selects the files to list, without contents: nothing is written to temporary files.
    ///
    /// # Errors
    /// As [`Export::plan`].
    pub fn listing(
        image: &Image,
        options: &ExportOptions,
        reading: &Reading,
        cache: Option<&Cache>,
    ) -> Result<Self> {
        let layers = options.layers.clone().unwrap_or(0..image.layers.len());
        let listings = reading.each(image, layers.clone(), |layer| {
            let listed = cache::list(cache, reading, layer);
            listed.map(|listed| listed.listing)
        })?;
        Export::of(
            listings,
            Vec::new(),
            layers.start,
            image.layers.len(),
            options,
        )
    }

    fn of(
        listings: Vec<Arc<Listing>>,
        plain: Vec<FileRange>,
        base: usize,
        all: usize,
        options: &ExportOptions,
    ) -> Result<Self> {
        let tree = Tree::apply_part(listings, base, all)?.checked()?;
        let mut export = Export::of_tree(tree, plain, base);
        export.clamp = options.clamp;
        export.rows = export.select(options)?;
        export.group();
        Ok(export)
    }

    /// Returns an export without rows.
    pub(super) fn of_tree(tree: Tree, plain: Vec<FileRange>, base: usize) -> Self {
        Export {
            tree,
            plain,
            base,
            rows: Vec::new(),
            groups: HashMap::new(),
            clamp: None,
            size: 0,
            proof: Proof::default(),
            recovered: None,
        }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Tests if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the size of all contents in bytes, with holes; a file with several names counts once.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn select(&self, options: &ExportOptions) -> Result<Vec<Row>> {
        let tree = &self.tree;
        let selected = Selected::new(tree, options)?;
        if !options.raw {
            // A root directory without an entry of its own is not exported either.
            let nodes = tree
                .walk()
                .filter(|node| node.parent().is_some() || options.top && !node.is_implied());
            let nodes = nodes.filter(|node| selected.contains(node.index()));
            return Ok(nodes.map(|node| Row::Node(node.index())).collect());
        }
        let mut rows = Vec::new();
        for past in tree
            .all_paths()
            .filter(|past| selected.contains(past.index()))
        {
            let index = past.index();
            let Some(node) = past.node() else {
                if past.is_removed() {
                    rows.push(Row::Whiteout(index));
                }
                continue;
            };
            if node.kind() != NodeKind::Directory {
                rows.push(Row::Node(index));
                continue;
            }
            let hides = node.hides();
            // A directory without an entry belongs to lower layers, unless it hides all of them.
            if !node.is_implied() || hides == Hides::Everything {
                rows.push(Row::Node(index));
            }
            if hides != Hides::Nothing {
                rows.push(Row::Opaque(index));
            }
        }
        Ok(rows)
    }

    /// Finds the files with several names, and adds up the sizes of all contents.
    pub(super) fn group(&mut self) {
        for (at, row) in self.rows.iter().enumerate() {
            if let Some(inode) = row.inode(&self.tree) {
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                let group = self.groups.entry(inode).or_insert(Group {
                    first: at,
                    last: at,
                    count: 0,
                });
                group.last = at;
                group.count += 1;
                if group.count > 1 {
                    continue;
                }
            }
            self.size = self.size.saturating_add(row.size(&self.tree));
        }
    }

    /// Adds bytes of contents that are in no layer.
    pub(super) fn add_size(&mut self, size: u64) {
        self.size = self.size.saturating_add(size);
    }

    /// Returns the names of a row's file among the rows, if there are several.
    pub(super) fn group_of(&self, row: &Row) -> Option<Group> {
        let group = self.groups.get(&row.inode(&self.tree)?).copied();
        group.filter(|group| group.count > 1)
    }

    fn check_holes(&self, limits: &Limits) -> Result<()> {
        let mut holes = Holes::new(limits);
        for row in &self.rows {
            if let Some(node) = row.as_node(&self.tree)
                && let Some(place) = node.location()
            {
                holes
                    .add(&place, node.size())
                    .at(|| display(&node.path()))?;
            }
        }
        Ok(())
    }

    /// Returns stored bytes of an uncompressed layer.
    pub(super) fn range(&self, layer: usize, offset: u64, length: u64) -> Result<FileRange> {
        let missing = || Error::new(Fault::StreamConsumed);
        let range = self
            .plain
            .get(layer)
            .ok_or_else(missing)?
            .slice(offset, length);
        match range.len() == length {
            true => Ok(range),
            false => Err(Error::truncated("the contents", length, range.len())),
        }
    }
}

/// The uncompressed bytes of layers, and the files into which parts of them will be decoded.
type Plain = (Vec<FileRange>, Vec<Option<Arc<PartialTar>>>);

/// Returns the uncompressed bytes of layers; of those with an index, in files without any bytes yet.
pub(super) fn opened(listed: &[ListedLayer], temp_dir: &Path) -> Result<Plain> {
    let mut parts: Vec<Option<Arc<PartialTar>>> = Vec::new();
    let mut plain = Vec::new();
    for layer in listed {
        let part = match &layer.index {
            None => None,
            Some(known) => match shared_part(listed, &parts, layer) {
                Some(part) => Some(part),
                None => Some(Arc::new(PartialTar::new(Arc::clone(known), temp_dir)?)),
            },
        };
        let bytes = match (&layer.uncompressed, &part) {
            (Some(bytes), _) => bytes.clone(),
            (None, Some(part)) => part.bytes().clone(),
            (None, None) => return Err(Fault::StreamConsumed.into()),
        };
        plain.push(bytes);
        parts.push(part);
    }
    Ok((plain, parts))
}

/// Holes of sparse files, within the limits for compressed layers.
pub(super) struct Holes<'l> {
    limits: &'l Limits,
    sum: u64,
}

impl<'l> Holes<'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        Holes { limits, sum: 0 }
    }

    /// Adds the holes of a file.
    ///
    /// # Errors
    /// `Limit` for a file that is far larger than its stored contents, and for too many holes in all.
    pub(super) fn add(&mut self, place: &Location, size: u64) -> Result<()> {
        if place.segments.is_none() {
            return Ok(());
        }
        let decode = &self.limits.decode;
        if size > decode.grace && size / decode.ratio > place.stored {
            let found = size / place.stored.max(1);
            let what = "expansion ratio of a sparse file";
            return Err(Error::limit(what, decode.ratio, found));
        }
        self.sum = self.sum.saturating_add(size.saturating_sub(place.stored));
        within("holes of sparse files in bytes", decode.size, self.sum)
    }
}

/// Returns the decoded parts of the same layer further down, if an image has a layer twice.
fn shared_part(
    listed: &[ListedLayer],
    parts: &[Option<Arc<PartialTar>>],
    layer: &ListedLayer,
) -> Option<Arc<PartialTar>> {
    let same = |other: &ListedLayer| match (&other.index, &layer.index) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    };
    let at = listed.iter().position(same)?;
    parts.get(at)?.clone()
}
