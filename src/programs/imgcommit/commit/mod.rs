//! imgcommit: a changed root filesystem as one more layer of an image, and layers merged into one.

mod plan;
mod side;

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use plan::{Rules, Step, plan};
use sha2::{Digest as _, Sha256};
use side::{Layers, Side};

use crate::archive::{Archive, Image, Kept, Layer};
use crate::blob::{CHUNK, FileRange, Input};
use crate::cache::{self, Cache, ListedLayer};
use crate::disk::{Directory, Excludes, Item, OverlayMark};
use crate::error::{At, Error, Fault, Result};
use crate::parallel::in_parallel;
use crate::spec::instruction::Instruction;
use crate::spec::{Digest, History, NewConfig, Timestamp};
use crate::tree::{Listing, Proof, Reading, Tree};
use crate::write::{Bundle, LayerWriter, ListedName, NewImage, NewLayer};
use crate::write::{Packer, check_root, entry_of, root_listing, write_item};

/// The digest of a tar without entries: a layer that docker leaves out.
const EMPTY_LAYER: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// How to commit.
#[derive(Debug, Clone)]
pub struct CommitOptions {
    /// The names of the new image.
    pub names: Vec<ListedName>,
    /// Who made the change.
    pub author: Option<String>,
    /// What it is about.
    pub message: Option<String>,
    /// Changes to the config.
    pub instructions: Vec<Instruction>,
    /// Paths that stay as they are in the base.
    pub excludes: Excludes,
    /// Take owners from the base, and 0 for what is new: the folder's belong to whoever unpacked it.
    pub base_owners: bool,
    /// When the image is made.
    pub created: Timestamp,
    /// Times later than this count as this.
    pub latest: Option<i64>,
    /// What is known of the base's packed layers.
    pub cache: Option<Cache>,
}

/// What has changed.
pub enum Changed<'a> {
    /// A root filesystem in a folder.
    Folder(&'a Directory),
    /// The upper folder of an overlay mount: the changes themselves.
    Upper(&'a Directory),
    /// A root filesystem in a tar, and what it is called in errors.
    Tar(Input, &'a str),
}

/// A layer and what is in it.
#[derive(Debug)]
pub struct CommitLayer {
    /// The layer; `None` if nothing has changed.
    pub layer: Option<Kept>,
    /// Entries and markers in it.
    pub entries: u64,
    /// What docker puts into every container was found and left out.
    pub left_out: bool,
    /// All layers of the base were read and compared with their diff IDs, in this run or when the cache was made.
    pub has_read_base: bool,
}

/// Reads layers as the archive was opened.
fn reading(archive: &Archive) -> Reading {
    Reading {
        limits: archive.container.limits,
        ..Reading::default()
    }
}

/// Makes the layer that turns an image's root filesystem into a changed one.
///
/// Reads the headers of the image's plain layers; packed ones are decoded once, and not at all if the cache knows them.
/// Contents are compared where nothing else differs: with those in a plain layer, and with the digests that files had
/// when a packed one was decoded. The new layer is packed while it is made.
///
/// # Errors
/// As [`Reading::plain_all`] and [`Tree::sound`], placed at the image; what reading the changed side gives.
pub fn commit_layer(
    archive: &Archive,
    image: usize,
    changed: Changed<'_>,
    packer: &Packer<'_>,
    options: &CommitOptions,
) -> Result<CommitLayer> {
    let (landing, out) = (packer.landing, packer.writer()?);
    if let Changed::Upper(folder) = changed {
        return upper(folder, out);
    }
    let reading = reading(archive);
    let base = base(&archive.images[image], &reading, options, landing);
    let (base_tree, base_plain) = base.at(|| archive.place.clone())?;
    let base = Layers::new(&base_tree, &base_plain).from(&archive.place);
    let made = match changed {
        Changed::Folder(folder) => differences(&base, folder, &base_tree, options, out),
        Changed::Tar(input, typed) => {
            let place = || typed.to_owned();
            let (listing, plain) =
                root_listing(input, landing, &archive.container.limits, packer.meter).at(place)?;
            check_root(&listing, |path| options.excludes.is_excluded(path)).at(place)?;
            let tree = Tree::apply(vec![Arc::new(listing)])
                .and_then(Tree::sound)
                .at(place)?;
            let plain = [Some(plain)];
            let new = Layers::new(&tree, &plain).from(typed);
            differences(&base, &new, &base_tree, options, out)
        }
        Changed::Upper(_) => Err(Fault::StreamConsumed.into()),
    };
    made.map(|made| CommitLayer {
        has_read_base: true,
        ..made
    })
}

/// The base, and the plain tars of its layers but those whose files all have digests.
fn base(
    image: &Image,
    reading: &Reading,
    options: &CommitOptions,
    landing: &Path,
) -> Result<(Tree, Vec<Option<FileRange>>)> {
    let hashing = Reading {
        digests: true,
        ..reading.clone()
    };
    let is_plain = |layer: &Layer| {
        let range = reading.plain_range(layer);
        range.is_ok_and(|range| range.is_some())
    };
    let layers = reading.each(image, 0..image.layers.len(), |layer| {
        match is_plain(layer) {
            true => reading.plain(layer, landing).map(ListedLayer::from),
            false => cache::list(options.cache.as_ref(), &hashing, layer),
        }
    })?;
    let (listings, mut plain): (Vec<_>, Vec<_>) = layers
        .into_iter()
        .map(|layer| (layer.listing, layer.uncompressed))
        .unzip();
    let tree = Tree::apply(listings).and_then(Tree::sound)?;
    for node in tree.walk().filter(|node| node.digest().is_none()) {
        // Of a sparse file nobody knows a digest.
        if let Some(place) = node.place()
            && let Some(missing @ None) = plain.get_mut(place.layer)
            && let Some(layer) = image.layers.get(place.layer)
        {
            *missing = Some(reading.plain(layer, landing)?.bytes);
        }
    }
    Ok((tree, plain))
}

fn differences(
    base: &dyn Side,
    new: &dyn Side,
    base_tree: &Tree,
    options: &CommitOptions,
    mut out: LayerWriter,
) -> Result<CommitLayer> {
    let is_container = (0..new.len())
        .filter_map(|i| new.item(i))
        .take_while(|item| item.path.as_slice() <= b".dockerenv".as_slice())
        .any(|item| item.path == b".dockerenv");
    let dockers_own = is_container && base_tree.get(b".dockerenv").is_none();
    let rules = Rules {
        excludes: &options.excludes,
        dockers_own,
        base_owners: options.base_owners,
        latest: options.latest,
        keep_top: false,
    };
    let steps = plan(base, new, &rules, |files| {
        let compared = in_parallel(files, |&(a, b)| same_contents(base, a, new, b));
        compared.into_iter().collect()
    })?;
    let owner = |item: &mut Item| {
        if options.base_owners {
            let node = base_tree.get(&item.path);
            let owner = node.map(|node| node.meta().owner).unwrap_or_default();
            (item.metadata.uid, item.metadata.gid) = (owner.uid, owner.gid);
        }
    };
    write_steps(&steps, new, owner, &mut out)?;
    finish(out, steps.len() as u64, dockers_own)
}

fn finish(out: LayerWriter, entries: u64, left_out: bool) -> Result<CommitLayer> {
    Ok(CommitLayer {
        layer: match entries {
            0 => None,
            _ => Some(out.finish()?),
        },
        entries,
        left_out,
        has_read_base: false,
    })
}

/// Compares contents of two files of one size.
fn same_contents(base: &dyn Side, a: usize, new: &dyn Side, b: usize) -> Result<bool> {
    if let (Some(a), Some(b)) = (base.place(a), new.place(b))
        && new.shares_layers()
        && (a.layer, a.offset) == (b.layer, b.offset)
    {
        return Ok(true);
    }
    // No more than a small file needs: to be given memory takes longer than to compare it.
    let size = new.item(b).map_or(0, |item| item.size);
    let chunk = usize::try_from(size).unwrap_or(CHUNK).clamp(1, CHUNK);
    let (mut other, mut y) = (new.contents(b)?, vec![0; chunk]);
    if let Some(digest) = base.digest(a) {
        let mut hash = Sha256::new();
        loop {
            let n = read_full(&mut other, &mut y)?;
            hash.update(y.get(..n).unwrap_or_default());
            if n < chunk {
                return Ok(*hash.finalize() == digest);
            }
        }
    }
    let (mut one, mut x) = (base.contents(a)?, vec![0; chunk]);
    loop {
        let (n, m) = (read_full(&mut one, &mut x)?, read_full(&mut other, &mut y)?);
        if x.get(..n) != y.get(..m) {
            return Ok(false);
        }
        if n < chunk {
            return Ok(true);
        }
    }
}

fn read_full(reader: &mut dyn Read, buf: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match reader.read(&mut buf[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", error)),
        }
    }
    Ok(filled)
}

fn write_steps(
    steps: &[Step],
    new: &dyn Side,
    owner: impl Fn(&mut Item),
    out: &mut LayerWriter,
) -> Result<()> {
    for step in steps {
        match step {
            Step::Whiteout(path) => out.whiteout(path)?,
            Step::Opaque(path) => out.opaque(path)?,
            Step::Top => {
                if let Some(mut top) = new.top() {
                    owner(&mut top);
                    out.entry(&entry_of(&top))?;
                }
            }
            Step::Entry(number, link) => {
                let Some(mut item) = new.item(*number) else {
                    continue;
                };
                owner(&mut item);
                let first = link.and_then(|first| new.item(first));
                let contents = || new.contents(*number);
                write_item(
                    &item,
                    first.as_ref().map(|first| &*first.path),
                    contents,
                    out,
                )?;
            }
        }
    }
    Ok(())
}

/// The upper folder of an overlay mount as a layer.
fn upper(folder: &Directory, mut out: LayerWriter) -> Result<CommitLayer> {
    let mut entries = 0;
    let mut written: HashMap<u64, Vec<u8>> = HashMap::new();
    for (i, (item, mark)) in folder.items().enumerate() {
        entries += 1;
        if mark == OverlayMark::Removed {
            out.whiteout(&item.path)?;
            continue;
        }
        let first = item.inode.and_then(|inode| written.get(&inode)).cloned();
        if let (None, Some(inode)) = (&first, item.inode) {
            written.insert(inode, item.path.clone());
        }
        write_item(&item, first.as_deref(), || folder.contents(i), &mut out)?;
        if mark == OverlayMark::Opaque {
            entries += 1;
            out.opaque(&item.path)?;
        }
    }
    finish(out, entries, false)
}

/// Makes the image: the base's layers, the new one if there is one, and docker's history entry.
///
/// # Errors
/// As [`NewLayer::of_image`] and [`NewConfig::like`].
pub fn commit(
    archive: &Archive,
    image: usize,
    made: CommitLayer,
    packer: &Packer<'_>,
    options: &CommitOptions,
) -> Result<(Bundle, Digest)> {
    let place = || archive.place.clone();
    let (mut layers, types) = NewLayer::of_image(archive, image).at(place)?;
    if made.has_read_base {
        layers.iter_mut().for_each(NewLayer::was_decoded);
    }
    let mut config = config_of(archive, image).at(place)?;
    // docker notes the command that the container ran, which without another one is the image's.
    let command = config.command();
    let is_empty = |diff_id: &Digest| diff_id.as_str() == EMPTY_LAYER;
    let layer = made
        .layer
        .filter(|layer| !layer.scan.diff_id.as_ref().is_some_and(is_empty));
    let empty_layer = layer.is_none();
    if let Some(layer) = layer {
        layers.push(packer.layer(layer, types)?);
    }
    config.apply(&options.instructions).at(|| "-c".to_owned())?;
    config.made(options.created, options.author.as_deref(), None);
    config.set_layers(layers.iter().map(|layer| &layer.diff_id));
    config.add_history(&History {
        created: Some(options.created.rfc3339_nano()),
        created_by: command,
        author: options.author.clone(),
        comment: options.message.clone().unwrap_or_default(),
        empty_layer,
    })?;
    Ok(bundled(config, layers, types, options.names.clone()))
}

fn config_of(archive: &Archive, image: usize) -> Result<NewConfig> {
    let bytes = archive.images[image].config_bytes.as_ref();
    let bytes = bytes.ok_or_else(|| Fault::Unsupported {
        what: "an image that has no config here".into(),
    })?;
    NewConfig::like(bytes)
}

fn bundled(
    config: NewConfig,
    layers: Vec<NewLayer>,
    types: crate::write::MediaTypes,
    names: Vec<ListedName>,
) -> (Bundle, Digest) {
    let mut bundle = Bundle::default();
    let image = NewImage {
        config: config.bytes(),
        layers,
        types,
    };
    let id = bundle.add_new(image, names);
    (bundle, id)
}

/// Merges an image's layers from the `from`th on (from 0) into one; config and history stay, and the history says so.
///
/// What upper layers remove or replace is not in the result, nor is what is left out with [`CommitOptions::excludes`].
/// Layers below `from` stay as they are.
///
/// # Errors
/// `Usage` for a number that no layer has, and for something to be left out that a layer below `from` holds; as
/// [`commit_layer`].
pub fn squash(
    archive: &Archive,
    image: usize,
    from: usize,
    packer: &Packer<'_>,
    options: &CommitOptions,
) -> Result<(Bundle, Digest)> {
    let place = || archive.place.clone();
    let (mut layers, types) = NewLayer::of_image(archive, image).at(place)?;
    let count = layers.len();
    if from >= count {
        let why = format!(
            "--from {}: the image has {count} layers, and they are counted from 1",
            from + 1
        );
        return Err(Fault::Usage(why).into());
    }
    let plain = reading(archive).plain_all(&archive.images[image], packer.landing);
    let (listings, plain): (Vec<_>, Vec<_>) = plain
        .at(place)?
        .into_iter()
        .map(|layer| (layer.listing, Some(layer.bytes)))
        .unzip();
    stay_out(&options.excludes, listings.iter().take(from)).at(place)?;
    let below = Tree::apply(listings.iter().take(from).cloned().collect())
        .and_then(Tree::sound)
        .at(place)?;
    let whole = Tree::apply(listings).and_then(Tree::sound).at(place)?;
    let (base, new) = (Layers::new(&below, &plain), Layers::sharing(&whole, &plain));
    let rules = Rules {
        excludes: &options.excludes,
        dockers_own: false,
        base_owners: false,
        latest: None,
        keep_top: true,
    };
    let steps = plan(&base, &new, &rules, |files| {
        let compared = in_parallel(files, |&(a, b)| same_contents(&base, a, &new, b));
        compared.into_iter().collect()
    })
    .at(place)?;
    let mut out = packer.writer()?;
    // What is kept of an uncompressed layer goes under a new diff ID: never without a look at the old one.
    let proof = Proof::of(&archive.images[image], 0..count).at(place)?;
    let written = proof.beside(packer.meter, || write_steps(&steps, &new, |_| (), &mut out));
    written.at(place)?;
    let merged = out.finish()?;

    let kept = archive.images[image]
        .steps()
        .iter()
        .position(|step| step.layer == Some(from));
    layers.truncate(from);
    // All of them were decoded above, and their diff IDs compared.
    layers.iter_mut().for_each(NewLayer::was_decoded);
    layers.push(packer.layer(merged, types)?);
    let mut config = config_of(archive, image).at(place)?;
    config.apply(&options.instructions).at(|| "-c".to_owned())?;
    let id = archive.images[image].id.to_string();
    let comment = match from {
        0 => format!("create new from {id}"),
        _ => format!("merge {id} from layer {}", from + 1),
    };
    config.set("created", options.created.rfc3339_nano().into());
    if let Some(author) = &options.author {
        config.set("author", author.as_str().into());
    }
    config.set_layers(layers.iter().map(|layer| &layer.diff_id));
    config.empty_history(kept.unwrap_or_default())?;
    config.add_history(&History {
        created: Some(options.created.rfc3339_nano()),
        author: options.author.clone(),
        comment: options.message.clone().unwrap_or(comment),
        ..History::default()
    })?;
    Ok(bundled(config, layers, types, options.names.clone()))
}

/// Refuses to leave out what layers hold that stay as they are: who wants a secret gone would ship it.
fn stay_out<'a>(excludes: &Excludes, kept: impl Iterator<Item = &'a Arc<Listing>>) -> Result<()> {
    for (number, listing) in kept.enumerate().filter(|_| !excludes.is_empty()) {
        let mut found = None;
        listing.paths(|path| {
            if found.is_none() && excludes.is_excluded(path) {
                found = Some(crate::escape::bytes(path).into_owned());
            }
        });
        if let Some(path) = found {
            let layer = number + 1;
            let why = format!(
                "'{path}' is to be left out, and layer {layer} holds it, which stays as it is: merge it too, with --from {layer}"
            );
            return Err(Fault::Usage(why).into());
        }
    }
    Ok(())
}

impl CommitLayer {
    /// The layer alone; one without entries if nothing has changed.
    ///
    /// # Errors
    /// `Io`.
    pub fn into_layer(self, packer: &Packer<'_>) -> Result<Kept> {
        match self.layer {
            Some(layer) => Ok(layer),
            None => packer.writer()?.finish(),
        }
    }
}
