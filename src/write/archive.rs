//! Bundles as archives in one file: docker's of today and of before 25, OCI's.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::bundle::Bundle;
use super::listed::{Listed, ListedName, descriptor_json};
use super::output::{BlobOut, ImageOut, Source};
use super::tar_out::{self, Body, Member};
use crate::archive::Name;
use crate::blob::{CHUNK, Meter, NewFile, parent_directory, sha256, sync_directory};
use crate::error::{At, Error, Fault, Result};
use crate::spec::{Descriptor, MediaType, texts};

/// The shape of an archive to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One archive for every tool: an OCI layout with `manifest.json` and `repositories` over the same blobs, as docker
    /// 25 and newer write it.
    Docker,
    /// What docker 1.10 to 24 write: a folder for each layer, links for those that repeat.
    DockerLegacy,
    /// An OCI layout in a tar.
    Oci,
}

/// Writes a bundle as an archive into an empty file, on all cores.
///
/// # Errors
/// `Unsupported` for what the format cannot hold, `SizeMismatch` and `DigestMismatch` for blobs that are not what they
/// are named by, `Io`.
pub fn to_file(bundle: &Bundle, format: Format, file: &File, meter: &Meter) -> Result<()> {
    tar_out::to_file(&members(bundle, format)?, file, meter)
}

/// Refuses a path that no archive can be written to: a directory, or what is written like one.
///
/// # Errors
/// `NotAFile`.
pub fn check_target(path: &Path) -> Result<()> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let like_one = bytes.ends_with(b"/") || bytes.ends_with(b"/.");
    match like_one || path.is_dir() || path.file_name().is_none() {
        true => Err(Fault::Exists {
            kind: "a directory",
        }
        .into()),
        false => Ok(()),
    }
}

/// Writes a bundle as an archive that appears under its name when it is whole, readable by its owner alone.
///
/// A device or FIFO that is there is written to, because it has no whole to be replaced as.
///
/// ```no_run
/// use imgkit::archive::Open;
/// use imgkit::blob::Meter;
/// use imgkit::write::{Bundle, Format, ListedName, archive};
///
/// let source = Open::default().path("layout".as_ref())?;
/// let mut bundle = Bundle::default();
/// for root in &source.roots {
///     let names = root.names.iter().cloned().map(ListedName::short);
///     bundle.add(&source, root, None, names.collect())?;
/// }
/// archive::to_path(&bundle, Format::Docker, "app.tar".as_ref(), &Meter::default())?;
/// # Ok::<(), imgkit::Error>(())
/// ```
///
/// # Errors
/// As [`check_target`], placed at the path; as [`to_file`].
pub fn to_path(bundle: &Bundle, format: Format, path: &Path, meter: &Meter) -> Result<()> {
    check_target(path).at(|| path.to_string_lossy().into_owned())?;
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(Fault::NotAFile {
            kind: "no name in UTF-8",
        }
        .into());
    };
    if !is_replaceable(path) {
        let file = OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(|error| Error::io("open", error))?;
        return to_stream(
            bundle,
            format,
            &mut BufWriter::with_capacity(CHUNK, file),
            meter,
        );
    }
    let file = NewFile::beside(path, 0o600)?;
    to_file(bundle, format, file.file(), meter)?;
    file.replace(name)?;
    sync_directory(parent_directory(path))
}

/// Whether [`to_path`] makes a new file for that path, and does not write to a device or FIFO that is there.
pub fn is_replaceable(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |metadata| metadata.is_file())
}

/// Writes a bundle as an archive to a stream.
///
/// # Errors
/// As [`to_file`]; what has been written by then is not whole.
pub fn to_stream(
    bundle: &Bundle,
    format: Format,
    out: &mut dyn Write,
    meter: &Meter,
) -> Result<()> {
    tar_out::to_stream(&members(bundle, format)?, out, meter)
}

/// Bytes of all blobs, for progress.
pub fn size(bundle: &Bundle) -> u64 {
    bundle.blobs().iter().map(|blob| blob.size).sum()
}

/// Documents first, so that a reader of the stream knows what is to come; then layers in the order of the images.
fn members(bundle: &Bundle, format: Format) -> Result<Vec<Member<'_>>> {
    if format == Format::DockerLegacy {
        return legacy_members(bundle);
    }
    let document = |name: &str, bytes: Vec<u8>| Member {
        name: name.into(),
        body: Body::Document(bytes),
    };
    let mut members = vec![
        document("oci-layout", OCI_LAYOUT.to_vec()),
        document("index.json", index(&bundle.listed)),
    ];
    if format == Format::Docker {
        members.push(document("manifest.json", manifest(bundle)?));
        let repositories = repositories(bundle, |image| {
            image
                .layers
                .last()
                .map(|layer| layer.descriptor.digest.encoded().to_owned())
        });
        if let Some(repositories) = repositories {
            members.push(document("repositories", repositories));
        }
    }
    let mut algorithms: Vec<&str> = bundle
        .blobs()
        .iter()
        .map(|blob| blob.digest.algorithm())
        .collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    let folder = |name: String| Member {
        name,
        body: Body::Folder,
    };
    members.push(folder("blobs".into()));
    members.extend(
        algorithms
            .into_iter()
            .map(|algorithm| folder(format!("blobs/{algorithm}"))),
    );
    members.extend(bundle.blobs().iter().map(|blob| Member {
        name: blob.digest.blob_path(),
        body: Body::Blob(blob),
    }));
    Ok(members)
}

/// The only content of `oci-layout` that every reader accepts.
pub(crate) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// An `index.json` that lists images under their names.
pub(super) fn index(listed: &[Listed]) -> Vec<u8> {
    let mut manifests: Vec<Value> = Vec::new();
    for listed in listed {
        if listed.names.is_empty() {
            manifests.push(listed.entry(None).into());
        }
        let names = listed.names.iter();
        manifests.extend(names.map(|name| Value::from(listed.entry(Some(name)))));
    }
    let index =
        json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": manifests});
    texts::bytes(&index)
}

/// Names as docker writes them into `RepoTags`: those with repository and tag.
fn repo_tags(names: &[ListedName]) -> Vec<String> {
    let full = names.iter().filter_map(|listed| match &listed.name {
        Name::Full(reference) => Some(format!(
            "{}:{}",
            reference.familiar_repository(),
            reference.tag_or_latest()?
        )),
        Name::Tag(_) | Name::Text(_) => None,
    });
    full.collect()
}

fn images(bundle: &Bundle) -> impl Iterator<Item = (&Listed, &ImageOut)> {
    bundle
        .listed
        .iter()
        .filter_map(|listed| Some((listed, listed.image.as_ref()?)))
}

/// docker's `manifest.json` over the blobs of the layout.
fn manifest(bundle: &Bundle) -> Result<Vec<u8>> {
    let items = images(bundle).map(|(listed, image)| {
        let tags = repo_tags(&listed.names);
        let mut sources = Map::new();
        for layer in &image.layers {
            let descriptor = Descriptor {
                annotations: Vec::new(),
                ..layer.descriptor.clone()
            };
            sources.insert(layer.diff_id.to_string(), descriptor_json(&descriptor).into());
        }
        json!({
            "Config": image.config.blob_path(),
            "RepoTags": if tags.is_empty() { Value::Null } else { tags.into() },
            "Layers": image.layers.iter().map(|layer| layer.descriptor.digest.blob_path()).collect::<Vec<_>>(),
            "LayerSources": sources,
        })
    });
    Ok(Value::Array(items.collect()).to_string().into_bytes())
}

/// docker's `repositories`; `None` where nothing has a name, as docker leaves it out then.
fn repositories(bundle: &Bundle, top: impl Fn(&ImageOut) -> Option<String>) -> Option<Vec<u8>> {
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (listed, image) in images(bundle) {
        for name in &listed.names {
            if let (Name::Full(reference), Some(top)) = (&name.name, top(image)) {
                let tags = repositories
                    .entry(reference.familiar_repository())
                    .or_default();
                tags.insert(reference.tag_or_latest()?.to_owned(), top);
            }
        }
    }
    (!repositories.is_empty()).then(|| json!(repositories).to_string().into_bytes())
}

/// The members of an archive as docker 1.10 to 24 write it.
///
/// Folders are named by labels that stand for the chain of layers up to there; docker of that time made them up from
/// random bytes and times, here they follow from the content.
fn legacy_members(bundle: &Bundle) -> Result<Vec<Member<'_>>> {
    if images(bundle).next().is_none() && !bundle.listed.is_empty() {
        let what = "an artifact: this format holds images only".to_owned();
        return Err(Fault::Unsupported { what }.into());
    }
    let mut members: Vec<Member<'_>> = Vec::new();
    let mut folders: HashMap<String, ()> = HashMap::new();
    let mut first: HashMap<String, String> = HashMap::new();
    let mut items = Vec::new();
    let mut tops: HashMap<String, String> = HashMap::new();
    for (listed, image) in images(bundle) {
        let config = bundle.blob(&image.config);
        let config = config.ok_or_else(|| Fault::BlobMissing {
            digest: image.config.to_string(),
        })?;
        let mut parent: Option<String> = None;
        let mut layers = Vec::with_capacity(image.layers.len());
        for (i, layer) in image.layers.iter().enumerate() {
            let blob = bundle.blob(&layer.descriptor.digest);
            if !blob.is_some_and(BlobOut::is_uncompressed) {
                let what = format!(
                    "layer {} of {}: this format holds plain layers only",
                    i + 1,
                    image.layers.len()
                );
                return Err(Fault::Unsupported { what }.into());
            }
            let top = i + 1 == image.layers.len();
            let chain = format!(
                "{} {}",
                parent.as_deref().unwrap_or_default(),
                layer.diff_id
            );
            // The top folder carries the config too, so it is another for another image.
            let label = match top {
                true => sha256(format!("{chain} {}", image.config).as_bytes()),
                false => sha256(chain.as_bytes()),
            };
            let folder = label.encoded().to_owned();
            let name = format!("{folder}/layer.tar");
            if folders.insert(folder.clone(), ()).is_none() {
                let mut v1 = Map::new();
                v1.insert("id".into(), folder.as_str().into());
                if let Some(parent) = &parent {
                    v1.insert("parent".into(), parent.as_str().into());
                }
                v1.insert("created".into(), "1970-01-01T00:00:00Z".into());
                v1.insert("os".into(), "linux".into());
                let document = |name: String, bytes: Vec<u8>| Member {
                    name,
                    body: Body::Document(bytes),
                };
                members.push(Member {
                    name: folder.clone(),
                    body: Body::Folder,
                });
                members.push(document(format!("{folder}/VERSION"), b"1.0".to_vec()));
                members.push(document(
                    format!("{folder}/json"),
                    Value::Object(v1).to_string().into_bytes(),
                ));
                let blob = blob.ok_or_else(|| Fault::BlobMissing {
                    digest: layer.descriptor.digest.to_string(),
                })?;
                let body = match first.get(layer.diff_id.as_str()) {
                    Some(folder) => Body::Link(format!("../{folder}/layer.tar")),
                    None => {
                        first.insert(layer.diff_id.to_string(), folder.clone());
                        Body::Blob(blob)
                    }
                };
                members.push(Member {
                    name: name.clone(),
                    body,
                });
            }
            parent = Some(folder);
            // skopeo follows no link from manifest.json: name the folder that holds the bytes.
            let holder = first
                .get(layer.diff_id.as_str())
                .cloned()
                .unwrap_or_default();
            layers.push(format!("{holder}/layer.tar"));
        }
        tops.extend(parent.map(|folder| (image.config.to_string(), folder)));
        // docker's image ID, whatever the digest in the manifest.
        let id = match (&config.source, image.config.algorithm()) {
            (Source::Document(bytes), algorithm) if algorithm != "sha256" => sha256(bytes),
            _ => image.config.clone(),
        };
        let config_name = format!("{}.json", id.encoded());
        let tags = repo_tags(&listed.names);
        items.push(json!({
            "Config": config_name,
            "RepoTags": if tags.is_empty() { Value::Null } else { tags.into() },
            "Layers": layers,
        }));
        if folders.insert(config_name.clone(), ()).is_none() {
            members.push(Member {
                name: config_name,
                body: Body::Blob(config),
            });
        }
    }
    let document = |name: &str, bytes: Vec<u8>| Member {
        name: name.into(),
        body: Body::Document(bytes),
    };
    members.push(document(
        "manifest.json",
        Value::Array(items).to_string().into_bytes(),
    ));
    if let Some(bytes) = repositories(bundle, |image| tops.get(image.config.as_str()).cloned()) {
        members.push(document("repositories", bytes));
    }
    Ok(members)
}

/// The error of a format that holds one image only.
pub(super) fn one_only(bundle: &Bundle) -> Result<&Listed> {
    match &bundle.listed[..] {
        [one] => Ok(one),
        many => {
            let what = format!("{} images: this format holds one", many.len());
            Err(Error::new(Fault::Unsupported { what }))
        }
    }
}
