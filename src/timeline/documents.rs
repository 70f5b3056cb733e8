//! Events of documents: history, config, annotations, attestations; and of the archive itself.

use serde_json::Value;

use super::event::EventKind;
use super::image::{TimedImage, mtime};
use crate::archive::{Archive, MemberKind, NodeKind};
use crate::blob::Compression;
use crate::escape;
use crate::layer::Mtime;
use crate::limits::{Bound, JsonLimits};
use crate::spec::{Digest, annotations, json};

/// Size in bytes up to which an attestation is read.
const ATTESTATION: Bound = Bound {
    what: "bytes of an attestation",
    most: 16 << 20,
};

/// Event that a document recorded a time of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Position of its image; `None` for the archive.
    pub image: Option<usize>,
    /// Time.
    pub time: Mtime,
    /// Kind.
    pub kind: EventKind,
    /// plaso's description of such a time.
    pub description: &'static str,
    /// Description for people; not escaped.
    pub message: String,
    /// Path of the file or member that records it; empty if there is none.
    pub path: Vec<u8>,
    /// Number of the layer, from 0.
    pub layer: Option<usize>,
    /// Number of the step of the history, from 0.
    pub step: Option<usize>,
    /// Path of the archive that the time is of, if it is none of an image.
    pub archive: Option<String>,
}

impl Document {
    /// A document of an image with plaso's usual description.
    pub fn new(image: usize, time: Mtime, kind: EventKind, message: String) -> Self {
        Document {
            image: Some(image),
            time,
            kind,
            description: kind.description(),
            message,
            path: Vec::new(),
            layer: None,
            step: None,
            archive: None,
        }
    }
}

/// Events of the documents of an image, which is at this position. If not all layers are looked at, only those of layers.
pub(super) fn of_image(at: usize, image: &TimedImage<'_>) -> Vec<Document> {
    let mut found = steps(at, image);
    found.extend(gzip_times(at, image));
    if !image.is_whole() {
        found.retain(|one| one.layer.is_some_and(|layer| image.layers.contains(&layer)));
        return found;
    }
    if let Some(time) = image.created() {
        let message = format!("image created: {}", image.name);
        found.push(Document::new(at, time, EventKind::Config, message));
    }
    found.extend(annotated(at, image));
    found.extend(attested(at, image));
    found
}

fn steps(at: usize, image: &TimedImage<'_>) -> Vec<Document> {
    let steps = image.image.steps().into_iter().enumerate();
    let found = steps.filter_map(|(number, step)| {
        let history = step.history?;
        let time = mtime(history.created.as_deref()?)?;
        let text = match history.created_by.is_empty() {
            true => &history.comment,
            false => &history.created_by,
        };
        let message = match step.layer {
            Some(layer) => format!("layer {}: {text}", layer + 1),
            None => format!("step without a layer: {text}"),
        };
        Some(Document {
            layer: step.layer,
            step: Some(number),
            ..Document::new(at, time, EventKind::Layer, message)
        })
    });
    found.collect()
}

/// Times in the headers of gzip layers. 0 is none (RFC 1952, 2.3.1).
fn gzip_times(at: usize, image: &TimedImage<'_>) -> Vec<Document> {
    let mut found = Vec::new();
    for (i, layer) in image.image.layers.iter().enumerate() {
        let Some(content) = layer.content() else {
            continue;
        };
        let mut head = [0; 8];
        let is_gzip = matches!(content.compression(), Ok(Compression::Gzip));
        if !is_gzip || !matches!(content.head(&mut head), Ok(8)) {
            continue;
        }
        let [.., a, b, c, d] = head;
        let seconds = u32::from_le_bytes([a, b, c, d]);
        if seconds != 0 {
            let time = Mtime::from_seconds(seconds.into());
            let message = format!("layer {} compressed with gzip", i + 1);
            found.push(Document {
                path: layer.member.as_bytes().to_vec(),
                layer: Some(i),
                ..Document::new(at, time, EventKind::Stored, message)
            });
        }
    }
    found
}

/// Values of `org.opencontainers.image.created`.
fn annotated(at: usize, image: &TimedImage<'_>) -> Vec<Document> {
    let value = |list: &[(String, String)]| {
        let mut list = list.iter();
        let found = list.find(|(key, _)| key == annotations::CREATED);
        found.map(|(_, value)| value.clone())
    };
    let manifest = image.image.manifest.as_ref();
    let node = image
        .image
        .node
        .and_then(|node| image.archive.nodes.get(node));
    let descriptor = node.and_then(|node| node.descriptor.annotation(annotations::CREATED));
    let places = [
        ("label", value(&image.image.config.labels())),
        (
            "annotation of the manifest",
            manifest.and_then(|manifest| value(&manifest.annotations)),
        ),
        (
            "annotation of its descriptor",
            descriptor.map(str::to_owned),
        ),
    ];
    let found = places.into_iter().filter_map(|(place, value)| {
        let message = format!("{place}: {}", annotations::CREATED);
        let time = mtime(&value?)?;
        Some(Document::new(at, time, EventKind::Annotation, message))
    });
    found.collect()
}

/// Start and end of the build in attestations of provenance about an image.
fn attested(at: usize, image: &TimedImage<'_>) -> Vec<Document> {
    let archive = image.archive;
    let node = image.image.node.and_then(|node| archive.nodes.get(node));
    let Some(manifest) = node.map(|node| node.descriptor.digest.as_str()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for node in archive.nodes.iter() {
        let about = node.descriptor.annotation(annotations::REFERENCE_DIGEST);
        let NodeKind::Attestation(attestation) = &node.kind else {
            continue;
        };
        if about != Some(manifest) {
            continue;
        }
        for layer in &attestation.layers {
            if !layer
                .media_type
                .as_str()
                .starts_with("application/vnd.in-toto")
            {
                continue;
            }
            let statement = blob(archive, &layer.digest);
            let Some(statement) =
                statement.and_then(|bytes| json::parse(&bytes, &JsonLimits::default()).ok())
            else {
                continue;
            };
            for (description, word, time) in times_of(&statement) {
                let message = format!("provenance: build {word}");
                found.push(Document {
                    description,
                    path: layer.digest.as_str().as_bytes().to_vec(),
                    ..Document::new(at, time, EventKind::Annotation, message)
                });
            }
        }
    }
    found
}

fn blob(archive: &Archive, digest: &Digest) -> Option<std::sync::Arc<[u8]>> {
    let names = archive.oci.as_ref()?.names;
    let found = archive.container.read(&names.path(digest), ATTESTATION);
    found.ok().flatten()
}

/// Times of a statement: SLSA's provenance 0.2 and 1.
fn times_of(statement: &Value) -> Vec<(&'static str, &'static str, Mtime)> {
    let places = [
        (
            "/predicate/metadata/buildStartedOn",
            "Start Time",
            "started",
        ),
        (
            "/predicate/metadata/buildFinishedOn",
            "End Time",
            "finished",
        ),
        (
            "/predicate/runDetails/metadata/startedOn",
            "Start Time",
            "started",
        ),
        (
            "/predicate/runDetails/metadata/finishedOn",
            "End Time",
            "finished",
        ),
    ];
    let found = places.into_iter().filter_map(|(place, description, word)| {
        let time = mtime(statement.pointer(place)?.as_str()?)?;
        Some((description, word, time))
    });
    found.collect()
}

/// Times of the members of an archive's tar.
pub(super) fn of_archive(archive: &Archive) -> Vec<Document> {
    let members = archive
        .container
        .table()
        .map(crate::archive::MemberTable::members);
    let members = members.unwrap_or_default().iter();
    let files = members.filter(|member| matches!(member.kind, MemberKind::File(_)));
    let found = files.map(|member| {
        let message = format!("member of the archive: {}", escape::bytes(&member.name));
        Document {
            image: None,
            path: member.name.clone(),
            archive: Some(archive.place.clone()),
            ..Document::new(0, member.mtime, EventKind::Stored, message)
        }
    });
    found.collect()
}
