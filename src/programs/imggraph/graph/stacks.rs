//! The trie of layers, and the images that stand on it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{SizeOf, Totals};
use crate::archive::Sizes;
use crate::archive::{Archive, Image, Layer, Presence};
use crate::blob::sha256;
use crate::spec::{Digest, History, Platform};

/// An archive, and which of its images are meant.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// Positions of images, each once.
    pub images: &'a [usize],
    /// What its layers take unpacked, where that was measured.
    pub sizes: &'a Sizes,
}

/// All layer stacks of a pile of archives, shared starts once.
#[derive(Debug, Default)]
pub struct Stacks {
    /// The layers; what is stood on comes before what stands on it.
    pub layers: Vec<StackLayer>,
    /// The images, each once by its ID, in the order in which they were found.
    pub images: Vec<StackImage>,
    /// What they take.
    pub totals: Totals,
    /// Which bytes sizes count.
    pub size_of: SizeOf,
}

/// A layer on what is below it: the same layer on another stack is another one.
#[derive(Debug)]
pub struct StackLayer {
    /// What it stands on; `None` for a base.
    pub below: Option<usize>,
    /// Its number, 1 being the base.
    pub number: usize,
    /// The digest of the plain layer.
    pub diff_id: Option<Digest>,
    /// The digest of the stack up to here; `None` if a diff ID is not known.
    pub chain_id: Option<Digest>,
    /// The digest of the stored layer; `None` if no manifest states it.
    pub digest: Option<Digest>,
    /// What tells it from others where no diff ID does: its blob or member.
    pub mark: String,
    /// The command that made it, as the first image tells it.
    pub made_by: String,
    /// Its bytes: the smallest of its copies.
    pub size: Option<u64>,
    /// Bytes of the stack up to here.
    pub cumulative: Option<u64>,
    /// How many images have it in their stack.
    pub shared_by: usize,
    /// Whether no archive has it.
    pub absent: bool,
}

/// An image on its stack.
#[derive(Debug)]
pub struct StackImage {
    /// Its ID in full.
    pub id: String,
    /// Its names in short form, each once.
    pub names: Vec<String>,
    /// What machine it is for; empty if nothing says so.
    pub platform: String,
    /// When it was made, as written.
    pub created: Option<String>,
    /// Its topmost layer; `None` if it has none.
    pub top: Option<usize>,
    /// The archives it was found in.
    pub archives: Vec<String>,
    /// The image it is based on.
    pub base: Option<usize>,
    /// What the last step of its history did.
    pub made_by: String,
    /// Where it is: the positions of a source and of an image in its archive.
    pub found: (usize, usize),
}

impl Stacks {
    /// The bytes of an image's layers.
    pub fn size(&self, image: usize) -> Option<u64> {
        self.images[image]
            .top
            .map_or(Some(0), |top| self.layers[top].cumulative)
    }

    /// How many layers an image has.
    pub fn height(&self, image: usize) -> usize {
        self.images[image]
            .top
            .map_or(0, |top| self.layers[top].number)
    }
}

/// What tells a layer from others on the same stack.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Diff(Digest),
    Mark(String),
}

/// Reads the stacks of images. Costs a hash of 140 bytes for each distinct layer; nothing is opened.
///
/// Signatures and other things that have an image's config but no file system are left out.
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
            let top = climb(&mut made, &mut tries, source, image, known.is_none());
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
                    made_by: image
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
            for name in names {
                if !known.names.contains(&name) {
                    known.names.push(name);
                }
            }
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

/// Puts the layers of an image on the trie; its topmost one.
fn climb(
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
        let digest = layer
            .descriptor
            .as_ref()
            .map(|stated| stated.digest.clone());
        let mark = || match &digest {
            Some(digest) => digest.to_string(),
            None => layer.member.clone(),
        };
        let key = match &layer.diff_id {
            Some(diff_id) => Key::Diff(diff_id.clone()),
            None => Key::Mark(mark()),
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
        let absent = matches!(layer.presence, Presence::Missing | Presence::Unreadable);
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
                mark: layer
                    .diff_id
                    .as_ref()
                    .map_or_else(mark, ToString::to_string),
                diff_id: layer.diff_id.clone(),
                chain_id,
                digest,
                made_by: commands[i].to_owned(),
                size,
                cumulative: None,
                shared_by: 0,
                absent,
            });
        } else {
            let known = &mut made.layers[position];
            known.absent &= absent;
            known.size = match (known.size, size) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            if known.made_by.is_empty() {
                known.made_by = commands[i].to_owned();
            }
        }
        made.layers[position].shared_by += usize::from(counts);
        below = Some(position);
    }
    below
}

/// Sums from the base upward, and the totals.
fn add_up(made: &mut Stacks) {
    let mut once: HashMap<&str, Option<u64>> = HashMap::new();
    for layer in &made.layers {
        let size = once.entry(&layer.mark).or_insert(layer.size);
        // Copies of one layer may be packed differently.
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
        let size = once.get(layer.mark.as_str()).copied().flatten();
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

/// Finds for each image the one that it is based on: the nearest below it whose stack is a start of its own.
///
/// Where several images have that stack, the one with the longest history that is a start of the image's own; where
/// none has, as when a builder wrote the history anew, the one with the shortest history, and of these the first. Of
/// images with one and the same stack, only one whose history is a true start of the other's can be its base.
fn find_bases(made: &mut Stacks, lineages: &[Lineage]) {
    let mut at: HashMap<(usize, u64), usize> = HashMap::new();
    let mut shortest: HashMap<usize, usize> = HashMap::new();
    for (i, image) in made.images.iter().enumerate() {
        let Some(top) = image.top else { continue };
        let whole = lineages[i].0.last().copied().unwrap_or_default();
        at.entry((top, whole)).or_insert(i);
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
