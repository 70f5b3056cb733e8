//! One pass over every blob and layer.

use std::collections::HashMap;
use std::sync::Arc;

use strum::VariantArray;

use super::compare::{compare, layer_findings, others};
use super::finding::{Found, Severity, oddity};
use super::labels::Labels;
use super::report::{Key, ReadBlob, key};
use super::tasks::{Claim, Task, Tasks};
use crate::archive::Archive;
use crate::blob::{Compression, Hasher, Meter, SkippableFrame, SkippableFrames};
use crate::bundle::Record;
use crate::layer::{Limits, NoteKind, Scan};
use crate::parallel::in_parallel;
use crate::spec::{Descriptor, Digest, LayerKind, MediaType};
use crate::tree::Listing;
use crate::write::chunked::toc::{MAGIC, OLD_MAGIC, Positions};

/// Results of all passes.
pub(super) struct Passes {
    pub found: Found,
    pub layers: usize,
    pub blobs: usize,
    pub bytes: u64,
    pub read: HashMap<Key, ReadBlob>,
}

/// Reads every blob of the layout and every layer, and compares each with everything stated of it.
pub(super) fn read(
    archive: &Archive,
    names: &[String],
    labels: &Labels,
    record: Option<&Record>,
    limits: &Limits,
    meter: &Meter,
) -> Passes {
    let mut found = Found::default();
    let mut tasks = Tasks {
        list: Vec::new(),
        by_key: HashMap::new(),
    };
    tasks.layers(archive, labels);
    tasks.items(archive, &mut found);
    tasks.blobs(archive, names, &mut found);
    tasks.stated(archive, record, &mut found);
    let mut tasks = tasks.list;
    tasks.sort_by(|a, b| {
        b.content
            .len()
            .cmp(&a.content.len())
            .then_with(|| a.place.cmp(&b.place))
    });
    let layers = tasks.iter().filter(|task| !task.claims.is_empty()).count();
    // All layers share the memory for their entries.
    let mut limits = *limits;
    limits.trace = (limits.trace / layers.max(1) as u64).max(limits.trace.min(1));
    let results = in_parallel(&tasks, |task| pass(task, &limits, meter));
    let bytes = results.iter().map(|passed| passed.bytes).sum();
    let mut done: Vec<(&Task<'_>, Passed)> = tasks.iter().zip(results).collect();
    // Layers in the order of their images, then blobs by name: as a person would go through them.
    done.sort_by_key(|(task, _)| (task.order, task.place.as_str()));
    let mut applicable = HashMap::new();
    let mut read = HashMap::new();
    for (number, (task, passed)) in done.into_iter().enumerate() {
        let key = key(&task.content);
        if let Some(mut blob) = passed.blob {
            let is_stated = task.digest.is_some()
                || !task.descriptors.is_empty()
                || task.claims.iter().any(|claim| claim.diff_id.is_some());
            let mut errors = passed.found.findings.iter();
            let is_wrong = errors.any(|finding| finding.severity == Severity::Error)
                || !passed.found.trouble.is_empty();
            blob.verified = is_stated.then_some(!is_wrong);
            read.insert(key, blob);
        }
        found.append(passed.found);
        if let Some(listing) = passed.listing {
            applicable.insert(key, (number, Arc::new(listing)));
        }
    }
    let listing = |image, layer: usize| {
        let content = archive.images.get(image)?.layers.get(layer)?.content()?;
        applicable.get(&key(content)).cloned()
    };
    super::apply::layers(archive, labels, listing, &mut found);
    Passes {
        found,
        layers,
        blobs: tasks.len(),
        bytes,
        read,
    }
}

/// Result of reading one run of bytes.
#[derive(Default)]
struct Passed {
    found: Found,
    bytes: u64,
    blob: Option<ReadBlob>,
    /// The entries of a sound layer, if they were recorded.
    listing: Option<Listing>,
}

/// Reads one run of bytes.
fn pass(task: &Task<'_>, limits: &Limits, meter: &Meter) -> Passed {
    let mut passed = Passed::default();
    let found = &mut passed.found;
    let places = task.places();
    let algorithms = task.algorithms();
    // Streamed content was hashed with one algorithm; other content can be hashed with any supported one.
    let known = task.content.known().map(|scan| scan.digest.algorithm());
    let expected = algorithms.iter().copied().find(|digest| match known {
        Some(known) => digest.algorithm() == known,
        None => Hasher::like(digest).is_ok(),
    });
    if !task.claims.iter().any(Claim::is_tar) {
        let digest = hash(task, expected, &algorithms, meter, found, &places);
        passed.bytes = digest.as_ref().map_or(0, |_| task.content.len());
        passed.blob = digest.map(|digest| ReadBlob {
            digest,
            size: task.content.len(),
            plain: None,
            compression: None,
            verified: None,
        });
        return passed;
    }
    let scan = match task.content.scan(expected, limits, meter) {
        Ok(scan) => scan,
        Err(error) => {
            found.error_within(&error, &places);
            return passed;
        }
    };
    passed.bytes = scan.size;
    passed.blob = Some(ReadBlob {
        digest: scan.digest.clone(),
        size: scan.size,
        plain: scan.diff_id.clone().map(|id| (id, scan.uncompressed_size)),
        compression: Some(scan.compression.name()),
        verified: None,
    });
    compare(task, scan.size, &scan.digest, found, &places);
    others(task, &scan.digest, &algorithms, found, &places);
    if scan.size == 0 {
        // Of no bytes at all there is one thing to say.
        if found.findings.is_empty()
            && let Some(fault) = &scan.fault
        {
            found.error_within(fault, &places);
        }
        return passed;
    }
    if let Some(fault) = &scan.fault {
        found.error_within(fault, &places);
    }
    for claim in &task.claims {
        layer_findings(task, claim, &scan, limits, found);
    }
    if scan.fault.is_none() {
        let (content, stated) = (&task.content, &task.descriptors);
        match scan.compression {
            Compression::Zstd => super::toc::check(content, stated, limits, found, &places),
            Compression::Gzip => super::estargz::check(content, stated, limits, found, &places),
            _ => {}
        }
    }
    if scan.padding > 0 {
        let message = format!(
            "{} zero bytes follow the gzip data; some loaders refuse them",
            scan.padding
        );
        found.within(Severity::Warning, "gzip-padding", &places, message);
    }
    for anomaly in scan.anomalies.iter() {
        let (severity, message) = oddity(anomaly.kind);
        let mut places = places.clone();
        places.extend(
            anomaly
                .path
                .as_ref()
                .map(|path| String::from_utf8_lossy(path).into_owned()),
        );
        found.within(severity, anomaly.kind.code(), &places, message);
    }
    if scan.summary.repeated > 0 {
        let message = match scan.summary.repeated {
            1 => "1 entry repeats a path of this layer; the last one counts".to_owned(),
            count => {
                format!("{count} entries repeat a path of this layer; the last one counts")
            }
        };
        found.within(Severity::Warning, "repeated-entry", &places, message);
    }
    if let Some(tail) = &scan.tail {
        super::finding::tail(tail, "it is part of the diff ID", &places, found);
    }
    notes(&scan, &places, found);
    skippable_frames(task, &scan, &places, found);
    passed.listing = entries(task, &scan, limits, &places, found);
    passed
}

/// Adds the notes on a sound layer.
fn notes(scan: &Scan, places: &[String], found: &mut Found) {
    for &kind in NoteKind::VARIANTS {
        if let Some(noted) = scan.notes.of(kind) {
            let message = super::finding::noted(kind, noted);
            found.within(Severity::Note, kind.code(), places, message);
        }
    }
    let Some(header) = &scan.gzip else {
        return;
    };
    let mut says = Vec::new();
    let shown = |text: &[u8]| String::from_utf8_lossy(text.get(..100).unwrap_or(text)).into_owned();
    for (what, text) in [("a name", &header.name), ("a comment", &header.comment)] {
        says.extend(
            text.as_ref()
                .map(|text| format!("{what} '{}'", shown(text))),
        );
    }
    if !says.is_empty() {
        let message = format!("the gzip header holds {}", says.join(" and "));
        found.within(Severity::Note, "gzip-header", places, message);
    }
    // eStargz marks its streams so.
    let fields = header.extra.iter().filter(|(id, _)| id != b"SG");
    for (id, bytes) in fields.take(EXTRA_FIELDS) {
        let start = bytes.get(..EXTRA_BYTES).unwrap_or(bytes);
        let more = if start.len() < bytes.len() { "..." } else { "" };
        let message = format!(
            "the gzip header has an extra field '{}' of {} bytes: {}{more}",
            String::from_utf8_lossy(id),
            bytes.len(),
            hex::encode(start)
        );
        found.within(Severity::Note, "gzip-extra", places, message);
    }
}

/// Most extra fields of a gzip header that are told.
const EXTRA_FIELDS: usize = 10;
/// Most bytes of each.
const EXTRA_BYTES: usize = 32;

/// Adds the skippable frames that no table of contents has.
fn skippable_frames(task: &Task<'_>, scan: &Scan, places: &[String], found: &mut Found) {
    let frames = &scan.frames;
    if frames.count == 0 {
        return;
    }
    let owned = owned_frames(frames, task.descriptors.iter().copied());
    // A position is that of the contents.
    let is_owned = |frame: &&SkippableFrame| owned.contains(&frame.offset.saturating_add(8));
    let own = frames.frames.iter().filter(is_owned);
    let (count, bytes) = own.fold((0_u64, 0_u64), |(count, bytes), frame| {
        (count + 1, bytes.saturating_add(frame.size))
    });
    let rest = frames.count.saturating_sub(count);
    let bytes = frames.bytes.saturating_sub(bytes);
    let Some(first) = frames.frames.iter().find(|frame| !is_owned(frame)) else {
        return;
    };
    let at = first.offset;
    let message = match rest {
        1 => format!(
            "a skippable frame of {bytes} bytes, at byte {at}, that no table of contents has"
        ),
        _ => format!(
            "{rest} skippable frames of {bytes} bytes together, the first at byte {at}, that no table of contents has"
        ),
    };
    found.within(Severity::Note, "skippable-frame", places, message);
}

/// Offsets of the contents of skippable frames that a table of contents has: by the annotations of the descriptors, or by a
/// footer.
pub(super) fn owned_frames<'d>(
    frames: &SkippableFrames,
    stated: impl Iterator<Item = &'d Descriptor>,
) -> Vec<u64> {
    let stated = stated.filter_map(|descriptor| Positions::from_annotations(descriptor)?.ok());
    let mut owned: Vec<u64> = Vec::new();
    // The last frame may be a footer, of today or without a tar-split, which states the positions, too.
    if let Some(last) = frames.frames.last()
        && (last.head.ends_with(&MAGIC) || last.head.ends_with(&OLD_MAGIC))
    {
        let numbers = last
            .head
            .chunks_exact(8)
            .filter_map(|bytes| bytes.try_into().ok());
        let numbers: Vec<u64> = numbers.map(u64::from_le_bytes).collect();
        owned.push(last.offset.saturating_add(8));
        owned.extend([0, 4].iter().filter_map(|at| numbers.get(*at)));
    }
    for positions in stated {
        owned.push(positions.toc.offset);
        owned.extend(positions.split.map(|split| split.offset));
    }
    owned
}

/// Entries of a layer of an image, for applying it; `None` if they were not recorded.
fn entries(
    task: &Task<'_>,
    scan: &Scan,
    limits: &Limits,
    places: &[String],
    found: &mut Found,
) -> Option<Listing> {
    if limits.trace == 0 || task.claims.is_empty() || scan.fault.is_some() {
        return None;
    }
    let listing = scan
        .trace
        .as_ref()
        .map(|trace| Listing::of_entries(trace.entries().map(Ok)));
    match listing {
        Some(Ok(listing)) => Some(listing.accepting(limits)),
        _ => {
            let message = "the layer has too many entries: whether layers apply was not looked at";
            found.within(Severity::Note, "not-applied", places, message);
            None
        }
    }
}

/// Hashes bytes that are not the tar of a layer. They are not decoded, so they cannot be decompression bombs.
fn hash(
    task: &Task<'_>,
    expected: Option<&Digest>,
    algorithms: &[&Digest],
    meter: &Meter,
    found: &mut Found,
    places: &[String],
) -> Option<Digest> {
    let size = task.content.len();
    let fallback = task.content.known().map(|scan| scan.digest.clone());
    let fallback = fallback.unwrap_or_else(|| crate::blob::sha256(b""));
    let digest = match task.content.digest(expected.unwrap_or(&fallback)) {
        Ok(digest) => digest,
        Err(error) => {
            found.error_within(&error, places);
            return None;
        }
    };
    meter.add(size);
    compare(task, size, &digest, found, places);
    others(task, &digest, algorithms, found, places);
    for claim in &task.claims {
        if claim.layer_kind() == Some(LayerKind::Encrypted) {
            found.within(
                Severity::Note,
                "encrypted",
                &claim.places,
                "the layer is encrypted: its digest was checked, its contents cannot be",
            );
            continue;
        }
        let same = |id: &Digest| match id.algorithm() == digest.algorithm() {
            true => *id == digest,
            false => task.content.digest(id).is_ok_and(|found| found == *id),
        };
        let media_type = claim.media_type.map_or("", MediaType::as_str);
        let (severity, rest) = match claim.diff_id.is_none_or(same) {
            true => (Severity::Note, "its digest was checked"),
            false => (
                Severity::Warning,
                "its diff ID is not the digest of these bytes and cannot be checked otherwise",
            ),
        };
        let message = format!("no filesystem layer but '{media_type}': {rest}");
        found.within(severity, "not-a-tar-layer", &claim.places, message);
    }
    Some(digest)
}
