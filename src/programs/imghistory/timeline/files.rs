//! Facts that contents of files give for a timeline: installations that they record, and digests.

use std::collections::HashSet;
use std::io;

use super::installed::{self, records};
use crate::contents::{self, FileContents, LayerNo, Place};
use crate::error::{During, Result, within};
use crate::facts::{Asked, Digests, Summed};
use crate::timeline::{Document, EventKind, Installed, TimedImage};
use crate::tree::{EntryVersion, Tree, VersionKind};

/// Maximum number of installations that one image records.
const MAX_INSTALLED: u64 = 1_000_000;

/// Facts of one content.
pub(super) struct OfFile {
    pub(super) installed: Vec<Installed>,
    /// Those that are computed.
    pub(super) digests: Digests,
}

/// Facts by the place of the file.
#[derive(Default)]
pub(super) struct Found {
    /// Layers of each image.
    pub(super) layers: Vec<Vec<LayerNo>>,
    found: Vec<contents::Found<OfFile>>,
}

/// Reads a file: to its end for digests, else as far as it records installations.
pub(super) fn consume(file: &mut FileContents<'_>, asked: Asked) -> Result<Option<OfFile>> {
    let size = file.size();
    if asked == Asked::default() {
        let installed = installed::read(file, size)?;
        let digests = Digests::default();
        return Ok((!installed.is_empty()).then_some(OfFile { installed, digests }));
    }
    let mut summed = Summed::new(file, asked);
    let installed = installed::read(&mut summed, size)?;
    io::copy(&mut summed, &mut io::sink()).during("read")?;
    let digests = summed.digests();
    Ok(Some(OfFile { installed, digests }))
}

pub(super) fn place(version: &EntryVersion<'_>, layers: &[LayerNo]) -> Option<Place> {
    let (layer, entry) = version.contents()?;
    Some((*layers.get(layer)?, entry))
}

/// Contents of the files of an image that record installations.
pub(super) fn places(tree: &Tree, layers: &[LayerNo]) -> Vec<Place> {
    let records = records(tree).into_iter();
    records
        .filter_map(|version| place(&version, layers))
        .collect()
}

impl Found {
    pub(super) fn add(&mut self, found: contents::Found<OfFile>) {
        self.found.push(found);
    }

    fn of(&self, place: Place) -> Option<&OfFile> {
        self.found.iter().find_map(|found| found.get(place))
    }

    /// Digests of the contents of a version, if they were read to their end.
    pub(super) fn digests(
        &self,
        version: &EntryVersion<'_>,
        layers: &[LayerNo],
    ) -> Option<Digests> {
        let is_entry = matches!(version.kind(), VersionKind::Entry(_));
        let of_file = self.of(place(version, layers).filter(|_| is_entry)?)?;
        Some(Digests {
            sha256: version.digest(),
            ..of_file.digests
        })
    }

    /// Events of the images, each installation once: by the lowest layer that records it.
    ///
    /// # Errors
    /// `Limit` for more than [`MAX_INSTALLED`].
    pub(super) fn documents(&self, images: &[TimedImage<'_>]) -> Result<Vec<Document>> {
        let mut documents = Vec::new();
        for (at, (image, layers)) in images.iter().zip(&self.layers).enumerate() {
            let mut known: HashSet<&Installed> = HashSet::new();
            for version in records(image.tree) {
                let place = place(&version, layers);
                let found = place.and_then(|place| self.of(place));
                for installed in found.iter().flat_map(|found| &found.installed) {
                    if !known.insert(installed) {
                        continue;
                    }
                    within("installations", MAX_INSTALLED, known.len() as u64)?;
                    if !(image.includes)(&version) {
                        continue;
                    }
                    documents.push(Document {
                        path: [b"/", &version.path()[..]].concat(),
                        layer: Some(version.layer()),
                        ..Document::new(
                            at,
                            installed.time,
                            EventKind::Package,
                            installed.text.clone(),
                        )
                    });
                }
            }
        }
        Ok(documents)
    }
}
