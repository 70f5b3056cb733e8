//! Details of an image, with docker's keys.

use serde_json::{Map, Value, json as object};

use super::config::docker_config;
use crate::archive::{Archive, Image, ImageId, Name, Selection, Sizes};
use crate::spec::{Timestamp, json};

/// Returns one element of the array that `docker image inspect` prints.
///
/// Keys, order and values are docker's; `GraphDriver`, which only an engine knows, is left out. Added at the end:
/// `Descriptor` of the manifest, `Layers`, `Archive`, and `IdKind` for images of docker before 1.10.
pub fn inspect(selection: &Selection<'_>, sizes: &Sizes) -> Value {
    let image = selection.image();
    let mut out = Map::new();
    put_identity(&mut out, selection);
    put_config(&mut out, image);
    put_contents(&mut out, image, sizes);
    put_storage(&mut out, selection.archive, image, sizes);
    Value::Object(out)
}

fn put(out: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    out.insert(key.to_owned(), value.into());
}

/// Adds ID, names, parent, comment and creation time.
fn put_identity(out: &mut Map<String, Value>, selection: &Selection<'_>) {
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
        .map(|node| archive.nodes[node].descriptor.digest.as_str());
    put(out, "Id", image.id.to_string());
    let tags: Vec<String> = names.iter().map(ToString::to_string).collect();
    put(out, "RepoTags", tags);
    put(out, "RepoDigests", repo_digests(&names, target));
    let item = image.item.zip(archive.docker.as_ref());
    let parent = item.and_then(|(item, docker)| docker.items.get(item)?.parent.clone());
    let parent = parent.or_else(|| config.extra("parent"));
    put(out, "Parent", parent.unwrap_or_default());
    let comment = config
        .extra("comment")
        .or_else(|| config.history.last().map(|entry| entry.comment.clone()));
    put(out, "Comment", comment.unwrap_or_default());
    let created = config.created.as_deref().map(docker_time);
    put(out, "Created", created.unwrap_or_default());
}

/// Adds the configs of the image and of the container that it was committed from, and the platform.
fn put_config(out: &mut Map<String, Value>, image: &Image) {
    let (config, platform) = (&image.config, &image.platform);
    if let Some(container) = config.extra("container").filter(|id| !id.is_empty()) {
        put(out, "Container", container);
    }
    let document = json::Node::root(&config.document);
    if let Ok(Some(container)) = document.field("container_config") {
        put(
            out,
            "ContainerConfig",
            docker_config(Some(container.value())),
        );
    }
    let version = config.extra("docker_version");
    put(out, "DockerVersion", version.unwrap_or_default());
    put(out, "Author", config.author.clone().unwrap_or_default());
    put(out, "Config", docker_config(config.config()));
    put(out, "Architecture", platform.architecture.clone());
    if let Some(variant) = &platform.variant {
        put(out, "Variant", variant.clone());
    }
    put(out, "Os", platform.os.clone());
    if let Some(version) = &platform.os_version {
        put(out, "OsVersion", version.clone());
    }
}

/// Adds sizes and diff IDs.
fn put_contents(out: &mut Map<String, Value>, image: &Image, sizes: &Sizes) {
    let size = sizes.total(image);
    put(out, "Size", size);
    put(out, "VirtualSize", size);
    let diff_ids = image.config.diff_ids.iter().flatten();
    let layers: Vec<Value> = diff_ids.map(|id| Value::from(id.as_str())).collect();
    let rootfs = match layers.is_empty() {
        true => object!({"Type": "layers"}),
        false => object!({"Type": "layers", "Layers": layers}),
    };
    put(out, "RootFS", rootfs);
    let metadata = object!({"LastTagTime": "0001-01-01T00:00:00Z"});
    put(out, "Metadata", metadata);
}

/// Adds the keys that docker does not have: manifest, layers and archive.
fn put_storage(out: &mut Map<String, Value>, archive: &Archive, image: &Image, sizes: &Sizes) {
    if let Some(node) = image.node {
        let descriptor = &archive.nodes[node].descriptor;
        let value = object!({
            "mediaType": descriptor.media_type.as_str(),
            "digest": descriptor.digest,
            "size": descriptor.size,
        });
        put(out, "Descriptor", value);
    }
    let layers = image.layers.iter().zip(sizes.docker_sizes(image));
    let layers = layers.map(|(layer, shown)| {
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
    });
    put(out, "Layers", layers.collect::<Vec<_>>());
    let archive = object!({"Path": archive.place, "Shape": archive.format.to_string()});
    put(out, "Archive", archive);
    if let ImageId::V1(_) = image.id {
        put(out, "IdKind", "v1");
    }
}

/// Returns the names with the digest of their manifest or index, without tag, each once.
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

/// Returns a time as docker prints it: in RFC 3339 without trailing zeros; an invalid time unchanged.
fn docker_time(text: &str) -> String {
    Timestamp::parse(text).map_or_else(|| text.to_owned(), Timestamp::rfc3339_nano)
}
