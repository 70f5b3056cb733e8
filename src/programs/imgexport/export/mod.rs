//! imgexport: an image's layers as the files they amount to.
//!
//! In comes an image and what of it is wanted; out goes an [`Export`]: rows in the order of the tree, which the files
//! here write as a tar, a cpio or a folder, and `show` as a listing. Contents are read where the layers lie, or from
//! files without a name into which packed layers were decoded, once.

mod archive;
mod raw;
mod rows;
mod select;
mod unpack;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use archive::Shape;
pub use raw::raw_layer;
pub use rows::{Item, ItemKind};
pub use select::{Globs, layer_range, since};
pub use unpack::{Existing, NotApplied, Unpack, Unpacked};

use rows::Row;

use crate::archive::Image;
use crate::blob::FileRange;
use crate::cache::{self, Cache, ListedLayer, PartialTar};
use crate::error::{At, Error, Fault, Result};
use crate::escape;
use crate::layer::Limits;
use crate::tree::{Hides, Inode, Node, Proof, Reading, Tree};

// What items are made of.
pub use crate::tree::NodeKind;

/// What is wanted of an image.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// Of which layers, from 0; of all without it.
    pub layers: Option<Range<usize>>,
    /// As changes to what is below those layers, with whiteouts, and not applied to nothing.
    pub raw: bool,
    /// With a row for the top of the tree, which docker export leaves out.
    pub top: bool,
    /// Only these paths and what is below them; all without any.
    pub paths: Vec<Vec<u8>>,
    /// Only what these patterns match.
    pub globs: Globs,
    /// Times are whole seconds and at most this one, and names of owners are left out.
    pub clamp: Option<i64>,
    /// Compare uncompressed layers with their diff IDs also where not all of them is written.
    pub verify: bool,
}

impl ExportOptions {
    /// Whether all files are wanted, but for some that are left out, so that layers are read to their ends.
    fn wants_all(&self) -> bool {
        self.paths.is_empty() && self.globs.wants_all()
    }
}

/// Files to be written, in their order: each folder before what is in it, names by their bytes.
#[derive(Debug)]
pub struct Export {
    tree: Tree,
    /// The plain tars of the tree's layers; none for a listing.
    plain: Vec<FileRange>,
    /// The number of the lowest layer.
    base: usize,
    rows: Vec<Row>,
    /// Files with several names among the rows.
    groups: HashMap<Inode, Group>,
    clamp: Option<i64>,
    size: u64,
    /// The uncompressed layers that are to be hashed while contents are written.
    proof: Proof,
}

/// The rows of one file.
#[derive(Debug, Clone, Copy)]
struct Group {
    first: u32,
    last: u32,
    count: u32,
}

impl Export {
    /// Reads layers and works out what is to be written, with contents that can be read.
    ///
    /// Layers that are packed are decoded into files without a name in `landing`, and verified: all of them, or the parts
    /// that are wanted if the cache knows them. Uncompressed ones are compared with their diff IDs while their contents are
    /// written, unless only some paths are wanted.
    ///
    /// # Errors
    /// As [`Reading::plain_all`] and [`Tree::sound`]; `Usage` for a path that is not there; `Limit` for sparse files
    /// that are far larger than what is stored of them.
    pub fn plan(
        image: &Image,
        options: &ExportOptions,
        reading: &Reading,
        cache: Option<&Cache>,
        landing: &Path,
    ) -> Result<Self> {
        let layers = options.layers.clone().unwrap_or(0..image.layers.len());
        let looked = reading.each(image, layers.clone(), |layer| {
            cache::uncompressed(cache, reading, layer, landing)
        })?;
        let mut parts: Vec<Option<Arc<PartialTar>>> = Vec::new();
        let mut plain = Vec::new();
        for layer in &looked {
            let part = match &layer.index {
                None => None,
                Some(known) => match layers_alike(&looked, &parts, layer) {
                    Some(part) => Some(part),
                    None => Some(Arc::new(PartialTar::new(Arc::clone(known), landing)?)),
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
        let listings = looked.into_iter().map(|layer| layer.listing).collect();
        let mut export = Export::of(listings, plain, layers.start, image.layers.len(), options)?;
        if options.verify || options.wants_all() {
            export.proof = Proof::of(image, layers)?;
        }
        export.check_holes(&reading.limits)?;
        if export.decode_parts(&parts, reading, cache)? {
            return Ok(export);
        }
        // What was not as the cache has it was forgotten there, and is decoded as a whole now.
        Export::plan(image, options, reading, None, landing)
    }

    /// Decodes the parts of layers that rows want; whether all of them are as the cache has them.
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
            let place = row.as_node(&self.tree).and_then(|node| node.place());
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

    /// The same without contents, for a listing: packed layers are not kept.
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
            let looked = cache::list(cache, reading, layer);
            looked.map(|looked| looked.listing)
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
        listings: Vec<Arc<crate::tree::Listing>>,
        plain: Vec<FileRange>,
        base: usize,
        all: usize,
        options: &ExportOptions,
    ) -> Result<Self> {
        let tree = Tree::apply_part(listings, base, all)?.sound()?;
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
        export.rows = export.choose(options)?;
        export.group();
        Ok(export)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of contents with their holes, each file once.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Each row.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        (0..self.rows.len()).filter_map(|row| self.item(row))
    }

    fn choose(&self, options: &ExportOptions) -> Result<Vec<Row>> {
        let tree = &self.tree;
        let wanted = select::Wanted::new(tree, options)?;
        if !options.raw {
            // A top that no entry speaks of is nothing to be written either.
            let nodes = tree
                .walk()
                .filter(|node| node.index() > 0 || options.top && !node.is_implied());
            let wanted = nodes.filter(|node| wanted.wants(node.index()));
            return Ok(wanted.map(|node| Row::node(node.index())).collect());
        }
        let mut rows = Vec::new();
        for past in tree.ever().filter(|past| wanted.wants(past.index())) {
            let index = past.index();
            let Some(node) = past.node() else {
                if past.is_removed() {
                    rows.push(Row::whiteout(index));
                }
                continue;
            };
            if node.kind() != NodeKind::Folder {
                rows.push(Row::node(index));
                continue;
            }
            let hides = node.hides();
            // A folder that no entry speaks of belongs to lower layers, unless they were told to forget it.
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

    fn group_of(&self, node: &Node<'_>) -> Option<Group> {
        let inode = node.inode().filter(|_| node.link_count() > 1)?;
        self.groups
            .get(&inode)
            .copied()
            .filter(|group| group.count > 1)
    }

    /// Refuses sparse files that would unpack to far more than is stored: the same limits as for packed layers.
    fn check_holes(&self, limits: &Limits) -> Result<()> {
        let mut holes = 0_u64;
        for row in &self.rows {
            let Some(node) = row.as_node(&self.tree) else {
                continue;
            };
            let Some(place) = node.place().filter(|place| place.segments.is_some()) else {
                continue;
            };
            let decode = &limits.decode;
            let size = node.size();
            let fault = if size > decode.grace && size / decode.ratio > place.stored {
                Fault::Limit {
                    what: "expansion ratio of a sparse file",
                    limit: decode.ratio,
                    found: size / place.stored.max(1),
                }
            } else {
                holes = holes.saturating_add(size - place.stored.min(size));
                if holes <= decode.size {
                    continue;
                }
                Fault::Limit {
                    what: "holes of sparse files in bytes",
                    limit: decode.size,
                    found: holes,
                }
            };
            return Err(Error::new(fault)).at(|| shown(&node.path()));
        }
        Ok(())
    }

    fn range(&self, layer: usize, offset: u64, length: u64) -> Result<FileRange> {
        let missing = || Error::new(Fault::StreamConsumed);
        let range = self
            .plain
            .get(layer)
            .ok_or_else(missing)?
            .slice(offset, length);
        match range.len() == length {
            true => Ok(range),
            false => Err(Fault::Truncated {
                what: "the contents",
                expected: length,
                found: range.len(),
            }
            .into()),
        }
    }
}

/// The parts of the same layer further down, where an image has a layer twice.
fn layers_alike(
    looked: &[ListedLayer],
    parts: &[Option<Arc<PartialTar>>],
    layer: &ListedLayer,
) -> Option<Arc<PartialTar>> {
    let same = |other: &ListedLayer| match (&other.index, &layer.index) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    };
    let at = looked.iter().position(same)?;
    parts.get(at)?.clone()
}

/// A path as errors name it.
fn shown(path: &[u8]) -> String {
    match path {
        b"" => ".".to_owned(),
        path => escape::bytes(path).into_owned(),
    }
}
