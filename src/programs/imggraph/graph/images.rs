//! The view of images and their base images.

use super::layers::{image_node, layer_info};
use super::{Edge, EdgeKind, Graph, LayerInfo, NodeKind, Stacks, View};

/// Returns the graph of images and their base images. Shared layers without an image are not drawn.
///
/// The size of a node is the bytes it adds to its base; its number of users counts itself and its descendants.
pub fn images(stacks: &Stacks) -> Graph {
    let mut on: Vec<Vec<usize>> = vec![Vec::new(); stacks.images.len()];
    let mut bases = Vec::new();
    for (i, image) in stacks.images.iter().enumerate() {
        match image.base {
            Some(base) => on[base].push(i),
            None => bases.push(i),
        }
    }
    let mut graph = Graph {
        view: View::Images,
        size_of: stacks.size_of,
        nodes: Vec::new(),
        edges: Vec::new(),
        totals: stacks.totals,
    };
    let mut below: Vec<Option<usize>> = Vec::new();
    let mut work: Vec<(usize, Option<usize>)> =
        bases.iter().rev().map(|&base| (base, None)).collect();
    while let Some((image, to)) = work.pop() {
        let at = graph.nodes.len();
        let mut node = image_node(stacks, image);
        node.kind = NodeKind::Image;
        node.layers = own_layers(stacks, image);
        graph.nodes.push(node);
        below.push(to);
        graph.edges.extend(to.map(|to| Edge {
            from: at,
            to,
            kind: EdgeKind::BasedOn,
        }));
        work.extend(on[image].iter().rev().map(|&next| (next, Some(at))));
    }
    // Dependents follow their dependency, so from the end each node is complete when it is added.
    for at in (0..below.len()).rev() {
        if let Some(to) = below[at] {
            graph.nodes[to].shared_by += graph.nodes[at].shared_by;
        }
    }
    graph
}

/// Returns the layers that an image adds to its base, from the base upward.
fn own_layers(stacks: &Stacks, image: usize) -> Vec<LayerInfo> {
    let stop = stacks.images[image]
        .base
        .and_then(|base| stacks.images[base].top);
    let mut layers = Vec::new();
    let mut at = stacks.images[image].top;
    while let Some(position) = at.filter(|_| at != stop) {
        layers.push(layer_info(&stacks.layers[position]));
        at = stacks.layers[position].below;
    }
    layers.reverse();
    layers
}
