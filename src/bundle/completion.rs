//! Blobs that a bundle omits, found where it is read.

use std::collections::{BTreeMap, HashSet};

use super::record::Record;
use crate::archive::{Archive, BlobNames, Chosen, Content, Format, Gaps, NodeKind, Presence};
use crate::error::{At, Result, same_size};
use crate::spec::{Descriptor, Digest};
use crate::write::Bundle;

/// Blobs that selected images of an archive need and the archive lacks.
#[derive(Debug, Default)]
pub struct Completion {
    /// Number of distinct blobs that the images need.
    pub total: usize,
    /// Missing blobs by digest.
    needed: BTreeMap<Digest, Needed>,
}

#[derive(Debug)]
struct Needed {
    size: u64,
    /// True if the record of the bundle omits it, or another archive of a set has it; false for damage, which is reported
    /// as such.
    is_omitted: bool,
    found: Option<Found>,
}

/// Place of a blob that an archive lacks.
#[derive(Debug, Clone)]
pub enum Found {
    /// The store that the images are added to: nothing is copied.
    There,
    /// In another archive.
    Elsewhere(Content),
}

/// Tests if an archive may have only some of its blobs, and others of its set the rest: volumes of which some are missing,
/// and a tree of repositories in a tar, which is how oc-mirror carries what is new.
pub fn is_of_set(archive: &Archive) -> bool {
    let is_mirror =
        matches!(archive.format, Format::Tree(_)) && archive.container.table().is_some();
    is_mirror || archive.missing_volumes().is_some()
}

impl Completion {
    /// Finds out which blobs the archive lacks. Documents are read, layers are not.
    ///
    /// # Errors
    /// `SizeMismatch` for a blob that record and manifest state with two sizes; as
    /// [`Container::get`](crate::archive::Container::get).
    pub fn of(archive: &Archive, chosen: &[Chosen<'_>], record: Option<&Record>) -> Result<Self> {
        let mut completion = Completion::default();
        let mut all: HashSet<Digest> = HashSet::new();
        let is_of_set = is_of_set(archive);
        let lacks_volumes = archive.missing_volumes().is_some();
        let mut gaps = None;
        let has =
            |digest: &Digest| record.is_some_and(|record| record.omitted.contains_key(digest));
        let tops = chosen.iter().filter_map(|one| match one.image {
            Some(image) => archive.images[image].node,
            None => one.root.node,
        });
        let names = archive
            .oci
            .as_ref()
            .map_or(BlobNames::Layout, |oci| oci.names);
        let lacks = |digest: &Digest| {
            let found = archive.container.get(&names.path(digest));
            found.map(|found| found.is_none())
        };
        for position in archive.nodes_below(tops) {
            let node = &archive.nodes[position];
            all.insert(node.descriptor.digest.clone());
            match &node.kind {
                NodeKind::Image(position) => {
                    let image = &archive.images[*position];
                    let config = image
                        .manifest
                        .as_ref()
                        .and_then(|manifest| manifest.config.as_ref());
                    all.extend(config.map(|config| config.digest.clone()));
                    for layer in &image.layers {
                        let Some(descriptor) = &layer.descriptor else {
                            continue;
                        };
                        all.insert(descriptor.digest.clone());
                        if !matches!(layer.presence, Presence::Missing) {
                            continue;
                        }
                        let is_needed = completion.add(descriptor, record, is_of_set)?;
                        let gaps = gaps.get_or_insert_with(|| Gaps::beside(archive, has));
                        if !is_needed && !is_of_set && gaps.is_sparse(*position) {
                            completion.needed.remove(&descriptor.digest);
                        }
                    }
                }
                NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => {
                    for descriptor in manifest.config.iter().chain(&manifest.layers) {
                        all.insert(descriptor.digest.clone());
                        let may_be_absent = descriptor.data.is_some() || descriptor.may_be_absent();
                        let is_expected =
                            has(&descriptor.digest) || lacks_volumes && !may_be_absent;
                        if is_expected && lacks(&descriptor.digest)? {
                            completion.add(descriptor, record, is_of_set)?;
                        }
                    }
                }
                NodeKind::Opaque
                    if lacks_volumes && node.bytes.is_none() && lacks(&node.descriptor.digest)? =>
                {
                    completion.add(&node.descriptor, record, is_of_set)?;
                }
                NodeKind::Index(_) | NodeKind::Schema1 | NodeKind::Missing | NodeKind::Opaque => {}
            }
        }
        completion.total = all.len();
        Ok(completion)
    }

    /// Adds a blob that the archive lacks. Returns true if the record omits it.
    fn add(
        &mut self,
        descriptor: &Descriptor,
        record: Option<&Record>,
        is_of_set: bool,
    ) -> Result<bool> {
        let Descriptor { digest, size, .. } = descriptor;
        let omitted = record.and_then(|record| record.omitted.get(digest));
        if let Some(omitted) = omitted {
            same_size(*size, omitted.size).at(|| digest.to_string())?;
        }
        let is_omitted = omitted.is_some();
        let needed = self.needed.entry(digest.clone()).or_insert(Needed {
            size: *size,
            is_omitted: is_omitted || is_of_set,
            found: None,
        });
        same_size(needed.size, *size).at(|| digest.to_string())?;
        Ok(is_omitted)
    }

    /// Tests if the archive has all blobs.
    pub fn is_empty(&self) -> bool {
        self.needed.is_empty()
    }

    /// Looks for the blobs that were not found yet, by digest and size in bytes.
    ///
    /// # Errors
    /// Those of `find`.
    pub fn find(
        &mut self,
        mut find: impl FnMut(&Digest, u64) -> Result<Option<Found>>,
    ) -> Result<()> {
        for (digest, needed) in self
            .needed
            .iter_mut()
            .filter(|(_, needed)| needed.found.is_none())
        {
            needed.found = find(digest, needed.size)?;
        }
        Ok(())
    }

    /// Returns the omitted blobs that were not found, with their sizes in bytes.
    pub fn missing(&self) -> impl Iterator<Item = (&Digest, u64)> {
        let missing = self
            .needed
            .iter()
            .filter(|(_, needed)| needed.is_omitted && needed.found.is_none());
        missing.map(|(digest, needed)| (digest, needed.size))
    }

    /// Takes the blobs that were not found as present in the store, for a plan.
    pub fn assume(&mut self) {
        for needed in self.needed.values_mut().filter(|needed| needed.is_omitted) {
            needed.found.get_or_insert(Found::There);
        }
    }

    /// Supplies the blobs that were found. To be called before the images are added.
    pub fn supply(&self, images: &mut Bundle) {
        for (digest, needed) in &self.needed {
            match &needed.found {
                None => {}
                Some(Found::There) => images.supply(digest.clone(), None),
                Some(Found::Elsewhere(content)) => {
                    images.supply(digest.clone(), Some(content.clone()))
                }
            }
        }
    }
}
