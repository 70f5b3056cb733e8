//! The view of layers: the trie, with the images that stand on its layers.

use super::{Edge, EdgeKind, Graph, LayerFact, Node, NodeKind, SizeOf, StackLayer, Stacks, View};

/// Draws stacks as layers and images. With `fold`, runs of layers that belong to one image alone are one node.
///
/// What stands on a layer comes after it: its images first, then further layers, each in the order they were found.
pub fn layers(stacks: &Stacks, fold: bool) -> Graph {
    let mut images_on = vec![Vec::new(); stacks.layers.len()];
    let mut on_nothing = Vec::new();
    for (i, image) in stacks.images.iter().enumerate() {
        match image.top {
            Some(top) => images_on[top].push(i),
            None => on_nothing.push(i),
        }
    }
    let mut layers_on = vec![Vec::new(); stacks.layers.len()];
    let mut bases = Vec::new();
    for (i, layer) in stacks.layers.iter().enumerate() {
        match layer.below {
            Some(below) => layers_on[below].push(i),
            None => bases.push(i),
        }
    }
    let mut graph = Graph {
        view: View::Layers,
        size_of: stacks.size_of,
        nodes: Vec::new(),
        edges: Vec::new(),
        totals: stacks.totals,
    };
    // Depth first, without recursion: the layer, and the node it stands on.
    let mut work: Vec<(usize, Option<usize>)> =
        bases.iter().rev().map(|&base| (base, None)).collect();
    while let Some((first, below)) = work.pop() {
        let mut run = vec![first];
        let mut top = first;
        while let (true, [], [next]) = (
            fold && stacks.layers[top].shared_by == 1,
            images_on[top].as_slice(),
            layers_on[top].as_slice(),
        ) {
            top = *next;
            run.push(top);
        }
        let at = graph.nodes.len();
        graph.nodes.push(layer_node(stacks, &run));
        graph.edges.extend(below.map(|to| Edge {
            from: at,
            to,
            kind: EdgeKind::StandsOn,
        }));
        for &image in &images_on[top] {
            graph.edges.push(Edge {
                from: graph.nodes.len(),
                to: at,
                kind: EdgeKind::StandsOn,
            });
            graph.nodes.push(image_node(stacks, image));
        }
        work.extend(layers_on[top].iter().rev().map(|&next| (next, Some(at))));
    }
    graph
        .nodes
        .extend(on_nothing.iter().map(|&image| image_node(stacks, image)));
    graph
}

pub(super) fn fact(layer: &StackLayer) -> LayerFact {
    let text = |digest: &Option<crate::spec::Digest>| {
        digest.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    LayerFact {
        number: layer.number,
        chain_id: text(&layer.chain_id),
        diff_id: text(&layer.diff_id),
        digest: text(&layer.digest),
        made_by: layer.made_by.clone(),
        size: layer.size,
    }
}

fn layer_node(stacks: &Stacks, run: &[usize]) -> Node {
    let facts: Vec<LayerFact> = run.iter().map(|&i| fact(&stacks.layers[i])).collect();
    let top = &stacks.layers[run[run.len() - 1]];
    let absent = run.iter().all(|&i| stacks.layers[i].absent);
    let first = stacks.layers[run[0]].number;
    let (kind, label) = match run.len() {
        1 => (NodeKind::Layer, format!("layer {first}")),
        _ => (NodeKind::Layers, format!("layers {first}-{}", top.number)),
    };
    let sizes = facts.iter().map(|layer| layer.size);
    let size = sizes.reduce(|a, b| a.zip(b).map(|(a, b)| a.saturating_add(b)));
    let last = facts.last();
    let chain = last.map(|layer| layer.chain_id.clone()).unwrap_or_default();
    let mut more = Vec::new();
    if absent {
        more.push(("absent", "true".to_owned()));
    }
    Node {
        // Without diff IDs there is no chain ID, and one layer may stand on several stacks.
        id: match chain.is_empty() {
            false => format!("layer:{chain}"),
            true => format!("layer:{}:{}", run[run.len() - 1], top.mark),
        },
        kind,
        label,
        digest: match chain.is_empty() {
            false => chain,
            true => top.mark.clone(),
        },
        made_by: facts
            .iter()
            .rev()
            .map(|layer| layer.made_by.as_str())
            .find(|command| !command.is_empty())
            .unwrap_or_default()
            .to_owned(),
        size: size.flatten(),
        cumulative: top.cumulative,
        shared_by: top.shared_by,
        layers: facts,
        absent,
        ..Node::default()
    }
}

/// An image as a node, in this view and the next.
pub(super) fn image_node(stacks: &Stacks, position: usize) -> Node {
    let image = &stacks.images[position];
    let mut facts = Vec::new();
    if !image.platform.is_empty() {
        facts.push(("platform", image.platform.clone()));
    }
    if let Some(created) = &image.created {
        facts.push(("created", created.clone()));
    }
    if let Some(base) = image.base {
        let base = &stacks.images[base];
        let name = base.names.first().unwrap_or(&base.id);
        facts.push(("base", name.clone()));
        facts.push(("base_id", base.id.clone()));
    }
    facts.push(("layer_count", stacks.height(position).to_string()));
    facts.push(("archives", image.archives.join(", ")));
    let own = image.base.map_or(Some(0), |base| stacks.size(base));
    let whole = stacks.size(position);
    Node {
        id: format!("image:{}", image.id),
        kind: NodeKind::Image,
        names: image.names.clone(),
        label: "<none>".into(),
        digest: image.id.clone(),
        made_by: image.made_by.clone(),
        // What it adds to the image it is based on.
        size: whole.zip(own).map(|(whole, own)| whole.saturating_sub(own)),
        cumulative: whole,
        shared_by: 1,
        facts,
        ..Node::default()
    }
}

impl SizeOf {
    /// What its numbers are, in words.
    pub fn words(self) -> &'static str {
        match self {
            SizeOf::Stored => "stored",
            SizeOf::Raw => "unpacked",
        }
    }
}
