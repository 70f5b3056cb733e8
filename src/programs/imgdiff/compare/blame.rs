//! Which layer did it.

use super::files::Change;
use super::side::Side;
use crate::tree::Node;

/// The layer that made a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Index of the side: 0 for the first, whose layer wrote the path that the second never had.
    pub side: usize,
    /// Index of its layer, from 0.
    pub layer: usize,
}

/// Returns the layer that made a difference.
///
/// Layers that both sides share are left out. The second side's layers are searched first: the one that wrote or
/// removed the path. If none of them has the path, the result is the first side's layer that wrote or
/// removed it.
pub fn blame(sides: &[Side; 2], change: &Change) -> Option<Made> {
    let [a, b] = sides;
    let ids = a.layers.iter().zip(&b.layers);
    let shared = ids
        .take_while(|(a, b)| a.layer.diff_id.is_some() && a.layer.diff_id == b.layer.diff_id)
        .count();
    let (old, new) = (change.before(&a.tree), change.after(&b.tree));
    let path = new.or(old)?.path();
    let by = |i: usize, node: Option<Node<'_>>| -> Option<Made> {
        let side = &sides[i];
        // The layer of an implied directory is the one that begins its life.
        let explicit = node
            .filter(|node| !node.is_implied())
            .map(|node| node.layer());
        let layer = explicit
            .filter(|layer| *layer >= shared)
            .or_else(|| last(side, &path).filter(|layer| *layer >= shared))?;
        Some(Made { side: i, layer })
    };
    by(1, new).or_else(|| by(0, old))
}

/// The layer that did something to a path last.
fn last(side: &Side, path: &[u8]) -> Option<usize> {
    let life = side.tree.history(path)?.steps();
    life.last().map(|step| step.layer)
}
