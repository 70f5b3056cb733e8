//! imgimport as a user runs it.

use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use crate::common::build::{self, digest, layer};
use crate::common::pack::Pack;
use crate::common::run::{Output, Room};

const TREE: &str = "d etc | f etc/a one | l etc/l a | h etc/h etc/a | d tmp";

fn store(room: &Room, line: &str) -> Output {
    room.command(line).env("IMGKIT_STORE", "store").run()
}

/// Blobs of an archive by digest, and the document that lists them.
struct Archive(std::collections::BTreeMap<String, Vec<u8>>);

impl Archive {
    fn read(bytes: &[u8]) -> Self {
        let mut members = std::collections::BTreeMap::new();
        let mut archive = tar::Archive::new(bytes);
        for entry in archive.entries().expect("a tar") {
            let mut entry = entry.expect("a member");
            let name = String::from_utf8(entry.path_bytes().into_owned()).expect("a name");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("its bytes");
            members.insert(name, bytes);
        }
        Archive(members)
    }

    fn of(room: &Room, name: &str) -> Self {
        Archive::read(&std::fs::read(room.path(name)).expect(name))
    }

    fn blob(&self, digest: &str) -> &[u8] {
        &self.0[&format!("blobs/{}", digest.replace(':', "/"))]
    }

    fn json(&self, digest: &str) -> Value {
        serde_json::from_slice(self.blob(digest)).expect("JSON")
    }

    fn manifest(&self) -> Value {
        let index: Value = serde_json::from_slice(&self.0["index.json"]).expect("JSON");
        self.json(index["manifests"][0]["digest"].as_str().expect("a digest"))
    }

    fn config(&self) -> Value {
        self.json(
            self.manifest()["config"]["digest"]
                .as_str()
                .expect("a digest"),
        )
    }

    fn layer(&self, i: usize) -> &[u8] {
        self.blob(
            self.manifest()["layers"][i]["digest"]
                .as_str()
                .expect("a digest"),
        )
    }
}

fn expected_config(diff_id: &str) -> String {
    format!(
        r#"{{"architecture":"arm64","comment":"Imported from -","config":{{}},"created":"2024-01-03T00:00:00Z","history":[{{"created":"2024-01-03T00:00:00Z","comment":"Imported from -"}}],"os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
    )
}

#[test]
fn tar_is_the_layer_byte_for_byte() {
    let room = Room::new();
    let tar = layer(TREE);
    let id = digest(expected_config(&digest(&tar)).as_bytes());
    for pack in [Pack::Plain].into_iter().chain(Pack::ALL) {
        let bytes = pack.pack(&tar);
        let name = format!("root{}", pack.suffix());
        room.write(&name, &bytes);
        let line = "imgimport --platform linux/arm64";
        let run = store(&room, &format!("{line} {name} demo:1"));
        run.code(0);
        assert_eq!(run.out(), format!("{id}\n"), "{run}");
        let piped = room
            .command(&format!("{line} - demo:2"))
            .env("IMGKIT_STORE", "other")
            .pipe(&bytes)
            .run();
        piped.code(0);
        assert_eq!(piped.out(), format!("{id}\n"), "{piped}");
        store(&room, &format!("{line} -o {name}.tar {name} demo:1")).ok(&format!("{id}\n"));
        let archive = Archive::of(&room, &format!("{name}.tar"));
        let stays = matches!(pack, Pack::Plain | Pack::Gzip | Pack::Zstd);
        assert!(
            archive.layer(0) == if stays { &bytes } else { &tar },
            "{name}"
        );
        room.run(&format!("imgverify -q {name}.tar")).ok("");
    }
    room.run("imgverify -q store").ok("");
    let blobs = std::fs::read_dir(room.path("store/blobs/sha256")).expect("blobs");
    // A config, three compressions and a manifest for each.
    assert_eq!(blobs.count(), 7);
}

#[test]
fn requested_config() {
    let room = Room::new();
    room.write("root.tar", &layer(TREE));
    let line = "imgimport -o out.tar -m 'by hand' --id-file id \
        -c 'ENV A=1 B=\"x y\"' -c 'CMD [\"/bin/sh\", \"-c\"]' -c 'EXPOSE $A 53/udp' -c 'LABEL z=1 a=2' root.tar demo";
    let run = room.run(line);
    run.code(0);
    let archive = Archive::of(&room, "out.tar");
    let config = archive.config();
    let expected = json!({
        "ExposedPorts": {"1/tcp": {}, "53/udp": {}},
        "Env": ["A=1", "B=x y"],
        "Cmd": ["/bin/sh", "-c"],
        "Labels": {"a": "2", "z": "1"},
    });
    assert_eq!(config["config"], expected);
    let history = json!([{"created": "2024-01-03T00:00:00Z", "comment": "by hand"}]);
    assert_eq!(config["history"], history);
    assert_eq!(config["comment"], "by hand");
    let id = std::fs::read_to_string(room.path("id")).expect("an ID");
    assert_eq!(id, run.out());
    room.run("imgls --format '{{.Repository}}:{{.Tag}} {{.ID}}' out.tar")
        .ok(&format!("demo:latest {}\n", &id[7..19]));
}

#[test]
fn config_file_is_kept() {
    let room = Room::new();
    let base = build::image("demo:1")
        .layer("f a one")
        .step("CMD x")
        .set("author", "me".into())
        .set("x-unknown", json!({"b": 1, "a": 2}))
        .platform("linux/arm/v6");
    room.write("config.json", &base.config());
    room.write("root.tar", &layer(TREE));
    room.run("imgimport --config config.json -c 'USER me' -o out.tar root.tar")
        .code(0);
    let config = Archive::of(&room, "out.tar").config();
    assert_eq!(config["variant"], "v6");
    assert_eq!(config["author"], "me");
    assert_eq!(config["x-unknown"].to_string(), r#"{"b":1,"a":2}"#);
    assert_eq!(
        config["config"],
        json!({"User": "me", "Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]})
    );
    assert_eq!(config["rootfs"]["diff_ids"], json!([digest(&layer(TREE))]));
    let history = config["history"].as_array().expect("a list");
    assert_eq!(history.len(), 3);
    assert!(history[..2].iter().all(|step| step["empty_layer"] == true));
    assert_eq!(history[2]["comment"], "Imported from -");
    room.run("imgverify -q out.tar").ok("");
}

#[test]
fn invalid_input_is_reported_and_not_stored() {
    let room = Room::new();
    let good = layer(TREE);
    room.write("root.tar", &good);
    room.write("cut.tar", &good[..700]);
    room.write("noise", &[7; 3000]);
    room.write("short", b"hello");
    room.write("empty", b"");
    room.write("cut.gz", &Pack::Gzip.pack(&good)[..60]);
    room.write("cut.xz", &Pack::Xz.pack(&good)[..60]);
    room.write("climbs.tar", &layer("f ../x one"));
    room.write("link.tar", &layer("h a nowhere"));
    room.write("below.tar", &layer("f a one | f a/b two"));
    room.write("config.json", b"[]");
    room.write("old.cpio", b"\xc7\x71\x00\x00\x00\x00\x00\x00");
    let hint = "hint: see imgimport --help\n";
    let neither = "unsupported: input that is neither a tar nor a cpio archive, compressed or not";
    for (line, expected) in [
        ("-c 'EXPOSE x' root.tar", "-c: EXPOSE x: Invalid containerPort: x\n".to_owned()),
        ("-c 'RUN x' root.tar", "-c: RUN x: run is not a valid change command\n".to_owned()),
        ("-c '' root.tar", "-c: file with no instructions\n".to_owned()),
        ("root.tar UPPER", "invalid image reference 'UPPER': ".to_owned()),
        ("--config config.json root.tar", "the document: expected an object, found a list\n".to_owned()),
        ("--owner me d", "invalid value 'me' for '--owner <UID[:GID]>': expected UID or UID:GID, in numbers\n".to_owned() + hint),
        ("--owner 1 root.tar", "--owner and --exclude require a directory: archives are imported unchanged\n".to_owned()),
        ("gone.tar", "gone.tar: cannot open: no such file or directory\n".to_owned()),
        ("cut.tar", "cut.tar: damaged tar: header at byte 512: unexpected end: 324 bytes are missing\n".to_owned()),
        ("noise", format!("noise: {neither}\n")),
        ("short", format!("short: {neither}\n")),
        ("empty", "empty: unsupported: an empty file\n".to_owned()),
        ("cut.gz", "cut.gz: damaged gzip data: ".to_owned()),
        ("cut.xz", "cut.xz: damaged xz data: ".to_owned()),
        ("climbs.tar", "climbs.tar: layer 1 of 1: ../x: ".to_owned()),
        ("link.tar", "link.tar: layer 1 of 1: a: ".to_owned()),
        ("below.tar", "below.tar: layer 1 of 1: a/b: ".to_owned()),
        ("old.cpio", "old.cpio: damaged cpio archive: at byte 0: the old binary format is not read: cpio -o -H newc writes another\n".to_owned()),
    ] {
        let run = store(&room, &format!("imgimport {line}"));
        run.code(2);
        let expected = format!("imgimport: {expected}");
        let same = match expected.ends_with('\n') {
            true => run.err() == expected,
            false => run.err().starts_with(&expected) && run.err().lines().count() == 1,
        };
        assert!(same && run.out().is_empty(), "expected {expected}\n{run}");
        assert!(!room.path("store/index.json").exists(), "{run}");
        let blobs = std::fs::read_dir(room.path("store/blobs/sha256"));
        assert!(blobs.into_iter().flatten().next().is_none(), "{run}");
    }
    // On an error an existing archive stays unchanged.
    room.write("out.tar", b"old");
    room.run("imgimport -o out.tar cut.tar").code(2);
    assert_eq!(std::fs::read(room.path("out.tar")).expect("it"), b"old");
}

#[test]
fn image_archive_is_refused() {
    let room = Room::with(
        "app.tar",
        &build::docker(&[&build::image("a:1").layer("f a b")]),
    );
    let run = store(&room, "imgimport app.tar");
    run.fails(
        "imgimport: app.tar: the archive holds images, not a root filesystem: imgload loads the images\n",
    );
    // A file of that name alone is not refused.
    room.write("site.tar", &build::layer("f manifest.json {}"));
    let run = store(&room, "imgimport site.tar");
    run.code(0)
        .complains("warning: site.tar: looks like an image archive; imgload loads its images");
}

/// Entries of a layer: kind, name, mode, owner, time and link target.
fn entries(bytes: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().expect("a tar");
    let line = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.expect("an entry");
        let mut text = String::new();
        let header = entry.header().clone();
        entry.read_to_string(&mut text).expect("text");
        format!(
            "{} {} {:o} {}:{} {} {}{}",
            header.entry_type().as_byte() as char,
            String::from_utf8_lossy(&entry.path_bytes()),
            header.mode().expect("a mode"),
            header.uid().expect("an owner"),
            header.gid().expect("a group"),
            header.mtime().expect("a time"),
            String::from_utf8_lossy(&entry.link_name_bytes().unwrap_or_default()),
            text,
        )
    };
    entries.map(line).collect()
}

fn folder(room: &Room) {
    let root = room.path("root");
    let folders = ["b/c", "a", "skip/keep", "b.d"];
    for name in folders {
        std::fs::create_dir_all(root.join(name)).expect("a folder");
    }
    for (name, text) in [
        ("b/two", "2"),
        ("b.d/x", "x"),
        ("a/one", "1"),
        ("skip/no", "n"),
        ("skip/keep/yes", "y"),
    ] {
        std::fs::write(root.join(name), text).expect("a file");
    }
    std::fs::hard_link(root.join("a/one"), root.join("b/c/one")).expect("a link");
    symlink("../a", root.join("b/l")).expect("a link");
    build::fifo(&root.join("p"));
    std::fs::set_permissions(root.join("b/two"), PermissionsExt::from_mode(0o4711))
        .expect("a mode");
    drop(std::os::unix::net::UnixListener::bind(root.join("s")).expect("a socket"));
    // Entries whose times cannot be set are as old as the rest.
    for name in ["a/one", "b/two", "b.d/x", "skip/no", "skip/keep/yes"] {
        let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 5);
        let file = std::fs::File::options()
            .write(true)
            .open(root.join(name))
            .expect("it");
        file.set_modified(old).expect("a time");
    }
}

#[test]
fn directory_gives_the_same_bytes_every_time() {
    let room = Room::new();
    folder(&room);
    let line = "imgimport --owner 7:8 -o out.tar root demo";
    let note = "imgimport: s: socket left out\n";
    let run = room.run(line);
    assert_eq!((run.code, run.err()), (Some(0), note), "{run}");
    let first = std::fs::read(room.path("out.tar")).expect("it");
    let fifo = std::fs::metadata(room.path("root/p"))
        .expect("it")
        .permissions()
        .mode()
        & 0o7777;
    let expected = [
        "5 a/ 755 7:8 1704240000 ",
        "0 a/one 644 7:8 1000000000 1",
        "5 b/ 755 7:8 1704240000 ",
        "5 b/c/ 755 7:8 1704240000 ",
        "1 b/c/one 644 7:8 1000000000 a/one",
        "2 b/l 777 7:8 1704240000 ../a",
        "0 b/two 4711 7:8 1000000000 2",
        "5 b.d/ 755 7:8 1704240000 ",
        "0 b.d/x 644 7:8 1000000000 x",
        &format!("6 p {fifo:o} 7:8 1704240000 "),
        "5 skip/ 755 7:8 1704240000 ",
        "5 skip/keep/ 755 7:8 1704240000 ",
        "0 skip/keep/yes 644 7:8 1000000000 y",
        "0 skip/no 644 7:8 1000000000 n",
    ];
    assert_eq!(entries(Archive::read(&first).layer(0)), expected);
    room.run("imgverify -q out.tar").ok("");
    // Another copy of the same files, created in another order and at another time.
    std::fs::rename(room.path("root"), room.path("old")).expect("a move");
    folder(&room);
    room.run(&format!("{line} -j 1")).code(0);
    assert!(std::fs::read(room.path("out.tar")).expect("it") == first);
}

#[test]
fn excludes_as_in_gitignore() {
    let room = Room::new();
    folder(&room);
    room.write("ignore", b"# a comment\nskip\n!skip/keep\n\nb*\n");
    let names = |line: &str| -> Vec<String> {
        room.run(line).code(0);
        let archive = Archive::of(&room, "out.tar");
        let lines = entries(archive.layer(0));
        lines
            .iter()
            .map(|line| line.split(' ').nth(1).expect("a name").to_owned())
            .collect()
    };
    assert_eq!(
        names("imgimport -o out.tar --exclude-from ignore root"),
        ["a/", "a/one", "p", "skip/", "skip/keep/", "skip/keep/yes"]
    );
    assert_eq!(
        names(
            "imgimport -o out.tar --exclude-from ignore --exclude '**/one' --exclude p --exclude s root"
        ),
        ["a/", "skip/", "skip/keep/", "skip/keep/yes"]
    );
    room.run("imgimport -o out.tar --exclude '[' root")
        .fails("imgimport: invalid pattern '[': unclosed [\n");
}

#[test]
fn directory_with_whiteouts_is_refused() {
    let room = Room::new();
    std::fs::create_dir(room.path("root")).expect("a folder");
    std::fs::write(room.path("root/.wh.x"), b"").expect("a file");
    let why = "unsupported: file name with the whiteout prefix '.wh.'";
    store(&room, "imgimport root").fails(&format!("imgimport: root: .wh.x: {why}\n"));
    assert!(!room.path("store").exists());
    store(&room, "imgimport --exclude '**/.wh.*' root").code(0);
}

/// A cpio archive in the `newc` format: names, inodes, modes, link counts and contents.
fn newc(entries: &[(&str, u32, u32, u32, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, ino, mode, links, data) in entries.iter().chain(&[("TRAILER!!!", 0, 0, 1, "")]) {
        let numbers = [
            *ino,
            *mode,
            5,
            6,
            *links,
            1_000_000_000,
            data.len() as u32,
            0,
            1,
            0,
            0,
        ];
        out.extend_from_slice(b"070701");
        for number in numbers.into_iter().chain([name.len() as u32 + 1, 0]) {
            out.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(data.as_bytes());
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}

#[test]
fn cpio_becomes_tar() {
    let room = Room::new();
    let cpio = newc(&[
        (".", 1, 0o040_755, 2, ""),
        ("./b", 2, 0o100_600, 2, ""),
        ("a", 2, 0o100_600, 2, "hello"),
        ("l", 3, 0o120_777, 1, "a"),
        ("s", 4, 0o140_777, 1, ""),
        ("e1", 5, 0o100_644, 2, ""),
        ("e2", 5, 0o100_644, 2, ""),
    ]);
    room.write("root.cpio", &cpio);
    room.write("root.cpio.gz", &Pack::Gzip.pack(&cpio));
    let note = "imgimport: s: socket left out\n";
    for name in ["root.cpio", "root.cpio.gz"] {
        let run = room.run(&format!("imgimport -o out.tar {name}"));
        assert_eq!((run.code, run.err()), (Some(0), note), "{run}");
        let expected = [
            "5 ./ 755 5:6 1000000000 ",
            "0 a 600 5:6 1000000000 hello",
            "1 b 600 5:6 1000000000 a",
            "2 l 777 5:6 1000000000 a",
            "0 e1 644 5:6 1000000000 ",
            "1 e2 644 5:6 1000000000 e1",
        ];
        assert_eq!(entries(Archive::of(&room, "out.tar").layer(0)), expected);
    }
    room.write("cut.cpio", &cpio[..300]);
    store(&room, "imgimport cut.cpio").code(2);
    room.write("climbs.cpio", &newc(&[("../x", 1, 0o100_644, 1, "x")]));
    let run = store(&room, "imgimport climbs.cpio");
    run.fails("imgimport: climbs.cpio: ../x: its name leads out of the archive with '..'\n");
    assert!(!room.path("store/index.json").exists());
}

#[test]
fn layer_compression_and_moved_names() {
    let room = Room::new();
    room.write("root.tar", &layer(TREE));
    for (codec, kind) in [("gzip", "tar+gzip"), ("zstd", "tar+zstd"), ("none", "tar")] {
        room.run(&format!(
            "imgimport --compression {codec} -o {codec}.tar root.tar"
        ))
        .code(0);
        let manifest = Archive::of(&room, &format!("{codec}.tar")).manifest();
        let expected = format!("application/vnd.oci.image.layer.v1.{kind}");
        assert_eq!(manifest["layers"][0]["mediaType"], expected);
        room.run(&format!("imgverify -q {codec}.tar")).ok("");
    }
    store(&room, "imgimport root.tar demo").code(0);
    let run = store(&room, "imgimport -c 'USER x' root.tar demo:latest");
    run.code(0)
        .complains("imgimport: demo:latest moved from sha256:");
    store(&room, "imgls -q demo").ok(&format!("{}\n", &run.out()[7..19]));
    let piped = room.run("imgimport -o - root.tar demo");
    assert_eq!((piped.code, piped.err()), (Some(0), ""));
    room.run("imgimport -o out.tar root.tar demo").code(0);
    assert!(std::fs::read(room.path("out.tar")).expect("it") == piped.stdout);
}
