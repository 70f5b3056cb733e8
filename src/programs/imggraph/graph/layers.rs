//! The view of layers: the trie with its images.

use super::{Edge, EdgeKind, Graph, LayerInfo, Node, NodeKind, StackLayer, Stacks, View};

/// Returns the graph of layers and images. With `fold`, a run of layers of one image is one node.
///
/// Dependents follow their layer: images first, then layers, each in the order of the input.
pub fn layers(stacks: &Stacks, fold: bool) -> Graph {
    let mut images_on = vec![Vec::new(); stacks.layers.len()];
    let mut without_layers = Vec::new();
    for (i, image) in stacks.images.iter().enumerate() {
        match image.top {
            Some(top) => images_on[top].push(i),
            None => without_layers.push(i),
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
    // Depth first, without recursion: the layer, and the node below it.
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
            kind: EdgeKind::Stacked,
        }));
        for &image in &images_on[top] {
            graph.edges.push(Edge {
                from: graph.nodes.len(),
                to: at,
                kind: EdgeKind::Stacked,
            });
            graph.nodes.push(image_node(stacks, image));
        }
        work.extend(layers_on[top].iter().rev().map(|&next| (next, Some(at))));
    }
    graph.nodes.extend(
        without_layers
            .iter()
            .map(|&image| image_node(stacks, image)),
    );
    graph
}

/// Returns the properties of a layer.
pub(super) fn layer_info(layer: &StackLayer) -> LayerInfo {
    let text = |digest: &Option<crate::spec::Digest>| {
        digest.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    LayerInfo {
        number: layer.number,
        chain_id: text(&layer.chain_id),
        diff_id: text(&layer.diff_id),
        digest: text(&layer.digest),
        created_by: layer.created_by.clone(),
        size: layer.size,
    }
}

fn layer_node(stacks: &Stacks, run: &[usize]) -> Node {
    let facts: Vec<LayerInfo> = run.iter().map(|&i| layer_info(&stacks.layers[i])).collect();
    let top = &stacks.layers[run[run.len() - 1]];
    let missing = run.iter().all(|&i| stacks.layers[i].missing);
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
    if missing {
        more.push(("absent", "true".to_owned()));
    }
    Node {
        // Without diff IDs there is no chain ID, and one layer may be in several stacks.
        id: match chain.is_empty() {
            false => format!("layer:{chain}"),
            true => format!("layer:{}:{}", run[run.len() - 1], top.identity),
        },
        kind,
        label,
        digest: match chain.is_empty() {
            false => chain,
            true => top.identity.clone(),
        },
        created_by: facts
            .iter()
            .rev()
            .map(|layer| layer.created_by.as_str())
            .find(|command| !command.is_empty())
            .unwrap_or_default()
            .to_owned(),
        size: size.flatten(),
        cumulative: top.cumulative,
        shared_by: top.shared_by,
        layers: facts,
        missing,
        ..Node::default()
    }
}

/// Returns the node of an image, for this view and that of images.
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
    let base = image.base.map_or(Some(0), |base| stacks.size(base));
    let total = stacks.size(position);
    Node {
        id: format!("image:{}", image.id),
        kind: NodeKind::Image,
        names: image.names.clone(),
        label: "<none>".into(),
        digest: image.id.clone(),
        created_by: image.created_by.clone(),
        // Bytes added to the base image.
        size: total
            .zip(base)
            .map(|(total, base)| total.saturating_sub(base)),
        cumulative: total,
        shared_by: 1,
        facts,
        ..Node::default()
    }
}
