//! One side of a comparison: a root filesystem from layers or from a directory.

use std::io::Read;

use crate::blob::{DecodeLimits, FileRange};
use crate::disk::{Directory, Item};
use crate::error::{Error, Fault, Result};
use crate::layer::{EntryKind, Expanded, Metadata};
use crate::tree::{Location, Node, Tree};

/// A root filesystem: its items in the order of [`crate::tree::cmp_paths`], without the root directory.
pub(super) trait Side: Sync {
    fn len(&self) -> usize;
    fn item(&self, i: usize) -> Option<Item>;
    fn contents(&self, i: usize) -> Result<Box<dyn Read + '_>>;
    /// Returns the root directory, if it has an entry.
    fn top(&self) -> Option<Item>;
    /// Tests if a directory has no entry of its own and exists only as the parent of others.
    fn is_implied(&self, i: usize) -> bool;
    /// Returns the position of contents in a layer; `None` outside of layers.
    fn place(&self, i: usize) -> Option<Location>;
    /// Returns the SHA-256 digest of contents, if it is known.
    fn digest(&self, _: usize) -> Option<[u8; 32]> {
        None
    }
    /// Tests if the layers are those of the base and further ones, so that equal positions are equal contents.
    fn shares_layers(&self) -> bool {
        false
    }
}

/// Applied layers, with their uncompressed tars; `None` for a layer that was listed with digests.
pub(super) struct Layers<'t> {
    tree: &'t Tree,
    nodes: Vec<Node<'t>>,
    plain: &'t [Option<FileRange>],
    shares: bool,
    /// Archive of the layers, for error messages.
    from: Option<&'t str>,
}

impl<'t> Layers<'t> {
    /// Creates a side of layers of which the lower ones are the other side.
    pub(super) fn sharing(tree: &'t Tree, plain: &'t [Option<FileRange>]) -> Self {
        Layers {
            shares: true,
            ..Layers::new(tree, plain)
        }
    }

    /// Creates a side of applied layers.
    pub(super) fn new(tree: &'t Tree, plain: &'t [Option<FileRange>]) -> Self {
        Layers {
            tree,
            nodes: tree.walk().skip(1).collect(),
            plain,
            shares: false,
            from: None,
        }
    }

    /// Adds the archive as context to errors about contents.
    pub(super) fn from(self, place: &'t str) -> Self {
        Layers {
            from: Some(place),
            ..self
        }
    }

    fn stored(&self, node: &Node<'_>) -> Result<Box<dyn Read + '_>> {
        let missing = || Error::new(Fault::StreamConsumed);
        let place = node.location().ok_or_else(missing)?;
        let plain = self.plain.get(place.layer).and_then(Option::as_ref);
        let plain = plain.ok_or_else(missing)?;
        let stored = plain.slice(place.offset, place.stored);
        if stored.len() != place.stored {
            return Err(Error::truncated("the layer", place.stored, stored.len()));
        }
        Ok(match place.segments {
            None => Box::new(stored.reader()),
            Some(segments) => {
                check_holes(place.stored, node.size(), &self.tree.limits.decode)?;
                Box::new(Expanded::new(stored.reader(), segments, node.size()))
            }
        })
    }
}

impl Side for Layers<'_> {
    fn len(&self) -> usize {
        self.nodes.len()
    }

    fn item(&self, i: usize) -> Option<Item> {
        self.nodes.get(i).map(item)
    }

    fn contents(&self, i: usize) -> Result<Box<dyn Read + '_>> {
        let node = self
            .nodes
            .get(i)
            .ok_or_else(|| Error::new(Fault::StreamConsumed))?;
        self.stored(node).map_err(|error| {
            let error = error.at(crate::escape::bytes(&node.path()));
            match self.from {
                Some(place) => error.at(place),
                None => error,
            }
        })
    }

    fn top(&self) -> Option<Item> {
        let top = self.tree.root();
        (!top.is_implied()).then(|| item(&top))
    }

    fn is_implied(&self, i: usize) -> bool {
        self.nodes.get(i).is_some_and(Node::is_implied)
    }

    fn place(&self, i: usize) -> Option<Location> {
        self.nodes.get(i)?.location()
    }

    fn digest(&self, i: usize) -> Option<[u8; 32]> {
        self.nodes.get(i)?.digest()
    }

    fn shares_layers(&self) -> bool {
        self.shares
    }
}

impl Side for Directory {
    fn len(&self) -> usize {
        Directory::len(self)
    }

    fn item(&self, i: usize) -> Option<Item> {
        Directory::item(self, i).map(|(item, _)| item)
    }

    fn contents(&self, i: usize) -> Result<Box<dyn Read + '_>> {
        Ok(Box::new(Directory::contents(self, i)?))
    }

    fn top(&self) -> Option<Item> {
        None
    }

    fn is_implied(&self, _: usize) -> bool {
        false
    }

    fn place(&self, _: usize) -> Option<Location> {
        None
    }
}

/// Converts a node of a tree to an item.
pub(super) fn item(node: &Node<'_>) -> Item {
    let meta = node.meta();
    let kind = EntryKind::from(node.kind());
    let mut xattrs = meta.xattrs;
    xattrs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let inode = node
        .first_name()
        .or((node.link_count() > 1).then_some(*node));
    Item {
        path: node.path(),
        kind,
        metadata: Metadata {
            mode: meta.mode,
            uid: meta.owner.uid,
            gid: meta.owner.gid,
            mtime: meta.mtime,
            xattrs,
        },
        size: if kind == EntryKind::File {
            node.size()
        } else {
            0
        },
        link_target: node.link_target().to_vec(),
        device: node.device(),
        inode: inode.map(|first| usize::from(first.index()) as u64),
    }
}

/// Checks a sparse file against the limits of compressed layers: holes are written as zeros, so that a few bytes can
/// become any number of them.
fn check_holes(stored: u64, size: u64, limits: &DecodeLimits) -> Result<()> {
    if size <= limits.grace || size / limits.ratio <= stored {
        return Ok(());
    }
    Err(Error::limit(
        "size of a sparse file for each stored byte",
        limits.ratio,
        size.checked_div(stored).unwrap_or(size),
    ))
}
