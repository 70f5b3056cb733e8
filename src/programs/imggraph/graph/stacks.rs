//! The trie of layers, with the images on it.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{SizeOf, Totals};
use crate::archive::{Archive, Image, ImageIdx, Layer, Presence, Sizes};
use crate::blob::sha256;
use crate::spec::{Digest, History, Platform};

/// Archive and selected images.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Archive.
    pub archive: &'a Archive,
    /// Positions of the selected images, each once.
    pub images: &'a [ImageIdx],
    /// Uncompressed sizes of its layers, if measured.
    pub sizes: &'a Sizes,
}

/// Layer stacks of all archives; a common start is stored once.
#[derive(Debug, Default)]
pub struct Stacks {
    /// Layers; each after the layer below.
    pub layers: Vec<StackLayer>,
    /// Images, each once by its ID, in the order of the input.
    pub images: Vec<StackImage>,
    /// Sums of sizes.
    pub totals: Totals,
    /// Bytes that sizes count.
    pub size_of: SizeOf,
}

/// Layer in its stack: in another stack it is another node.
#[derive(Debug)]
pub struct StackLayer {
    /// Position of the layer below; `None` for a base layer.
    pub below: Option<usize>,
    /// Number, 1 = base layer.
    pub number: usize,
    /// Digest of the uncompressed layer.
    pub diff_id: Option<Digest>,
    /// Chain ID; `None` if a diff ID is unknown.
    pub chain_id: Option<Digest>,
    /// Digest of the stored layer; `None` if no manifest states it.
    pub digest: Option<Digest>,
    /// Diff ID, or else blob or member: identifies the layer.
    pub identity: String,
    /// Command that made it, by the first image with one.
    pub created_by: String,
    /// Bytes of its smallest copy; `None` if unknown.
    pub size: Option<u64>,
    /// Bytes of the stack up to here; `None` if any are unknown.
    pub cumulative: Option<u64>,
    /// Number of images with the layer.
    pub shared_by: usize,
    /// True if no archive has it.
    pub missing: bool,
}

/// Image on its stack.
#[derive(Debug)]
pub struct StackImage {
    /// Image ID in full.
    pub id: String,
    /// Names in short form, each once.
    pub names: Vec<String>,
    /// Platform; empty if unknown.
    pub platform: String,
    /// Creation time, as written.
    pub created: Option<String>,
    /// Position of the topmost layer; `None` without layers.
    pub top: Option<usize>,
    /// Archives with the image.
    pub archives: Vec<String>,
    /// Position of the base image.
    pub base: Option<usize>,
    /// Command of the last step of its history.
    pub created_by: String,
    /// Positions of the source and of the image in its archive.
    pub found: (usize, ImageIdx),
}

impl Stacks {
    /// Returns the bytes of an image's layers; `None` if unknown.
    pub fn size(&self, image: usize) -> Option<u64> {
        self.images[image]
            .top
            .map_or(Some(0), |top| self.layers[top].cumulative)
    }

    /// Returns the number of layers of an image.
    pub fn height(&self, image: usize) -> usize {
        self.images[image]
            .top
            .map_or(0, |top| self.layers[top].number)
    }
}

/// Identity of a layer among those above the same layer.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Diff(Digest),
    Blob(String),
}

/// Builds the stacks of images. Costs a hash of 140 bytes for each distinct layer; no file is opened.
///
/// Signatures and other artifacts with an image's config but without a file system are left out.
pub fn stacks(sources: &[Source<'_>], size_of: SizeOf) -> Stacks {
    let mut made = Stacks {
        size_of,
        ..Stacks::default()
    };
    let mut tries: HashMap<(usize, Key), usize> = HashMap::new();
    let mut by_id: HashMap<String, usize> = HashMap::new();
    let mut lineages: Vec<Lineage> = Vec::new();
    for (s, source) in sources.iter().enumerate() {
        for &position in source.images {
            let image = &source.archive.images[position];
            if !image.layers.is_empty() && !image.layers.iter().any(Layer::is_filesystem) {
                continue;
            }
            let names = source.archive.names_of(position);
            let names = names.iter().map(ToString::to_string);
            let id = image.id.to_string();
            let known = by_id.get(&id).copied();
            let top = add_layers(&mut made, &mut tries, source, image, known.is_none());
            let at = known.unwrap_or_else(|| {
                by_id.insert(id.clone(), made.images.len());
                lineages.push(Lineage::of(&image.config.history));
                made.images.push(StackImage {
                    id,
                    names: Vec::new(),
                    platform: platform(&image.platform),
                    created: image.config.created.clone(),
                    top,
                    archives: Vec::new(),
                    base: None,
                    created_by: image
                        .config
                        .history
                        .last()
                        .map(|step| step.created_by.clone())
                        .unwrap_or_default(),
                    found: (s, position),
                });
                made.images.len() - 1
            });
            let known = &mut made.images[at];
            let mut seen: HashSet<String> = known.names.iter().cloned().collect();
            let new = names.into_iter();
            known
                .names
                .extend(new.filter(|name| seen.insert(name.clone())));
            if known.archives.last() != Some(&source.archive.place) {
                known.archives.push(source.archive.place.clone());
            }
        }
    }
    add_up(&mut made);
    find_bases(&mut made, &lineages);
    made
}

fn platform(platform: &Platform) -> String {
    match *platform == Platform::default() {
        true => String::new(),
        false => platform.to_string(),
    }
}

/// Adds the layers of an image to the trie; returns the topmost one.
fn add_layers(
    made: &mut Stacks,
    tries: &mut HashMap<(usize, Key), usize>,
    source: &Source<'_>,
    image: &Image,
    counts: bool,
) -> Option<usize> {
    let raw = match made.size_of {
        SizeOf::Raw => source.sizes.docker_sizes(image),
        SizeOf::Stored => Vec::new(),
    };
    let mut commands: Vec<&str> = vec![""; image.layers.len()];
    for step in image.steps() {
        if let (Some(history), Some(slot)) =
            (step.history, step.layer.and_then(|i| commands.get_mut(i)))
        {
            *slot = &history.created_by;
        }
    }
    let mut below: Option<usize> = None;
    for (i, layer) in image.layers.iter().enumerate() {
        let digest = layer.digest().cloned();
        let identity = || match &digest {
            Some(digest) => digest.to_string(),
            None => layer.member.clone(),
        };
        let key = match &layer.diff_id {
            Some(diff_id) => Key::Diff(diff_id.clone()),
            None => Key::Blob(identity()),
        };
        let stored = match (&layer.descriptor, layer.content()) {
            (_, Some(content)) => Some(content.len()),
            (Some(descriptor), None) => Some(descriptor.size),
            (None, None) => None,
        };
        let size = match made.size_of {
            SizeOf::Stored => stored,
            SizeOf::Raw => raw.get(i).copied().flatten(),
        };
        let missing = matches!(layer.presence, Presence::Missing | Presence::Unreadable);
        let at = below.map_or(0, |below| below + 1);
        let next = made.layers.len();
        let position = *tries.entry((at, key)).or_insert(next);
        if position == next {
            let under = below.map(|below| made.layers[below].chain_id.clone());
            let chain_id = match (under, &layer.diff_id) {
                (None, Some(diff_id)) => Some(diff_id.clone()),
                (Some(Some(chain)), Some(diff_id)) => {
                    Some(sha256(format!("{chain} {diff_id}").as_bytes()))
                }
                _ => None,
            };
            made.layers.push(StackLayer {
                below,
                number: i + 1,
                identity: layer
                    .diff_id
                    .as_ref()
                    .map_or_else(identity, ToString::to_string),
                diff_id: layer.diff_id.clone(),
                chain_id,
                digest,
                created_by: commands[i].to_owned(),
                size,
                cumulative: None,
                shared_by: 0,
                missing,
            });
        } else {
            let known = &mut made.layers[position];
            known.missing &= missing;
            known.size = match (known.size, size) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            if known.created_by.is_empty() {
                known.created_by = commands[i].to_owned();
            }
        }
        made.layers[position].shared_by += usize::from(counts);
        below = Some(position);
    }
    below
}

/// Computes cumulative sizes and totals.
fn add_up(made: &mut Stacks) {
    let mut once: HashMap<&str, Option<u64>> = HashMap::new();
    for layer in &made.layers {
        let size = once.entry(&layer.identity).or_insert(layer.size);
        // Copies of one layer may differ in compression.
        *size = match (*size, layer.size) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    let mut totals = Totals {
        images: made.images.len(),
        layers: once.len(),
        ..Totals::default()
    };
    for size in once.values() {
        totals.once = totals.once.saturating_add(size.unwrap_or_default());
        totals.unknown += usize::from(size.is_none());
    }
    let mut sums: Vec<Option<u64>> = Vec::with_capacity(made.layers.len());
    for layer in &made.layers {
        let size = once.get(layer.identity.as_str()).copied().flatten();
        let users = layer.shared_by as u64;
        let all = size.unwrap_or_default().saturating_mul(users);
        totals.all = totals.all.saturating_add(all);
        let below = layer.below.map_or(Some(0), |below| sums[below]);
        sums.push(below.zip(layer.size).map(|(a, b)| a.saturating_add(b)));
    }
    for (layer, sum) in made.layers.iter_mut().zip(sums) {
        layer.cumulative = sum;
    }
    made.totals = totals;
}

/// Hashes of a history's starts, the empty one first.
struct Lineage(Vec<u64>);

impl Lineage {
    fn of(history: &[History]) -> Self {
        let mut hasher = DefaultHasher::new();
        let mut starts = vec![hasher.finish()];
        for step in history {
            (&step.created, &step.created_by, step.empty_layer).hash(&mut hasher);
            starts.push(hasher.finish());
        }
        Lineage(starts)
    }
}

/// Finds the base of each image: the one with the longest stack that is a start of the image's stack.
///
/// Of several images with that stack it is the one with the longest history that is a start of the image's history; if
/// no history is, as after a rewrite of the history, the one with the shortest history, and of these the first. Among
/// images with the same stack, a base has a shorter history that is a start of the other's.
fn find_bases(made: &mut Stacks, lineages: &[Lineage]) {
    let mut at: HashMap<(usize, u64), usize> = HashMap::new();
    let mut shortest: HashMap<usize, usize> = HashMap::new();
    for (i, image) in made.images.iter().enumerate() {
        let Some(top) = image.top else { continue };
        let complete = lineages[i].0.last().copied().unwrap_or_default();
        at.entry((top, complete)).or_insert(i);
        let best = shortest.entry(top).or_insert(i);
        if lineages[i].0.len() < lineages[*best].0.len() {
            *best = i;
        }
    }
    for (i, Lineage(starts)) in lineages.iter().enumerate() {
        let mut layer = made.images[i].top;
        let mut same_stack = true;
        let mut base = None;
        while let (None, Some(here)) = (base, layer) {
            if shortest.contains_key(&here) {
                let own = usize::from(same_stack);
                let starts = &starts[..starts.len() - own];
                base = starts
                    .iter()
                    .rev()
                    .find_map(|start| at.get(&(here, *start)));
                if !same_stack {
                    base = base.or_else(|| shortest.get(&here));
                }
            }
            same_stack = false;
            layer = made.layers[here].below;
        }
        made.images[i].base = base.copied().filter(|&base| base != i);
    }
}
