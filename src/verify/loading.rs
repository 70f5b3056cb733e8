//! What imgverify would call an error in an archive that is loaded, found with what the load reads anyway.
//!
//! A hostile archive could pass through a store that takes any bytes and reach an engine that trusts the store. In come
//! the images that are loaded; out goes what is wrong with their documents, and with those of their layers whose entries
//! were seen: layers that lie uncompressed in a file, of which the headers are walked, all layers of a stream, which were
//! walked as they came by, and compressed ones, which were decoded to be compared with their diff IDs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::blobs::{Labels, key};
use super::finding::{Found, Severity, oddity};
use super::{Finding, apply, dedup, documents};
use crate::archive::{Archive, Content, Layer};
use crate::error::Result;
use crate::layer::{Anomalies, Limits};
use crate::parallel::in_parallel;
use crate::tree::{Listing, Reading};
use crate::write::Scans;

/// The errors of the documents and of the layers of some images, as far as they can be seen for little.
///
/// `scans` has what was found out while the layers were copied. Costs reading the headers of uncompressed layers;
/// contents are skipped. Layers that `scans` lacks are decoded. Layers apply to one another only where all of an image could be seen.
pub fn glance(archive: &Archive, images: &[usize], limits: &Limits, scans: &Scans) -> Vec<Finding> {
    let mut found = Found::default();
    documents::schemas(archive, &mut found);
    let labels = Labels::new(archive);
    let mut seen = HashSet::new();
    let mut work = Vec::new();
    for &image in images {
        for (i, layer) in archive.images[image].layers.iter().enumerate() {
            let content = layer.content().filter(|_| layer.is_filesystem());
            if let Some(content) = content.filter(|content| seen.insert(key(content))) {
                let places = vec![labels.layer(archive, image, i), layer.member.clone()];
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
    let wanted: HashSet<usize> = images.iter().copied().collect();
    let listing = |image: usize, layer: usize| {
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
    dedup(&mut found);
    found.findings
}

/// What is odd about a layer and its entries. One that was compressed anew is decoded once more.
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
