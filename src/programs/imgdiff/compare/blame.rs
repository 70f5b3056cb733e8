//! Which layer did it.

use super::compare::Change;
use super::side::Side;
use crate::tree::{Event, Node};

/// The layer that made a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Of which side: 0 for the first, whose layer put there what the second never had.
    pub side: usize,
    /// Which of its layers, from 0.
    pub layer: usize,
}

/// Which layer made a difference.
///
/// What both sides begin with made none. Of the layers above, the second's come first: the one that wrote what is there
/// now, or took away what was there. Where none of these speaks of the path, it is the first's layer that wrote it or
/// took it away.
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
        // Of a folder that is implied, the layer that made it is told by its life.
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

/// A step in the life of a path, in words.
pub fn verb(event: Event) -> &'static str {
    match event {
        Event::Added => "added",
        Event::Replaced => "replaced",
        Event::Removed => "removed",
        Event::Hidden => "removed with its folder",
    }
}
