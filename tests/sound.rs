//! Archives that are damaged in every way that can be listed, read by every program: the result is an error, or what
//! the sound archive gives. imgkit(7) has the list of what each program verifies, which is the rule here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde_json::Value;
use sha2::Digest as _;

use crate::common::build::{self, Files};
use crate::common::foreign;
use crate::common::pack::Pack;
use crate::common::run::{Output, Room};

// ---------------------------------------------------------------------------------------------------- the archives

/// An archive that is to be damaged.
struct Sound {
    name: String,
    files: Files,
    /// Whether it is written as a directory.
    is_folder: bool,
    /// Whether it was made here, with few members.
    is_small: bool,
    /// How the archive as a whole is compressed.
    wrapping: Pack,
    /// Whether it is of docker before 1.10: no digest says what its layers are.
    is_v1: bool,
}

fn sounds() -> Vec<Sound> {
    let mut sounds = Vec::new();
    let mut add = |name: &str, files: Files, is_folder: bool| {
        let is_v1 = !files.has("manifest.json") && !files.has("index.json");
        let is_small = !foreign(name).exists();
        let name = name.to_owned();
        sounds.push(Sound {
            name,
            is_small,
            files,
            is_folder,
            wrapping: Pack::Plain,
            is_v1,
        });
    };
    let mut names: Vec<_> = std::fs::read_dir(foreign(""))
        .expect("testdata")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    names.push(foreign("hand-made/odd"));
    names.push(foreign("hand-made/two-platforms"));
    names.push(foreign("hand-made/sha512.tar"));
    names.sort();
    for path in names {
        let name = path
            .strip_prefix(foreign(""))
            .expect("below it")
            .to_str()
            .expect("a name");
        // Archives that are compressed as a whole are made below, and `rootfs.tar` is no image.
        let is_archive = path.extension().is_some_and(|ext| ext == "tar") && name != "rootfs.tar";
        if is_archive {
            add(name, of_tar(&std::fs::read(&path).expect("a file")), false);
        } else if path.join("index.json").exists() || path.join("manifest.json").exists() {
            add(name, of_folder(&path), true);
        }
    }
    for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
        let app = |name: &str| {
            build::image(name)
                .layer("d etc | f etc/a one | f x 1")
                .packed(pack)
                .layer("f etc/b two | f x 2 | w etc/a")
                .packed(pack)
                .layer("f x 3 | l link x")
                .packed(pack)
        };
        let (first, second) = (app("demo:1"), app("demo:2").layer("f y y").packed(pack));
        if pack == Pack::Plain {
            add("docker", build::docker(&[&first, &second]), false);
            add("v1", build::v1(&[&first]), false);
            // A layer that comes twice.
            let twice = build::image("demo:1")
                .layer("f a 1")
                .layer("w a | f b 2")
                .layer("f a 1");
            add("twice", build::docker25(&[&twice]), false);
        }
        add(
            &format!("docker25 {pack:?}"),
            build::docker25(&[&first]),
            false,
        );
        add(
            &format!("oci {pack:?}"),
            build::oci(&[&first, &second]),
            false,
        );
        add(&format!("layout {pack:?}"), build::oci(&[&first]), true);
        add(&format!("dir {pack:?}"), build::dir(&first), true);
        let platforms = [
            first.clone().platform("linux/amd64"),
            second.clone().platform("linux/arm64"),
        ];
        let platforms: Vec<&build::Image> = platforms.iter().collect();
        add(
            &format!("platforms {pack:?}"),
            build::multi("demo:1", &platforms, &[]),
            false,
        );
    }
    // As docker-classic.tar.gz and its like, with fewer members.
    let wrapped = build::image("demo:1")
        .layer("d etc | f etc/a one")
        .layer("f etc/b two | w etc/a");
    for wrapping in Pack::ALL {
        sounds.push(Sound {
            name: format!("docker{}", wrapping.suffix()),
            files: build::docker(&[&wrapped]),
            is_folder: false,
            is_small: true,
            wrapping,
            is_v1: false,
        });
    }
    assert!(sounds.len() >= 40, "{} archives", sounds.len());
    sounds
}

fn of_tar(bytes: &[u8]) -> Files {
    let mut files = Files::default();
    for entry in tar::Archive::new(bytes).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a path").display().to_string();
        let link = entry.link_name().expect("a link");
        let link = link.map(|link| link.display().to_string());
        match (entry.header().entry_type(), link) {
            (tar::EntryType::Symlink, Some(link)) => files.symlink(&name, &link),
            (tar::EntryType::Link, Some(link)) => files.hard_link(&name, &link),
            (tar::EntryType::Directory, _) => continue,
            _ => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut bytes).expect("bytes");
                files.add(&name, bytes)
            }
        };
    }
    files
}

fn of_folder(top: &Path) -> Files {
    let mut files = Files::default();
    let mut work = vec![top.to_owned()];
    while let Some(folder) = work.pop() {
        let mut paths: Vec<_> = std::fs::read_dir(&folder)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        for path in paths {
            let name = path.strip_prefix(top).expect("below it");
            match path.is_dir() {
                true => work.push(path),
                false => {
                    let bytes = std::fs::read(&path).expect("a file");
                    files.add(name.to_str().expect("a name"), bytes);
                }
            }
        }
    }
    files
}

// ------------------------------------------------------------------------------------------------- what is in them

fn json(files: &Files, name: &str) -> Option<Value> {
    files
        .names()
        .iter()
        .any(|known| known == name)
        .then(|| serde_json::from_slice(files.get(name)).ok())?
}

/// A digest by the algorithm of another.
fn digest_like(like: &str, bytes: &[u8]) -> String {
    match like.starts_with("sha512:") {
        true => format!("sha512:{}", hex::encode(sha2::Sha512::digest(bytes))),
        false => build::digest(bytes),
    }
}

impl Sound {
    fn is_dir(&self) -> bool {
        self.files.has("version")
    }

    /// Where the blob of a digest is.
    fn blob(&self, digest: &str) -> String {
        let (algorithm, hex) = digest.split_once(':').expect("a digest");
        match self.is_dir() {
            true => hex.to_owned(),
            false => format!("blobs/{algorithm}/{hex}"),
        }
    }

    /// The members that hold OCI manifests of images, in the order of the indexes.
    fn manifests(&self) -> Vec<String> {
        if self.is_dir() {
            return vec!["manifest.json".to_owned()];
        }
        let mut found = Vec::new();
        let mut work = vec!["index.json".to_owned()];
        while let Some(name) = work.pop() {
            let Some(document) = json(&self.files, &name) else {
                continue;
            };
            for entry in document["manifests"].as_array().into_iter().flatten() {
                work.push(self.blob(entry["digest"].as_str().expect("a digest")));
            }
            let config = document["config"]["mediaType"].as_str().unwrap_or_default();
            let layers = document["layers"].as_array();
            let is_layer = |layer: &Value| {
                layer["mediaType"]
                    .as_str()
                    .is_some_and(|kind| kind.contains("tar"))
            };
            if (config.contains("image.config") || config.contains("container.image"))
                && layers.is_some_and(|layers| !layers.is_empty() && layers.iter().all(is_layer))
                && !found.contains(&name)
            {
                found.push(name);
            }
        }
        found
    }

    /// The members that hold layers, each once.
    fn layers(&self) -> Vec<String> {
        let mut layers = Vec::new();
        for name in self.manifests() {
            let manifest = json(&self.files, &name).expect("a manifest");
            for layer in manifest["layers"].as_array().expect("a list") {
                layers.push(self.blob(layer["digest"].as_str().expect("a digest")));
            }
        }
        if let Some(Value::Array(items)) = json(&self.files, "manifest.json") {
            for item in items {
                let names = item["Layers"].as_array().into_iter().flatten();
                layers.extend(names.filter_map(Value::as_str).map(str::to_owned));
            }
        }
        if self.is_v1 {
            let all = self.files.names();
            layers.extend(all.into_iter().filter(|name| name.ends_with("/layer.tar")));
        }
        let names = self.files.names();
        layers.retain(|layer| names.contains(layer));
        layers.sort();
        layers.dedup();
        layers
    }
}

fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

// ------------------------------------------------------------------------------------------------------ the damage

/// What a change does to what programs can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A byte of an uncompressed layer: only its hash tells.
    FlippedPlain,
    /// A byte of a compressed layer: its stored digest tells.
    FlippedCompressed,
    /// Compressed layers in another order than the diff IDs, with all stored digests right: only decoding tells.
    ReorderedCompressed,
    /// What shows without hashing, or is a document that is named by its digest.
    Known,
    /// A layer that is not there.
    Missing,
    /// A document that nothing names by its digest: what it says is what there is, but files are those of the layers.
    Unnamed,
    /// The manifest of one image of an index that holds another one is missing.
    LostPlatform,
}

struct Damaged {
    what: String,
    kind: Kind,
    files: Files,
}

fn damages(sound: &Sound) -> Vec<Damaged> {
    let mut all = Vec::new();
    let mut add = |what: String, kind: Kind, files: Files| all.push(Damaged { what, kind, files });
    let layers = sound.layers();
    for name in sound.files.names() {
        let bytes = sound.files.get(&name);
        let is_layer = layers.contains(&name);
        let digest_named = name.starts_with("blobs/") || sound.is_dir() && name.len() == 64;
        if !bytes.is_empty() {
            let mut files = sound.files.clone();
            let at = bytes.len() / 2;
            files.bytes(&name)[at] ^= 1;
            let kind = match (is_layer, is_compressed(bytes)) {
                (true, false) => Some(Kind::FlippedPlain).filter(|_| !sound.is_v1),
                (true, true) => Some(Kind::FlippedCompressed),
                (false, _) if digest_named && !docker_alone(sound, &name) => Some(Kind::Known),
                _ => Some(Kind::Unnamed),
            };
            if let Some(kind) = kind {
                add(format!("{name} with a byte flipped"), kind, files);
            }
        }
        let mut files = sound.files.clone();
        files.remove(&name);
        let kind = match is_layer {
            true => Kind::Missing,
            false if sound.name.contains("platforms") && digest_named => Kind::LostPlatform,
            false => Kind::Unnamed,
        };
        // What is left of several images is `repositories`, which lists them in another order.
        if name == "manifest.json" && layers_of_several(sound) {
            continue;
        }
        add(format!("{name} removed"), kind, files);
    }
    for name in &layers {
        let mut files = sound.files.clone();
        files.put(name, "");
        add(format!("{name} emptied"), Kind::Known, files);
    }
    for manifest in sound.manifests() {
        let document = json(&sound.files, &manifest).expect("a manifest");
        let list = document["layers"].as_array().expect("a list");
        for i in 0..list.len() {
            let mut files = sound.files.clone();
            let old = list[i]["digest"].as_str().expect("a digest").to_owned();
            let empty = digest_like(&old, b"");
            files.put(&sound.blob(&empty), "");
            sound.edit(&mut files, &manifest, |document| {
                document["layers"][i]["digest"] = empty.as_str().into();
                document["layers"][i]["size"] = 0.into();
            });
            let what = format!("{manifest}: layer {i} stated to be empty");
            add(what, Kind::Known, files);
        }
        for (i, j) in pairs(list.len()) {
            if list[i]["digest"] == list[j]["digest"] {
                continue;
            }
            let digests = [i, j].map(|at| list[at]["digest"].as_str().expect("a digest"));
            let here = digests.map(|digest| {
                let name = sound.blob(digest);
                sound.files.has(&name).then(|| sound.files.get(&name))
            });
            let [Some(one), Some(other)] = here else {
                continue;
            };
            let mut files = sound.files.clone();
            sound.edit(&mut files, &manifest, |document| {
                let list = document["layers"].as_array_mut().expect("a list");
                list.swap(i, j);
            });
            // skopeo's dir: has uncompressed layers under the media types of compressed ones: documents alone tell nothing.
            let stated = [i, j].map(|at| list[at]["mediaType"].as_str().unwrap_or_default());
            let kind = match is_compressed(one) && is_compressed(other)
                || stated.iter().all(|text| text.ends_with("gzip"))
            {
                true => Kind::ReorderedCompressed,
                false => Kind::Known,
            };
            add(
                format!("{manifest}: layers {i} and {j} exchanged"),
                kind,
                files,
            );
        }
    }
    if let Some(Value::Array(items)) = json(&sound.files, "manifest.json") {
        for (at, item) in items.iter().enumerate() {
            let list = item["Layers"].as_array().expect("a list");
            for (i, j) in pairs(list.len()) {
                if list[i] == list[j] {
                    continue;
                }
                let mut files = sound.files.clone();
                files.edit("manifest.json", |items| {
                    let list = items[at]["Layers"].as_array_mut().expect("a list");
                    list.swap(i, j);
                });
                let compressed = |at: usize| {
                    let name = list[at].as_str().expect("a name").to_owned();
                    sound.files.names().contains(&name) && is_compressed(sound.files.get(&name))
                };
                // Also one that is a link: its target is another layer all the same.
                let kind = match (compressed(i), sound.files.has("index.json")) {
                    (true, _) => Kind::ReorderedCompressed,
                    (false, true) => Kind::Known,
                    (false, false) => Kind::FlippedPlain,
                };
                let what = format!("manifest.json: item {at}: layers {i} and {j} exchanged");
                add(what, kind, files);
            }
        }
    }
    if !sound.is_v1 {
        for (i, j) in pairs(layers.len()) {
            let (one, other) = (sound.files.get(&layers[i]), sound.files.get(&layers[j]));
            if one == other {
                continue;
            }
            let mut files = sound.files.clone();
            files.put(&layers[i], other);
            files.put(&layers[j], one);
            let kind = match is_compressed(one) && is_compressed(other) {
                true => Kind::FlippedCompressed,
                false => Kind::FlippedPlain,
            };
            add(
                format!("files {} and {} exchanged", layers[i], layers[j]),
                kind,
                files,
            );
        }
    }
    all
}

/// Whether only `manifest.json` leads to a document below `blobs/`: nothing else than its name states its digest.
fn docker_alone(sound: &Sound, name: &str) -> bool {
    let hex = name.rsplit('/').next().unwrap_or_default();
    let states = |other: &String| {
        other != "manifest.json" && {
            let text = String::from_utf8_lossy(sound.files.get(other));
            text.contains(hex)
        }
    };
    !sound.is_dir() && !sound.files.names().iter().any(states)
}

/// Whether `manifest.json` lists several images.
fn layers_of_several(sound: &Sound) -> bool {
    json(&sound.files, "manifest.json").is_some_and(|items| {
        let count = items.as_array().map_or(0, Vec::len);
        count > 1 && !sound.files.has("index.json")
    })
}

/// All pairs of few; of many, neighbours and both ends.
fn pairs(count: usize) -> Vec<(usize, usize)> {
    let all = (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j)));
    all.filter(|&(i, j)| count <= 4 || i + 1 == j || (i, j) == (0, count - 1))
        .collect()
}

impl Sound {
    /// Changes a manifest, and the digests of all that lead to it.
    fn edit(&self, files: &mut Files, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut document: Value = serde_json::from_slice(files.get(name)).expect("JSON");
        edit(&mut document);
        let mut renamed = Vec::new();
        renamed.extend(self.replace(files, name, &document));
        while let Some((old, new, size)) = renamed.pop() {
            for index in files.names() {
                let Some(mut document) = json(files, &index) else {
                    continue;
                };
                let entries = document.get_mut("manifests").and_then(Value::as_array_mut);
                let mut found = false;
                for entry in entries.into_iter().flatten() {
                    if entry["digest"] == old.as_str() {
                        (entry["digest"], entry["size"]) = (new.as_str().into(), size.into());
                        found = true;
                    }
                }
                if found {
                    renamed.extend(self.replace(files, &index, &document));
                }
            }
        }
    }

    /// Writes a document; of a blob, its digest before, and digest and size now.
    fn replace(
        &self,
        files: &mut Files,
        name: &str,
        document: &Value,
    ) -> Option<(String, String, usize)> {
        let bytes = document.to_string().into_bytes();
        let Some(rest) = name.strip_prefix("blobs/") else {
            files.put(name, bytes);
            return None;
        };
        let old = rest.replacen('/', ":", 1);
        let (new, size) = (digest_like(&old, &bytes), bytes.len());
        files.remove(name);
        files.put(&self.blob(&new), bytes);
        Some((old, new, size))
    }
}

// ---------------------------------------------------------------------------------------------------- the programs

/// How a command line is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gives {
    /// Files of the image, on standard output or in `out`.
    Files,
    /// Texts about the image, which depend on documents that nothing names by a digest.
    Text,
    /// An archive or layout `out` with one image or all.
    Archive,
    /// A store `out`.
    Store,
    /// A verdict.
    Verdict,
}

/// Every program that reads images: the row of the list of imgkit(7), the command line, and what it gives. `IMAGE` is one
/// image, `i` all of the archive, `sound` the sound one.
const COMMANDS: [(&str, &str, Gives); 43] = [
    ("imgexport", "imgexport IMAGE", Gives::Files),
    ("imgexport", "imgexport -o out IMAGE", Gives::Files),
    (
        "imgexport",
        "imgexport --format cpio -o out IMAGE",
        Gives::Files,
    ),
    (
        "imgexport",
        "imgexport -q --rootless -C out IMAGE",
        Gives::Files,
    ),
    ("imgexport", "imgexport --layer 1 IMAGE", Gives::Files),
    (
        "imgexport",
        "imgexport --layer 1..1 --applied --exclude nothing IMAGE",
        Gives::Files,
    ),
    (
        "imgexport",
        "imgexport --format json --digests IMAGE",
        Gives::Files,
    ),
    (
        "imgexport PATH",
        "imgexport --include 'etc' IMAGE",
        Gives::Files,
    ),
    (
        "imgexport PATH",
        "imgexport --format mtree IMAGE",
        Gives::Files,
    ),
    (
        "imgexport --verify",
        "imgexport --verify --include 'etc' IMAGE",
        Gives::Files,
    ),
    (
        "imgexport --verify",
        "imgexport --verify --format json IMAGE",
        Gives::Files,
    ),
    ("imgexport", "imgexport < PIPE", Gives::Files),
    (
        "imgcommit --squash",
        "imgcommit -q --squash IMAGE -o out s:1",
        Gives::Archive,
    ),
    (
        "imgcommit --base",
        "imgcommit -q --base IMAGE root.tar -o out s:1",
        Gives::Archive,
    ),
    // Nothing of the base is read but to be copied.
    (
        "imgcommit --base",
        "imgcommit -q --upper --base IMAGE upper -o out s:1",
        Gives::Archive,
    ),
    (
        "imghistory --dockerfile",
        "imghistory --dockerfile IMAGE",
        Gives::Text,
    ),
    (
        "imghistory --extract",
        "imghistory --dockerfile --extract out IMAGE",
        Gives::Text,
    ),
    (
        "imghistory",
        "imghistory --no-trunc --format '{{.CreatedBy}} {{.Size}}' IMAGE",
        Gives::Text,
    ),
    (
        "imginspect",
        "imginspect --format '{{.Id}} {{json .RootFS}}' IMAGE",
        Gives::Text,
    ),
    (
        "imgfind",
        "imgfind --format '{{.Path}} {{.Size}} {{.State}} {{.Layer}}' IMAGE",
        Gives::Text,
    ),
    ("imgls", "imgls -q --no-trunc i", Gives::Text),
    ("imgdiff", "imgdiff SOUND IMAGE", Gives::Verdict),
    ("imgdiff", "imgdiff --layers SOUND IMAGE", Gives::Verdict),
    (
        "imgdiff --verify",
        "imgdiff --verify SOUND IMAGE",
        Gives::Verdict,
    ),
    (
        "imgdiff --verify",
        "imgdiff --verify --stat SOUND IMAGE",
        Gives::Verdict,
    ),
    (
        "imgdiff --verify",
        "imgdiff --verify --packages SOUND IMAGE",
        Gives::Verdict,
    ),
    (
        "imgdiff --verify",
        "imgdiff --verify --waste IMAGE",
        Gives::Verdict,
    ),
    ("imgsave", "imgsave -q -o out i", Gives::Archive),
    ("imgconvert", "imgconvert -q IMAGE oci:out", Gives::Archive),
    ("imgconvert", "imgconvert -q IMAGE dir:out", Gives::Archive),
    (
        "imgconvert",
        "imgconvert -q --compression none IMAGE oci-archive:out",
        Gives::Archive,
    ),
    (
        "imgconvert",
        "imgconvert -q IMAGE docker-legacy:out",
        Gives::Archive,
    ),
    ("imgload", "imgload -q --store out i", Gives::Store),
    ("imgload", "imgload -q --store out < PIPE", Gives::Store),
    (
        "imgconvert",
        "imgconvert -q --media-types docker IMAGE oci-archive:out",
        Gives::Archive,
    ),
    ("imgtag", "imgtag --store out IMAGE s:1", Gives::Store),
    (
        "imgedit",
        "imgedit -q --author me IMAGE -o out s:1",
        Gives::Archive,
    ),
    ("imgpush", "imgpush -q --as s:1 IMAGE out", Gives::Archive),
    ("imgpull", "imgpull -q --store out IMAGE", Gives::Store),
    ("imgdf", "imgdf -v --format json i", Gives::Text),
    ("imggraph", "imggraph --format json i", Gives::Text),
    (
        "imghistory --dockerfile",
        "imghistory --annotate IMAGE",
        Gives::Text,
    ),
    ("imgverify", "imgverify -q i", Gives::Verdict),
];

/// The list of imgkit(7): for each row what is verified of uncompressed and of compressed layers.
fn table() -> BTreeMap<String, (String, String)> {
    let page = include_str!("../src/cli/imgkit.md");
    let mut rows = BTreeMap::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("- `")) {
        let Some((programs, rest)) = line.split_once("`: uncompressed layers: ") else {
            continue;
        };
        let (plain, compressed) = rest.split_once("; compressed layers: ").expect("both");
        for program in programs.split(", ") {
            rows.insert(
                program.to_owned(),
                (plain.to_owned(), compressed.to_owned()),
            );
        }
    }
    rows
}

/// What a command line gave.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Result {
    code: Option<i32>,
    stdout: Vec<u8>,
    /// The files in `out` and what is in them; of an archive, the files of its image.
    out: BTreeMap<String, Vec<u8>>,
}

struct Case {
    room: Room,
    tar: Vec<u8>,
    platform: &'static str,
}

impl Case {
    fn new(sound: &Sound, files: &Files) -> Self {
        let room = Room::new();
        let tar = sound.wrapping.pack(&files.tar());
        let put = |name: &str, files: &Files| match sound.is_folder {
            true => files.write_to(&room.path(name)),
            false => room.write(name, &sound.wrapping.pack(&files.tar())),
        };
        put("i", files);
        put("s", &sound.files);
        room.write("root.tar", &build::layer("f new new"));
        std::fs::create_dir(room.path("upper")).expect("a directory");
        room.write("upper/new", b"new");
        // Of an index that has lost one platform the other one would be the only one there is.
        let platform = match sound.name.contains("platforms") {
            true => " --platform linux/amd64",
            false => "",
        };
        Case {
            room,
            tar,
            platform,
        }
    }

    fn run(&self, line: &str) -> Output {
        let pick = |name: &str| format!("./{name}:@0");
        let platform = match line.contains("IMAGE") && !line.contains("PIPE") {
            true => self.platform,
            false => "",
        };
        let line = line
            .replace("IMAGE", &pick("i"))
            .replace("SOUND", &pick("s"))
            + platform;
        let line = line.replace(" i", " ./i").replace(" ././i", " ./i");
        match line.strip_suffix(" < PIPE") {
            Some(line) => {
                let source = match line.starts_with("imgexport") {
                    true => "-:@0",
                    false => "-",
                };
                self.room
                    .command(&format!("{line} {source}{}", self.platform))
                    .pipe(&self.tar)
                    .run()
            }
            None => self.room.run(&line),
        }
    }

    fn result(&self, line: &str, gives: Gives) -> (Result, Output) {
        let output = self.run(line);
        let path = self.room.path("out");
        let mut out = BTreeMap::new();
        let is_there = path.exists();
        if is_there && output.code == Some(0) {
            // An index that lost a platform is compared by the images that are left.
            let is_image = matches!(gives, Gives::Archive | Gives::Store);
            for platform in ["linux/amd64", "linux/arm64"] {
                if !is_image || self.platform.is_empty() {
                    break;
                }
                let files = self
                    .room
                    .run(&format!("imgexport --platform {platform} ./out:@0"));
                if files.code == Some(0) {
                    out.insert(format!("platform {platform}"), files.stdout);
                }
            }
            match gives {
                Gives::Archive => {
                    let files = self.room.run("imgexport ./out:@0");
                    out.insert(format!("status {:?}", files.code), files.stdout);
                }
                Gives::Store => {
                    // The store lists by name, and the archive in its own order: all images, sorted.
                    let ids = self.room.run("imgls -q --no-trunc ./out");
                    let mut ids: Vec<&str> = ids.out().lines().collect();
                    ids.sort_unstable();
                    ids.dedup();
                    for id in ids {
                        let files = self.room.run(&format!("imgexport ./out@{id}"));
                        out.insert(format!("{id}: status {:?}", files.code), files.stdout);
                    }
                }
                _ if path.is_dir() => {
                    let files = of_folder_with_links(&path);
                    out.extend(files);
                }
                _ => {
                    out.insert(String::new(), std::fs::read(&path).expect("out"));
                }
            }
        }
        if output.code == Some(2) && is_there {
            out.insert("left behind".into(), Vec::new());
        }
        if path.is_dir() {
            std::fs::remove_dir_all(&path).expect("removed");
        } else if is_there {
            std::fs::remove_file(&path).expect("removed");
        }
        let result = Result {
            code: output.code,
            stdout: output.stdout.clone(),
            out,
        };
        (result, output)
    }
}

fn of_folder_with_links(top: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut work = vec![top.to_owned()];
    while let Some(folder) = work.pop() {
        for entry in std::fs::read_dir(&folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(top).expect("below").display().to_string();
            let metadata = std::fs::symlink_metadata(&path).expect("metadata");
            let text = if metadata.is_symlink() {
                let target = std::fs::read_link(&path).expect("a link");
                target.display().to_string().into_bytes()
            } else if metadata.is_dir() {
                work.push(path.clone());
                Vec::new()
            } else if metadata.is_file() {
                std::fs::read(&path).expect("a file")
            } else {
                b"special".to_vec()
            };
            found.insert(name, text);
        }
    }
    found
}

/// Whether a program that ended without an error told the truth.
fn is_right(
    line: &str,
    row: &(String, String),
    gives: Gives,
    kind: Kind,
    wanted: &Result,
    found: &Result,
    err: &str,
) -> bool {
    if found.code == Some(2) {
        return found.out.is_empty();
    }
    // The exports of each platform say what is left of an index that lost one.
    let without_platforms = |result: &Result| {
        let mut result = result.clone();
        result
            .out
            .retain(|export, _| !export.starts_with("platform "));
        result
    };
    let (wanted, found) = match kind {
        Kind::LostPlatform => (wanted.clone(), found.clone()),
        _ => (without_platforms(wanted), without_platforms(found)),
    };
    let (wanted, found) = (&wanted, &found);
    if found == wanted {
        return true;
    }
    let (plain, compressed) = (row.0.as_str(), row.1.as_str());
    let of_layers = matches!(
        kind,
        Kind::FlippedPlain | Kind::FlippedCompressed | Kind::ReorderedCompressed | Kind::Missing
    );
    match (gives, kind) {
        // Damage is what there is to tell, and an archive whose documents are others differs from the sound one. But
        // a layer that is not the stated one is no difference to tell of.
        (Gives::Verdict, _) if found.code == Some(1) => line.starts_with("imgverify") || !of_layers,
        // What documents say that no digest is stated of: nobody can know that they said something else.
        (Gives::Text | Gives::Verdict, Kind::Unnamed | Kind::LostPlatform) => true,
        // Names and what is listed may be others, but never the files. An index that has lost one platform stays as
        // it is, as in docker: that platform cannot be exported.
        (Gives::Archive | Gives::Store, Kind::Unnamed | Kind::LostPlatform) => {
            found.out.iter().all(|(export, files)| {
                if export.starts_with("platform ") {
                    return wanted.out.get(export) == Some(files);
                }
                let has_lost = kind == Kind::LostPlatform;
                let is_refused = export.ends_with("status Some(2)") && files.is_empty();
                has_lost && is_refused || wanted.out.values().any(|wanted| wanted == files)
            })
        }
        // Documents are other ones, whose digests and sizes are told; that they are not used is warned of.
        (Gives::Text, Kind::Known) => err.contains("using manifest.json"),
        // imgpush prints the digest of a manifest that is made anew; the files are the same.
        (Gives::Archive, Kind::Known) if found.out == wanted.out => {
            err.contains("using manifest.json")
        }
        // That it is not there is what there is to tell.
        (Gives::Text, Kind::Missing) => true,
        // Headers, and what has been verified in another archive: --verify is for that.
        (_, Kind::FlippedPlain) => plain != "diff ID",
        (_, Kind::FlippedCompressed | Kind::ReorderedCompressed) => compressed == "none",
        _ => false,
    }
}

/// Whether a command line is run on a damaged archive. Archives have many members of a
/// kind, so the programs take turns, unless `IMGKIT_SOUND=all` asks for every one on each: that takes some minutes.
fn is_wanted(sound: &Sound, damaged: &Damaged, at: usize) -> bool {
    let all = std::env::var_os("IMGKIT_SOUND").is_some_and(|value| value == "all");
    let turn = damaged.what.bytes().map(usize::from).sum::<usize>();
    match (sound.is_small, damaged.kind) {
        (_, _) if all => true,
        (true, Kind::Unnamed | Kind::LostPlatform) => at == turn % 4,
        (true, _) => (at + turn).is_multiple_of(6),
        (false, Kind::Unnamed | Kind::LostPlatform) => at == turn % 8,
        (false, _) => (at + turn).is_multiple_of(16),
    }
}

#[test]
fn every_program_on_every_damage_fails_or_gives_what_is_sound() {
    let table = table();
    let sounds = sounds();
    let expected: Vec<Vec<Result>> = sounds
        .par_iter()
        .map(|sound| {
            let case = Case::new(sound, &sound.files);
            let all = COMMANDS.iter();
            all.map(|(_, line, gives)| case.result(line, *gives).0)
                .collect()
        })
        .collect();
    let mut work = Vec::new();
    for (sound, expected) in sounds.iter().zip(&expected) {
        for damaged in damages(sound) {
            work.push((sound, expected, damaged));
        }
    }
    assert!(work.len() > 800, "{} damages", work.len());
    let failures = Mutex::new(Vec::new());
    let runs: usize = work
        .par_iter()
        .map(|(sound, expected, damaged)| {
            let case = Case::new(sound, &damaged.files);
            let mut runs = 0;
            for (at, ((row, line, gives), wanted)) in COMMANDS.iter().zip(*expected).enumerate() {
                // What the sound archive does not give (a Dockerfile of one without history, say) is not asked for.
                if wanted.code == Some(2) || !is_wanted(sound, damaged, at) {
                    continue;
                }
                let row = table.get(*row).unwrap_or_else(|| panic!("no row {row}"));
                let (found, output) = case.result(line, *gives);
                runs += 1;
                let err = String::from_utf8_lossy(&output.stderr).into_owned();
                if !is_right(line, row, *gives, damaged.kind, wanted, &found, &err) {
                    let mut failures = failures.lock().expect("failures");
                    failures.push(format!(
                        "{}: {} ({:?}): {line}: status {:?}, {err}",
                        sound.name, damaged.what, damaged.kind, found.code
                    ));
                }
            }
            runs
        })
        .sum();
    let mut failures = failures.into_inner().expect("failures");
    failures.sort();
    assert!(
        failures.is_empty(),
        "{} of {runs} runs:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(
        runs > work.len(),
        "{runs} runs on {} damaged archives",
        work.len()
    );
}
