//! Files of an export, selected from the tree of an image's layers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::options::ExportOptions;
use super::row::Row;
use super::select::{Selected, display};
use crate::archive::Image;
use crate::blob::FileRange;
use crate::cache::{self, Cache, ListedLayer, PartialTar};
use crate::error::{At, Error, Fault, Result};
use crate::layer::Limits;
use crate::tree::{Hides, Inode, Listing, Node, NodeKind, Proof, Reading, Tree};

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
        let mut parts: Vec<Option<Arc<PartialTar>>> = Vec::new();
        let mut plain = Vec::new();
        for layer in &listed {
            let part = match &layer.index {
                None => None,
                Some(known) => match shared_part(&listed, &parts, layer) {
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
    fn decode_parts(
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
            let place = row.as_node(&self.tree).and_then(|node| node.location());
            if let Some(place) = place
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
        let mut export = Export {
            tree,
            plain,
            base,
            rows: Vec::new(),
            groups: HashMap::new(),
            clamp: options.clamp,
            size: 0,
            proof: Proof::default(),
        };
        export.rows = export.select(options)?;
        export.group();
        Ok(export)
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
            return Ok(nodes.map(|node| Row::node(node.index())).collect());
        }
        let mut rows = Vec::new();
        for past in tree
            .all_paths()
            .filter(|past| selected.contains(past.index()))
        {
            let index = past.index();
            let Some(node) = past.node() else {
                if past.is_removed() {
                    rows.push(Row::whiteout(index));
                }
                continue;
            };
            if node.kind() != NodeKind::Directory {
                rows.push(Row::node(index));
                continue;
            }
            let hides = node.hides();
            // A directory without an entry belongs to lower layers, unless it hides all of them.
            if !node.is_implied() || hides == Hides::Everything {
                rows.push(Row::node(index));
            }
            if hides != Hides::Nothing {
                rows.push(Row::opaque(index));
            }
        }
        Ok(rows)
    }

    fn group(&mut self) {
        for at in 0..self.rows.len() {
            let row = self.rows[at];
            let Some(node) = row.as_node(&self.tree) else {
                continue;
            };
            if let Some(inode) = node.inode().filter(|_| node.link_count() > 1) {
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
            self.size = self.size.saturating_add(node.size());
        }
    }

    pub(super) fn group_of(&self, node: &Node<'_>) -> Option<Group> {
        let inode = node.inode().filter(|_| node.link_count() > 1)?;
        self.groups
            .get(&inode)
            .copied()
            .filter(|group| group.count > 1)
    }

    /// Refuses sparse files that are far larger than their stored contents, by the limits for compressed layers.
    fn check_holes(&self, limits: &Limits) -> Result<()> {
        let mut holes = 0_u64;
        for row in &self.rows {
            let Some(node) = row.as_node(&self.tree) else {
                continue;
            };
            let Some(place) = node.location().filter(|place| place.segments.is_some()) else {
                continue;
            };
            let decode = &limits.decode;
            let size = node.size();
            let error = if size > decode.grace && size / decode.ratio > place.stored {
                let found = size / place.stored.max(1);
                Error::limit("expansion ratio of a sparse file", decode.ratio, found)
            } else {
                holes = holes.saturating_add(size - place.stored.min(size));
                if holes <= decode.size {
                    continue;
                }
                Error::limit("holes of sparse files in bytes", decode.size, holes)
            };
            return Err(error).at(|| display(&node.path()));
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
