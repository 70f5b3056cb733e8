//! Damage of an archive: of the whole, of an image, of a selection of roots.

use std::collections::HashSet;

use super::container::Holder;
use super::graph::NodeKind;
use super::image::Layer;
use super::model::{Archive, Root};
use super::positions::{ImageIdx, NodeIdx};
use crate::error::{Error, Fault, Result, TarFault};
use crate::layer::{Anomaly, AnomalyKind};
use crate::spec::Digest;

impl Archive {
    /// Checks that the archive is complete: not truncated, not even between two members.
    ///
    /// # Errors
    /// The error that stopped the walk over its members; `Tar` if the end marker is missing. The context is the
    /// archive.
    pub fn check_complete(&self) -> Result<()> {
        self.check_documents()?;
        let at = |error: Error| Err(error.at(self.place.clone()));
        if let Some(missing) = self.missing_volumes() {
            return at(missing.clone());
        }
        let Some(table) = self.container.table() else {
            return Ok(());
        };
        let is_truncated = |anomaly: &&Anomaly| anomaly.kind == AnomalyKind::MissingEndMarker;
        match table.anomalies.iter().find(is_truncated) {
            Some(anomaly) => {
                let why = TarFault::UnexpectedEnd { missing: 1024 };
                let offset = anomaly.header_offset;
                at(Fault::Tar { offset, why }.into())
            }
            None => Ok(()),
        }
    }

    /// Returns the error that names missing volumes of a set.
    pub fn missing_volumes(&self) -> Option<&Error> {
        let missing = self.container.missing.as_ref();
        missing.map(|missing| &missing.error)
    }

    /// Checks that the archive is readable, and has all documents if volumes of a set are missing: they are written
    /// before the first layer.
    ///
    /// # Errors
    /// The error that stopped the walk over the members, or names the missing volumes. The context is the archive.
    pub fn check_documents(&self) -> Result<()> {
        let at = |error: &Error| Err(error.clone().at(self.place.clone()));
        if let Some(fault) = self.container.fault() {
            return at(fault);
        }
        let Some(missing) = &self.container.missing else {
            return Ok(());
        };
        let layers = self.images.iter().flat_map(|image| &image.layers);
        let layers: HashSet<&Digest> = layers.filter_map(Layer::digest).collect();
        match missing.leading.iter().any(|blob| layers.contains(blob)) {
            true => Ok(()),
            false => at(&missing.error),
        }
    }

    /// Checks the list of images, of one repository if it is given: what is damaged in a tree of repositories is not in
    /// the list.
    ///
    /// # Errors
    /// The first damage of a link or document of a tree, at a path with the repository's name in it.
    pub fn check_list(&self, repository: Option<&str>) -> Result<()> {
        let Holder::Tree(_) = &self.container.holder else {
            return Ok(());
        };
        let is_here = |fault: &&Error| {
            repository.is_none_or(|name| fault.context().any(|place| place.contains(name)))
        };
        match self.faults.iter().find(is_here) {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// Returns the damage of an image and of the manifest and config it is read from.
    pub fn faults_of(&self, image: ImageIdx) -> impl Iterator<Item = &Error> {
        let image = &self.images[image];
        let node = image.node.map(|node| &self.nodes[node].faults);
        image.faults.iter().chain(node.into_iter().flatten())
    }

    /// Returns all damage known without reading layers, without the archive as context.
    pub fn all_faults(&self) -> impl Iterator<Item = &Error> {
        let nodes = self.nodes.iter().flat_map(|node| &node.faults);
        let images = self.images.iter().flat_map(|image| &image.faults);
        self.container
            .fault()
            .into_iter()
            .chain(&self.faults)
            .chain(nodes)
            .chain(images)
    }

    /// Returns the damage below some of the roots, and of the container.
    pub fn faults_below<'a>(&'a self, roots: &[&Root]) -> Vec<&'a Error> {
        let mut faults: Vec<&Error> = self.container.fault().into_iter().collect();
        let mut seen = HashSet::new();
        let mut work: Vec<NodeIdx> = roots.iter().rev().filter_map(|root| root.node).collect();
        let mut images: Vec<ImageIdx> = roots.iter().filter_map(|root| root.image).collect();
        while let Some(node) = work.pop() {
            if !seen.insert(node) {
                continue;
            }
            faults.extend(&self.nodes[node].faults);
            match &self.nodes[node].kind {
                NodeKind::Index(edges) => work.extend(edges.iter().rev().map(|edge| edge.node)),
                NodeKind::Image(image) => images.push(*image),
                _ => {}
            }
        }
        images.sort_unstable();
        images.dedup();
        faults.extend(images.iter().flat_map(|&image| &self.images[image].faults));
        faults
    }
}
