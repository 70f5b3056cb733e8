//! imginspect: everything about an image, in docker's words.

use std::sync::Arc;

use serde_json::{Map, Value, json as object};

use crate::archive::Sizes;
use crate::archive::{Archive, ImageId, Name, Node, NodeKind, Pick, Selection, check};
use crate::error::{At, Error, Fault, Result};
use crate::spec::{Platform, Timestamp};
use crate::spec::{fields, json};

/// Which document `--raw` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raw {
    /// The image's manifest.
    Manifest,
    /// The image's config.
    Config,
    /// The archive's own list: the index the image was found in, `index.json`, or docker's `manifest.json`.
    Index,
}

/// The exact bytes of a document. The image may be damaged elsewhere.
///
/// # Errors
/// `MemberMissing` if the archive has no such document; `SizeMismatch` and `DigestMismatch` if it is not what it is named
/// by.
pub fn raw(selection: &Selection<'_>, which: Raw) -> Result<Arc<[u8]>> {
    let archive = selection.archive;
    let image = selection.image();
    let absent = |name: &str| {
        Error::new(Fault::MemberMissing {
            name: name.to_owned(),
        })
    };
    match which {
        Raw::Config => {
            let bytes = image.config_bytes.clone().ok_or_else(|| absent("config"))?;
            let stated = image
                .manifest
                .as_ref()
                .and_then(|manifest| manifest.config.as_ref());
            if let Some(stated) = stated {
                check(&bytes, stated).at(|| "config".to_owned())?;
            }
            Ok(bytes)
        }
        Raw::Manifest => {
            let node = image.node.map(|node| &archive.nodes[node]);
            let stated = node.and_then(|node| Some((&node.descriptor, node.bytes.clone()?)));
            let (descriptor, bytes) = stated.ok_or(Fault::NoManifest)?;
            check(&bytes, descriptor).at(|| "manifest".to_owned())?;
            Ok(bytes)
        }
        Raw::Index => top(archive),
    }
}

/// The same for whatever `pick` means: an image, or an artifact or attestation, by its name or the digest of its
/// manifest.
///
/// # Errors
/// As [`raw`] and [`Archive::find`]; `Unsupported` for what has no such document.
pub fn raw_of(
    archive: &Archive,
    pick: &Pick,
    platform: Option<&Platform>,
    which: Raw,
) -> Result<Arc<[u8]>> {
    let found = archive.find(pick, platform);
    let error = match found {
        Ok(selection) => return raw(&selection, which),
        Err(error) => error,
    };
    let node = match pick {
        Pick::Digest(digest) => archive
            .nodes
            .iter()
            .find(|node| node.descriptor.digest == *digest),
        _ => archive
            .root(pick)
            .ok()
            .and_then(|root| root.node)
            .map(|node| &archive.nodes[node]),
    };
    let Some((node, bytes)) = node.and_then(|node| Some((node, node.bytes.as_ref()?))) else {
        return Err(error);
    };
    let manifest = match &node.kind {
        NodeKind::Artifact(manifest) | NodeKind::Attestation(manifest) => Some(manifest),
        NodeKind::Schema1 => None,
        _ => return Err(error),
    };
    if which == Raw::Manifest {
        check(bytes, &node.descriptor).at(|| "manifest".to_owned())?;
        return Ok(Arc::clone(bytes));
    }
    let Some(config) = manifest.and_then(|manifest| manifest.config.as_ref()) else {
        let what = "--raw config: the manifest names no config".to_owned();
        return Err(Fault::Unsupported { what }.into());
    };
    let path = match &archive.oci {
        Some(oci) => oci.names.path(&config.digest),
        None => config.digest.blob_path(),
    };
    let bytes = match (archive.container.get(&path)?, &config.data) {
        (Some(content), _) => content.bytes(archive.container.limits.of_config())?,
        (None, Some(data)) => data.as_slice().into(),
        (None, None) => {
            let digest = config.digest.to_string();
            return Err(Error::new(Fault::BlobMissing { digest }).at("config"));
        }
    };
    check(&bytes, config).at(|| "config".to_owned())?;
    Ok(bytes)
}

/// The index that is meant: that of several platforms which `pick` names, else the archive's own list.
///
/// # Errors
/// As [`Archive::root`]; `MemberMissing` if the archive has no such document.
pub fn raw_index(archive: &Archive, pick: &Pick) -> Result<Arc<[u8]>> {
    if *pick == Pick::Only {
        return top(archive);
    }
    let node = archive.root(pick)?.node.map(|node| &archive.nodes[node]);
    match node {
        Some(Node {
            kind: NodeKind::Index(_),
            bytes: Some(bytes),
            ..
        }) => Ok(Arc::clone(bytes)),
        _ => top(archive),
    }
}

/// `index.json`, or docker's `manifest.json` where there is none.
fn top(archive: &Archive) -> Result<Arc<[u8]>> {
    let oci = archive.oci.as_ref().map(|half| Arc::clone(&half.index));
    let docker = archive
        .docker
        .as_ref()
        .and_then(|half| half.manifest.clone());
    oci.or(docker).ok_or_else(|| {
        Fault::MemberMissing {
            name: "index".to_owned(),
        }
        .into()
    })
}

/// One element of what `docker image inspect` prints.
///
/// Keys, order and values are docker's, so that scripts carry over; what only an engine knows (`GraphDriver`) is left
/// out. Added at the end: `Descriptor` of the manifest, `Layers` with what is known of each, `Archive`.
pub fn inspect(selection: &Selection<'_>, sizes: &Sizes) -> Value {
    let Selection {
        archive,
        root,
        index,
    } = *selection;
    let image = selection.image();
    let config = &image.config;
    let names = root.map_or_else(|| archive.names_of(index), |root| root.names.clone());
    let target = root
        .and_then(|root| root.node)
        .or(image.node)
        .map(|node| &archive.nodes[node].descriptor.digest);
    let text = |value: Option<String>| Value::String(value.unwrap_or_default());

    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("Id", image.id.to_string().into());
    put(
        "RepoTags",
        names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .into(),
    );
    put(
        "RepoDigests",
        repo_digests(&names, target.map(|digest| digest.as_str())).into(),
    );
    let item = image.item.zip(archive.docker.as_ref());
    let parent = item.and_then(|(item, docker)| docker.items.get(item)?.parent.clone());
    put("Parent", text(parent.or_else(|| config.extra("parent"))));
    let comment = config
        .extra("comment")
        .or_else(|| config.history.last().map(|entry| entry.comment.clone()));
    put("Comment", text(comment));
    put("Created", text(config.created.as_deref().map(docker_time)));
    if let Some(container) = config.extra("container").filter(|id| !id.is_empty()) {
        put("Container", container.into());
    }
    let container_config = json::Node::root(&config.document)
        .field("container_config")
        .ok()
        .flatten();
    if let Some(container_config) = container_config {
        put(
            "ContainerConfig",
            docker_config(Some(container_config.value())),
        );
    }
    put("DockerVersion", text(config.extra("docker_version")));
    put("Author", text(config.author.clone()));
    put("Config", docker_config(config.config()));
    put("Architecture", image.platform.architecture.clone().into());
    if let Some(variant) = &image.platform.variant {
        put("Variant", variant.clone().into());
    }
    put("Os", image.platform.os.clone().into());
    if let Some(version) = &image.platform.os_version {
        put("OsVersion", version.clone().into());
    }
    let size = sizes.total(image);
    put("Size", size.into());
    put("VirtualSize", size.into());
    let diff_ids = config
        .diff_ids
        .iter()
        .flatten()
        .map(|id| Value::from(id.as_str()));
    put("RootFS", rootfs(diff_ids.collect()));
    put("Metadata", object!({"LastTagTime": "0001-01-01T00:00:00Z"}));
    if let Some(node) = image.node {
        let descriptor = &archive.nodes[node].descriptor;
        put(
            "Descriptor",
            object!({
                "mediaType": descriptor.media_type.as_str(),
                "digest": descriptor.digest,
                "size": descriptor.size,
            }),
        );
    }
    let layers: Vec<Value> = image
        .layers
        .iter()
        .zip(sizes.docker_sizes(image))
        .map(|(layer, shown)| {
            let size = sizes.of(layer);
            let descriptor = layer.descriptor.as_ref();
            object!({
                "DiffID": layer.diff_id,
                "Digest": descriptor.map(|descriptor| &descriptor.digest),
                "MediaType": descriptor.map(|descriptor| descriptor.media_type.as_str()),
                "Member": layer.member,
                "Present": layer.content().is_some(),
                "Compression": size.map(|size| size.compression.name()),
                "StoredBytes": size.map(|size| size.stored),
                "SizeBytes": shown,
            })
        })
        .collect();
    put("Layers", layers.into());
    put(
        "Archive",
        object!({"Path": archive.place, "Shape": archive.format.to_string()}),
    );
    if let ImageId::V1(_) = image.id {
        put("IdKind", "v1".into());
    }
    Value::Object(out)
}

fn rootfs(layers: Vec<Value>) -> Value {
    match layers.is_empty() {
        true => object!({"Type": "layers"}),
        false => object!({"Type": "layers", "Layers": layers}),
    }
}

fn repo_digests(names: &[Name], digest: Option<&str>) -> Vec<String> {
    let Some(digest) = digest else {
        return Vec::new();
    };
    let mut digests: Vec<String> = Vec::new();
    for name in names {
        if let Name::Full(reference) = name {
            let text = format!("{}@{digest}", reference.familiar_repository());
            if !digests.contains(&text) {
                digests.push(text);
            }
        }
    }
    digests
}

/// A time as docker prints it: RFC 3339 without closing zeros; what is no time stays as it is written.
fn docker_time(text: &str) -> String {
    Timestamp::parse(text).map_or_else(|| text.to_owned(), Timestamp::rfc3339_nano)
}

/// The fields of docker's container config, in its order, with what it prints for a field that is not there.
/// `None` where it prints nothing.
const CONFIG_FIELDS: &[(&str, Option<Empty>)] = &[
    ("Hostname", Some(Empty::Text)),
    ("Domainname", Some(Empty::Text)),
    ("User", Some(Empty::Text)),
    ("AttachStdin", Some(Empty::False)),
    ("AttachStdout", Some(Empty::False)),
    ("AttachStderr", Some(Empty::False)),
    ("ExposedPorts", None),
    ("Tty", Some(Empty::False)),
    ("OpenStdin", Some(Empty::False)),
    ("StdinOnce", Some(Empty::False)),
    ("Env", Some(Empty::Null)),
    ("Cmd", Some(Empty::Null)),
    ("Healthcheck", None),
    ("ArgsEscaped", None),
    ("Image", Some(Empty::Text)),
    ("Volumes", Some(Empty::Null)),
    ("WorkingDir", Some(Empty::Text)),
    ("Entrypoint", Some(Empty::Null)),
    ("NetworkDisabled", None),
    ("MacAddress", None),
    ("OnBuild", Some(Empty::Null)),
    ("Labels", Some(Empty::Null)),
    ("StopSignal", None),
    ("StopTimeout", None),
    ("Shell", None),
];

#[derive(Debug, Clone, Copy)]
enum Empty {
    Text,
    False,
    Null,
}

/// A container config as docker prints it: every field it knows in its order, then those it does not know.
fn docker_config(config: Option<&Value>) -> Value {
    let empty = Map::new();
    let written = config.and_then(Value::as_object).unwrap_or(&empty);
    let mut out = Map::new();
    for (name, default) in CONFIG_FIELDS {
        let value = fields::get(written, name);
        let value = match (value.filter(|value| !value.is_null()), default) {
            (Some(value), None) if is_zero(value) => continue,
            (Some(value), _) => value.clone(),
            (None, None) => continue,
            (None, Some(Empty::Text)) => "".into(),
            (None, Some(Empty::False)) => false.into(),
            (None, Some(Empty::Null)) => Value::Null,
        };
        out.insert((*name).to_owned(), value);
    }
    if let Some(Value::Object(check)) = out.get_mut("Healthcheck") {
        fields::rename(check, &fields::HEALTH_FIELDS);
        let mut ordered = Map::new();
        for name in fields::HEALTH_FIELDS {
            if let Some(value) = check.remove(name).filter(|value| !is_zero(value)) {
                ordered.insert(name.to_owned(), value);
            }
        }
        ordered.append(check);
        *check = ordered;
    }
    // In Go these are maps, which are written by their keys.
    for name in ["ExposedPorts", "Volumes", "Labels"] {
        if let Some(Value::Object(map)) = out.get_mut(name) {
            map.sort_keys();
        }
    }
    for (key, value) in written {
        if !CONFIG_FIELDS
            .iter()
            .any(|(name, _)| fields::same(key, name))
        {
            out.insert(key.clone(), value.clone());
        }
    }
    Value::Object(out)
}

/// Whether Go leaves the value out of a field marked `omitempty`.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}
