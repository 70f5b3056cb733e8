//! Stores that somebody else has written: what looks after them deletes nothing that an index which cannot be read
//! might need, and nothing that is not in them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use super::room::Input;
use super::{Case, Kind};
use crate::common::build;

/// The programs that keep a store; those that change it are to leave this one as it is.
const LINES: [(Kind, &str); 10] = [
    (Kind::Look, "imgls --store in"),
    (Kind::Look, "imgdf --store in"),
    (Kind::Look, "imgdf -v --store in"),
    (Kind::Look, "imghistory --store in demo:1"),
    (Kind::Copy, "imgprune --store in -f"),
    (Kind::Copy, "imgprune --store in -f -a"),
    (Kind::Copy, "imgprune --store in --dry-run -a"),
    (Kind::Copy, "imgrm --store in demo:1"),
    (Kind::Copy, "imgtag --store in demo:1 other:1"),
    (Kind::Copy, "imgload --store in good.tar"),
];

fn app() -> build::Image {
    build::image("demo:1").layer("f a one").layer("f b two")
}

fn store(work: &Path) {
    build::oci(&[&app()]).write_to(&work.join("in"));
}

fn edited(work: &Path, edit: impl FnOnce(&mut Value)) {
    let mut files = build::oci(&[&app()]);
    files.edit("index.json", edit);
    files.write_to(&work.join("in"));
}

fn put(work: &Path, text: &[u8]) {
    store(work);
    fs::write(work.join("in/index.json"), text).expect("a file");
}

fn manifest(work: &Path) -> std::path::PathBuf {
    work.join("in")
        .join(build::blob_name(&app().manifest_digest()))
}

/// `blobs`, or a folder in it, moved out and linked to.
fn moved(work: &Path, name: &str) {
    store(work);
    let from = work.join("in").join(name);
    let to = work.join("../outside/moved");
    fs::rename(&from, &to).expect("a folder");
    symlink(fs::canonicalize(&to).expect("a folder"), &from).expect("a link");
}

type Make = fn(&Path);

/// S1 and S2.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let damaged: [(&'static str, Make, &'static str); 10] = [
        ("cut", |work| put(work, b"{\"manifests\":["), "*=2"),
        ("empty", |work| put(work, b""), "*=2"),
        ("no object", |work| put(work, b"[]"), "*=2"),
        (
            "no list",
            |work| put(work, b"{\"schemaVersion\":2,\"manifests\":7}"),
            "*=2",
        ),
        (
            "a digest that climbs",
            |work| {
                edited(work, |index| {
                    index["manifests"][0]["digest"] = "sha256:../../outside/canary".into();
                });
            },
            "*=2",
        ),
        (
            "deep",
            |work| {
                put(
                    work,
                    ("[".repeat(100_000) + &"]".repeat(100_000)).as_bytes(),
                )
            },
            "*=2",
        ),
        (
            "20,000 entries",
            |work| {
                edited(work, |index| {
                    let entry = |i: usize| {
                        build::descriptor(
                            "application/vnd.oci.image.manifest.v1+json",
                            i.to_string().as_bytes(),
                        )
                    };
                    index["manifests"] = (0..20_000).map(entry).collect();
                });
            },
            "imgload=0 imgls=0 imgdf=0 imgprune=0 *=2",
        ),
        (
            "a FIFO",
            |work| {
                store(work);
                fs::remove_file(work.join("in/index.json")).expect("a file");
                build::fifo(&work.join("in/index.json"));
            },
            "*=2",
        ),
        (
            "that leads elsewhere",
            |work| {
                store(work);
                let index = work.join("in/index.json");
                fs::rename(&index, work.join("../outside/index.json")).expect("a file");
                symlink("../../outside/index.json", index).expect("a link");
            },
            "*=2",
        ),
        (
            "a name for terminals",
            |work| {
                edited(work, |index| {
                    let text = "x\u{1b}[2J\n\u{202e}:1";
                    let mut other = index["manifests"][0].clone();
                    other["annotations"] = json!({"org.opencontainers.image.ref.name": text});
                    index["manifests"]
                        .as_array_mut()
                        .expect("a list")
                        .push(other);
                });
            },
            "*=0",
        ),
    ];
    for (what, make, codes) in damaged {
        cases.push(Case::of(
            "S1",
            &format!("index.json: {what}"),
            Input::Made("in", make),
            &LINES,
            codes,
            &[],
        ));
    }
    let others: [(&'static str, Make, &'static str); 8] = [
        (
            "a manifest cut short",
            |work| {
                store(work);
                fs::write(manifest(work), b"{\"schemaVersion\":2,").expect("a file");
            },
            "imgload=0 imgdf=0 imgrm=0 imgtag=0 *=2",
        ),
        (
            "a manifest that is gone",
            |work| {
                store(work);
                fs::remove_file(manifest(work)).expect("a file");
            },
            "imghistory=2 *=0",
        ),
        (
            "a manifest that is a FIFO",
            |work| {
                store(work);
                fs::remove_file(manifest(work)).expect("a file");
                build::fifo(&manifest(work));
            },
            "imgload=0 imgdf=0 imgrm=0 imgtag=0 *=2",
        ),
        (
            "a manifest that leads elsewhere",
            |work| {
                store(work);
                fs::rename(manifest(work), work.join("../outside/moved")).expect("a file");
                symlink(work.join("../outside/moved"), manifest(work)).expect("a link");
            },
            "imgload=0 imgdf=0 imgrm=0 imgtag=0 *=2",
        ),
        (
            "blobs elsewhere",
            |work| moved(work, "blobs"),
            "imgdf=0 *=2",
        ),
        (
            "blobs/sha256 elsewhere",
            |work| moved(work, "blobs/sha256"),
            "imgdf=0 *=2",
        ),
        (
            "a file as blobs",
            |work| {
                store(work);
                fs::remove_dir_all(work.join("in/blobs")).expect("a folder");
                fs::write(work.join("in/blobs"), b"x").expect("a file");
            },
            "imgls=0 imgdf=0 *=2",
        ),
        (
            "a file as the store",
            |work| fs::write(work.join("in"), b"x").expect("a file"),
            "*=2",
        ),
    ];
    for (what, make, codes) in others {
        cases.push(Case::of(
            "S2",
            what,
            Input::Made("in", make),
            &LINES,
            codes,
            &[],
        ));
    }
    cases
}
