//! Rows of an export, in the order in which they are written.

use crate::tree::{Inode, Location, Node, PathIdx, Tree, VersionKey};

/// One entry of an export.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row {
    /// A path of the tree.
    Node(PathIdx),
    /// The marker that removes a path from lower layers.
    Whiteout(PathIdx),
    /// The marker that removes the contents of a directory from lower layers.
    Opaque(PathIdx),
    /// An entry of a layer, whatever became of it.
    Version(VersionKey),
    /// The record of the versions.
    Record,
}

impl Row {
    /// Returns the node of the tree; `None` for other rows.
    pub(super) fn as_node<'t>(&self, tree: &'t Tree) -> Option<Node<'t>> {
        match *self {
            Row::Node(index) => tree.at(index),
            _ => None,
        }
    }

    /// Returns the location of the contents in the layers; `None` without contents.
    pub(super) fn location(&self, tree: &Tree) -> Option<Location> {
        match *self {
            Row::Version(key) => tree.version_at(key).location(),
            _ => self.as_node(tree)?.location(),
        }
    }

    /// Returns the size of the contents in bytes.
    pub(super) fn size(&self, tree: &Tree) -> u64 {
        match *self {
            Row::Version(key) => tree.version_at(key).size(),
            _ => self.as_node(tree).map_or(0, |node| node.size()),
        }
    }

    /// Returns the identity of a file that can have other names among the rows.
    pub(super) fn inode(&self, tree: &Tree) -> Option<Inode> {
        match *self {
            Row::Version(key) => tree.version_at(key).inode(),
            _ => {
                let node = self.as_node(tree)?;
                node.inode().filter(|_| node.link_count() > 1)
            }
        }
    }
}
