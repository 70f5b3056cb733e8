//! Images of both halves joined into one list of roots.

use std::collections::{HashMap, HashSet, VecDeque};

use super::assembly::Assembly;
use super::graph::{Edge, NodeKind};
use super::model::{Root, images_below};
use super::name::{Name, NameKey, NameSet};
use super::positions::{ImageIdx, NodeIdx, RootIdx};
use crate::spec::annotations;

impl Assembly {
    /// Tests if a node is the manifest of an image that is read from the docker half.
    fn is_unused(&self, node: NodeIdx) -> bool {
        match self.nodes.get(node).map(|node| &node.kind) {
            Some(NodeKind::Image(image)) => self.images[*image].node.is_none(),
            _ => false,
        }
    }

    /// Adds the entries of `index.json` to the roots; an entry that leads to an image of `manifest.json` joins its root.
    /// `in_tree` is true for names without a host.
    pub fn join(&mut self, edges: &[Edge], in_tree: bool) {
        let mut by_node: HashMap<NodeIdx, RootIdx> = HashMap::new();
        let mut by_image: HashMap<ImageIdx, VecDeque<RootIdx>> = HashMap::new();
        let mut seen: HashMap<RootIdx, NameSet> = HashMap::new();
        for (i, root) in self.roots.iter_enumerated() {
            if let Some(image) = root.image {
                by_image.entry(image).or_default().push_back(i);
            }
        }
        for (position, edge) in edges.iter().enumerate() {
            let name = match in_tree {
                true => Name::in_tree(&edge.descriptor),
                false => Name::from_annotations(&edge.descriptor),
            };
            let ref_name = edge.descriptor.annotation(annotations::REF_NAME);
            let known = by_node.get(&edge.node).copied().or_else(|| {
                let images = images_below(&self.nodes, edge.node);
                let first = |image| by_image.get(image)?.front().copied();
                images.iter().filter_map(first).min()
            });
            let at = known.unwrap_or_else(|| self.roots.push(Root::default()));
            let is_unused = self.is_unused(edge.node);
            let root = &mut self.roots[at];
            if root.node.is_none() {
                // The manifest of an image that is read from manifest.json is not copied.
                root.node = Some(edge.node).filter(|_| !is_unused);
                by_node.insert(edge.node, at);
                if let Some(waiting) = root.image.and_then(|image| by_image.get_mut(&image)) {
                    waiting.retain(|other| *other != at);
                }
            }
            root.positions.push(position);
            let seen = seen.entry(at).or_insert_with(|| {
                let mut seen = NameSet::default();
                root.names.iter().for_each(|name| {
                    seen.insert(name);
                });
                seen
            });
            root.names.extend(name.filter(|name| seen.insert(name)));
            let ref_name = ref_name.filter(|text| !text.is_empty());
            root.ref_names.extend(ref_name.map(str::to_owned));
        }
    }

    /// Names untagged images by `org.opencontainers.image.base.name`, where older versions of zarf
    /// wrote the name.
    pub fn name_by_base(&mut self, edges: &[Edge]) {
        for root in self.roots.iter_mut().filter(|root| root.names.is_empty()) {
            let entries = root.positions.iter().filter_map(|at| edges.get(*at));
            let names =
                entries.filter_map(|edge| edge.descriptor.annotation(annotations::BASE_NAME));
            let names = names.filter(|text| !text.is_empty());
            root.names = NameSet::distinct(names.map(Name::from_repo_tag));
        }
    }

    /// Notes images of `manifest.json` whose manifest, by a name of theirs in `index.json`, is damaged.
    pub fn note_damaged_manifests(&mut self) {
        let is_damaged = |root: &&Root| {
            let faults = root.node.map(|node| &self.nodes[node].faults);
            root.item.is_none() && faults.is_some_and(|faults| !faults.is_empty())
        };
        let damaged = self.roots.iter().filter(is_damaged);
        let damaged: HashSet<NameKey> = damaged
            .flat_map(|root| root.names.iter().map(Name::key))
            .collect();
        if damaged.is_empty() {
            return;
        }
        let mut notes = Vec::new();
        for root in self.roots.iter().filter(|root| root.node.is_none()) {
            if root.names.iter().any(|name| damaged.contains(&name.key()))
                && let Some(image) = root.image
            {
                let image = self.images[image].id.short();
                notes.push(format!(
                    "image {image}: its manifest in index.json is damaged: using manifest.json"
                ));
            }
        }
        self.notes.extend(notes);
    }
}
