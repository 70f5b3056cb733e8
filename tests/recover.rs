//! imgexport --deleted as a user runs it.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::build::{self, Image, digest};
use crate::common::pack::Pack;
use crate::common::run::Room;
use crate::imgexport::sparse;

/// Files that are lost in every way.
fn image() -> Image {
    build::image("demo:1")
        .layer("d etc | f etc/token secret | f etc/passwd one | d old | f old/a a | l old/l a | f b/c two | f b/c three | f cfg x")
        .layer("f etc/passwd two | f old/b bb | f cfg/x not | p pipe")
        .layer("w etc/token | w old | w cfg | w pipe | h hard b/c")
}

fn room() -> Room {
    Room::with("app.tar", &build::docker(&[&image()]))
}

/// Names and contents of a tar's entries.
fn entries(tar: &[u8]) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(tar);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.expect("an entry");
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        (name, text)
    };
    archive.entries().expect("a tar").map(read).collect()
}

fn record(tar: &[u8]) -> Vec<Value> {
    let (name, text) = entries(tar).swap_remove(0);
    assert_eq!(name, "recovered.ndjson");
    let lines = text.lines().map(serde_json::from_str);
    lines.map(|line| line.expect("JSON")).collect()
}

fn names(tar: &[u8]) -> Vec<String> {
    let all = entries(tar).into_iter().skip(1);
    all.map(|(name, _)| name).collect()
}

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::symlink_metadata(path).expect("metadata");
    metadata.permissions().mode()
}

#[test]
fn all_that_is_not_shown_is_written() {
    let room = room();
    let run = room.run("imgexport --deleted app.tar");
    run.code(0);
    let found = entries(&run.stdout);
    let found: Vec<(&str, &str)> = found
        .iter()
        .skip(1)
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("layer-1/.entry-7/b/c", "two"),
            ("layer-1/cfg", "x"),
            ("layer-1/etc/passwd", "one"),
            ("layer-1/etc/token", "secret"),
            ("layer-1/old/", ""),
            ("layer-1/old/a", "a"),
            ("layer-1/old/l", ""),
            ("layer-2/cfg/x", "not"),
            ("layer-2/old/b", "bb"),
            ("layer-2/pipe", ""),
        ]
    );
    let rows = record(&run.stdout);
    let states: Vec<String> = rows
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().expect("text").to_owned();
            let by = &row["By"]["Layer"];
            format!(
                "{} {} {by} {}",
                text("Path"),
                text("State"),
                text("RecoveredAs")
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            "b/c repeated 1 layer-1/.entry-7/b/c",
            "cfg replaced 2 layer-1/cfg",
            "cfg/x hidden 3 layer-2/cfg/x",
            "etc/passwd replaced 2 layer-1/etc/passwd",
            "etc/token removed 3 layer-1/etc/token",
            "old removed 3 layer-1/old",
            "old/a hidden 3 layer-1/old/a",
            "old/b hidden 3 layer-2/old/b",
            "old/l hidden 3 layer-1/old/l",
            "pipe removed 3 layer-2/pipe",
        ]
    );
    let token = &rows[4];
    assert_eq!(token["Digest"], json!(digest(b"secret")));
    assert_eq!(
        (&token["Archive"], &token["Image"]),
        (&json!("app.tar"), &json!("demo:1"))
    );
    let at = token["StoredAt"].as_u64().expect("an offset") as usize;
    let archive = std::fs::read(room.path("app.tar")).expect("the archive");
    assert_eq!(archive.get(at..at + 6), Some(&b"secret"[..]));
}

#[test]
fn states_layers_and_paths_select() {
    let room = room();
    let given = |line: &str| names(&room.run(&format!("imgexport {line}")).code(0).stdout);
    assert_eq!(
        given("--deleted=removed,repeated app.tar"),
        [
            "layer-1/.entry-7/b/c",
            "layer-1/etc/token",
            "layer-1/old/",
            "layer-2/pipe"
        ]
    );
    assert_eq!(
        given("--deleted --layer 2 app.tar"),
        ["layer-2/cfg/x", "layer-2/old/b", "layer-2/pipe"]
    );
    assert_eq!(
        given("--deleted app.tar@2"),
        given("--deleted --layer 2 app.tar")
    );
    assert_eq!(
        given("--deleted app.tar old /etc/token"),
        [
            "layer-1/etc/token",
            "layer-1/old/",
            "layer-1/old/a",
            "layer-1/old/l",
            "layer-2/old/b"
        ]
    );
    assert_eq!(
        given("--deleted --include old --exclude b app.tar"),
        ["layer-1/old/", "layer-1/old/a", "layer-1/old/l"]
    );
    assert!(given("--deleted --layer 3 app.tar").is_empty());
    let base = build::image("base:1").layer_bytes(image().layer_tar(0).to_vec());
    room.write("base.tar", &build::docker(&[&base]).tar());
    assert_eq!(
        given("--deleted --since base.tar app.tar"),
        given("--deleted --layer 2.. app.tar")
    );
    room.run("imgexport --deleted app.tar etc/shadow").fails(
        "imgexport: app.tar: etc/shadow: no such deleted file or directory in the selected layers\n",
    );
    room.run("imgexport --deleted --layer 2 -o out.tar app.tar etc/token")
        .code(2);
    assert!(!room.path("out.tar").exists());
    let refused = room.run("imgexport --deleted=final app.tar");
    refused.code(2).complains("invalid value 'final'");
    for option in [
        "--format json",
        "--applied",
        "--reproducible",
        "--digests",
        "--verify",
    ] {
        let refused = room.run(&format!("imgexport --deleted {option} app.tar"));
        refused.code(2).complains("cannot be used with");
    }
    for line in [
        "--deleted --with-metadata",
        "--deleted --with-metadata -o out.tar",
        "--with-metadata -C out",
    ] {
        room.run(&format!("imgexport {line} app.tar")).code(2);
    }
}

#[test]
fn a_directory_gets_contents_alone() {
    let room = room();
    room.run("imgexport --deleted -C out app.tar").ok("");
    let out = room.path("out");
    assert_eq!(mode(&out) & 0o7777, 0o700);
    for (name, expected) in [
        ("recovered.ndjson", 0o100_600),
        ("layer-1", 0o40700),
        ("layer-1/.entry-7/b", 0o40700),
        ("layer-1/old", 0o40700),
        ("layer-1/etc/token", 0o100_600),
        ("layer-2/old/b", 0o100_600),
    ] {
        assert_eq!(mode(&out.join(name)), expected, "{name}");
    }
    for name in ["layer-1/old/l", "layer-2/pipe", "layer-3"] {
        assert!(std::fs::symlink_metadata(out.join(name)).is_err(), "{name}");
    }
    let text = std::fs::read_to_string(out.join("recovered.ndjson")).expect("a record");
    let link = text
        .lines()
        .find(|line| line.contains("old/l"))
        .expect("a line");
    let link: Value = serde_json::from_str(link).expect("JSON");
    assert_eq!(
        (&link["Type"], &link["RecoveredAs"]),
        (&json!("symlink"), &Value::Null)
    );
    room.run("imgexport --deleted --with-metadata --rootless -C full app.tar")
        .code(0);
    let full = room.path("full");
    assert_eq!(mode(&full.join("layer-1/old")), 0o40755);
    assert_eq!(mode(&full.join("layer-1/etc/token")), 0o100_644);
    assert_eq!(
        std::fs::read_link(full.join("layer-1/old/l")).expect("a link"),
        Path::new("a")
    );
    room.run("imgexport --deleted -C full app.tar")
        .code(2)
        .complains("directory not empty");
}

#[test]
fn names_of_one_file_have_its_contents_once() {
    let image = build::image("demo:1")
        .layer("f a text | h b a | h c/d a")
        .layer("w a | w b | w c");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let run = room.run("imgexport --deleted app.tar");
    let mut archive = tar::Archive::new(&run.code(0).stdout[..]);
    let kinds: Vec<(String, Option<String>)> = archive
        .entries()
        .expect("a tar")
        .skip(1)
        .map(|entry| {
            let entry = entry.expect("an entry");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (
                text(&entry.path_bytes()),
                entry.link_name_bytes().map(|name| text(&name)),
            )
        })
        .collect();
    let link = |name: &str| (name.to_owned(), Some("layer-1/a".to_owned()));
    assert_eq!(
        kinds,
        [
            ("layer-1/a".to_owned(), None),
            link("layer-1/b"),
            link("layer-1/c/d")
        ]
    );
    // A name that was not selected has no file to link to.
    let one = room.run("imgexport --deleted app.tar c");
    assert_eq!(
        entries(&one.stdout)[1],
        ("layer-1/c/d".to_owned(), "text".to_owned())
    );
    room.run("imgexport --deleted -C out app.tar").ok("");
    assert!(room.path("out/layer-1/a").exists() && !room.path("out/layer-1/b").exists());
}

#[test]
fn nothing_leaves_the_directory() {
    let image = build::image("demo:1")
        .layer("f ../up bad | f x/../../up bad | l out /tmp | f out/in text | f .entry-1/x text | f a file | f a/b below")
        .layer("w out | w .entry-1 | w tmp | o . | f now x");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    for line in [
        "-C out app.tar",
        "--with-metadata --rootless -C full app.tar",
    ] {
        room.run(&format!("imgexport --deleted {line}")).code(0);
    }
    let run = room.run("imgexport --deleted app.tar");
    for name in names(&run.stdout) {
        assert!(name.starts_with("layer-1/"), "{name}");
        assert!(!name.split('/').any(|part| part == ".."), "{name}");
    }
    let rows = record(&run.stdout);
    let place = |path: &str| {
        let row = rows.iter().find(|row| row["Path"] == json!(path));
        row.unwrap_or_else(|| panic!("{path}: {rows:?}"))["RecoveredAs"].clone()
    };
    assert_eq!(place("../up"), json!("layer-1/.entry-1/up"));
    assert_eq!(place(".entry-1/x"), json!("layer-1/.entry-5/.entry-1/x"));
    let up = std::fs::read_to_string(room.path("out/layer-1/.entry-1/up"));
    assert_eq!(up.expect("a file"), "bad");
    assert!(!room.path("up").exists() && !room.path("../up").exists());
}

#[test]
fn names_that_no_system_takes_are_cut() {
    let long = "n".repeat(300);
    let deep = "d/".repeat(1900);
    let image = build::image("demo:1")
        .layer(&format!("f {long} one | f {deep}x two"))
        .layer(&format!("w {long} | w d"));
    let room = Room::with("app.tar", &build::docker(&[&image]));
    room.run("imgexport --deleted -C out app.tar").code(0);
    for (name, text) in [("1", "one"), ("2", "two")] {
        let path = room.path(&format!("out/layer-1/.entry-{name}/contents"));
        assert_eq!(std::fs::read_to_string(path).expect("a file"), text);
    }
}

#[test]
fn a_damaged_layer_costs_no_other() {
    for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
        let image = build::image("demo:1")
            .layer("f a one | f b two | f c three")
            .layer(&format!("f b {} | f d four", "word ".repeat(2000)))
            .packed(pack)
            .layer("w a | w c | w d");
        let whole = build::image("demo:1").layer_bytes(vec![b'x'; 512]);
        let mut files = build::oci(&[&image]);
        let stored = &image.blobs()[1];
        let name = files
            .names()
            .into_iter()
            .find(|name| files.get(name) == &stored[..]);
        let blob = files.bytes(&name.expect("the layer"));
        let at = blob.len() / 2;
        blob[at] ^= 0x55;
        let room = Room::with("app.tar", &files);
        let run = room.run("imgexport --deleted -o out.tar app.tar");
        run.code(2).complains("imgexport: app.tar: layer 2 of 3: ");
        let tar = std::fs::read(room.path("out.tar")).expect("the output");
        assert_eq!(names(&tar), ["layer-1/a", "layer-1/c"], "{pack:?}");
        let rows = record(&tar);
        assert_eq!(rows[0]["Layer"], json!(2));
        assert!(
            rows[0]["Damaged"]
                .as_str()
                .is_some_and(|text| text.contains("layer 2 of 3"))
        );
        room.run("imgexport --deleted -C out app.tar").code(2);
        assert!(room.path("out/layer-1/a").exists());
        room.run("imgexport --deleted --layer 1 -o one.tar app.tar")
            .code(2);
        // Without any layer there is nothing to write.
        room.write("whole.tar", &build::oci(&[&whole]).tar());
        room.run("imgexport --deleted -o none.tar whole.tar")
            .code(2);
        assert!(!room.path("none.tar").exists());
    }
}

#[test]
fn holes_are_zeros_and_a_cache_changes_nothing() {
    let mut layer = sparse(b"holes", 100_000, b"start");
    layer.resize(layer.len() + 1024, 0);
    let huge = sparse(b"huge", 1 << 45, b"start");
    let image = |layer: Vec<u8>| {
        build::image("demo:1")
            .layer_bytes(layer)
            .packed(Pack::Gzip)
            .layer("f holes new | w huge")
    };
    let room = Room::with("app.tar", &build::oci(&[&image(layer.clone())]));
    room.run("imgexport --deleted -o plain.tar app.tar").ok("");
    for name in ["one.tar", "two.tar"] {
        room.run(&format!(
            "imgexport --cache cache --deleted -o {name} app.tar"
        ))
        .ok("");
        assert_eq!(
            std::fs::read(room.path(name)).expect("a tar"),
            std::fs::read(room.path("plain.tar")).expect("a tar")
        );
    }
    room.run("imgexport --deleted -C out app.tar").ok("");
    let found = std::fs::read(room.path("out/layer-1/holes")).expect("a file");
    assert!(found.len() == 100_000 && found.starts_with(b"start\0") && found.ends_with(b"\0"));
    // One that cannot be had is told, and the others are written.
    let both = [huge, layer].concat();
    room.write("huge.tar", &build::oci(&[&image(both)]).tar());
    let run = room.run("imgexport --deleted huge.tar");
    run.code(2).complains("imgexport: huge.tar: huge: ");
    let rows = record(&run.stdout);
    assert_eq!(names(&run.stdout), ["layer-1/holes"]);
    assert!(rows[1]["Damaged"].is_string() && rows[1]["RecoveredAs"].is_null());
}

#[test]
fn what_damaged_layers_still_hold_is_salvaged() {
    let text = "word ".repeat(40_000);
    let line = format!("f a one | f b {text} | f c three | f d four");
    let noise = build::noise(300_000, 7);
    for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
        let mut layer = build::layer(&line);
        layer.truncate(layer.len() - 1024);
        layer.extend(build::noise_layer(noise.len(), 7));
        let image = build::image("demo:1")
            .layer_bytes(layer)
            .packed(pack)
            .layer("w a | w b | w c | w d | w noise");
        let mut files = build::oci(&[&image]);
        let stored = image.blobs()[0].clone();
        let name = files
            .names()
            .into_iter()
            .find(|name| files.get(name) == &stored[..]);
        let blob = files.bytes(&name.expect("the layer"));
        // A header of the tar, or the end of the first member or frame.
        let at = match pack {
            Pack::Plain => 1030,
            _ => blob.len() / 3,
        };
        blob[at] ^= 0x55;
        let room = Room::with("app.tar", &files);
        room.run("imgexport --deleted -o none.tar app.tar").code(2);
        let run = room.run("imgexport --deleted --salvage -o out.tar app.tar");
        run.code(2).complains("imgexport: app.tar: layer 1 of 2: ");
        let tar = std::fs::read(room.path("out.tar")).expect("the output");
        let mut archive = tar::Archive::new(&tar[..]);
        let names: Vec<String> = archive
            .entries()
            .expect("a tar")
            .map(|entry| {
                String::from_utf8_lossy(&entry.expect("an entry").path_bytes()).into_owned()
            })
            .collect();
        assert!(
            names.contains(&"layer-1/a".to_owned()),
            "{pack:?}: {names:?}"
        );
        if pack == Pack::Plain {
            assert!(
                names.contains(&"layer-1/c".to_owned()),
                "{pack:?}: {names:?}"
            );
            assert!(
                !names.contains(&"layer-1/b".to_owned()),
                "{pack:?}: {names:?}"
            );
        }
        let mut record = String::new();
        let mut archive = tar::Archive::new(&tar[..]);
        let mut first = archive
            .entries()
            .expect("a tar")
            .next()
            .expect("one")
            .expect("an entry");
        first.read_to_string(&mut record).expect("text");
        let rows: Vec<Value> = record
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert!(rows[0]["Damaged"].is_string());
        assert!(
            rows[1..].iter().all(|row| row["Proven"] == json!(false)),
            "{record}"
        );
    }
    let room = room();
    let run = room.run("imgexport --deleted --salvage app.tar");
    let rows = record(&run.code(0).stdout);
    assert!(rows.iter().all(|row| row["Proven"] == json!(true)));
}
