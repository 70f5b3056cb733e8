//! Images built in code and written as any container shape, by other code than imgkit's.
//!
//! ```text
//! let app = build::image("demo:1")
//!     .layer("d etc | f etc/a one | f etc/b two")
//!     .layer("f etc/c three | o etc");
//! build::docker(&[&app]).tar()
//! ```
//!
//! A layer is a line of entries in the order of the tar: `d` folder, `f` file with its text, `z` file of so many
//! zeros, `l` symbolic link, `h` hard link, `p` FIFO, `w` whiteout of a path, `o` opaque marker of a folder.
//! Everything is fixed (owners, times), so one line is one digest on every machine; only packed blobs have digests
//! that depend on the version of the packer.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::{Value, json};
use sha2::Digest as _;

use super::pack::Pack;

/// When everything was made: 2024-01-01T00:00:00Z.
pub const CREATED: &str = "2024-01-01T00:00:00Z";
const MTIME: u64 = 1_704_067_200;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The digest of bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

fn hex_of(digest: &str) -> &str {
    digest.strip_prefix("sha256:").expect("a sha256 digest")
}

/// The first 12 digits of a digest.
pub fn short(digest: &str) -> &str {
    &hex_of(digest)[..12]
}

// ---------------------------------------------------------------------------------------------------------- layers

/// A layer from its line.
pub fn layer(line: &str) -> Vec<u8> {
    let mut tar = Tar::default();
    for item in line
        .split('|')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        let mut words = item.splitn(3, ' ');
        let (kind, path) = (words.next().expect("a kind"), words.next().expect("a path"));
        let rest = words.next().unwrap_or_default();
        let (folder, base) = path
            .rsplit_once('/')
            .map_or((String::new(), path), |(folder, base)| {
                (format!("{folder}/"), base)
            });
        match kind {
            "d" => tar.entry(tar::EntryType::Directory, path, "", b""),
            "f" => tar.entry(tar::EntryType::Regular, path, "", rest.as_bytes()),
            "z" => {
                let size = rest.parse().expect("a number of zeros");
                tar.entry(tar::EntryType::Regular, path, "", &vec![0; size]);
            }
            "l" => tar.entry(tar::EntryType::Symlink, path, rest, b""),
            "h" => tar.entry(tar::EntryType::Link, path, rest, b""),
            "p" => tar.entry(tar::EntryType::Fifo, path, "", b""),
            "w" => tar.entry(
                tar::EntryType::Regular,
                &format!("{folder}.wh.{base}"),
                "",
                b"",
            ),
            "o" => tar.entry(
                tar::EntryType::Regular,
                &format!("{path}/.wh..wh..opq"),
                "",
                b"",
            ),
            _ => panic!("no entry starts with '{kind}': {item}"),
        }
    }
    tar.finish()
}

/// A tar in the making. Names are written as they are, however hostile.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn entry(&mut self, kind: tar::EntryType, name: &str, link: &str, data: &[u8]) {
        for (long, text) in [(b'L', name), (b'K', link)] {
            if text.len() > 100 {
                let mut bytes = text.as_bytes().to_vec();
                bytes.push(0);
                self.raw(tar::EntryType::new(long), "././@LongLink", "", &bytes);
            }
        }
        self.raw(kind, name, link, data);
    }

    fn raw(&mut self, kind: tar::EntryType, name: &str, link: &str, data: &[u8]) {
        let mut header = tar::Header::new_gnu();
        let gnu = header.as_gnu_mut().expect("a GNU header");
        let cut = |text: &str| text.as_bytes()[..text.len().min(100)].to_vec();
        gnu.name[..cut(name).len()].copy_from_slice(&cut(name));
        gnu.linkname[..cut(link).len()].copy_from_slice(&cut(link));
        header.set_entry_type(kind);
        header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(MTIME);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

// ---------------------------------------------------------------------------------------------------------- images

/// An image in the making.
#[derive(Debug, Clone)]
pub struct Image {
    pub names: Vec<String>,
    layers: Vec<Vec<u8>>,
    packs: Vec<Pack>,
    stored: HashMap<usize, Vec<u8>>,
    history: Vec<Value>,
    document: Value,
}

/// An image with a name; untagged if it is empty.
pub fn image(name: &str) -> Image {
    Image {
        names: Some(name.to_owned())
            .filter(|name| !name.is_empty())
            .into_iter()
            .collect(),
        layers: Vec::new(),
        packs: Vec::new(),
        stored: HashMap::new(),
        history: Vec::new(),
        document: json!({
            "architecture": "amd64",
            "os": "linux",
            "created": CREATED,
            "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
        }),
    }
}

impl Image {
    /// Adds a name.
    pub fn named(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// Adds a layer from its line, and the history entry that made it.
    pub fn layer(self, line: &str) -> Self {
        self.layer_bytes(layer(line))
    }

    /// Adds any bytes as a layer.
    pub fn layer_bytes(mut self, bytes: Vec<u8>) -> Self {
        self.layers.push(bytes);
        self.packs.push(Pack::Plain);
        let number = self.layers.len();
        self.history
            .push(json!({"created": CREATED, "created_by": format!("COPY layer {number} /")}));
        self
    }

    /// Packs the layer added last, where the shape lets layers be packed.
    pub fn packed(mut self, pack: Pack) -> Self {
        *self.packs.last_mut().expect("a layer") = pack;
        self
    }

    /// Stores these bytes for the layer added last, which some gzip packer made of it.
    pub fn stored(mut self, bytes: Vec<u8>) -> Self {
        self.stored.insert(self.layers.len() - 1, bytes);
        self.packed(Pack::Gzip)
    }

    /// Adds a step that made no layer.
    pub fn step(mut self, created_by: &str) -> Self {
        let entry = json!({"created": CREATED, "created_by": created_by, "empty_layer": true});
        self.history.push(entry);
        self
    }

    /// Replaces the history.
    pub fn history(mut self, entries: Value) -> Self {
        self.history = entries.as_array().expect("a list").clone();
        self
    }

    /// Sets a field of the config document: `os`, `config`, ….
    pub fn set(mut self, field: &str, value: Value) -> Self {
        self.document[field] = value;
        self
    }

    /// Sets the platform, `os/architecture[/variant]`.
    pub fn platform(mut self, platform: &str) -> Self {
        for (field, value) in ["os", "architecture", "variant"]
            .iter()
            .zip(platform.split('/'))
        {
            self.document[*field] = value.into();
        }
        self
    }

    /// The bytes of an uncompressed layer, from 0.
    pub fn layer_tar(&self, layer: usize) -> &[u8] {
        &self.layers[layer]
    }

    /// The digests of the plain layers.
    pub fn diff_ids(&self) -> Vec<String> {
        self.layers.iter().map(|layer| digest(layer)).collect()
    }

    /// The config as it is written.
    pub fn config(&self) -> Vec<u8> {
        let mut document = self.document.clone();
        if document.get("rootfs").is_none() {
            document["rootfs"] = json!({"type": "layers", "diff_ids": self.diff_ids()});
        }
        if !self.history.is_empty() {
            document["history"] = self.history.clone().into();
        }
        document.to_string().into_bytes()
    }

    /// The image ID.
    pub fn id(&self) -> String {
        digest(&self.config())
    }

    /// The first 12 digits of the image ID.
    pub fn short(&self) -> String {
        short(&self.id()).to_owned()
    }

    /// The stored bytes of each layer.
    pub fn blobs(&self) -> Vec<Vec<u8>> {
        let pairs = self.layers.iter().zip(&self.packs).enumerate();
        let blob = |(i, (layer, pack)): (usize, (&Vec<u8>, &Pack))| match self.stored.get(&i) {
            Some(bytes) => bytes.clone(),
            None => pack.pack(layer),
        };
        pairs.map(blob).collect()
    }

    fn layer_descriptors(&self) -> Vec<Value> {
        let suffix = |pack| match pack {
            Pack::Gzip => "+gzip",
            Pack::Zstd => "+zstd",
            // No media type exists for these; readers go by the bytes.
            Pack::Plain | Pack::Xz | Pack::Bzip2 => "",
        };
        let layers = self.blobs().into_iter().zip(&self.packs);
        layers
            .map(|(blob, &pack)| {
                let media_type = format!("application/vnd.oci.image.layer.v1.tar{}", suffix(pack));
                descriptor(&media_type, &blob)
            })
            .collect()
    }

    /// The OCI manifest.
    pub fn manifest(&self) -> Vec<u8> {
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &self.config()),
            "layers": self.layer_descriptors(),
        })
        .to_string()
        .into_bytes()
    }

    /// The digest of the OCI manifest.
    pub fn manifest_digest(&self) -> String {
        digest(&self.manifest())
    }

    /// The platform as a descriptor states it.
    pub fn platform_value(&self) -> Value {
        let mut platform = serde_json::Map::new();
        for field in ["architecture", "os", "variant"] {
            if let Some(value) = self.document.get(field) {
                platform.insert(field.to_owned(), value.clone());
            }
        }
        platform.into()
    }
}

/// A descriptor of bytes.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}

/// A name without and with its registry: `demo:1`, `docker.io/library/demo:1`.
fn full_name(name: &str) -> String {
    match name.contains('/') {
        true => name.to_owned(),
        false => format!("docker.io/library/{name}"),
    }
}

fn split_tag(name: &str) -> (&str, &str) {
    name.rsplit_once(':').unwrap_or((name, "latest"))
}

// ------------------------------------------------------------------------------------------------------- containers

/// The members of an archive, in the order of its tar.
#[derive(Debug, Clone, Default)]
pub struct Files {
    members: Vec<(String, Kind)>,
}

#[derive(Debug, Clone)]
enum Kind {
    Data(Vec<u8>),
    Symlink(String),
    HardLink(String),
    Folder,
    Fifo,
}

impl Files {
    /// Files with these names and contents.
    pub fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let members = files.into_iter();
        let members = members.map(|(name, bytes)| (name, Kind::Data(bytes)));
        Files {
            members: members.collect(),
        }
    }

    /// Copy with all members below a folder.
    pub fn below(&self, folder: &str) -> Self {
        let members = self.members.iter();
        let members = members.map(|(name, kind)| (format!("{folder}/{name}"), kind.clone()));
        Files {
            members: members.collect(),
        }
    }

    /// Adds the members of another archive.
    pub fn extend(&mut self, other: Files) -> &mut Self {
        self.members.extend(other.members);
        self
    }

    /// Adds a file, also where one of that name is there.
    pub fn add(&mut self, name: &str, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.members
            .push((name.to_owned(), Kind::Data(bytes.into())));
        self
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, name: &str, target: &str) -> &mut Self {
        let link = Kind::Symlink(target.to_owned());
        self.members.push((name.to_owned(), link));
        self
    }

    /// Adds a hard link.
    pub fn hard_link(&mut self, name: &str, target: &str) -> &mut Self {
        let link = Kind::HardLink(target.to_owned());
        self.members.push((name.to_owned(), link));
        self
    }

    /// Adds a FIFO.
    pub fn fifo(&mut self, name: &str) -> &mut Self {
        self.members.push((name.to_owned(), Kind::Fifo));
        self
    }

    fn folder(&mut self, name: &str) {
        self.members.push((name.to_owned(), Kind::Folder));
    }

    /// Adds a blob under its digest.
    pub fn blob(&mut self, bytes: &[u8]) {
        let name = blob_name(&digest(bytes));
        if !self.has(&name) {
            self.add(&name, bytes);
        }
    }

    /// Whether a member of that name is there.
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, _)| member == name)
    }

    /// The bytes of a file.
    #[track_caller]
    pub fn get(&self, name: &str) -> &[u8] {
        match self.members.iter().find(|(member, _)| member == name) {
            Some((_, Kind::Data(bytes))) => bytes,
            _ => panic!("no file {name}"),
        }
    }

    /// The bytes of a file, to be changed.
    #[track_caller]
    pub fn bytes(&mut self, name: &str) -> &mut Vec<u8> {
        let found = self.members.iter_mut().find(|(member, _)| member == name);
        match found {
            Some((_, Kind::Data(bytes))) => bytes,
            _ => panic!("no file {name}"),
        }
    }

    /// The names of all files with content.
    pub fn names(&self) -> Vec<String> {
        let files = self
            .members
            .iter()
            .filter(|(_, kind)| matches!(kind, Kind::Data(_)));
        files.map(|(name, _)| name.clone()).collect()
    }

    /// Replaces or adds a file.
    pub fn put(&mut self, name: &str, bytes: impl Into<Vec<u8>>) -> &mut Self {
        if self.has(name) {
            *self.bytes(name) = bytes.into();
            return self;
        }
        self.add(name, bytes)
    }

    /// Removes every member of that name.
    #[track_caller]
    pub fn remove(&mut self, name: &str) -> &mut Self {
        assert!(self.has(name), "no member {name}");
        self.members.retain(|(member, _)| member != name);
        self
    }

    /// Edits a JSON document without renaming it.
    #[track_caller]
    pub fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Value)) -> &mut Self {
        let bytes = self.bytes(name);
        let mut value = serde_json::from_slice(bytes).expect("JSON");
        edit(&mut value);
        *bytes = value.to_string().into_bytes();
        self
    }

    /// As a tar.
    pub fn tar(&self) -> Vec<u8> {
        let mut tar = Tar::default();
        for (name, kind) in &self.members {
            match kind {
                Kind::Data(bytes) => tar.entry(tar::EntryType::Regular, name, "", bytes),
                Kind::Symlink(target) => tar.entry(tar::EntryType::Symlink, name, target, b""),
                Kind::HardLink(target) => tar.entry(tar::EntryType::Link, name, target, b""),
                Kind::Folder => {
                    tar.entry(tar::EntryType::Directory, &format!("{name}/"), "", b"");
                }
                Kind::Fifo => tar.entry(tar::EntryType::Fifo, name, "", b""),
            }
        }
        tar.finish()
    }

    /// As a folder.
    pub fn write_to(&self, folder: &Path) {
        for (name, kind) in &self.members {
            let path = folder.join(name);
            let above = path.parent().expect("a folder");
            std::fs::create_dir_all(above).expect("a folder");
            match kind {
                Kind::Data(bytes) => std::fs::write(&path, bytes).expect("a file"),
                Kind::Symlink(target) => {
                    std::os::unix::fs::symlink(target, &path).expect("a symbolic link");
                }
                Kind::HardLink(target) => {
                    std::fs::hard_link(folder.join(target), &path).expect("a hard link");
                }
                Kind::Folder => std::fs::create_dir_all(&path).expect("a folder"),
                Kind::Fifo => fifo(&path),
            }
        }
    }
}

/// Bytes that do not repeat.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A layer with one file of that many bytes.
pub fn noise_layer(length: usize, seed: u64) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(length as u64);
    header.set_mode(0o644);
    builder
        .append_data(&mut header, format!("f{seed}"), &*noise(length, seed))
        .expect("an entry");
    builder.into_inner().expect("a tar")
}

/// Makes a FIFO.
pub fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo").success());
}

/// Where a layout keeps a blob.
pub fn blob_name(digest: &str) -> String {
    format!("blobs/sha256/{}", hex_of(digest))
}

/// How a docker-archive holds a layer that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    Symlink,
    HardLink,
}

/// A docker-archive as docker 1.10 to 24 write it: folders of the time before beside configs and `manifest.json`.
pub fn docker(images: &[&Image]) -> Files {
    docker_sharing(images, Shared::Symlink)
}

/// The same, with a choice of links.
pub fn docker_sharing(images: &[&Image], shared: Shared) -> Files {
    let mut files = Files::default();
    let mut manifest = Vec::new();
    let mut repositories: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    let mut by_diff_id: HashMap<String, String> = HashMap::new();
    for image in images {
        let mut members = Vec::new();
        let mut parent: Option<String> = None;
        for (layer, diff_id) in image.layers.iter().zip(image.diff_ids()) {
            let text = format!("{} {diff_id}", parent.as_deref().unwrap_or_default());
            let id = hex_of(&digest(text.as_bytes())).to_owned();
            let member = format!("{id}/layer.tar");
            members.push(member.clone());
            if !files.has(&member) {
                files.folder(&id);
                files.add(&format!("{id}/VERSION"), "1.0");
                let mut json = json!({"id": id, "created": CREATED, "os": "linux"});
                if let Some(parent) = &parent {
                    json["parent"] = parent.as_str().into();
                }
                files.add(&format!("{id}/json"), json.to_string());
                match (by_diff_id.get(&diff_id), shared) {
                    (None, _) => files.add(&member, layer.as_slice()),
                    (Some(first), Shared::Symlink) => {
                        files.symlink(&member, &format!("../{first}"))
                    }
                    (Some(first), Shared::HardLink) => files.hard_link(&member, first),
                };
                by_diff_id.entry(diff_id).or_insert(member);
            }
            parent = Some(id);
        }
        let config = format!("{}.json", hex_of(&image.id()));
        if !files.has(&config) {
            files.add(&config, image.config());
        }
        let tags = match image.names.is_empty() {
            true => Value::Null,
            false => image.names.clone().into(),
        };
        manifest.push(json!({"Config": config, "RepoTags": tags, "Layers": members}));
        for name in &image.names {
            let (repository, tag) = split_tag(name);
            let top = parent.clone().unwrap_or_default();
            repositories.entry(repository).or_default().insert(tag, top);
        }
    }
    files.add("manifest.json", Value::from(manifest).to_string());
    if !repositories.is_empty() {
        files.add("repositories", json!(repositories).to_string());
    }
    files
}

/// What docker wrote before 1.10: `repositories` and a folder for each layer, every layer a file.
pub fn v1(images: &[&Image]) -> Files {
    let mut files = Files::default();
    let mut repositories: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for image in images {
        let mut parent: Option<String> = None;
        let steps: Vec<&Value> = image
            .history
            .iter()
            .filter(|entry| entry.get("empty_layer").is_none())
            .collect();
        for (i, layer) in image.layers.iter().enumerate() {
            let text = format!(
                "v1 {} {}",
                parent.as_deref().unwrap_or_default(),
                digest(layer)
            );
            let id = hex_of(&digest(text.as_bytes())).to_owned();
            let command = steps.get(i).map(|entry| &entry["created_by"]);
            let mut json = json!({
                "id": id,
                "created": CREATED,
                "container_config": {"Cmd": [command]},
                "os": image.document["os"],
                "architecture": image.document["architecture"],
                "config": image.document["config"],
            });
            if let Some(parent) = &parent {
                json["parent"] = parent.as_str().into();
            }
            if !files.has(&format!("{id}/json")) {
                files.folder(&id);
                files.add(&format!("{id}/VERSION"), "1.0");
                files.add(&format!("{id}/json"), json.to_string());
                files.add(&format!("{id}/layer.tar"), layer.as_slice());
            }
            parent = Some(id);
        }
        for name in &image.names {
            let (repository, tag) = split_tag(name);
            let top = parent.clone().unwrap_or_default();
            repositories.entry(repository).or_default().insert(tag, top);
        }
    }
    files.add("repositories", json!(repositories).to_string());
    files
}

/// An OCI layout, for a folder or a tar; names as skopeo writes them, in `ref.name` alone.
pub fn oci(images: &[&Image]) -> Files {
    let mut files = Files::default();
    let mut manifests = Vec::new();
    for image in images {
        blobs_of(&mut files, image);
        let mut entry = descriptor(MANIFEST, &image.manifest());
        entry["platform"] = image.platform_value();
        match image.names.is_empty() {
            true => manifests.push(entry),
            false => manifests.extend(image.names.iter().map(|name| {
                let mut entry = entry.clone();
                entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
                entry
            })),
        }
    }
    layout(&mut files, manifests);
    files
}

fn blobs_of(files: &mut Files, image: &Image) {
    for blob in image.blobs() {
        files.blob(&blob);
    }
    files.blob(&image.config());
    files.blob(&image.manifest());
}

fn layout(files: &mut Files, manifests: Vec<Value>) {
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    files.add("index.json", index.to_string());
    files.add("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
}

fn docker_names(entry: &Value, name: &str) -> Value {
    let mut entry = entry.clone();
    entry["annotations"] = json!({
        "io.containerd.image.name": full_name(name),
        "org.opencontainers.image.ref.name": split_tag(name).1,
    });
    entry
}

/// Both halves in one, as docker 25 and newer write them.
pub fn docker25(images: &[&Image]) -> Files {
    let mut files = Files::default();
    let (mut manifests, mut items) = (Vec::new(), Vec::new());
    let mut repositories: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for image in images {
        blobs_of(&mut files, image);
        let entry = descriptor(MANIFEST, &image.manifest());
        if image.names.is_empty() {
            // docker lists an untagged image in manifest.json alone.
            files.remove(&blob_name(&image.manifest_digest()));
        }
        manifests.extend(image.names.iter().map(|name| docker_names(&entry, name)));
        let descriptors = image.layer_descriptors();
        let digests = || descriptors.iter().map(|layer| layer["digest"].as_str());
        let layers: Vec<String> = digests().flatten().map(blob_name).collect();
        let sources: serde_json::Map<String, Value> = image
            .diff_ids()
            .into_iter()
            .zip(descriptors.clone())
            .collect();
        for name in &image.names {
            let (repository, tag) = split_tag(name);
            let top = digests().flatten().last().map_or("", hex_of).to_owned();
            repositories.entry(repository).or_default().insert(tag, top);
        }
        let tags = match image.names.is_empty() {
            true => Value::Null,
            false => image.names.clone().into(),
        };
        items.push(json!({
            "Config": blob_name(&image.id()),
            "RepoTags": tags,
            "Layers": layers,
            "LayerSources": sources,
        }));
    }
    layout(&mut files, manifests);
    files.add("manifest.json", Value::from(items).to_string());
    files.add("repositories", json!(repositories).to_string());
    files
}

/// skopeo's `dir:`.
pub fn dir(image: &Image) -> Files {
    let mut files = Files::default();
    files.add("version", "Directory Transport Version: 1.1\n");
    files.add("manifest.json", image.manifest());
    for blob in image.blobs().into_iter().chain([image.config()]) {
        let name = hex_of(&digest(&blob)).to_owned();
        if !files.has(&name) {
            files.add(&name, blob);
        }
    }
    files
}

/// An OCI layout with one index of several platforms, as a containerd engine exports it: an attestation beside the
/// first image, and `absent` platforms that are named without their manifests.
pub fn multi(name: &str, images: &[&Image], absent: &[&str]) -> Files {
    let mut files = Files::default();
    let mut manifests = Vec::new();
    for image in images {
        blobs_of(&mut files, image);
        let mut entry = descriptor(MANIFEST, &image.manifest());
        entry["platform"] = image.platform_value();
        manifests.push(entry);
    }
    for platform in absent {
        let image = image("").platform(platform).layer("f absent yes");
        let mut entry = descriptor(MANIFEST, &image.manifest());
        entry["platform"] = image.platform_value();
        manifests.push(entry);
    }
    let (config, statement) = (
        br#"{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#,
        br#"{"_type":"https://in-toto.io/Statement/v0.1"}"#,
    );
    let attestation = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, config),
        "layers": [descriptor("application/vnd.in-toto+json", statement)],
    })
    .to_string();
    for blob in [&config[..], statement, attestation.as_bytes()] {
        files.blob(blob);
    }
    let mut entry = descriptor(MANIFEST, attestation.as_bytes());
    entry["annotations"] = json!({
        "vnd.docker.reference.digest": manifests[0]["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    });
    entry["platform"] = json!({"architecture": "unknown", "os": "unknown"});
    manifests.push(entry);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
    files.blob(index.as_bytes());
    let entry = descriptor(INDEX, index.as_bytes());
    layout(&mut files, vec![docker_names(&entry, name)]);
    files
}
