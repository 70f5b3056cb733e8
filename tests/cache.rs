//! What is kept of packed layers changes no answer: with it, without it, and with what is left of it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::common::build::{self, Image};
use crate::common::pack::Pack;
use crate::common::run::Room;
use crate::imgexport::sparse;

/// Questions, `A` and `B` being two images.
const QUESTIONS: [&str; 19] = [
    "imgdiff A B",
    "imgdiff --format json A B",
    "imgdiff --strict A B",
    "imgdiff --text A B",
    "imgdiff --text=etc/a A B",
    "imgdiff -M --blame A B",
    "imgdiff --packages A B",
    "imgdiff --layers A B",
    "imgdiff --waste --format json A",
    "imgexport A",
    "imgexport --format cpio B",
    "imgexport --format json --digests A",
    "imgexport --format mtree A",
    "imgexport A files/17 files/899 etc/a",
    "imgexport --layer 1..2 --include *7 A",
    "imgexport A nothing/there",
    "imgcommit --base A --layer-out - changed.tar",
    "imgcommit --base A --layer-out - same.tar",
    "imgcommit --base B --base-owners --layer-out - changed.tar",
];

/// Files whose bytes look random, of about a kilobyte each.
pub fn files(count: u64, seed: u64) -> String {
    let mut state = seed;
    let mut line = "d files".to_owned();
    for i in 0..count {
        line.push_str(&format!(" | f files/{i} "));
        for _ in 0..64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            line.push_str(&format!("{state:016x}"));
        }
    }
    line
}

fn images(pack: Pack) -> [Image; 2] {
    let base = files(900, 1);
    let first = build::image("demo:1").layer(&base).packed(pack);
    let status = "Package: a\\nStatus: install ok installed\\nVersion: 1\\n";
    let second = build::image("demo:2").layer(&base).packed(pack);
    [
        first
            .layer(&format!(
                "d etc | f etc/a one | d var/lib/dpkg | f var/lib/dpkg/status {}",
                status.replace(' ', "_")
            ))
            .packed(pack)
            .layer("w files/3 | f files/4 new | h files/5 files/6")
            .packed(pack),
        second
            .layer(&files(100, 2))
            .packed(pack)
            .layer("d etc | f etc/a two | f etc/b one | w files/9")
            .packed(pack),
    ]
}

fn room(pack: Pack) -> Room {
    let [a, b] = images(pack);
    let room = Room::with("a.tar", &build::oci(&[&a]));
    room.write("b.tar", &build::oci(&[&b]).tar());
    // Without manifests nothing states the digests of stored layers.
    room.write("old.tar", &build::docker(&[&a]).tar());
    // What imgcommit compares with: the first image's files, some of them others of the same size and time.
    let same =
        files(900, 1).replacen(" | f files/4 ", " | f files/old ", 1) + " | d etc | f etc/a one";
    let (before, eighth) = same.split_once("f files/8 ").expect("a file");
    let (contents, after) = eighth.split_once(" | ").expect("another file");
    let turned: String = contents.chars().rev().collect();
    let changed = format!("{before}f files/8 {turned} | {after}").replace("one", "two");
    room.write("same.tar", &build::layer(&same));
    room.write("changed.tar", &build::layer(&changed));
    room
}

fn asked(question: &str) -> String {
    question.replace("A", "a.tar").replace("B", "b.tar")
}

/// The names in a tar, in order.
fn names(bytes: &[u8]) -> Vec<String> {
    let mut tar = tar::Archive::new(bytes);
    let entries = tar.entries().expect("a tar");
    let path = |entry: std::io::Result<tar::Entry<&[u8]>>| {
        let entry = entry.expect("an entry");
        String::from_utf8_lossy(&entry.path_bytes()).into_owned()
    };
    entries.map(path).collect()
}

#[test]
fn what_differs_in_the_questions_is_found() {
    let room = room(Pack::Gzip);
    room.run("imgcommit --layer-out layer.tar --base a.tar changed.tar")
        .code(0);
    let layer = std::fs::read(room.path("layer.tar")).expect("a layer");
    let found = names(&layer);
    for name in ["files/8", "etc/a", "files/old"] {
        assert!(found.iter().any(|path| path == name), "{name}: {found:?}");
    }
    assert!(found.len() < 20, "{found:?}");
}

type Answer = (Option<i32>, Vec<u8>, Vec<u8>);

fn answer(room: &Room, question: &str, cache: Option<&str>) -> Answer {
    let mut run = room.command(&asked(question));
    if let Some(cache) = cache {
        run = run.env("IMGKIT_CACHE", cache);
    }
    let run = run.run();
    (run.code, run.stdout, run.stderr)
}

fn kept(room: &Room, cache: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(room.path(cache)).expect("a cache");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

#[test]
fn answers_are_the_same_with_a_cache() {
    for pack in [Pack::Gzip, Pack::Zstd, Pack::Xz] {
        let room = room(pack);
        for question in QUESTIONS {
            let expected = answer(&room, question, None);
            for time in ["first", "second"] {
                let found = answer(&room, question, Some("cache"));
                assert!(found == expected, "{pack:?}: {question}: the {time} time");
            }
        }
        // Each layer once; what has no places to begin at is not kept.
        let layers = if matches!(pack, Pack::Xz) { 0 } else { 5 };
        assert_eq!(kept(&room, "cache").len(), layers, "{pack:?}");
    }
}

/// The digest of a sparse file is that of the file a program would read, with zeros in the holes.
#[test]
fn digests_of_sparse_files_have_the_holes() {
    let mut layer = build::layer("f a one");
    layer.truncate(layer.len() - 1024);
    layer.extend(sparse(b"holes", 1 << 20, &[b'x'; 512]));
    // More holes than are read.
    layer.extend(sparse(b"huge", 2 << 30, &[b'x'; 512]));
    layer.extend([0; 1024]);
    let mut file = vec![0; 1 << 20];
    file[..512].fill(b'x');
    let expected = [build::digest(b"one"), build::digest(&file), String::new()];
    for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
        let image = build::image("demo:1")
            .layer_bytes(layer.clone())
            .packed(pack);
        let room = Room::with("a.tar", &build::oci(&[&image]));
        for cache in [None, Some("cache"), Some("cache")] {
            let (code, out, _) = answer(&room, "imgexport --format json --digests A", cache);
            let out = String::from_utf8(out).expect("text");
            let row = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
            let digest = |line: &str| row(line)["Digest"].as_str().unwrap_or("").to_owned();
            let found: Vec<String> = out.lines().map(digest).collect();
            assert_eq!(
                (code, &found[..]),
                (Some(0), &expected[..]),
                "{pack:?}: {cache:?}"
            );
        }
    }
}

/// What differs only inside a sparse file differs.
#[test]
fn a_sparse_file_of_a_known_layer_is_compared() {
    let mut base = build::layer("f a one");
    base.truncate(base.len() - 1024);
    base.extend(sparse(b"holes", 1 << 20, &[b'x'; 512]));
    base.extend([0; 1024]);
    for pack in [Pack::Gzip, Pack::Zstd] {
        let image = build::image("demo:1")
            .layer_bytes(base.clone())
            .packed(pack);
        let room = Room::with("a.tar", &build::oci(&[&image]));
        room.run("imgexport -o same.tar a.tar").code(0);
        let mut other = std::fs::read(room.path("same.tar")).expect("a tar");
        let x = other.windows(4).position(|bytes| bytes == b"xxxx");
        other[x.expect("its contents")] = b'y';
        room.write("other.tar", &other);
        for (input, entries) in [("same.tar", vec![]), ("other.tar", vec!["holes"])] {
            let line = format!("imgcommit --layer-out layer.tar --base a.tar {input}");
            for cache in [None, Some("cache"), Some("cache")] {
                let mut run = room.command(&line);
                if let Some(cache) = cache {
                    run = run.env("IMGKIT_CACHE", cache);
                }
                run.run().code(0);
                let layer = std::fs::read(room.path("layer.tar")).expect("a layer");
                assert_eq!(names(&layer), entries, "{pack:?}: {input}: {cache:?}");
            }
        }
        assert_eq!(kept(&room, "cache").len(), 1);
    }
}

#[test]
fn layers_that_no_manifest_names_are_kept_as_well() {
    let room = room(Pack::Gzip);
    for question in ["imgexport old.tar", "imgdiff old.tar b.tar"] {
        let expected = room.run(question);
        for _ in 0..2 {
            let found = room.run(&question.replacen(' ', " --cache cache ", 1));
            assert!(
                found.stdout == expected.stdout && found.code == expected.code,
                "{found}"
            );
        }
    }
}

#[test]
fn what_is_left_of_a_cache_does_no_harm() {
    let room = room(Pack::Gzip);
    for question in ["imgexport A files/17 files/899", "imgdiff --text A B"] {
        let expected = answer(&room, question, None);
        assert!(answer(&room, question, Some("cache")) == expected);
        let whole: Vec<(PathBuf, Vec<u8>)> = kept(&room, "cache")
            .into_iter()
            .map(|path| (path.clone(), std::fs::read(path).expect("a file")))
            .collect();
        assert!(!whole.is_empty());
        let same = |what: &str| {
            let found = answer(&room, question, Some("cache"));
            assert!(found == expected, "{question}: {what}");
            // It is made again: what is there is whole afterwards.
            for (path, bytes) in &whole {
                assert!(
                    std::fs::read(path).expect("a file") == *bytes,
                    "{question}: {what}"
                );
            }
        };
        for (path, bytes) in &whole {
            let changed = |at: usize| {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1;
                std::fs::write(path, bytes).expect("written");
            };
            let is_large = bytes.len() > 50_000;
            // The magic, the version, the hash, the length, a number in the index.
            let places = [15, 0, 20, 50, 200, bytes.len() / 2];
            for &at in &places[..if is_large { 6 } else { 1 }] {
                changed(at);
                same(&format!("byte {at} changed"));
            }
            let ends = [0, 100, bytes.len() - 1];
            for &end in &ends[..if is_large { 3 } else { 1 }] {
                std::fs::write(path, &bytes[..end]).expect("written");
                same(&format!("cut at {end}"));
            }
            std::fs::remove_file(path).expect("removed");
            same("a file gone");
        }
        // One layer's index under another one's name.
        if let [(one, _), (_, other), ..] = &whole[..] {
            std::fs::write(one, other).expect("written");
            same("the index of another layer");
        }
    }
}

#[test]
fn a_window_that_is_damaged_is_found_out() {
    let room = room(Pack::Gzip);
    let question = "imgexport A";
    let expected = answer(&room, question, None);
    assert!(answer(&room, question, Some("cache")) == expected);
    let files = kept(&room, "cache");
    let size = |path: &PathBuf| std::fs::metadata(path).expect("a file").len();
    let largest = files.iter().max_by_key(|path| size(path)).expect("a file");
    let mut bytes = std::fs::read(largest).expect("a file");
    let whole = bytes.clone();
    // The last bytes are those of the last window.
    let at = bytes.len() - 5000;
    bytes[at] ^= 0x40;
    std::fs::write(largest, &bytes).expect("written");
    assert!(answer(&room, question, Some("cache")) == expected);
    assert!(!largest.exists(), "it is forgotten");
    assert!(answer(&room, question, Some("cache")) == expected);
    assert!(std::fs::read(largest).expect("made again") == whole);
}

#[test]
fn an_archive_that_changed_is_not_exported() {
    let room = room(Pack::Gzip);
    let question = "imgexport A";
    let _ = answer(&room, question, Some("cache"));
    let mut bytes = std::fs::read(room.path("a.tar")).expect("a.tar");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(room.path("a.tar"), &bytes).expect("written");
    let expected = answer(&room, question, None);
    assert_eq!(expected.0, Some(2));
    assert!(answer(&room, question, Some("cache")) == expected);
}

#[test]
fn many_at_once_make_one_cache() {
    let room = room(Pack::Gzip);
    let questions = &QUESTIONS[..4];
    let expected: Vec<Answer> = questions
        .iter()
        .map(|question| answer(&room, question, None))
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            for (question, expected) in questions.iter().zip(&expected) {
                let room = &room;
                scope.spawn(move || {
                    assert!(
                        answer(room, question, Some("cache")) == *expected,
                        "{question}"
                    );
                });
            }
        }
    });
    // Nothing else is left there.
    assert_eq!(kept(&room, "cache").len(), 5);
}

#[test]
fn a_cache_that_cannot_be_used_is_said() {
    let room = room(Pack::Gzip);
    std::fs::create_dir(room.path("open")).expect("a folder");
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(room.path("open"), mode).expect("a mode");
    room.run("imgexport --cache open a.tar etc/a")
        .fails("imgexport: open: unsafe cache directory: other users can write to it\n");
    room.run("imgdiff --cache a.tar a.tar b.tar").code(2);
    // An empty name is none.
    let run = room
        .command("imgexport a.tar etc/a")
        .env("IMGKIT_CACHE", "")
        .run();
    assert_eq!(run.code, Some(0), "{run}");
}
