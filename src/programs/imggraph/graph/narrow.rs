//! Parts of a graph.

use std::collections::HashSet;

use super::{Graph, Node, NodeKind, View};
use crate::archive::Name;
use crate::error::{Fault, Result};

/// Which part of a graph is meant.
#[derive(Debug, Clone, Default)]
pub struct Narrow {
    /// What this stands on.
    pub up: Option<String>,
    /// What stands on this.
    pub down: Option<String>,
    /// How many edges away from where a drawing begins.
    pub depth: Option<usize>,
}

/// Keeps the part of a graph that is meant. Totals stay those of the whole.
///
/// `up` and `down` name an image (or a blob, or a package) by its name, its ID or at least 4 digits of its start; with
/// both, what satisfies either is kept. In the view of layers an image's stack brings the images along that stand on
/// parts of it, and of the images that stand on the very same stack only those count as standing on it that are based
/// on it.
///
/// # Errors
/// `NoSuchImage` for a name that no node has.
pub fn narrow(mut graph: Graph, narrow: &Narrow) -> Result<Graph> {
    let mut kept: Option<HashSet<usize>> = None;
    if let Some(wanted) = &narrow.up {
        let found = find(&graph, wanted)?;
        let mut part = reach(&graph, &found, false);
        if graph.view == View::Layers {
            let bases: Vec<usize> = bases_of(&graph, &found);
            part.extend(bases);
        }
        kept.get_or_insert_default().extend(part);
    }
    if let Some(wanted) = &narrow.down {
        let found = find(&graph, wanted)?;
        let part = match graph.view {
            View::Layers => down_in_layers(&graph, &found),
            _ => reach(&graph, &found, true),
        };
        kept.get_or_insert_default().extend(part);
    }
    if let Some(kept) = kept {
        graph = subgraph(graph, &kept, &HashSet::new());
    }
    if let Some(depth) = narrow.depth {
        let (next, before) = graph.steps();
        let mut level = vec![usize::MAX; graph.nodes.len()];
        let mut queue: std::collections::VecDeque<usize> = (0..graph.nodes.len())
            .filter(|&i| before[i].is_empty())
            .collect();
        if queue.is_empty() && !graph.nodes.is_empty() {
            // Nothing but cycles: they begin at the first node.
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
        let edge_of: HashSet<usize> = kept
            .iter()
            .copied()
            .filter(|&i| level[i] == depth)
            .collect();
        graph = subgraph(graph, &kept, &edge_of);
    }
    Ok(graph)
}

/// The nodes that are called that.
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
    Err(Fault::NoSuchImage {
        wanted: wanted.to_owned(),
        candidates: names.cloned().collect(),
    }
    .into())
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

/// What stands on images or layers in the view of layers.
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
    // Twins on the same stack do not stand on it.
    let named: HashSet<usize> = found.iter().copied().collect();
    for edge in &graph.edges {
        let image = &graph.nodes[edge.from];
        let is_twin =
            image.kind == NodeKind::Image && tops.contains(&edge.to) && !named.contains(&edge.from);
        if is_twin
            && !bases_of(graph, &[edge.from])
                .iter()
                .any(|base| named.contains(base))
        {
            part.remove(&edge.from);
        }
    }
    part
}

/// The nodes that are kept and the edges between them. Nodes in `count` say how many that follow them are not.
fn subgraph(graph: Graph, kept: &HashSet<usize>, count: &HashSet<usize>) -> Graph {
    let (next, _) = graph.steps();
    let mut hidden = vec![0; graph.nodes.len()];
    for &i in count {
        let lost = reach_from(&next, i);
        hidden[i] = lost.iter().filter(|j| !kept.contains(j)).count();
    }
    let mut place = vec![None; graph.nodes.len()];
    let mut nodes = Vec::new();
    for (i, node) in graph.nodes.into_iter().enumerate() {
        if kept.contains(&i) {
            place[i] = Some(nodes.len());
            nodes.push(Node {
                hidden: hidden[i],
                ..node
            });
        }
    }
    let mut edges = graph.edges;
    edges.retain_mut(|edge| match (place[edge.from], place[edge.to]) {
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
