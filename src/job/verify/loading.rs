//! What imgverify would call an error in an archive that is loaded, found with what the load reads anyway.
//!
//! A hostile archive could pass through a store that takes any bytes and reach an engine that trusts the store. In come
//! the images that are loaded; out goes what is wrong with their documents, and with those of their layers whose entries
//! can be seen without decoding: layers that lie uncompressed in a file, of which the headers are walked, and all layers
//! of a stream, which were walked as they came by. Compressed layers in files are decoded up to a few megabytes; the rest
//! is left to imgverify.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::blobs::{Labels, key};
use super::finding::{Found, Severity, oddity};
use super::{Finding, apply, dedup, documents};
use crate::archive::{Archive, Content, Layer};
use crate::blob::Compression;
use crate::error::Result;
use crate::layer::{Anomalies, Limits};
use crate::parallel::in_parallel;
use crate::tree::{Listing, Reading};

/// Stored bytes of compressed layers that are decoded though nobody needs it, for all of an archive.
const DECODED: u64 = 8 << 20;

/// The errors of the documents and of the layers of some images, as far as they can be seen for little.
///
/// Costs reading the headers of uncompressed layers; contents are skipped, and decoding compressed layers up to 8 MiB. Layers apply to one another only where all
/// of an image could be seen.
pub fn glance(archive: &Archive, images: &[usize], limits: &Limits) -> Vec<Finding> {
    let mut found = Found::default();
    documents::schemas(archive, &mut found);
    let labels = Labels::new(archive);
    let mut seen = HashSet::new();
    let mut work = Vec::new();
    let mut budget = DECODED;
    for &image in images {
        for (i, layer) in archive.images[image].layers.iter().enumerate() {
            let content = layer.content().filter(|_| layer.is_filesystem());
            if let Some(content) = content.filter(|content| seen.insert(key(content))) {
                let places = vec![labels.layer(archive, image, i), layer.member.clone()];
                let left = budget.checked_sub(content.len());
                let is_small = content.known().is_none() && left.is_some() && {
                    let compression = content.compression();
                    let is_memory = matches!(content, Content::Memory(_));
                    compression.is_ok_and(|found| is_memory || found != Compression::None)
                };
                if let (true, Some(left)) = (is_small, left) {
                    budget = left;
                }
                work.push((places, layer, content, is_small));
            }
        }
    }
    let looks = in_parallel(&work, |(_, layer, content, is_small)| {
        look(layer, content, *is_small, limits)
    });
    let mut listings = HashMap::new();
    for (number, ((places, _, content, _), look)) in work.iter().zip(looks).enumerate() {
        match look {
            Ok(Some((anomalies, listing))) => {
                entries(&anomalies, places, &mut found);
                listings.extend(listing.map(|listing| (key(content), (number, Arc::new(listing)))));
            }
            Ok(None) => {}
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

/// What is odd about a layer and its entries; `None` for one that only decoding would show.
fn look(
    layer: &Layer,
    content: &Content,
    is_small: bool,
    limits: &Limits,
) -> Result<Option<(Anomalies, Option<Listing>)>> {
    if let Some(scan) = content.known() {
        let trace = scan.trace.as_ref();
        let listing = trace.map(|trace| Listing::of_entries(trace.entries().map(Ok)));
        return Ok(Some((scan.anomalies.clone(), listing.transpose()?)));
    }
    let mut reading = Reading {
        limits: *limits,
        ..Reading::default()
    };
    let listing = if is_small {
        // Few stored bytes may be many plain ones; what expands further than files do is not looked at.
        let most = content.len().saturating_mul(16).saturating_add(1 << 20);
        reading.limits.decode.size = reading.limits.decode.size.min(most);
        reading.list(layer)?
    } else {
        match reading.plain_range(layer)? {
            Some(range) => reading.list_range(&range)?,
            None => return Ok(None),
        }
    };
    Ok(Some((listing.anomalies().clone(), Some(listing))))
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
