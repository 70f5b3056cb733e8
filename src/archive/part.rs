//! Part of an archive as an archive: some images, their contents, and their referrers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use super::chosen::Chosen;
use super::container::Holder;
use super::graph::{Node, NodeKind};
use super::model::{Archive, Root};
use super::positions::{ImageIdx, NodeIdx, RootIdx};
use crate::error::{Error, Result};
use crate::index_vec::IndexVec;
use crate::spec::{Platform, Reference};

/// Positions that are kept.
#[derive(Default)]
struct Selected {
    roots: HashSet<RootIdx>,
    nodes: HashSet<NodeIdx>,
    images: HashSet<ImageIdx>,
}

impl Archive {
    /// Returns the chosen images, those of `platform` if given, with everything that refers to them.
    ///
    /// Entries of `manifest.json` and `index.json` keep their positions; entries not chosen are empty. The container is
    /// shared. Linear in the number of entries.
    ///
    /// # Errors
    /// `NoSuchImage` if no chosen image is for the platform.
    pub fn part(&self, chosen: &[Chosen<'_>], platform: Option<&Platform>) -> Result<Archive> {
        let kept = self.kept(chosen, platform)?;
        let mut images = IndexVec::default();
        let mut images_at = HashMap::new();
        for (old, image) in self.images.iter_enumerated() {
            if kept.images.contains(&old) {
                images_at.insert(old, images.push(image.clone()));
            }
        }
        let nodes = self.nodes.iter_enumerated();
        let nodes = nodes.map(|(position, node)| match kept.nodes.contains(&position) {
            true => kept_node(node, &kept, &images_at),
            false => Node {
                descriptor: node.descriptor.clone(),
                kind: NodeKind::Opaque,
                bytes: None,
                faults: Vec::new(),
            },
        });
        let roots = self.roots.iter_enumerated();
        let roots = roots.filter(|(position, _)| kept.roots.contains(position));
        let roots = roots.map(|(_, root)| Root {
            image: root.image.and_then(|image| images_at.get(&image).copied()),
            ..root.clone()
        });
        let mut part = Archive {
            place: self.place.clone(),
            format: self.format,
            container: Arc::clone(&self.container),
            docker: self.docker.clone(),
            oci: self.oci.clone(),
            nodes: nodes.collect(),
            images,
            roots: roots.collect(),
            faults: self.faults_of_part(&kept),
            notes: Vec::new(),
            is_part: true,
            roots_of: OnceLock::new(),
            lookup: OnceLock::new(),
        };
        part.clear_lists();
        Ok(part)
    }

    /// Returns the damage that concerns no single image; of a tree that of the repositories of the kept images.
    fn faults_of_part(&self, kept: &Selected) -> Vec<Error> {
        let Holder::Tree(tree) = &self.container.holder else {
            return self.faults.clone();
        };
        let names = kept
            .roots
            .iter()
            .flat_map(|root| &self.roots[*root].ref_names);
        let repositories: Vec<&str> = names.map(|name| tree.repository_of(name)).collect();
        let is_kept = |fault: &&Error| {
            let is_of = |place: &str| repositories.iter().any(|name| place.contains(name));
            repositories.is_empty() || fault.context().any(is_of)
        };
        self.faults.iter().filter(is_kept).cloned().collect()
    }

    fn kept(&self, chosen: &[Chosen<'_>], platform: Option<&Platform>) -> Result<Selected> {
        let positions: HashMap<*const Root, RootIdx> = self
            .roots
            .iter_enumerated()
            .map(|(position, root)| (std::ptr::from_ref(root), position))
            .collect();
        let mut kept = Selected::default();
        let mut work = Vec::new();
        for one in chosen {
            let images = self.images_of(one.root);
            let image = match (one.image, platform) {
                (None, Some(platform)) => match self.choose(&images, Some(platform)) {
                    Some(image) => Some(image),
                    None => continue,
                },
                (image, _) => image,
            };
            kept.roots
                .extend(positions.get(&std::ptr::from_ref(one.root)));
            kept.images.extend(
                one.root
                    .image
                    .filter(|position| image.is_none_or(|image| image == *position)),
            );
            match image {
                None => work.extend(one.root.node),
                Some(image) => {
                    kept.images.insert(image);
                    self.keep_image(one.root, image, &mut kept.nodes, &mut work);
                }
            }
        }
        if let (true, Some(platform), false) = (kept.roots.is_empty(), platform, chosen.is_empty())
        {
            let roots = chosen.iter().map(|one| one.root);
            return Err(self.no_such_image(&platform.to_string(), roots));
        }
        let mut about: HashMap<NodeIdx, Vec<RootIdx>> = HashMap::new();
        for (position, root) in self.roots.iter_enumerated() {
            for subject in self.subjects_of(root) {
                about.entry(subject).or_default().push(position);
            }
        }
        let mut waiting: Vec<NodeIdx> = kept.nodes.iter().copied().collect();
        loop {
            while let Some(node) = work.pop() {
                if kept.nodes.insert(node) {
                    waiting.push(node);
                    if let NodeKind::Index(edges) = &self.nodes[node].kind {
                        work.extend(edges.iter().map(|edge| edge.node));
                    }
                }
            }
            let Some(node) = waiting.pop() else { break };
            for root in about.remove(&node).unwrap_or_default() {
                if kept.roots.insert(root) {
                    work.extend(self.roots[root].node);
                }
            }
        }
        kept.images.extend(
            kept.nodes
                .iter()
                .filter_map(|&node| match self.nodes[node].kind {
                    NodeKind::Image(image) => Some(image),
                    _ => None,
                }),
        );
        Ok(kept)
    }

    /// Keeps one image below a root: the indexes that lead to it, its manifest, and the attestations about that.
    fn keep_image(
        &self,
        root: &Root,
        image: ImageIdx,
        nodes: &mut HashSet<NodeIdx>,
        work: &mut Vec<NodeIdx>,
    ) {
        let below = self.nodes_below(root.node);
        let is_index = |node: &NodeIdx| matches!(self.nodes[*node].kind, NodeKind::Index(_));
        nodes.extend(below.into_iter().filter(is_index));
        if let Some(node) = self.images[image].node {
            work.push(node);
            let manifest = &self.nodes[node].descriptor.digest;
            work.extend(self.attestations_about(root, manifest));
        }
    }

    /// Clears the entries of the lists that belong to no root.
    fn clear_lists(&mut self) {
        let items: HashSet<usize> = self.roots.iter().filter_map(|root| root.item).collect();
        let listed = self.roots.iter().flat_map(|root| &root.positions);
        let listed: HashSet<usize> = listed.copied().collect();
        if let Some(docker) = &mut self.docker {
            for (position, item) in docker.items.iter_mut().enumerate() {
                if !items.contains(&position) {
                    item.config.clear();
                    item.repo_tags.clear();
                    item.layers.clear();
                    item.layer_sources.clear();
                }
            }
            let normal = |text: &str| {
                Reference::parse(text).map_or_else(|_| text.to_owned(), |name| name.to_string())
            };
            let tags = docker.items.iter().flat_map(|item| &item.repo_tags);
            let tags: HashSet<String> = tags.map(|tag| normal(tag)).collect();
            if let Some(records) = &mut docker.repositories {
                records.retain(|record| {
                    let whole = format!("{}:{}", record.repository, record.tag);
                    tags.contains(&normal(&whole)) || tags.contains(&normal(&record.repository))
                });
            }
        }
        if let Some(oci) = &mut self.oci {
            for (position, edge) in oci.edges.iter_mut().enumerate() {
                if !listed.contains(&position) {
                    edge.descriptor = self.nodes[edge.node].descriptor.clone();
                    edge.descriptor.annotations.clear();
                    edge.descriptor.data = None;
                }
            }
        }
    }
}

/// Copies a kept node, without the edges of an index to nodes that are not kept.
fn kept_node(node: &Node, kept: &Selected, images_at: &HashMap<ImageIdx, ImageIdx>) -> Node {
    let kind = match &node.kind {
        NodeKind::Index(edges) => {
            let edges = edges.iter().filter(|edge| kept.nodes.contains(&edge.node));
            NodeKind::Index(edges.cloned().collect())
        }
        NodeKind::Image(image) => images_at
            .get(image)
            .map_or(NodeKind::Opaque, |&image| NodeKind::Image(image)),
        other => other.clone(),
    };
    Node {
        descriptor: node.descriptor.clone(),
        kind,
        bytes: node.bytes.clone(),
        faults: node.faults.clone(),
    }
}
