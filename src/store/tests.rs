//! States of a store after programs that end or fail at any step, read by these tests' own code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Policy, RemovalTarget, Store};
use crate::archive::{Archive, Name, Open};
use crate::blob::Meter;
use crate::blob::fault_injection::testing::{Failure, with_plan};
use crate::error::Fault;
use crate::write::{Bundle, ListedName};

fn foreign(name: &str) -> Archive {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/foreign");
    Open::default()
        .path(&directory.join(name))
        .expect("an archive")
}

fn bundle(archive: &Archive, name: &str) -> Bundle {
    let mut bundle = Bundle::default();
    let root = archive.roots.first().expect("a root");
    let names = vec![Name::from_repo_tag(name)];
    bundle
        .add(
            archive,
            root,
            None,
            names.into_iter().map(ListedName::short).collect(),
        )
        .expect("sound");
    bundle
}

fn hex_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// All files with their digests.
fn files(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut work = vec![top.to_owned()];
    while let Some(directory) = work.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                work.push(path);
            } else {
                let digest = hex_of(&fs::read(&path).expect("a file"));
                found.insert(path.strip_prefix(top).expect("below").to_owned(), digest);
            }
        }
    }
    found
}

/// The entries of the index, and the blobs that it leads to. All of them exist and have the right digest.
fn state(top: &Path, what: &str) -> (Vec<String>, BTreeSet<String>) {
    let Ok(index) = fs::read(top.join("index.json")) else {
        return Default::default();
    };
    let index: Value = serde_json::from_slice(&index).expect(what);
    let listed = index["manifests"].as_array().expect(what).clone();
    let mut blobs = BTreeSet::new();
    let mut work = listed.clone();
    while let Some(descriptor) = work.pop() {
        let digest = descriptor["digest"].as_str().expect(what);
        let encoded = digest.strip_prefix("sha256:").expect(what).to_owned();
        let bytes = fs::read(top.join("blobs/sha256").join(&encoded)).expect(what);
        assert_eq!(hex_of(&bytes), encoded, "{what}");
        let kind = descriptor["mediaType"].as_str().unwrap_or_default();
        if kind.contains("manifest") || kind.contains("index") {
            let node: Value = serde_json::from_slice(&bytes).expect(what);
            for list in ["manifests", "layers"] {
                work.extend(node[list].as_array().cloned().unwrap_or_default());
            }
            work.extend((!node["config"].is_null()).then(|| node["config"].clone()));
        }
        blobs.insert(encoded);
    }
    let mut listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
    listed.sort_unstable();
    (listed, blobs)
}

/// The store has the blobs that it needs, and no other files.
fn exact(top: &Path, what: &str) {
    let (_, blobs) = state(top, what);
    let mut expected: BTreeSet<PathBuf> = ["index.json", "oci-layout"].map(PathBuf::from).into();
    expected.extend(
        blobs
            .iter()
            .map(|blob| Path::new("blobs/sha256").join(blob)),
    );
    let found: BTreeSet<PathBuf> = files(top).into_keys().collect();
    assert_eq!(found, expected, "{what}");
}

/// Ends an operation at each of its steps. Run again, it must lead to the same state from wherever it ended.
fn interrupt_everywhere(name: &str, does: impl Fn(&Store) -> crate::Result<()>) {
    let (a, b) = (foreign("skopeo-oci.tar"), foreign("docker-import.tar"));
    let prepare = || {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::at(directory.path().join("store"));
        for (archive, name) in [(&a, "a:1"), (&b, "b:1")] {
            let bundle = bundle(archive, name);
            let added = store.add(&bundle, Policy::Replace, &Meter::default());
            added.expect("a store");
        }
        fs::write(
            store.path().join("blobs/sha256").join(hex_of(b"orphan")),
            b"orphan",
        )
        .expect("a file");
        (directory, store)
    };
    let (_directory, store) = prepare();
    let before = state(store.path(), name);
    does(&store).expect(name);
    let after = state(store.path(), name);
    for plain in [false, true] {
        let mut steps = Vec::new();
        for end in [
            Failure::Killed,
            Failure::Fails(Errno::NOSPC),
            Failure::Fails(Errno::IO),
        ] {
            for step in 0.. {
                let what = format!("{name}: plain {plain}, {end:?} at {step}");
                let (_directory, store) = prepare();
                let top = store.path().to_owned();
                let (done, met) = with_plan(&top, plain, end, step, || does(&store));
                if !met {
                    done.expect(&what);
                    assert!(state(&top, &what) == after, "{what}");
                    steps.push(step);
                    break;
                }
                let left = state(&top, &what);
                assert!(left == before || left == after, "{what}: {left:?}");
                let leftovers = files(&top)
                    .into_keys()
                    .filter(|path| path.to_string_lossy().contains(".imgkit-"))
                    .count();
                if end != Failure::Killed {
                    // A file stays if its removal failed; all others are removed.
                    assert!(
                        leftovers <= usize::from(done.is_ok()) + usize::from(plain),
                        "{what}"
                    );
                }
                store.collect(false).expect(&what);
                assert!(state(&top, &what) == left, "{what}: collected");
                exact(&top, &what);
                does(&store).expect(&what);
                store.collect(false).expect(&what);
                assert!(state(&top, &what) == after, "{what}: the next run");
                exact(&top, &what);
            }
        }
        assert!(steps.iter().all(|steps| *steps > 1), "{name}: {steps:?}");
    }
}

#[test]
fn an_interrupted_load_is_consistent() {
    let archive = foreign("podman-oci.tar");
    interrupt_everywhere("add", |store| {
        let bundle = bundle(&archive, "c:1");
        store
            .add(&bundle, Policy::Replace, &Meter::default())
            .map(|_| ())
    });
}

#[test]
fn an_interrupted_first_load_is_consistent() {
    let archive = foreign("podman-oci.tar");
    let bundle = bundle(&archive, "c:1");
    for plain in [false, true] {
        for step in 0.. {
            let what = format!("plain {plain}, killed at {step}");
            let directory = tempfile::tempdir().expect("a directory");
            let store = Store::at(directory.path().join("store"));
            let add = || store.add(&bundle, Policy::Replace, &Meter::default());
            let (done, met) = with_plan(store.path(), plain, Failure::Killed, step, add);
            if !met {
                done.expect(&what);
                break;
            }
            let (listed, _) = state(store.path(), &what);
            assert!(listed.len() <= 1, "{what}");
            add().expect(&what);
            store.collect(false).expect(&what);
            assert_eq!(state(store.path(), &what).0.len(), 1, "{what}");
            exact(store.path(), &what);
        }
    }
}

#[test]
fn an_interrupted_tag_is_consistent() {
    let archive = foreign("skopeo-oci.tar");
    let root = archive.roots.first().expect("a root");
    let node = root.node.expect("a node");
    let target = archive.nodes[node].descriptor.digest.clone();
    interrupt_everywhere("tag", |store| {
        store
            .tag(&target, &ListedName::short(Name::from_repo_tag("more:1")))
            .map(|_| ())
    });
}

#[test]
fn an_interrupted_removal_is_consistent() {
    interrupt_everywhere("remove", |store| {
        let removals = [RemovalTarget::Name(Name::from_repo_tag("a:1"))];
        store.remove(&removals).map(|_| ())
    });
}

#[test]
fn a_tag_for_a_removed_image_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::at(directory.path().join("store"));
    let archive = foreign("skopeo-oci.tar");
    let root = archive.roots.first().expect("a root");
    let node = root.node.expect("a node");
    let target = archive.nodes[node].descriptor.digest.clone();
    let bundle = bundle(&archive, "a:1");
    store
        .add(&bundle, Policy::Replace, &Meter::default())
        .expect("a store");
    let removals = [RemovalTarget::Name(Name::from_repo_tag("a:1"))];
    store.remove(&removals).expect("a removal");
    let error = store
        .tag(&target, &ListedName::short(Name::from_repo_tag("b:1")))
        .expect_err("no image");
    assert!(
        matches!(error.fault(), Fault::NoSuchImage { .. }),
        "{error}"
    );
}

#[test]
fn a_held_store_deletes_no_blobs() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::at(directory.path().join("store"));
    let bundle = bundle(&foreign("skopeo-oci.tar"), "a:1");
    store
        .add(&bundle, Policy::Replace, &Meter::default())
        .expect("a store");
    let before = files(store.path());
    let held = store.hold();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let removals = [RemovalTarget::Name(Name::from_repo_tag("a:1"))];
            store.remove(&removals).expect("a removal");
            is_done.store(true, Ordering::Release);
        });
        std::thread::sleep(Duration::from_millis(100));
        assert!(!is_done.load(Ordering::Acquire));
        assert_eq!(files(store.path()), before);
        drop(held);
    });
    assert_eq!(state(store.path(), "removed").1.len(), 0);
}

#[test]
fn removals_create_no_directories() {
    let directory = tempfile::tempdir().expect("a directory");
    let removals = [RemovalTarget::Name(Name::from_repo_tag("a:1"))];
    let store = Store::at(directory.path().join("store"));
    let (freed, listed) = store.remove(&removals).expect("nothing to do");
    assert!(freed.blobs.is_empty() && listed.is_empty());
    assert!(
        store
            .collect(false)
            .expect("nothing to do")
            .blobs
            .is_empty()
    );
    assert!(!store.path().exists());
    // A layout without blobs.
    fs::create_dir(store.path()).expect("a directory");
    let digest = format!("sha256:{}", "0".repeat(64));
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":2,"annotations":{{"org.opencontainers.image.ref.name":"a:1"}}}}]}}"#
    );
    fs::write(store.path().join("index.json"), index).expect("a file");
    fs::write(
        store.path().join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .expect("a file");
    for dry_run in [true, false] {
        assert!(store.collect(dry_run).expect("no blobs").blobs.is_empty());
    }
    let (_, listed) = store.remove(&removals).expect("a removal");
    assert!(listed.is_empty(), "{listed:?}");
    let index = fs::read_to_string(store.path().join("index.json")).expect("a file");
    assert!(!index.contains(&digest), "{index}");
    assert!(!store.path().join("blobs").exists());
    // A file is not taken for a missing directory.
    fs::write(store.path().join("blobs"), "").expect("a file");
    assert!(store.remove(&removals).is_err() && store.collect(true).is_err());
}

/// The names of all blobs of a store.
fn blob_names(store: &Store) -> BTreeSet<String> {
    let entries = fs::read_dir(store.path().join("blobs/sha256")).expect("blobs");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// Blobs without an image stay as long as a file protects them, whatever else is removed.
#[test]
fn protected_blobs_stay_for_thirty_days() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::at(directory.path().join("store"));
    let archive = foreign("docker-classic.tar.zst");
    let bundle = bundle(&archive, "demo:1");
    let written = store
        .keep("part", &bundle, &Meter::default())
        .expect("kept");
    let all = blob_names(&store);
    assert_eq!(all.len(), bundle.blobs().len());
    assert_eq!(
        written,
        bundle.blobs().iter().map(|blob| blob.size).sum::<u64>()
    );
    let file = store.path().join("ingest/part");
    let lines = fs::read_to_string(&file).expect("a file");
    let protected: BTreeSet<String> = lines
        .lines()
        .map(|line| line.replace("sha256:", ""))
        .collect();
    assert_eq!(protected, all);
    for dry_run in [true, false] {
        assert_eq!(store.collect(dry_run).expect("collected").blobs, []);
    }
    // An image that comes and goes takes nothing with it.
    let first = bundle.blobs().first().expect("a blob").digest.clone();
    store
        .add(&bundle, Policy::Replace, &Meter::default())
        .expect("added");
    let digest = bundle.listed[0].descriptor.digest.clone();
    store
        .remove(&[RemovalTarget::Image(digest)])
        .expect("removed");
    assert_eq!(blob_names(&store), all);
    // Protection begins anew with each time, and ends after 30 days.
    let days = |days: u64| {
        let time = std::time::SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
        let file = fs::File::options().write(true).open(&file).expect("a file");
        file.set_modified(time).expect("a time");
    };
    days(29);
    assert_eq!(store.collect(false).expect("collected").blobs, []);
    days(31);
    store.protect("one", [&first]).expect("protected");
    let freed = store.collect(true).expect("collected");
    assert_eq!((freed.blobs.len(), file.exists()), (all.len() - 1, true));
    let freed = store.collect(false).expect("collected");
    assert_eq!((freed.blobs.len(), file.exists()), (all.len() - 1, false));
    assert_eq!(
        blob_names(&store),
        BTreeSet::from([first.encoded().to_owned()])
    );
    assert_eq!(
        store
            .blob_size(&digest_of(&all, &first))
            .expect("looked up"),
        None
    );
    store.release("one").expect("released");
    store.release("one").expect("released twice");
    store.collect(false).expect("collected");
    assert_eq!(blob_names(&store), BTreeSet::new());
}

/// The first of some blobs that is not `other`.
fn digest_of(names: &BTreeSet<String>, other: &crate::spec::Digest) -> crate::spec::Digest {
    let name = names
        .iter()
        .find(|name| *name != other.encoded())
        .expect("another");
    crate::spec::Digest::from_hex("sha256", name).expect("a digest")
}

/// Nothing is written through a link in the place of the directory.
#[test]
fn no_protection_is_written_through_a_link() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::at(directory.path().join("store"));
    let outside = directory.path().join("outside");
    fs::create_dir_all(store.path()).expect("a directory");
    fs::create_dir(&outside).expect("a directory");
    std::os::unix::fs::symlink(&outside, store.path().join("ingest")).expect("a link");
    let error = store.protect("part", []).expect_err("a link");
    assert!(matches!(error.fault(), Fault::NotAFile { .. }), "{error}");
    assert_eq!(fs::read_dir(&outside).expect("a directory").count(), 0);
}
