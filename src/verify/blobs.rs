//! One pass over every blob and layer.

use std::collections::{HashMap, HashSet};
use std::io::BufReader;
use std::sync::Arc;

use super::custody::ReadBlob;
use super::finding::{Found, Severity, oddity};
use super::media_type_lies;
use crate::archive::{Archive, Content, Format, Node, NodeKind};
use crate::blob::{CHUNK, Compression, Decoder, Hasher, HashingReader, Meter};
use crate::error::{Error, Fault, Result};
use crate::layer::{Limits, NoteKind, Scan};
use crate::parallel::in_parallel;
use crate::spec::{Descriptor, Digest, Document, LayerKind, MediaType};
use crate::tree::Listing;

/// What the passes found.
pub(super) struct Passes {
    pub found: Found,
    pub layers: usize,
    pub blobs: usize,
    pub bytes: u64,
    pub read: HashMap<Key, ReadBlob>,
}

/// One run of bytes to read, and all that is stated of it.
struct Task<'a> {
    place: String,
    content: Content,
    /// The digest it is named by or stated to have.
    digest: Option<Digest>,
    descriptors: Vec<&'a Descriptor>,
    /// The first image and layer it is, for the order of the findings; blobs that are no layers come last.
    order: (usize, usize),
    /// The layers it is.
    claims: Vec<Claim<'a>>,
    /// How often the same was claimed: by the hundredth image nothing new is learnt.
    claimed: HashMap<(Option<&'a Digest>, &'a str), usize>,
}

/// What an image says of a layer.
struct Claim<'a> {
    diff_id: Option<&'a Digest>,
    media_type: Option<&'a MediaType>,
    /// Where it says so, and the member.
    places: Vec<String>,
    /// What it means if the diff ID is another one.
    mismatch: Mismatch,
}

/// What another diff ID means.
#[derive(Clone, Copy)]
enum Mismatch {
    /// The layer is damaged.
    Damage,
    /// An item of `manifest.json` lists other layers than the image in `index.json`.
    Halves,
    /// Two items of `manifest.json` list other layers for one config.
    Items,
}

/// How many images are named for one and the same claim.
const SAME_CLAIMS: usize = 16;

impl<'a> Task<'a> {
    fn claim(&mut self, claim: Claim<'a>) {
        let media_type = claim.media_type.map_or("", MediaType::as_str);
        let count = self.claimed.entry((claim.diff_id, media_type)).or_default();
        *count += 1;
        if *count <= SAME_CLAIMS {
            self.claims.push(claim);
        }
    }

    /// Where it is: the first layer it is, and its member.
    fn places(&self) -> Vec<String> {
        self.claims
            .first()
            .map_or_else(|| vec![self.place.clone()], |claim| claim.places.clone())
    }

    /// The digests that are stated of the stored bytes, one for each algorithm.
    fn algorithms(&self) -> Vec<&Digest> {
        let stated = self.descriptors.iter().map(|descriptor| &descriptor.digest);
        let mut kept: Vec<&Digest> = Vec::new();
        for digest in stated.chain(&self.digest) {
            if kept.iter().all(|k| k.algorithm() != digest.algorithm()) {
                kept.push(digest);
            }
        }
        kept
    }
}

impl Claim<'_> {
    fn layer_kind(&self) -> Option<LayerKind> {
        self.media_type?.layer_kind()
    }

    /// Whether the layer is to be a tar that can be walked.
    fn is_tar(&self) -> bool {
        self.media_type.is_none_or(MediaType::is_layer)
            && self.layer_kind() != Some(LayerKind::Encrypted)
    }
}

/// Which bytes a content is, so that links and several names cost one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A file or a block of memory by its address, and the run in it.
    At(usize, u64, u64),
    /// A file of a folder, by device and inode.
    Inode(u64, u64),
}

pub(super) fn key(content: &Content) -> Key {
    match content {
        Content::File(file) => {
            let (device, inode) = file.identity();
            Key::Inode(device, inode)
        }
        Content::Range(range) => {
            let (file, offset) = range.parts();
            Key::At(Arc::as_ptr(file) as usize, offset, range.len())
        }
        Content::Memory(bytes) => Key::At(bytes.as_ptr() as usize, 0, bytes.len() as u64),
        Content::Kept(kept) => Key::At(Arc::as_ptr(kept) as usize, 0, kept.scan.size),
        Content::Passed(scan) => Key::At(Arc::as_ptr(scan) as usize, 0, scan.size),
    }
}

/// What the images are called in findings: a name each, or the start of the ID.
pub(super) struct Labels(Vec<String>);

impl Labels {
    /// One pass over what the archive lists.
    pub fn new(archive: &Archive) -> Self {
        let mut labels = vec![String::new(); archive.images.len()];
        for root in &archive.roots {
            let Some(name) = root.names.first() else {
                continue;
            };
            for image in archive.images_of(root) {
                if labels[image].is_empty() {
                    labels[image] = name.to_string();
                }
            }
        }
        for (label, image) in labels.iter_mut().zip(&archive.images) {
            if label.is_empty() {
                *label = image.id.short().to_owned();
            }
        }
        Labels(labels)
    }

    /// What an image is called.
    pub fn image(&self, image: usize) -> &str {
        &self.0[image]
    }

    /// The same where there are several images.
    pub fn prefix(&self, image: usize) -> Option<&str> {
        (self.0.len() > 1).then(|| self.image(image))
    }

    /// What a layer is called: its number, and the image's name where there are several.
    pub fn layer(&self, archive: &Archive, image: usize, layer: usize) -> String {
        let of = archive.images[image].layers.len();
        let number = format!("layer {} of {of}", layer + 1);
        match self.0.len() {
            1 => number,
            _ => format!("{}: {number}", self.0[image]),
        }
    }
}

/// The tasks in the making.
struct Tasks<'a> {
    list: Vec<Task<'a>>,
    by_key: HashMap<Key, usize>,
}

impl<'a> Tasks<'a> {
    fn add(&mut self, member: &str, content: &Content) -> &mut Task<'a> {
        let position = *self.by_key.entry(key(content)).or_insert_with(|| {
            self.list.push(Task {
                place: member.to_owned(),
                content: content.clone(),
                digest: None,
                descriptors: Vec::new(),
                order: (usize::MAX, 0),
                claims: Vec::new(),
                claimed: HashMap::new(),
            });
            self.list.len() - 1
        });
        &mut self.list[position]
    }

    /// The layers of the images.
    fn layers(&mut self, archive: &'a Archive, labels: &Labels) {
        for (i, image) in archive.images.iter().enumerate() {
            for (n, layer) in image.layers.iter().enumerate() {
                let Some(content) = layer.content() else {
                    continue;
                };
                let task = self.add(&layer.member, content);
                task.descriptors.extend(&layer.descriptor);
                task.order = task.order.min((i, n));
                let places = vec![labels.layer(archive, i, n), task.place.clone()];
                task.claim(Claim {
                    diff_id: layer.diff_id.as_ref(),
                    media_type: layer.descriptor.as_ref().map(|d| &d.media_type),
                    places,
                    mismatch: Mismatch::Damage,
                });
            }
        }
    }

    /// The layers that `manifest.json` lists for images that were found before: in `index.json`, or in an item
    /// further up.
    fn items(&mut self, archive: &'a Archive, found: &mut Found) {
        let Some(docker) = &archive.docker else {
            return;
        };
        let roots = archive.roots.iter();
        let images: HashMap<usize, usize> = roots
            .filter_map(|root| Some((root.item?, root.image?)))
            .collect();
        for (i, item) in docker.items.iter().enumerate() {
            let Some(&position) = images.get(&i) else {
                continue;
            };
            let image = &archive.images[position];
            if image.manifest.is_none() && image.item == Some(i) {
                continue;
            }
            let mismatch = match image.manifest {
                Some(_) => Mismatch::Halves,
                None => Mismatch::Items,
            };
            let place = format!("manifest.json[{i}]");
            if item.layers.len() != image.layers.len() {
                let (a, b) = (item.layers.len(), image.layers.len());
                let (code, message) = match mismatch {
                    Mismatch::Halves => (
                        "halves-disagree",
                        format!("manifest.json lists {a} layers, the manifest in index.json {b}"),
                    ),
                    _ => (
                        "ambiguous",
                        format!("{a} layers are listed for a config that has {b} elsewhere"),
                    ),
                };
                found.add(Severity::Error, code, place.as_str(), message);
            }
            let ids = image.config.diff_ids.as_deref().unwrap_or_default();
            let sources: HashMap<&Digest, &'a Descriptor> = item
                .layer_sources
                .iter()
                .map(|(id, source)| (id, source))
                .collect();
            for (n, member) in item.layers.iter().enumerate() {
                let known = image.layers.get(n).is_some_and(|layer| {
                    layer.member.trim_start_matches("./") == member.trim_start_matches("./")
                });
                let diff_id = ids.get(n);
                let source = diff_id.and_then(|id| sources.get(id).copied());
                let number = format!("layer {} of {}", n + 1, item.layers.len());
                let places = vec![place.clone(), number, member.clone()];
                match archive.container.get(member) {
                    Ok(Some(content)) => {
                        let task = self.add(member, &content);
                        let meant = |source: &&Descriptor| path(archive, &source.digest) == *member;
                        task.descriptors.extend(source.filter(meant));
                        task.order = task.order.min((position, n));
                        if !task.claims.iter().any(|claim| claim.diff_id == diff_id) {
                            task.claim(Claim {
                                diff_id,
                                media_type: None,
                                places,
                                mismatch,
                            });
                        }
                    }
                    Ok(None) if known || source.is_some_and(Descriptor::may_be_absent) => {}
                    Ok(None) => found.within(
                        Severity::Error,
                        "member-absent",
                        &places,
                        "the member is not in the archive",
                    ),
                    Err(_) if known => {}
                    Err(error) => found.error_within(&error, &places),
                }
            }
        }
    }

    /// Every blob by its name. Documents were checked when they were opened; they are read again only where they are
    /// blobs, for little.
    fn blobs(&mut self, archive: &'a Archive, names: &[String], found: &mut Found) {
        for name in names {
            let digest = match archive.format {
                Format::Dir => Digest::from_hex("sha256", name).ok(),
                _ => Digest::from_blob_path(name),
            };
            let Some(digest) = digest else { continue };
            match archive.container.get(name) {
                Ok(Some(content)) => self.add(name, &content).digest = Some(digest),
                Ok(None) => {}
                Err(error) => found.error(&error),
            }
        }
    }

    /// What manifests and indexes state of blobs that are no layers.
    fn stated(&mut self, archive: &'a Archive, found: &mut Found) {
        let by_digest: HashMap<Digest, usize> = self
            .list
            .iter()
            .enumerate()
            .filter_map(|(i, task)| Some((task.digest.clone()?, i)))
            .collect();
        let listed = archive.oci.iter().flat_map(|oci| &oci.edges);
        let inside = archive.nodes.iter().flat_map(|node| match &node.kind {
            NodeKind::Index(edges) => edges.as_slice(),
            _ => &[],
        });
        for edge in listed.chain(inside) {
            let first = &archive.nodes[edge.node].descriptor;
            match by_digest.get(&edge.descriptor.digest) {
                Some(&task) => self.list[task].descriptors.push(&edge.descriptor),
                None if edge.descriptor.size != first.size => {
                    let (a, b) = (first.size, edge.descriptor.size);
                    let place = format!("manifest {}", first.digest.short());
                    let message = format!("its descriptors state {a} bytes and {b} bytes");
                    found.add(Severity::Error, "size-mismatch", place, message);
                }
                None => {}
            }
        }
        for node in &archive.nodes {
            let manifest = match &node.kind {
                NodeKind::Artifact(manifest) | NodeKind::Attestation(manifest) => manifest,
                NodeKind::Image(image) => {
                    let config = archive.images[*image].manifest.as_ref();
                    let config = config.and_then(|manifest| manifest.config.as_ref());
                    if let Some(config) = config
                        && let Some(&task) = by_digest.get(&config.digest)
                    {
                        self.list[task].descriptors.push(config);
                    }
                    continue;
                }
                _ => continue,
            };
            if archive.format == Format::Document {
                continue;
            }
            for descriptor in manifest.layers.iter().chain(&manifest.config) {
                match by_digest.get(&descriptor.digest) {
                    Some(&task) => self.list[task].descriptors.push(descriptor),
                    None if descriptor.data.is_some() || descriptor.may_be_absent() => {}
                    None => found.add(
                        Severity::Error,
                        "blob-absent",
                        format!("artifact {}", node.descriptor.digest.short()),
                        format!("blob {} is not in the archive", descriptor.digest),
                    ),
                }
            }
        }
    }
}

/// Reads every blob of the layout and every layer, and compares each with everything stated of it.
pub(super) fn read(
    archive: &Archive,
    names: &[String],
    labels: &Labels,
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
    tasks.stated(archive, &mut found);
    let mut tasks = tasks.list;
    tasks.sort_by(|a, b| {
        b.content
            .len()
            .cmp(&a.content.len())
            .then_with(|| a.place.cmp(&b.place))
    });
    let layers = tasks.iter().filter(|task| !task.claims.is_empty()).count();
    // All layers share what their entries may take.
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
    let listing = |image: usize, layer: usize| {
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

/// What reading one run of bytes gave.
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
    // What went by on a stream was hashed already; else any algorithm that is known here will do.
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
    passed.listing = entries(task, &scan, limits, &places, found);
    passed
}

/// What is worth a note in a sound layer.
fn notes(scan: &Scan, places: &[String], found: &mut Found) {
    for kind in NoteKind::ALL {
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
    if header.extra > 0 {
        says.push(format!("{} bytes of extra fields", header.extra));
    }
    let message = format!("the gzip header holds {}", says.join(" and "));
    found.within(Severity::Note, "gzip-header", places, message);
}

/// The entries of a layer of an image, for applying it.
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

/// Only hashes bytes that are no layer's tar: what nothing unpacks is not worth a bomb.
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

/// Checks the digests that are stated by other algorithms than the one that was computed.
fn others(
    task: &Task<'_>,
    digest: &Digest,
    algorithms: &[&Digest],
    found: &mut Found,
    places: &[String],
) {
    for like in algorithms {
        if like.algorithm() == digest.algorithm() {
            continue;
        }
        match task.content.digest(like) {
            Ok(digest) => compare_digest(task, &digest, found, places),
            Err(error) => unsupported(&error, like, found, places),
        }
    }
}

/// A digest that could not be computed.
fn unsupported(error: &Error, digest: &Digest, found: &mut Found, places: &[String]) {
    match error.fault() {
        Fault::StreamConsumed | Fault::UnsupportedDigest { .. } => {
            let why = match error.fault() {
                Fault::StreamConsumed => "in one pass over a stream",
                _ => "here",
            };
            let message = format!("{digest} is by an algorithm that cannot be checked {why}");
            found.within(Severity::Error, "unsupported-digest", places, message);
        }
        _ => found.error_within(error, places),
    }
}

/// Compares size and digest with everything that states them.
fn compare(task: &Task<'_>, size: u64, digest: &Digest, found: &mut Found, places: &[String]) {
    let mut sizes: Vec<u64> = task
        .descriptors
        .iter()
        .map(|descriptor| descriptor.size)
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    for expected in sizes.into_iter().filter(|&expected| expected != size) {
        let message = format!("size mismatch: expected {expected} bytes, found {size}");
        found.within(Severity::Error, "size-mismatch", places, message);
    }
    compare_digest(task, digest, found, places);
}

fn compare_digest(task: &Task<'_>, digest: &Digest, found: &mut Found, places: &[String]) {
    let stated = task.descriptors.iter().map(|descriptor| &descriptor.digest);
    let mut wrong: Vec<&Digest> = stated
        .chain(&task.digest)
        .filter(|stated| stated.algorithm() == digest.algorithm() && *stated != digest)
        .collect();
    wrong.sort_unstable();
    wrong.dedup();
    for expected in wrong {
        let message = format!("digest mismatch: expected {expected}, found {digest}");
        found.within(Severity::Error, "digest-mismatch", places, message);
    }
}

/// What one image says of a layer, against what its bytes are.
fn layer_findings(
    task: &Task<'_>,
    claim: &Claim<'_>,
    scan: &Scan,
    limits: &Limits,
    found: &mut Found,
) {
    if !claim.is_tar() {
        return;
    }
    if let (Some(expected), Some(plain)) = (claim.diff_id, &scan.diff_id) {
        let other = match expected.algorithm() == plain.algorithm() {
            true => Ok(plain.clone()),
            false => plain_digest(&task.content, scan.compression, expected, limits),
        };
        match other {
            Ok(plain) if plain == *expected => {}
            Ok(plain) => {
                let message = format!("diff ID mismatch: expected {expected}, found {plain}");
                let (code, message) = match claim.mismatch {
                    Mismatch::Damage => ("diff-id-mismatch", message),
                    Mismatch::Halves => (
                        "halves-disagree",
                        format!("another layer than index.json has here: {message}"),
                    ),
                    Mismatch::Items => (
                        "ambiguous",
                        format!("another layer than the config has elsewhere: {message}"),
                    ),
                };
                found.within(Severity::Error, code, &claim.places, message);
            }
            Err(error) => unsupported(&error, expected, found, &claim.places),
        }
    }
    let lie = claim
        .media_type
        .and_then(|media_type| media_type_lies(media_type, scan.compression));
    if let Some(claimed) = lie {
        let bytes = match scan.compression.name() {
            "none" => "not compressed",
            name => name,
        };
        let message = format!("media type says {claimed}, the bytes are {bytes}");
        found.within(Severity::Warning, "media-type", &claim.places, message);
    }
}

/// The digest of the plain bytes by the algorithm of `like`, by a pass of its own: next to nobody has such diff IDs.
fn plain_digest(
    content: &Content,
    compression: Compression,
    like: &Digest,
    limits: &Limits,
) -> Result<Digest> {
    let hasher = Hasher::like(like)?;
    let stored = BufReader::with_capacity(CHUNK, content.reader()?);
    let decoder = Decoder::new(stored, compression, limits.decode)?;
    let mut hashing = HashingReader::new(decoder, hasher);
    std::io::copy(&mut hashing, &mut std::io::sink()).map_err(|error| Error::io("read", error))?;
    Ok(hashing.finish().0)
}

/// Where a blob of that digest is in the archive.
pub(super) fn path(archive: &Archive, digest: &Digest) -> String {
    match &archive.oci {
        Some(oci) => oci.names.path(digest),
        None => digest.blob_path(),
    }
}

/// The members and blobs that something refers to, as it names them, and the documents that an archive begins with.
pub(super) fn referenced(archive: &Archive) -> HashSet<String> {
    let mut known: HashSet<String> = [
        "manifest.json",
        "index.json",
        "oci-layout",
        "repositories",
        "version",
        // The local store's own.
        "imgkit-blobs.lock",
        "imgkit-index.lock",
    ]
    .map(str::to_owned)
    .into();
    let path = |digest: &Digest| path(archive, digest);
    for node in &archive.nodes {
        known.insert(path(&node.descriptor.digest));
        if archive.format == Format::Dir {
            // How skopeo names the manifests of a list.
            known.insert(format!(
                "{}.manifest.json",
                node.descriptor.digest.encoded()
            ));
        }
        known.extend(schema1_layers(node).iter().map(path));
        let manifest = match &node.kind {
            NodeKind::Artifact(manifest) | NodeKind::Attestation(manifest) => Some(manifest),
            NodeKind::Image(image) => archive.images[*image].manifest.as_ref(),
            _ => None,
        };
        let descriptors = manifest
            .into_iter()
            .flat_map(|manifest| manifest.layers.iter().chain(&manifest.config));
        known.extend(descriptors.map(|descriptor| path(&descriptor.digest)));
    }
    for layer in archive.images.iter().flat_map(|image| &image.layers) {
        known.insert(layer.member.clone());
    }
    for item in archive.docker.iter().flat_map(|docker| &docker.items) {
        known.insert(item.config.clone());
        known.extend(item.layers.iter().cloned());
    }
    known
}

/// Members and blobs that nothing refers to.
pub(super) fn unreferenced(archive: &Archive, names: &[String], found: &mut Found) {
    if archive.docker.is_none() && archive.oci.is_none() {
        // What says which members belong is gone.
        return;
    }
    let known = referenced(archive);
    let mut legacy: HashSet<String> = HashSet::new();
    if archive.docker.is_some() {
        // The folders of docker before 1.10 stay in archives for its sake: VERSION, json and a link to the layer.
        for name in names {
            if let Some((folder, "VERSION" | "json" | "layer.tar")) = name.rsplit_once('/') {
                legacy.insert(folder.to_owned());
            }
        }
    }
    let known: HashSet<&str> = known.iter().map(|name| super::bare(name)).collect();
    // How many of each kind there are: unreferenced blobs, unknown members.
    let mut counts = [0; 2];
    for name in names {
        if known.contains(name.as_str()) {
            continue;
        }
        if let Some((folder, base)) = name.rsplit_once('/')
            && legacy.contains(folder)
            && matches!(base, "VERSION" | "json" | "layer.tar")
        {
            continue;
        }
        let signature = archive.format == Format::Dir && name.contains("signature-");
        if signature {
            continue;
        }
        let kind = usize::from(!(name.starts_with("blobs/") || archive.format == Format::Dir));
        let (code, message, _) = UNREFERENCED[kind];
        counts[kind] += 1;
        if counts[kind] <= MAX_UNREFERENCED {
            found.add(Severity::Note, code, name.clone(), message);
        }
    }
    for (count, (code, _, what)) in counts.into_iter().zip(UNREFERENCED) {
        if let more @ 1.. = count.saturating_sub(MAX_UNREFERENCED) {
            found.add(Severity::Note, code, "", format!("and {more} more {what}"));
        }
    }
}

/// How many notes there are of each kind of member that nothing refers to.
const MAX_UNREFERENCED: usize = 100;

/// The code, the words for one, and the words for many.
const UNREFERENCED: [(&str, &str, &str); 2] = [
    (
        "unreferenced-blob",
        "nothing refers to this blob",
        "blobs that nothing refers to",
    ),
    (
        "unknown-member",
        "no part of an image archive",
        "members that are no part of an image archive",
    ),
];

/// The blobs that a docker manifest of schema 1 lists.
pub(super) fn schema1_layers(node: &Node) -> Vec<Digest> {
    if !matches!(node.kind, NodeKind::Schema1) {
        return Vec::new();
    }
    match node
        .bytes
        .as_ref()
        .map(|bytes| Document::parse_known(bytes))
    {
        Some(Ok(Document::Schema1(document))) => document.layers,
        _ => Vec::new(),
    }
}
