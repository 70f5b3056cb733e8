//! One side of a comparison: layers of an image, a tar of files, or a directory, listed and applied.
//!
//! Layers of all sides are listed once each, on all cores, identified by their diff IDs. Of uncompressed ones only headers
//! are read; compressed ones are decoded once, verified, and their files hashed on the way.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::archive::{Archive, Content, Image, Layer, Presence};
use crate::blob::{Compression, FileRange};
use crate::cache::{self, Cache, IndexedLayer, ListedLayer, PartialTar};
use crate::disk::Directory;
use crate::error::{At, Error, Fault, Result};
use crate::layer::{Entry, EntryKind};
use crate::parallel::in_parallel;
use crate::spec::{Digest, Document, History, ImageConfig, Manifest, json};
use crate::tree::{Listing, Location, Proof, Reading, Tree};

/// An operand, before anything but documents is read.
#[derive(Debug)]
pub struct Input {
    /// As the user named it.
    pub name: String,
    /// The layers, from the base upward; of a tar of files, one.
    pub layers: Vec<Layer>,
    /// Number of the image's layers below the first of these.
    pub below: usize,
    /// Number of the image's layers.
    pub of: usize,
    /// Facts about the image; `None` for other operands, and for a part of its layers.
    pub image: Option<Facts>,
    /// The image's steps, for each layer the one that made it.
    pub steps: Vec<(Option<History>, Option<usize>)>,
    directory: Option<Directory>,
}

/// Facts from the documents of an image.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its ID in full.
    pub id: String,
    /// The digest of its manifest.
    pub manifest_digest: Option<Digest>,
    /// Its manifest.
    pub manifest: Option<Manifest>,
    /// Its config.
    pub config: Arc<ImageConfig>,
    /// The config's bytes.
    pub config_bytes: Option<Arc<[u8]>>,
}

impl Input {
    /// An image, or some of its layers: `range` counts them from 0.
    ///
    /// # Errors
    /// `Usage` for a range that it does not have; as [`Layer::check_identity`].
    pub fn image(
        name: String,
        archive: &Archive,
        image: &Image,
        range: Option<Range<usize>>,
    ) -> Result<Self> {
        let of = image.layers.len();
        let part = range.clone().unwrap_or(0..of);
        let Some(layers) = image
            .layers
            .get(part.clone())
            .filter(|part| !part.is_empty() || range.is_none())
        else {
            return Err(Error::usage(format!(
                "{name}: no layers {} to {}: the image has {of}",
                part.start + 1,
                part.end
            )));
        };
        // Also for layers that are not read because another image has the same ones by their diff IDs.
        for (i, layer) in layers.iter().enumerate() {
            layer
                .check_identity()
                .at(|| layer.place())
                .at(|| format!("{name}: layer {} of {of}", part.start + i + 1))?;
        }
        let node = image.node.and_then(|node| archive.nodes.get(node));
        let facts = Facts {
            id: image.id.to_string(),
            manifest_digest: node.map(|node| node.descriptor.digest.clone()),
            manifest: node
                .and_then(|node| exact(node.bytes.as_deref()?))
                .or_else(|| image.manifest.clone()),
            config: Arc::clone(&image.config),
            config_bytes: image.config_bytes.clone(),
        };
        let steps = image.steps();
        let steps = steps
            .into_iter()
            .map(|step| (step.history.cloned(), step.layer));
        Ok(Input {
            name,
            layers: layers.to_vec(),
            below: part.start,
            of,
            image: range.is_none().then_some(facts),
            steps: steps.collect(),
            directory: None,
        })
    }

    /// Operand for a tar of files, compressed or not.
    pub fn tar(name: String, bytes: FileRange) -> Self {
        let layer = Layer {
            descriptor: None,
            diff_id: None,
            member: name.clone(),
            presence: Presence::Present(Content::Range(bytes)),
        };
        Input {
            name,
            layers: vec![layer],
            below: 0,
            of: 1,
            image: None,
            steps: Vec::new(),
            directory: None,
        }
    }

    /// Operand for a directory.
    pub fn directory(name: String, directory: Directory) -> Self {
        Input {
            name,
            layers: Vec::new(),
            below: 0,
            of: 1,
            image: None,
            steps: Vec::new(),
            directory: Some(directory),
        }
    }

    /// Reads every layer to its end and compares it with manifest and config, also those that need not be read for a
    /// comparison: uncompressed ones, and those that another image has, too.
    ///
    /// # Errors
    /// As [`Proof::check`] and [`Reading::list`], placed at the input and `layer N of M`.
    pub fn verify(&self, reading: &Reading) -> Result<()> {
        let place = |i| format!("{}: layer {} of {}", self.name, self.below + i + 1, self.of);
        let layers = self.layers.iter().enumerate();
        let layers = layers.filter(|(_, layer)| layer.content().is_some());
        Proof::of_layers(layers.clone().map(|(i, layer)| (layer, place(i))))?
            .check(&reading.meter)?;
        let compressed: Vec<(usize, &Layer)> = layers
            .filter(|(_, layer)| {
                reading
                    .uncompressed_range(layer)
                    .is_ok_and(|range| range.is_none())
            })
            .collect();
        in_parallel(&compressed, |&(i, layer)| {
            reading.list(layer).map(|_| ()).at(|| place(i))
        })
        .into_iter()
        .collect()
    }

    /// Same input again, without the directory that it may be: all that can be looked at later.
    pub fn layers_alone(&self) -> Self {
        Input {
            name: self.name.clone(),
            layers: self.layers.clone(),
            below: self.below,
            of: self.of,
            image: self.image.clone(),
            steps: self.steps.clone(),
            directory: None,
        }
    }

    /// Tests if both are known to have equal files without reading them: equal layers.
    pub fn has_layers_of(&self, other: &Input) -> bool {
        let same = |(a, b): (&Layer, &Layer)| a.diff_id.is_some() && a.diff_id == b.diff_id;
        self.directory.is_none()
            && other.directory.is_none()
            && self.layers.len() == other.layers.len()
            && self.layers.iter().zip(&other.layers).all(same)
    }
}

/// One layer of a side.
#[derive(Debug, Clone)]
pub struct SideLayer {
    /// The layer's descriptor and stored bytes.
    pub layer: Layer,
    /// Its entries.
    pub listing: Arc<Listing>,
    /// Uncompressed tar, if it is in a file.
    pub plain: Option<FileRange>,
    /// Index of the cache, if parts of the uncompressed tar can be decoded with it.
    pub(super) known: Option<Arc<IndexedLayer>>,
    /// Decoded parts; `plain` then holds these only.
    pub(super) parts: Option<Arc<PartialTar>>,
    /// Compression of the stored bytes.
    pub compression: Compression,
}

/// A manifest with texts that are no valid Unicode told apart, where it has some.
fn exact(manifest: &[u8]) -> Option<Manifest> {
    json::invalid_texts(manifest)?;
    match Document::from_value(&json::parse_exact(manifest).ok()?).ok()? {
        Document::Manifest(manifest) => Some(*manifest),
        _ => None,
    }
}

/// One side, ready to be compared.
#[derive(Debug)]
pub struct Side {
    /// As the user named it.
    pub name: String,
    /// Facts about the image.
    pub image: Option<Facts>,
    /// Layers, from the base upward; one for a tar or a directory.
    pub layers: Vec<SideLayer>,
    /// Number of the image's layers below the first of these.
    pub below: usize,
    /// Number of the image's layers.
    pub of: usize,
    /// The steps of the image and the layers they made, from 0 in the whole image.
    pub steps: Vec<(Option<History>, Option<usize>)>,
    /// The files.
    pub tree: Tree,
    pub(super) directory: Option<Directory>,
}

impl Side {
    /// The number of a layer in its image, 1 being the base.
    pub fn number(&self, layer: usize) -> usize {
        self.below + layer + 1
    }

    /// Layer with this number in its image, 1 being the base; `None` if the side does not have it.
    pub fn layer(&self, number: usize) -> Option<&SideLayer> {
        self.layers.get(number.checked_sub(self.below + 1)?)
    }

    /// Command that made a layer, from the history.
    pub fn step(&self, layer: usize) -> Option<&History> {
        let wanted = Some(self.below + layer);
        let step = self.steps.iter().find(|(_, made)| *made == wanted)?;
        step.0.as_ref()
    }

    /// The command that made a layer, empty where nothing tells.
    pub fn created_by(&self, layer: usize) -> &str {
        self.step(layer).map_or("", |step| &step.created_by)
    }

    /// Bytes of its layers as they are stored.
    pub fn stored(&self) -> u64 {
        let size = |layer: &SideLayer| layer.layer.content().map_or(0, Content::len);
        self.layers.iter().map(size).sum()
    }
}

/// Options for loading sides.
#[derive(Debug, Clone)]
pub struct Loading {
    /// Options for reading layers.
    pub reading: Reading,
    /// Directory of the anonymous temporary files for uncompressed layers that are read at any position.
    pub temp_dir: PathBuf,
    /// Hash the files of compressed layers while they are decoded.
    pub digests: bool,
    /// Indexes of compressed layers from earlier runs.
    pub cache: Option<Cache>,
}

/// Lists and applies.
///
/// With `skip` nothing is read, and every tree is empty: for sides whose files are known to be the same.
///
/// # Errors
/// As [`Reading::list`] and [`Tree::checked`], placed at the input and `layer N of M`.
pub fn load(inputs: Vec<Input>, loading: &Loading, skip: bool) -> Result<Vec<Side>> {
    let (listings, uses) = listings(&inputs, loading, skip);
    let mut sides = Vec::new();
    for (input, uses) in inputs.into_iter().zip(uses) {
        sides.push(side(input, &uses, &listings, loading)?);
    }
    Ok(sides)
}

/// Listings of the distinct layers of all inputs, and for each input the positions of its layers among them.
///
/// Layers are equal if they have one diff ID. They are read on all cores, the largest first.
fn listings(
    inputs: &[Input],
    loading: &Loading,
    skip: bool,
) -> (Vec<Option<Result<ListedLayer>>>, Vec<Vec<usize>>) {
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut work: Vec<(usize, usize)> = Vec::new();
    let mut uses: Vec<Vec<usize>> = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        let mut own = Vec::new();
        for (j, layer) in input.layers.iter().enumerate() {
            let next = work.len();
            let at = match &layer.diff_id {
                Some(id) => *known.entry(id.as_str()).or_insert(next),
                None => next,
            };
            if at == next {
                work.push((i, j));
            }
            own.push(at);
        }
        uses.push(own);
    }
    let size = |&at: &usize| {
        inputs[work[at].0].layers[work[at].1]
            .content()
            .map_or(0, Content::len)
    };
    let mut order: Vec<usize> = (0..work.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(size(at)));
    let listed = in_parallel(&order, |&at| {
        let (i, j) = work[at];
        let input = &inputs[i];
        let layer = &input.layers[j];
        let result = if skip {
            Ok(unread())
        } else {
            list(layer, loading)
        };
        let result = result.at(|| match input.image.is_some() || input.of > 1 {
            true => format!(
                "{}: layer {} of {}",
                input.name,
                input.below + j + 1,
                input.of
            ),
            false => input.name.clone(),
        });
        (at, result)
    });
    let mut listings: Vec<Option<Result<ListedLayer>>> = work.iter().map(|_| None).collect();
    for (at, result) in listed {
        listings[at] = Some(result);
    }
    (listings, uses)
}

/// Applies the layers of one input. `uses` has the positions of its layers in `listings`.
fn side(
    input: Input,
    uses: &[usize],
    listings: &[Option<Result<ListedLayer>>],
    loading: &Loading,
) -> Result<Side> {
    let mut layers = Vec::new();
    for (layer, at) in input.layers.into_iter().zip(uses) {
        let looked = match &listings[*at] {
            Some(Ok(looked)) => looked.clone(),
            Some(Err(error)) => return Err(error.clone()),
            None => return Err(Fault::StreamConsumed.into()),
        };
        let compression = layer
            .content()
            .map_or(Ok(Compression::None), Content::compression)?;
        let plain = match (compression, layer.content()) {
            (Compression::None, Some(content)) => content.range()?,
            _ => None,
        };
        layers.push(SideLayer {
            layer,
            listing: looked.listing,
            plain,
            known: looked.index,
            parts: None,
            compression,
        });
    }
    if let Some(directory) = &input.directory {
        layers.push(SideLayer {
            layer: Layer {
                descriptor: None,
                diff_id: None,
                member: input.name.clone(),
                presence: Presence::External,
            },
            listing: Arc::new(
                Listing::of_entries(entries(directory))?.accepting(&loading.reading.limits),
            ),
            plain: None,
            known: None,
            parts: None,
            compression: Compression::None,
        });
    }
    let listings = layers.iter().map(|layer| Arc::clone(&layer.listing));
    let tree = Tree::apply(listings.collect()).and_then(Tree::checked);
    Ok(Side {
        tree: tree.at(|| input.name.clone())?,
        name: input.name,
        image: input.image,
        layers,
        below: input.below,
        of: input.of,
        steps: input.steps,
        directory: input.directory,
    })
}

/// Placeholder for a layer that is not read.
fn unread() -> ListedLayer {
    ListedLayer {
        listing: Arc::default(),
        uncompressed: None,
        index: None,
    }
}

fn list(layer: &Layer, loading: &Loading) -> Result<ListedLayer> {
    let packed = match layer.content() {
        Some(content) => content.compression()? != Compression::None || content.range()?.is_none(),
        None => false,
    };
    let reading = Reading {
        digests: loading.digests && packed,
        ..loading.reading.clone()
    };
    cache::list(loading.cache.as_ref(), &reading, layer)
}

/// Contents of a directory as entries, with their numbers as offsets.
fn entries(directory: &Directory) -> impl Iterator<Item = Result<Entry>> + '_ {
    let mut first: HashMap<u64, Vec<u8>> = HashMap::new();
    directory.items().enumerate().map(move |(i, (item, _))| {
        let mut entry = Entry {
            kind: item.kind,
            metadata: item.metadata,
            size: item.size,
            data_offset: i as u64,
            link_target: item.link_target,
            device: item.device,
            ..Entry::named(item.path.clone())
        };
        if let Some(inode) = item.inode {
            match first.get(&inode) {
                Some(target) => {
                    entry.kind = EntryKind::HardLink;
                    entry.size = 0;
                    entry.link_target.clone_from(target);
                    entry.metadata.xattrs.clear();
                    entry.device = (0, 0);
                }
                None => {
                    first.insert(inode, item.path);
                }
            }
        }
        Ok(entry)
    })
}

impl Side {
    /// Makes contents readable: of compressed layers that the cache knows, the parts are decoded; other layers are
    /// decoded into files as a whole.
    ///
    /// # Errors
    /// As [`Reading::plain`].
    pub(super) fn make_plain<'b>(
        &mut self,
        places: impl IntoIterator<Item = &'b Location>,
        loading: &Loading,
    ) -> Result<()> {
        let mut wanted: BTreeMap<usize, Vec<(u64, u64)>> = BTreeMap::new();
        for place in places {
            if !self.is_plain(place.layer) && self.layers.get(place.layer).is_some() {
                let runs = wanted.entry(place.layer).or_default();
                runs.push((place.offset, place.stored));
            }
        }
        self.make_parts(&mut wanted, loading)?;
        let (name, below, of) = (&self.name, self.below, self.of);
        let missing: Vec<usize> = wanted.into_keys().collect();
        let reading = Reading {
            digests: false,
            ..loading.reading.clone()
        };
        let found = in_parallel(&missing, |&i| {
            let layer = &self.layers[i].layer;
            let plain = reading.decode(layer, &loading.temp_dir);
            plain
                .map(|plain| plain.bytes)
                .at(|| format!("{name}: layer {} of {of}", below + i + 1))
        });
        for (i, plain) in missing.into_iter().zip(found) {
            self.layers[i].plain = Some(plain?);
        }
        Ok(())
    }

    /// Decodes parts with the help of the cache, and removes them from `wanted`.
    fn make_parts(
        &mut self,
        wanted: &mut BTreeMap<usize, Vec<(u64, u64)>>,
        loading: &Loading,
    ) -> Result<()> {
        let mut work = Vec::new();
        for (&i, runs) in &*wanted {
            let layer = &self.layers[i];
            let parts = match (&layer.parts, &layer.known) {
                (Some(parts), _) => Arc::clone(parts),
                (None, Some(known)) => {
                    Arc::new(PartialTar::new(Arc::clone(known), &loading.temp_dir)?)
                }
                (None, None) => continue,
            };
            work.push((i, parts, runs.clone()));
        }
        let runs: Vec<_> = work
            .iter()
            .map(|(_, parts, runs)| (&**parts, runs.clone()))
            .collect();
        let proven = cache::decode_ranges(&runs, &loading.reading.limits, &loading.reading.meter)?;
        for ((i, parts, _), proven) in work.into_iter().zip(proven) {
            let layer = &mut self.layers[i];
            if proven {
                layer.plain = Some(parts.bytes().clone());
                layer.parts = Some(parts);
                wanted.remove(&i);
                continue;
            }
            if let Some(cache) = &loading.cache {
                cache.forget(parts.layer());
            }
            (layer.known, layer.parts, layer.plain) = (None, None, None);
        }
        Ok(())
    }

    /// Tests if all contents of a layer can be read at any position now.
    fn is_plain(&self, layer: usize) -> bool {
        self.directory.is_some()
            || self
                .layers
                .get(layer)
                .is_some_and(|layer| layer.plain.is_some() && layer.parts.is_none())
    }
}

/// Error for contents that cannot be read again.
pub(super) fn gone() -> Error {
    Fault::StreamConsumed.into()
}
