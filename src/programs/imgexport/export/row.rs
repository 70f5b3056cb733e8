//! Rows of an export, in the order in which they are written.

use crate::tree::{Node, Tree};

/// One entry of an export: a path of the tree, or a marker for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) index: u32,
    pub(super) kind: RowKind,
}

/// Kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowKind {
    Node,
    Whiteout,
    Opaque,
}

impl Row {
    fn new(index: usize, kind: RowKind) -> Self {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Row { index, kind }
    }

    pub(super) fn node(index: usize) -> Self {
        Row::new(index, RowKind::Node)
    }

    pub(super) fn whiteout(index: usize) -> Self {
        Row::new(index, RowKind::Whiteout)
    }

    pub(super) fn opaque(index: usize) -> Self {
        Row::new(index, RowKind::Opaque)
    }

    /// Returns the node of the tree; `None` for a marker.
    pub(super) fn as_node<'t>(&self, tree: &'t Tree) -> Option<Node<'t>> {
        tree.at(self.index as usize)
            .filter(|_| self.kind == RowKind::Node)
    }
}
