//! Storage trees of registries: as a directory, and the same in a tar.

use std::collections::BTreeMap;
use std::path::Path;

use imgkit::archive::{Archive, Half, TreeKind, image_paths, registry_root};
use imgkit::blob::Meter;
use imgkit::verify::verify;
use serde_json::{Value, json};

use super::archives::{Members, file, looked, open, told};
use super::streams::limits;
use super::{Taken, sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Most files of a tree.
const FILES: usize = 60;

/// A tree while it is laid out, by paths below `docker/registry/v2`.
#[derive(Default)]
struct Layout {
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
    /// Digests, media types and sizes of blobs.
    blobs: Vec<(String, &'static str, usize)>,
}

impl Layout {
    /// Stores a blob under its digest.
    fn blob(&mut self, kind: &'static str, bytes: Vec<u8>) {
        let digest = sha256(&bytes);
        self.blobs.push((digest.clone(), kind, bytes.len()));
        self.files.insert(data(&digest), bytes);
    }

    /// The descriptor of one of the blobs.
    fn descriptor(&self, taken: &mut Taken<'_>) -> Value {
        let number = usize::from(taken.byte());
        match self.blobs.get(number % self.blobs.len().max(1)) {
            Some((digest, kind, size)) => {
                json!({"mediaType": kind, "digest": digest, "size": size})
            }
            None => Value::Null,
        }
    }

    fn descriptors(&self, taken: &mut Taken<'_>) -> Vec<Value> {
        let count = taken.byte() % 4;
        (0..count).map(|_| self.descriptor(taken)).collect()
    }

    /// Carries out one step.
    fn step(&mut self, taken: &mut Taken<'_>) {
        match taken.byte() % 9 {
            0 => self.blob("application/octet-stream", taken.part().to_vec()),
            1 => {
                let children = self.descriptors(taken);
                let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children});
                self.blob(INDEX, index.to_string().into_bytes());
            }
            2 => {
                let (config, layers) = (self.descriptor(taken), self.descriptors(taken));
                let mut manifest = json!({
                    "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
                });
                if taken.byte().is_multiple_of(4) {
                    manifest["subject"] = self.descriptor(taken);
                }
                self.blob(MANIFEST, manifest.to_string().into_bytes());
            }
            // What a registry links.
            3 | 4 => {
                let directory = directory(taken);
                let target = self.descriptor(taken);
                let target = target["digest"].as_str().unwrap_or_default().to_owned();
                let path = match directory.ends_with("/current") {
                    true => format!("{directory}/link"),
                    false => below(&directory, &target),
                };
                self.files.insert(path, target.into_bytes());
            }
            // A link with another text.
            5 => {
                let directory = directory(taken);
                let named = self.descriptor(taken);
                let path = below(&directory, named["digest"].as_str().unwrap_or_default());
                self.files.insert(path, taken.until(0).to_vec());
            }
            // A blob under a digest that is not its own: indexes may list themselves.
            6 => {
                let digest = sha256(&[taken.byte()]);
                let size = 300;
                self.blobs.push((digest.clone(), INDEX, size));
                let children = self.descriptors(taken);
                let mut index = json!({"schemaVersion": 2, "manifests": children}).to_string();
                index.extend(std::iter::repeat_n(' ', size.saturating_sub(index.len())));
                self.files.insert(data(&digest), index.into_bytes());
            }
            7 => {
                let path = clean(taken);
                self.files.insert(path, taken.part().to_vec());
            }
            _ => {
                let path = clean(taken);
                let target = String::from_utf8_lossy(taken.until(0)).into_owned();
                self.links.insert(path, target);
            }
        }
    }

    /// Writes it below a directory; files that have no place there are dropped.
    fn write(&mut self, top: &Path) {
        self.files.retain(|path, bytes| {
            let path = top.join(path);
            let parent = path.parent().map(std::fs::create_dir_all);
            parent.is_some_and(|made| made.is_ok()) && std::fs::write(path, bytes).is_ok()
        });
        self.links.retain(|path, target| {
            let path = top.join(path);
            let parent = path.parent().map(std::fs::create_dir_all);
            let made = std::os::unix::fs::symlink(target, path);
            parent.is_some_and(|parent| parent.is_ok()) && made.is_ok()
        });
    }

    /// As a tar; `None` if a name has no place in a header.
    fn tar(&self) -> Option<Vec<u8>> {
        let mut members = Members::default();
        let mut files = self.files.iter();
        let is_whole = files.all(|(path, bytes)| members.add(path, bytes));
        is_whole.then(|| members.done())
    }
}

fn data(digest: &str) -> String {
    let hex = &digest["sha256:".len()..];
    format!("blobs/sha256/{}/{hex}/data", &hex[..2])
}

fn below(directory: &str, digest: &str) -> String {
    format!("{directory}/{}/link", digest.replace(':', "/"))
}

/// A directory of links of a repository.
fn directory(taken: &mut Taken<'_>) -> String {
    let kind = taken.byte();
    let name = name(taken, &["a", "a/b", "library/app"]);
    let rest = match kind % 4 {
        0 => "_layers".to_owned(),
        1 => "_manifests/revisions".to_owned(),
        _ => {
            let rest = if kind % 4 == 2 { "current" } else { "index" };
            let tag = name_of_tag(taken);
            format!("_manifests/tags/{tag}/{rest}")
        }
    };
    format!("repositories/{name}/{rest}")
}

fn name_of_tag(taken: &mut Taken<'_>) -> String {
    let digest = sha256(b"\0").replace(':', "-");
    name(taken, &["1", "latest", &digest])
}

/// A usual name, or any.
fn name(taken: &mut Taken<'_>, usual: &[&str]) -> String {
    match usual.get(usize::from(taken.byte() % 5)) {
        Some(name) => (*name).to_owned(),
        None => clean(taken),
    }
}

/// A path of few parts that leads nowhere else.
fn clean(taken: &mut Taken<'_>) -> String {
    let text = String::from_utf8_lossy(taken.until(0)).into_owned();
    let parts = text.split('/');
    let parts = parts.filter(|part| !matches!(*part, "" | "." | "..") && part.len() <= 90);
    let parts: Vec<&str> = parts.take(12).collect();
    match parts.is_empty() {
        true => "x".to_owned(),
        false => parts.join("/").replace('\0', "x"),
    }
}

/// What there is to say of a tree, and what imgverify finds in it.
fn findings(archive: &Archive) -> Vec<String> {
    let report = verify(archive, &limits(), &Meter::default());
    let findings = report.findings.iter();
    let mut all: Vec<String> = findings
        .map(|one| format!("{:?} {} {}", one.severity, one.code, one.places.join(": ")))
        .collect();
    all.sort_unstable();
    all
}

/// Steps that lay out a tree: blobs, documents about them, links, and any files and links of the file system. What is
/// read from a directory and from a tar is the same, unless there are links, which a tar has no place for here.
pub fn registry(input: &[u8]) {
    let mut taken = Taken(input);
    let mut layout = Layout::default();
    while !taken.0.is_empty() && layout.files.len() < FILES {
        layout.step(&mut taken);
    }
    let top = tempfile::tempdir().expect("a directory");
    layout.write(top.path());
    for name in ["blobs", "repositories"] {
        let _ = std::fs::create_dir(top.path().join(name));
    }
    let kind = Some(Half::Tree(TreeKind::Registry));
    for only in [
        kind,
        Some(Half::Tree(TreeKind::Layouts)),
        Some(Half::Tree(TreeKind::Dirs)),
    ] {
        for examine in [false, true] {
            if let Ok(archive) = open(examine, only).path(top.path()) {
                looked(&archive, &limits());
                let _ = findings(&archive);
            }
        }
    }
    let _ = image_paths(top.path(), TreeKind::Layouts);
    let has = |name: &str| layout.files.keys().any(|path| path.starts_with(name));
    if registry_root(top.path()).is_none()
        || !layout.links.is_empty()
        || !has("blobs/")
        || !has("repositories/")
    {
        return;
    }
    let directory = open(true, kind).path(top.path());
    let Some(tar) = layout.tar() else {
        return;
    };
    let tar = open(true, kind).path(&file(&tar));
    match (&directory, &tar) {
        (Ok(directory), Ok(tar)) => {
            assert_eq!(told(directory), told(tar), "a directory and a tar");
            assert_eq!(findings(directory), findings(tar), "a directory and a tar");
        }
        (Err(_), Err(_)) => {}
        (directory, tar) => panic!(
            "{:?}: {:?} and {:?}",
            layout.files.keys(),
            directory.as_ref().err(),
            tar.as_ref().err()
        ),
    }
}
