//! Builder of graphs.

use std::collections::{HashMap, HashSet};

use super::model::{Edge, EdgeKind, Node};

/// Builder of a graph: each node once by its ID, each edge once.
#[derive(Debug, Default)]
pub(super) struct Builder {
    /// Nodes so far.
    pub nodes: Vec<Node>,
    /// Edges so far.
    pub edges: Vec<Edge>,
    by_id: HashMap<String, usize>,
    seen: HashSet<Edge>,
}

impl Builder {
    /// Returns the position of the node with an ID; a new one is made.
    pub fn node(&mut self, id: String, make: impl FnOnce() -> Node) -> usize {
        if let Some(&known) = self.by_id.get(&id) {
            return known;
        }
        let position = self.nodes.len();
        self.by_id.insert(id.clone(), position);
        self.nodes.push(Node { id, ..make() });
        position
    }

    /// Adds an edge, unless it exists.
    pub fn edge(&mut self, from: usize, to: usize, kind: EdgeKind) {
        let edge = Edge { from, to, kind };
        if self.seen.insert(edge) {
            self.edges.push(edge);
        }
    }
}
