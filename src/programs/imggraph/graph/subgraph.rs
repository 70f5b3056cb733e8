//! Parts of a graph.

use std::collections::HashSet;

use super::{Graph, Node, NodeKind, View};
use crate::archive::Name;
use crate::error::{Error, Result};

/// Selected part of a graph.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// Node whose ancestors are kept.
    pub up: Option<String>,
    /// Node whose descendants are kept.
    pub down: Option<String>,
    /// Limit on the distance from the start of the drawing, in edges.
    pub depth: Option<usize>,
}

/// Keeps the selected part of a graph. Totals stay those of the whole graph.
///
/// `up` and `down` are a name, an ID or at least 4 leading digits of an ID of an image, a blob or a package; with both,
/// the union is kept. In the view of layers, the base images of an image are kept with its stack; an image with the same
/// stack is a descendant only if it is based on the image.
///
/// # Errors
/// `NoSuchImage` for an unknown name.
pub fn subgraph(mut graph: Graph, bounds: &Bounds) -> Result<Graph> {
    let mut kept: Option<HashSet<usize>> = None;
    if let Some(wanted) = &bounds.up {
        let found = find(&graph, wanted)?;
        let mut part = reach(&graph, &found, false);
        if graph.view == View::Layers {
            let bases: Vec<usize> = bases_of(&graph, &found);
            part.extend(bases);
        }
        kept.get_or_insert_default().extend(part);
    }
    if let Some(wanted) = &bounds.down {
        let found = find(&graph, wanted)?;
        let part = match graph.view {
            View::Layers => down_in_layers(&graph, &found),
            _ => reach(&graph, &found, true),
        };
        kept.get_or_insert_default().extend(part);
    }
    if let Some(kept) = kept {
        graph = keep(graph, &kept, &HashSet::new());
    }
    if let Some(depth) = bounds.depth {
        let (next, before) = graph.neighbors();
        let mut level = vec![usize::MAX; graph.nodes.len()];
        let mut queue: std::collections::VecDeque<usize> = (0..graph.nodes.len())
            .filter(|&i| before[i].is_empty())
            .collect();
        if queue.is_empty() && !graph.nodes.is_empty() {
            // A graph of cycles only begins at its first node.
            queue.push_back(0);
        }
        for &i in &queue {
            level[i] = 0;
        }
        while let Some(i) = queue.pop_front() {
            for &j in &next[i] {
                if level[j] == usize::MAX {
                    level[j] = level[i] + 1;
                    queue.push_back(j);
                }
            }
        }
        let kept: HashSet<usize> = (0..level.len()).filter(|&i| level[i] <= depth).collect();
        let outermost: HashSet<usize> = kept
            .iter()
            .copied()
            .filter(|&i| level[i] == depth)
            .collect();
        graph = keep(graph, &kept, &outermost);
    }
    Ok(graph)
}

/// Returns the nodes with a name or ID.
fn find(graph: &Graph, wanted: &str) -> Result<Vec<usize>> {
    let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    let is_start = hex.len() >= 4 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    let named = |node: &Node| {
        let is_name = |name: &String| name == wanted || Name::from_repo_tag(name).matches(wanted);
        node.names.iter().any(is_name)
    };
    let matches = |kind: fn(&Node) -> bool| -> Vec<usize> {
        let nodes = graph.nodes.iter().enumerate();
        let found = nodes.filter(|(_, node)| kind(node));
        let named: Vec<usize> = found
            .clone()
            .filter(|(_, node)| named(node))
            .map(|(i, _)| i)
            .collect();
        if !named.is_empty() {
            return named;
        }
        let starts = |text: &str| {
            text.rsplit(':')
                .next()
                .is_some_and(|text| text.starts_with(hex))
        };
        let has = |node: &Node| {
            let layers = node.layers.iter();
            let mut layers =
                layers.flat_map(|layer| [&layer.chain_id, &layer.diff_id, &layer.digest]);
            node.kind != NodeKind::Package
                && (starts(&node.digest) || layers.any(|text| starts(text)))
        };
        found
            .filter(|(_, node)| is_start && has(node))
            .map(|(i, _)| i)
            .collect()
    };
    let images = matches(|node| node.kind == NodeKind::Image);
    let found = match images.is_empty() {
        true => matches(|_| true),
        false => images,
    };
    if !found.is_empty() {
        return Ok(found);
    }
    let names = graph.nodes.iter().filter_map(|node| node.names.first());
    Err(Error::no_such_image(
        wanted.to_owned(),
        names.cloned().collect(),
    ))
}

/// Everything that can be reached: along the edges, or against them.
fn reach(graph: &Graph, from: &[usize], against: bool) -> HashSet<usize> {
    let mut next = vec![Vec::new(); graph.nodes.len()];
    for edge in &graph.edges {
        match against {
            true => next[edge.to].push(edge.from),
            false => next[edge.from].push(edge.to),
        }
    }
    let mut seen: HashSet<usize> = from.iter().copied().collect();
    let mut work: Vec<usize> = from.to_vec();
    while let Some(i) = work.pop() {
        work.extend(next[i].iter().copied().filter(|&j| seen.insert(j)));
    }
    seen
}

fn fact<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    let facts = node.facts.iter();
    facts
        .filter(|(k, _)| *k == key)
        .map(|(_, value)| value.as_str())
        .next()
}

/// The images that some images are based on, and those that these are based on.
fn bases_of(graph: &Graph, images: &[usize]) -> Vec<usize> {
    let by_id: std::collections::HashMap<&str, usize> = graph
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.kind == NodeKind::Image)
        .map(|(i, node)| (node.digest.as_str(), i))
        .collect();
    let mut found = Vec::new();
    for &image in images {
        let mut at = Some(image);
        // A base has fewer layers or less history, so this ends.
        while let Some(base) = at
            .and_then(|i| fact(&graph.nodes[i], "base_id"))
            .and_then(|id| by_id.get(id).copied())
        {
            found.push(base);
            at = Some(base);
        }
    }
    found
}

/// Returns images or layers with their descendants, in the view of layers.
fn down_in_layers(graph: &Graph, found: &[usize]) -> HashSet<usize> {
    let mut tops: Vec<usize> = Vec::new();
    for edge in &graph.edges {
        if found.contains(&edge.from) && graph.nodes[edge.from].kind == NodeKind::Image {
            tops.push(edge.to);
        }
    }
    let is_layer = |&&i: &&usize| graph.nodes[i].kind != NodeKind::Image;
    let from: Vec<usize> = tops
        .iter()
        .chain(found.iter().filter(is_layer))
        .copied()
        .collect();
    let mut part = reach(graph, &from, true);
    part.extend(found);
    // Images with the same stack are not descendants.
    let named: HashSet<usize> = found.iter().copied().collect();
    for edge in &graph.edges {
        let image = &graph.nodes[edge.from];
        let has_same_stack =
            image.kind == NodeKind::Image && tops.contains(&edge.to) && !named.contains(&edge.from);
        if has_same_stack
            && !bases_of(graph, &[edge.from])
                .iter()
                .any(|base| named.contains(base))
        {
            part.remove(&edge.from);
        }
    }
    part
}

/// Keeps nodes and the edges between them. Nodes in `count` get the number of nodes after them that are dropped.
fn keep(graph: Graph, kept: &HashSet<usize>, count: &HashSet<usize>) -> Graph {
    let (next, _) = graph.neighbors();
    let mut hidden = vec![0; graph.nodes.len()];
    for &i in count {
        let lost = reach_from(&next, i);
        hidden[i] = lost.iter().filter(|j| !kept.contains(j)).count();
    }
    let mut positions = vec![None; graph.nodes.len()];
    let mut nodes = Vec::new();
    for (i, node) in graph.nodes.into_iter().enumerate() {
        if kept.contains(&i) {
            positions[i] = Some(nodes.len());
            nodes.push(Node {
                hidden: hidden[i],
                ..node
            });
        }
    }
    let mut edges = graph.edges;
    edges.retain_mut(|edge| match (positions[edge.from], positions[edge.to]) {
        (Some(from), Some(to)) => {
            (edge.from, edge.to) = (from, to);
            true
        }
        _ => false,
    });
    Graph {
        nodes,
        edges,
        ..graph
    }
}

fn reach_from(next: &[Vec<usize>], from: usize) -> HashSet<usize> {
    let mut seen = HashSet::from([from]);
    let mut work = vec![from];
    while let Some(i) = work.pop() {
        work.extend(next[i].iter().copied().filter(|&j| seen.insert(j)));
    }
    seen
}
