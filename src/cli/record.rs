//! Files of layers as JSON records: the keys that all programs share, in one place.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::archive::{Archive, Image};
use crate::layer::{EntryKind, Mtime};
use crate::render::json as lossless;
use crate::spec::Timestamp;
use crate::tree::{EntryVersion, Meta, NodeKind, VersionKind, VersionState};

/// A file of a listing: the keys of imgexport's, whatever the program.
#[derive(Debug, Clone, Copy)]
pub struct FileKeys<'a> {
    /// Path without a leading `/`; of a whiteout, the path that it removes.
    pub path: &'a [u8],
    /// Type: `file`, `directory`, `whiteout`, …
    pub kind: &'a str,
    /// Target of a symbolic link.
    pub link_target: Option<&'a [u8]>,
    /// Another name of the file, or the target of a hard link.
    pub hard_link_to: Option<&'a [u8]>,
    /// Owner, mode, time and attributes, and the size in bytes.
    pub metadata: Option<(&'a Meta, u64)>,
    /// Number of the file's names.
    pub links: Option<u64>,
    /// Major and minor number of a device.
    pub device: Option<(u64, u64)>,
    /// Number of the layer, from 0.
    pub layer: Option<usize>,
    /// SHA-256 digest of the contents.
    pub digest: Option<[u8; 32]>,
}

impl FileKeys<'_> {
    /// Returns the keys with their values. Keys without a value are left out.
    pub fn into_map(self) -> Map<String, Value> {
        let mut row = Map::new();
        let names = [
            ("Path", Some(self.path)),
            ("LinkTarget", self.link_target),
            ("HardLinkTo", self.hard_link_to),
        ];
        for (key, bytes) in names {
            let Some(bytes) = bytes else { continue };
            let (text, raw) = lossless::bytes_lossless(bytes);
            row.insert(key.to_owned(), text.into());
            if let Some(raw) = raw {
                row.insert(format!("{key}Bytes"), raw.into());
            }
        }
        let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
        put("Type", self.kind.into());
        if let Some((meta, size)) = self.metadata {
            put("Mode", format!("{:04o}", meta.mode).into());
            put("UID", meta.owner.uid.into());
            put("GID", meta.owner.gid.into());
            put("Size", size.into());
            put("ModTime", time(meta.mtime));
            put("ModTimeSeconds", meta.mtime.seconds.into());
            if let Some(links) = self.links {
                put("Links", links.into());
            }
            if let Some((major, minor)) = self.device {
                put("Device", json!([major, minor]));
            }
            if !meta.xattrs.is_empty() {
                let mut xattrs = Map::new();
                for xattr in &meta.xattrs {
                    let name = String::from_utf8_lossy(&xattr.name).into_owned();
                    xattrs.insert(name, STANDARD.encode(&xattr.value).into());
                }
                put("Xattrs", xattrs.into());
            }
        }
        if let Some(layer) = self.layer {
            put("Layer", (layer + 1).into());
        }
        if let Some(digest) = self.digest {
            put("Digest", sha256(digest));
        }
        row
    }
}

fn time(time: Mtime) -> Value {
    Timestamp::from_unix(time.seconds, time.nanos)
        .rfc3339_nano()
        .into()
}

fn sha256(digest: [u8; 32]) -> Value {
    format!("sha256:{}", hex::encode(digest)).into()
}

/// Returns the word for a kind of file in the key `Type`.
pub fn type_name(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Directory => "directory",
        NodeKind::File => "file",
        NodeKind::Symlink => "symlink",
        NodeKind::CharDevice => "char",
        NodeKind::BlockDevice => "block",
        NodeKind::Fifo => "fifo",
    }
}

/// Returns the word for the kind of a version in the key `Type`. A hard link has that of the file it leads to.
pub fn version_type(version: &EntryVersion<'_>) -> &'static str {
    match (version.kind(), version.file_kind()) {
        (VersionKind::Whiteout, _) => "whiteout",
        (VersionKind::Opaque, _) => "opaque",
        (_, Some(kind)) => type_name(kind),
        (VersionKind::Entry(EntryKind::HardLink), None) => "hardlink",
        (VersionKind::Entry(_), None) => "other",
    }
}

/// Records of the versions of one image.
///
/// A record has the keys of [`FileKeys`], and: `Archive`, `Image` (a name, or the ID), `ImageID`, `Platform`, `State`,
/// `By` (`Layer`, `DiffID` and `CreatedBy` of the layer that ended the version, or null), `DiffID` and `CreatedBy` of
/// its own layer, `Entry` (position in the layer, from 1), `AccessTime`, `ChangeTime` and `BirthTime` (null if they are
/// not recorded), `Offset` and `Length` (stored contents in the uncompressed layer `Layer`, in bytes; null without
/// contents, and if a hard link's are in another layer), `StoredAt` (offset of the contents in the archive file; null
/// if they are compressed or sparse, and if the archive is no file). The bytes of a file that is not sparse are proven
/// by its digest: cut `Length` bytes at `StoredAt` out of the archive, or at `Offset` out of the layer.
pub struct VersionRecords<'a> {
    archive: &'a str,
    name: &'a str,
    image: &'a Image,
    platform: String,
    id: String,
    /// Number of the tree's first layer in the image.
    base: usize,
    layers: Vec<LayerKeys<'a>>,
}

/// Facts of a layer that its records repeat.
struct LayerKeys<'a> {
    created_by: Option<&'a str>,
    /// Offset of an uncompressed layer in the archive file.
    start: Option<u64>,
}

impl<'a> VersionRecords<'a> {
    /// Records of an image's versions. `name` is the value of `Image`; the tree begins with the image's layer `base`,
    /// from 0.
    pub fn new(archive: &'a Archive, image: &'a Image, name: &'a str, base: usize) -> Self {
        let mut layers: Vec<LayerKeys<'a>> = Vec::new();
        for layer in &image.layers {
            layers.push(LayerKeys {
                created_by: None,
                start: archive.stored_at(layer),
            });
        }
        for step in image.steps() {
            let keys = step.layer.and_then(|layer| layers.get_mut(layer));
            if let (Some(keys), Some(history)) = (keys, step.history) {
                keys.created_by = Some(&history.created_by);
            }
        }
        VersionRecords {
            archive: &archive.place,
            name,
            image,
            platform: image.platform.to_string(),
            id: image.id.to_string(),
            base,
            layers,
        }
    }

    fn diff_id(&self, layer: usize) -> Value {
        let layer = self.image.layers.get(layer);
        let diff_id = layer.and_then(|layer| layer.diff_id.as_ref());
        diff_id.map_or(Value::Null, |diff_id| diff_id.as_str().into())
    }

    fn created_by(&self, layer: usize) -> Value {
        let keys = self.layers.get(layer);
        keys.and_then(|keys| keys.created_by).into()
    }

    /// Returns the record of a final directory that no layer has an entry for: the keys that a version of it would have,
    /// without those of an entry.
    pub fn of_directory(&self, keys: FileKeys<'_>) -> Map<String, Value> {
        let mut row = keys.into_map();
        row.extend(self.of_image());
        for (key, value) in [
            ("State", VersionState::Final.name().into()),
            ("By", Value::Null),
            ("Entry", Value::Null),
        ] {
            row.insert(key.to_owned(), value);
        }
        row
    }

    fn of_image(&self) -> impl Iterator<Item = (String, Value)> + use<> {
        let keys: [(&str, Value); 4] = [
            ("Archive", self.archive.into()),
            ("Image", self.name.into()),
            ("ImageID", self.id.as_str().into()),
            ("Platform", self.platform.as_str().into()),
        ];
        keys.into_iter().map(|(key, value)| (key.to_owned(), value))
    }

    /// Returns the record of a layer whose entries are unknown: the keys that a version of it would have, without those
    /// of an entry. `layer` is its number in the image, from 0.
    pub fn of_layer(&self, layer: usize) -> Map<String, Value> {
        let mut row: Map<String, Value> = self.of_image().collect();
        for (key, value) in [
            ("Layer", (layer + 1).into()),
            ("DiffID", self.diff_id(layer)),
            ("CreatedBy", self.created_by(layer)),
        ] {
            row.insert(key.to_owned(), value);
        }
        row
    }

    /// Returns the record of a version.
    pub fn record(&self, version: &EntryVersion<'_>) -> Map<String, Value> {
        let (path, meta) = (version.path(), version.meta());
        let layer = self.base + version.layer();
        let is_symlink = version.file_kind() == Some(NodeKind::Symlink);
        let is_device = matches!(
            version.file_kind(),
            Some(NodeKind::CharDevice | NodeKind::BlockDevice)
        );
        let keys = FileKeys {
            path: &path,
            kind: version_type(version),
            link_target: is_symlink.then(|| version.symlink_target()),
            hard_link_to: version.hard_link_target(),
            metadata: Some((&meta, version.size())),
            links: version.node().map(|node| node.link_count() as u64),
            device: is_device.then(|| version.device()),
            layer: Some(layer),
            digest: version.digest(),
        };
        let mut row = keys.into_map();
        let by = version.ended_by().map(|by| self.base + by);
        let location = version.location();
        let plain = location.as_ref().filter(|found| found.segments.is_none());
        let stored_at = plain.and_then(|found| {
            let start = self.layers.get(self.base + found.layer)?.start?;
            start.checked_add(found.offset)
        });
        let own = location.as_ref();
        let own = own.filter(|found| self.base + found.layer == layer);
        let times = version.other_times();
        let recorded = |recorded: Option<Mtime>| recorded.map_or(Value::Null, time);
        row.extend(self.of_image());
        for (key, value) in [
            ("State", version.state().name().into()),
            (
                "By",
                by.map_or(Value::Null, |by| {
                    json!({
                        "Layer": by + 1,
                        "DiffID": self.diff_id(by),
                        "CreatedBy": self.created_by(by),
                    })
                }),
            ),
            ("DiffID", self.diff_id(layer)),
            ("CreatedBy", self.created_by(layer)),
            ("Entry", version.entry().into()),
            ("AccessTime", recorded(times.access)),
            ("ChangeTime", recorded(times.change)),
            ("BirthTime", recorded(times.birth)),
            ("Offset", own.map(|found| found.offset).into()),
            ("Length", location.as_ref().map(|found| found.stored).into()),
            ("StoredAt", stored_at.into()),
        ] {
            row.insert(key.to_owned(), value);
        }
        row
    }
}
