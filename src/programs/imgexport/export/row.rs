//! Rows of an export, in the order in which they are written.

use crate::tree::{Node, PathIdx, Tree};

/// One entry of an export: a path of the tree, or a marker for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) index: PathIdx,
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
    pub(super) fn node(index: PathIdx) -> Self {
        let kind = RowKind::Node;
        Row { index, kind }
    }

    pub(super) fn whiteout(index: PathIdx) -> Self {
        let kind = RowKind::Whiteout;
        Row { index, kind }
    }

    pub(super) fn opaque(index: PathIdx) -> Self {
        let kind = RowKind::Opaque;
        Row { index, kind }
    }

    /// Returns the node of the tree; `None` for a marker.
    pub(super) fn as_node<'t>(&self, tree: &'t Tree) -> Option<Node<'t>> {
        tree.at(self.index).filter(|_| self.kind == RowKind::Node)
    }
}
