//! The new layer of a commit.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::options::{Changed, CommitOptions};
use super::pairs::Rules;
use super::plan::{Step, plan};
use super::side::{Layers, Side};
use crate::archive::{Archive, Image, ImageIdx, Kept, Layer};
use crate::blob::{CHUNK, FileRange, read_full};
use crate::cache::{self, ListedLayer};
use crate::disk::{Directory, Item, OverlayMark};
use crate::error::{At, Fault, Result};
use crate::parallel::in_parallel;
use crate::tree::{Reading, Tree};
use crate::write::{LayerWriter, Packer, check_root, entry_of, root_listing, write_item};

/// New layer of a commit.
#[derive(Debug)]
pub struct CommitLayer {
    /// The layer; `None` if nothing has changed.
    pub layer: Option<Kept>,
    /// Number of entries and whiteouts.
    pub entries: u64,
    /// True if files that docker creates in every container were left out.
    pub left_out: bool,
    /// True if all layers of the base image were compared with their diff IDs, now or when the cache was written.
    pub has_read_base: bool,
}

/// Returns the options for reading layers: the limits with which the archive was opened.
pub(super) fn reading(archive: &Archive) -> Reading {
    Reading {
        limits: archive.container.limits,
        ..Reading::default()
    }
}

/// Creates the layer with the differences between an image and a changed root filesystem.
///
/// Of uncompressed layers only the headers are read; compressed layers are decoded once, or not at all if the cache has
/// their index. Contents are compared if nothing else differs: with those in an uncompressed layer, or with the digests
/// from the decoding of a compressed one. The new layer is compressed while it is written.
///
/// # Errors
/// As [`Reading::decode_all`] and [`Tree::checked`], with the archive as context; those of reading the changed root filesystem.
pub fn commit_layer(
    archive: &Archive,
    image: ImageIdx,
    changed: Changed<'_>,
    packer: &Packer<'_>,
    options: &CommitOptions,
) -> Result<CommitLayer> {
    let (temp_dir, out) = (packer.temp_dir, packer.writer()?);
    if let Changed::Upper(directory) = changed {
        return upper(directory, out);
    }
    let reading = reading(archive);
    let base = base(&archive.images[image], &reading, options, temp_dir);
    let (base_tree, base_plain) = base.at(|| archive.place.clone())?;
    let base = Layers::new(&base_tree, &base_plain).from(&archive.place);
    let made = match changed {
        Changed::Directory(directory) => differences(&base, directory, &base_tree, options, out),
        Changed::Tar(input, typed) => {
            let place = || typed.to_owned();
            let (listing, plain) =
                root_listing(input, temp_dir, &archive.container.limits, packer.meter).at(place)?;
            check_root(&listing, |path| options.excludes.matches(path)).at(place)?;
            let tree = Tree::apply(vec![Arc::new(listing)])
                .and_then(Tree::checked)
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

/// Reads the base image: its tree, and the uncompressed layers that hold files without a known digest.
fn base(
    image: &Image,
    reading: &Reading,
    options: &CommitOptions,
    temp_dir: &Path,
) -> Result<(Tree, Vec<Option<FileRange>>)> {
    let hashing = Reading {
        digests: true,
        ..reading.clone()
    };
    let is_uncompressed = |layer: &Layer| {
        let range = reading.uncompressed_range(layer);
        range.is_ok_and(|range| range.is_some())
    };
    let layers = reading.each(
        image,
        0..image.layers.len(),
        |layer| match is_uncompressed(layer) {
            true => reading.decode(layer, temp_dir).map(ListedLayer::from),
            false => cache::list(options.cache.as_ref(), &hashing, layer),
        },
    )?;
    let (listings, mut plain): (Vec<_>, Vec<_>) = layers
        .into_iter()
        .map(|layer| (layer.listing, layer.uncompressed))
        .unzip();
    let tree = Tree::apply(listings).and_then(Tree::checked)?;
    for node in tree.walk().filter(|node| node.digest().is_none()) {
        // The digests of sparse files are unknown.
        if let Some(place) = node.location()
            && let Some(missing @ None) = plain.get_mut(place.layer)
            && let Some(layer) = image.layers.get(place.layer)
        {
            *missing = Some(reading.decode(layer, temp_dir)?.bytes);
        }
    }
    Ok((tree, plain))
}

/// Writes the differences of both sides as a layer.
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
    let leave_out_docker = is_container && base_tree.get(b".dockerenv").is_none();
    let rules = Rules {
        excludes: &options.excludes,
        leave_out_docker,
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
    finish(out, steps.len() as u64, leave_out_docker)
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

/// Compares the contents of two files of the same size.
pub(super) fn same_contents(base: &dyn Side, a: usize, new: &dyn Side, b: usize) -> Result<bool> {
    if let (Some(a), Some(b)) = (base.place(a), new.place(b))
        && new.shares_layers()
        && (a.layer, a.offset) == (b.layer, b.offset)
    {
        return Ok(true);
    }
    // Small buffers for small files: allocating takes longer than comparing.
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

/// Writes the entries of a layer; `owner` changes the owner of each.
pub(super) fn write_steps(
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

/// Writes the upper directory of an overlay mount as a layer.
fn upper(directory: &Directory, mut out: LayerWriter) -> Result<CommitLayer> {
    let mut entries = 0;
    let mut written: HashMap<u64, Vec<u8>> = HashMap::new();
    for (i, (item, mark)) in directory.items().enumerate() {
        entries += 1;
        if mark == OverlayMark::Removed {
            out.whiteout(&item.path)?;
            continue;
        }
        let first = item.inode.and_then(|inode| written.get(&inode)).cloned();
        if let (None, Some(inode)) = (&first, item.inode) {
            written.insert(inode, item.path.clone());
        }
        write_item(&item, first.as_deref(), || directory.contents(i), &mut out)?;
        if mark == OverlayMark::Opaque {
            entries += 1;
            out.opaque(&item.path)?;
        }
    }
    finish(out, entries, false)
}

impl CommitLayer {
    /// Returns the layer; one without entries if nothing has changed.
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
