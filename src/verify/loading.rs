//! Errors of imgverify in archives that are being loaded, found in the bytes that a load reads anyway.
//!
//! A hostile archive could pass through a store that takes any bytes and reach an engine that trusts the store. Input:
//! the images that are loaded. Output: errors of their documents, and of those of their layers whose entries were seen:
//! uncompressed layers in files, whose headers are walked, all layers of a stream, which were walked while they were
//! read, and compressed ones, which were decoded to compare them with their diff IDs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::finding::{Found, Severity, oddity};
use super::labels::Labels;
use super::references::place;
use super::report::key;
use super::{Finding, apply, documents};
use crate::archive::{Archive, Content, ImageIdx, Layer};
use crate::error::Result;
use crate::layer::{Anomalies, Limits};
use crate::parallel::in_parallel;
use crate::tree::{Listing, Reading};
use crate::write::Scans;

/// Errors of the documents and layers of some images, as far as they can be found cheaply.
///
/// `scans` holds the scans of layers that were copied. Costs reading the headers of uncompressed layers;
/// contents are skipped. Layers that `scans` lacks are decoded. Layers apply to one another only where all of an image could be seen.
pub fn glance(
    archive: &Archive,
    images: &[ImageIdx],
    limits: &Limits,
    scans: &Scans,
) -> Vec<Finding> {
    let mut found = Found::default();
    documents::schemas(archive, &mut found);
    let labels = Labels::new(archive);
    let mut seen = HashSet::new();
    let mut work = Vec::new();
    for &image in images {
        for (i, layer) in archive.images[image].layers.iter().enumerate() {
            let content = layer.content().filter(|_| layer.is_filesystem());
            if let Some(content) = content.filter(|content| seen.insert(key(content))) {
                let places = vec![
                    labels.layer(archive, image, i),
                    place(archive, &layer.member),
                ];
                work.push((places, layer, content));
            }
        }
    }
    let looks = in_parallel(&work, |(_, layer, content)| {
        look(layer, content, limits, scans)
    });
    let mut listings = HashMap::new();
    for (number, ((places, _, content), look)) in work.iter().zip(looks).enumerate() {
        match look {
            Ok((anomalies, listing)) => {
                entries(&anomalies, places, &mut found);
                listings.extend(listing.map(|listing| (key(content), (number, Arc::new(listing)))));
            }
            Err(error) => found.error_within(&error, places),
        }
    }
    let wanted: HashSet<ImageIdx> = images.iter().copied().collect();
    let listing = |image, layer: usize| {
        let layers = &archive
            .images
            .get(image)
            .filter(|_| wanted.contains(&image))?
            .layers;
        listings.get(&key(layers.get(layer)?.content()?)).cloned()
    };
    apply::layers(archive, &labels, listing, &mut found);
    found
        .findings
        .retain(|finding| finding.severity == Severity::Error);
    found.dedup();
    found.findings
}

/// Adds the anomalies of a layer and its entries. A recompressed layer is decoded once more.
fn look(
    layer: &Layer,
    content: &Content,
    limits: &Limits,
    scans: &Scans,
) -> Result<(Anomalies, Option<Listing>)> {
    if let Some(scan) = content.known().cloned().or_else(|| scans.of(content)) {
        if let Some(fault) = &scan.fault {
            return Err(fault.clone());
        }
        let trace = scan.trace.as_ref();
        let listing = trace.map(|trace| Listing::of_entries(trace.entries().map(Ok)));
        return Ok((scan.anomalies.clone(), listing.transpose()?));
    }
    let reading = Reading {
        limits: *limits,
        ..Reading::default()
    };
    let listing = reading.list(layer)?;
    Ok((listing.anomalies().clone(), Some(listing)))
}

fn entries(anomalies: &Anomalies, places: &[String], found: &mut Found) {
    for anomaly in anomalies.iter() {
        let (severity, message) = oddity(anomaly.kind);
        let path = anomaly.path.as_ref();
        let path = path.map(|path| String::from_utf8_lossy(path).into_owned());
        let places: Vec<String> = places.iter().cloned().chain(path).collect();
        found.within(severity, anomaly.kind.code(), &places, message);
    }
}
