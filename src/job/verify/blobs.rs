//! One pass over every blob and layer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::finding::{Finding, Severity, oddity};
use super::media_type_lies;
use crate::archive::{Archive, Content, Layer, NodeKind, Shape};
use crate::blob::Meter;
use crate::error::Result;
use crate::layer::{Limits, Scan};
use crate::parallel::in_parallel;
use crate::spec::{Descriptor, Digest, LayerKind};

/// What the passes found.
pub(super) struct Passes {
    pub findings: Vec<Finding>,
    pub layers: usize,
    pub blobs: usize,
    pub bytes: u64,
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
    /// The layers it is, each with its place.
    layers: Vec<(&'a Layer, String)>,
}

/// Which bytes a content is, so that links and several names cost one pass.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    /// A file or a block of memory by its address, and the run in it.
    At(usize, u64, u64),
    /// A file of a folder, by device and inode.
    Inode(u64, u64),
}

fn key(content: &Content) -> Key {
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

/// What a layer is called in findings: its number, and the image's name where there are several.
pub(super) fn layer_place(archive: &Archive, image: usize, layer: usize) -> String {
    let of = archive.images[image].layers.len();
    let number = format!("layer {} of {of}", layer + 1);
    if archive.images.len() == 1 {
        return number;
    }
    let names = archive.names_of(image);
    let name = names.first().map_or_else(
        || archive.images[image].id.short().to_owned(),
        ToString::to_string,
    );
    format!("{name}: {number}")
}

/// Reads every blob of the layout and every layer, and compares each with everything stated of it.
///
/// # Errors
/// `Io` from reading a member that opened.
pub(super) fn read(
    archive: &Archive,
    names: &[String],
    limits: &Limits,
    meter: &Meter,
) -> Result<Passes> {
    let mut findings = Vec::new();
    let mut tasks: Vec<Task<'_>> = Vec::new();
    let mut by_key: HashMap<Key, usize> = HashMap::new();
    let mut add = |tasks: &mut Vec<Task<'_>>, member: &str, content: &Content| {
        *by_key.entry(key(content)).or_insert_with(|| {
            let (place, content) = (member.to_owned(), content.clone());
            tasks.push(Task {
                place,
                content,
                digest: None,
                descriptors: Vec::new(),
                order: (usize::MAX, 0),
                layers: Vec::new(),
            });
            tasks.len() - 1
        })
    };
    for (i, image) in archive.images.iter().enumerate() {
        for (n, layer) in image.layers.iter().enumerate() {
            let Some(content) = layer.content() else {
                continue;
            };
            let task = add(&mut tasks, &layer.member, content);
            let task = &mut tasks[task];
            task.descriptors.extend(&layer.descriptor);
            task.order = task.order.min((i, n));
            task.layers.push((layer, layer_place(archive, i, n)));
        }
    }
    // Documents were checked when they were opened; they are read again only where they are blobs, for little.
    for name in names {
        let digest = match archive.shape {
            Shape::Dir => Digest::from_hex("sha256", name).ok(),
            _ => Digest::from_blob_path(name),
        };
        let Some(digest) = digest else { continue };
        match archive.container.get(name) {
            Ok(Some(content)) => {
                let task = add(&mut tasks, name, &content);
                tasks[task].digest = Some(digest);
            }
            Ok(None) => {}
            Err(error) => findings.push(Finding::of(&error)),
        }
    }
    let by_digest: HashMap<Digest, usize> = tasks
        .iter()
        .enumerate()
        .filter_map(|(i, task)| Some((task.digest.clone()?, i)))
        .collect();
    for node in &archive.nodes {
        let manifest = match &node.kind {
            NodeKind::Artifact(manifest) | NodeKind::Attestation(manifest) => manifest,
            _ => continue,
        };
        for descriptor in manifest.layers.iter().chain(&manifest.config) {
            match by_digest.get(&descriptor.digest) {
                Some(&task) => tasks[task].descriptors.push(descriptor),
                None if descriptor.data.is_some() || descriptor.may_be_absent() => {}
                None => findings.push(Finding::new(
                    Severity::Error,
                    "blob-absent",
                    format!("artifact {}", node.descriptor.digest.short()),
                    format!("blob {} is not in the archive", descriptor.digest),
                )),
            }
        }
    }
    tasks.sort_by(|a, b| {
        b.content
            .len()
            .cmp(&a.content.len())
            .then_with(|| a.place.cmp(&b.place))
    });
    let results = in_parallel(&tasks, |task| pass(task, limits, meter));
    let mut done: Vec<(&Task<'_>, Vec<Finding>, u64)> = Vec::with_capacity(tasks.len());
    for (task, result) in tasks.iter().zip(results) {
        let (found, bytes) = result?;
        done.push((task, found, bytes));
    }
    // Layers in the order of their images, then blobs by name: as a person would go through them.
    done.sort_by_key(|(task, ..)| (task.order, task.place.as_str()));
    let layers = tasks.iter().filter(|task| !task.layers.is_empty()).count();
    let bytes = done.iter().map(|(_, _, bytes)| bytes).sum();
    findings.extend(done.into_iter().flat_map(|(_, found, _)| found));
    Ok(Passes {
        findings,
        layers,
        blobs: tasks.len(),
        bytes,
    })
}

fn pass(task: &Task<'_>, limits: &Limits, meter: &Meter) -> Result<(Vec<Finding>, u64)> {
    let mut findings = Vec::new();
    let place = || match task.layers.first() {
        Some((_, place)) => vec![place.clone(), task.place.clone()],
        None => vec![task.place.clone()],
    };
    let push = |findings: &mut Vec<Finding>, severity, code, message: String| {
        findings.push(Finding {
            severity,
            code,
            places: place(),
            message,
        });
    };
    let expected = task
        .descriptors
        .first()
        .map(|descriptor| &descriptor.digest)
        .or(task.digest.as_ref());
    let is_layer = !task.layers.is_empty();
    if !is_layer {
        // Only hashed: what nothing needs is not worth a bomb.
        let Some(expected) = expected else {
            return Ok((findings, 0));
        };
        match task.content.digest(expected) {
            Ok(found) => {
                meter.add(task.content.len());
                compare(task, task.content.len(), &found, &mut findings, &place);
            }
            Err(error) => {
                findings.extend(Some(Finding {
                    places: place(),
                    ..Finding::of(&error)
                }));
            }
        }
        return Ok((findings, task.content.len()));
    }
    let scan = match task.content.scan(expected, limits, meter) {
        Ok(scan) => scan,
        Err(error) => {
            findings.push(Finding {
                places: place(),
                ..Finding::of(&error)
            });
            return Ok((findings, 0));
        }
    };
    compare(task, scan.size, &scan.digest, &mut findings, &place);
    for (layer, layer_place) in &task.layers {
        let at = vec![layer_place.clone(), task.place.clone()];
        layer_findings(layer, &scan, at, &mut findings);
    }
    if scan.padding > 0 {
        let message = format!(
            "{} zero bytes follow the gzip data; some loaders refuse them",
            scan.padding
        );
        push(&mut findings, Severity::Warning, "gzip-padding", message);
    }
    for anomaly in scan.anomalies.iter() {
        let (severity, message) = oddity(anomaly.kind);
        let mut places = place();
        places.extend(
            anomaly
                .path
                .as_ref()
                .map(|path| String::from_utf8_lossy(path).into_owned()),
        );
        findings.push(Finding {
            severity,
            code: anomaly.kind.code(),
            places,
            message: message.to_owned(),
        });
    }
    if scan.summary.repeated > 0 {
        let message = format!(
            "{} entries repeat a path of this layer; the last one counts",
            scan.summary.repeated
        );
        push(&mut findings, Severity::Warning, "repeated-entry", message);
    }
    if let Some(offset) = scan.tail.as_ref().and_then(|tail| tail.first_nonzero) {
        let message = format!(
            "data follows the tar's end marker, at byte {offset}; it is part of the diff ID"
        );
        push(&mut findings, Severity::Warning, "trailing-data", message);
    }
    Ok((findings, scan.size))
}

/// Compares size and digest with everything that states them.
fn compare(
    task: &Task<'_>,
    size: u64,
    digest: &Digest,
    findings: &mut Vec<Finding>,
    place: &dyn Fn() -> Vec<String>,
) {
    let mut push = |code, message| {
        findings.push(Finding {
            severity: Severity::Error,
            code,
            places: place(),
            message,
        })
    };
    let mut sizes: Vec<u64> = task
        .descriptors
        .iter()
        .map(|descriptor| descriptor.size)
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    for expected in sizes.into_iter().filter(|&expected| expected != size) {
        push(
            "size-mismatch",
            format!("size mismatch: expected {expected} bytes, found {size}"),
        );
    }
    let stated = task
        .descriptors
        .iter()
        .map(|descriptor| &descriptor.digest)
        .chain(&task.digest);
    let stated: HashSet<&Digest> = stated
        .filter(|stated| stated.algorithm() == digest.algorithm())
        .collect();
    let mut wrong: Vec<&Digest> = stated
        .into_iter()
        .filter(|stated| *stated != digest)
        .collect();
    wrong.sort_unstable();
    for expected in wrong {
        push(
            "digest-mismatch",
            format!("digest mismatch: expected {expected}, found {digest}"),
        );
    }
}

fn layer_findings(layer: &Layer, scan: &Scan, places: Vec<String>, findings: &mut Vec<Finding>) {
    let media_type = layer
        .descriptor
        .as_ref()
        .map(|descriptor| &descriptor.media_type);
    if media_type.and_then(|media_type| media_type.layer_kind()) == Some(LayerKind::Encrypted) {
        let message =
            "the layer is encrypted: its digest was checked, its contents cannot be".to_owned();
        findings.push(Finding {
            severity: Severity::Note,
            code: "encrypted",
            places,
            message,
        });
        return;
    }
    if let Some(fault) = &scan.fault {
        findings.push(Finding {
            places: places.clone(),
            ..Finding::of(fault)
        });
    }
    match (&layer.diff_id, &scan.diff_id) {
        (Some(expected), Some(found)) if expected.algorithm() != found.algorithm() => {
            let message = format!("diff ID {expected} is by an algorithm that is not checked");
            let code = "unsupported-digest";
            findings.push(Finding {
                severity: Severity::Warning,
                code,
                places: places.clone(),
                message,
            });
        }
        (Some(expected), Some(found)) if expected != found => {
            let message = format!("diff ID mismatch: expected {expected}, found {found}");
            let code = "diff-id-mismatch";
            findings.push(Finding {
                severity: Severity::Error,
                code,
                places: places.clone(),
                message,
            });
        }
        _ => {}
    }
    if let Some(claimed) =
        media_type.and_then(|media_type| media_type_lies(media_type, scan.compression))
    {
        let message = format!(
            "media type says {claimed}, the bytes are {}",
            match scan.compression.name() {
                "none" => "not compressed",
                name => name,
            }
        );
        findings.push(Finding {
            severity: Severity::Warning,
            code: "media-type",
            places,
            message,
        });
    }
}

/// Members and blobs that nothing refers to.
pub(super) fn unreferenced(archive: &Archive, names: &[String], findings: &mut Vec<Finding>) {
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
    let path = |digest: &Digest| match &archive.oci {
        Some(oci) => oci.names.path(digest),
        None => digest.blob_path(),
    };
    for node in &archive.nodes {
        known.insert(path(&node.descriptor.digest));
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
    let mut legacy: HashSet<String> = HashSet::new();
    if let Some(docker) = &archive.docker {
        for item in &docker.items {
            known.insert(item.config.clone());
            known.extend(item.layers.iter().cloned());
        }
        // The folders of docker before 1.10 stay in archives for its sake: VERSION, json and a link to the layer.
        for name in names {
            if let Some((folder, "VERSION" | "json" | "layer.tar")) = name.rsplit_once('/') {
                legacy.insert(folder.to_owned());
            }
        }
    }
    // Names in manifest.json may be written with a leading `./`.
    let known: HashSet<&str> = known
        .iter()
        .map(|name| name.trim_start_matches("./"))
        .collect();
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
        let signature = archive.shape == Shape::Dir && name.contains("signature-");
        if signature {
            continue;
        }
        let (code, message) = match name.starts_with("blobs/") || archive.shape == Shape::Dir {
            true => ("unreferenced-blob", "nothing refers to this blob"),
            false => ("unknown-member", "no part of an image archive"),
        };
        findings.push(Finding::new(Severity::Note, code, name.clone(), message));
    }
}
