//! imgconvert, run for real.

use serde_json::{Value, json};

use crate::common::build::{self, Image};
use crate::common::run::Room;

fn app() -> Image {
    build::image("demo:1")
        .layer("d etc | f etc/a one")
        .layer("f etc/b two")
}

fn tool() -> Image {
    build::image("tool:2").layer("f x hello")
}

#[track_caller]
fn same(room: &Room, a: &str, b: &str) {
    let read = |name: &str| std::fs::read(room.path(name)).expect(name);
    assert!(read(a) == read(b), "{a} and {b} differ");
}

#[test]
fn docker_to_oci_to_docker_gives_the_same_bytes() {
    let room = Room::with("app.tar", &build::docker(&[&app(), &tool()]));
    room.run("imgconvert app.tar oci-archive:o1.tar").ok("");
    room.run("imgconvert o1.tar docker-archive:d1.tar").ok("");
    room.run("imgconvert d1.tar oci-archive:o2.tar").ok("");
    room.run("imgconvert o2.tar d2.tar").ok("");
    same(&room, "o1.tar", "o2.tar");
    same(&room, "d1.tar", "d2.tar");
    let stream = room.run("imgconvert o2.tar -");
    assert!(stream.stdout == std::fs::read(room.path("d1.tar")).expect("d1.tar"));
    for archive in ["o1.tar", "d1.tar"] {
        room.run(&format!("imgverify -q {archive}")).ok("");
        room.run(&format!("imgls -q --no-trunc {archive}"))
            .ok(&format!("{}\n{}\n", app().id(), tool().id()));
    }
}

#[test]
fn every_destination_holds_the_image() {
    let room = Room::with("app.tar", &build::docker25(&[&app()]));
    for destination in [
        "docker-archive:a.tar",
        "docker-archive:b.tar:other:3",
        "docker-legacy:c.tar",
        "oci-archive:d.tar",
        "oci:e",
        "oci:e:tag",
        "dir:f",
        "g.tar",
    ] {
        room.run(&format!("imgconvert app.tar {destination}"))
            .ok("");
        let path = destination.split(':').nth(1).unwrap_or(destination);
        room.run(&format!("imgverify -q {path}")).ok("");
        room.run(&format!("imginspect --format '{{{{.Id}}}}' {path}:@0"))
            .ok(&format!("{}\n", app().id()));
    }
    let names = |path: &str| {
        let run = room.run(&format!(
            "imgls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' {path}"
        ));
        run.out().to_owned()
    };
    assert_eq!(names("b.tar"), "other:3\n");
    assert_eq!(names("e"), "demo:1\n<none>:tag\n");
    let run = room
        .command("imgconvert app.tar store:mine")
        .env("IMGKIT_STORE", "store")
        .run();
    run.ok("");
    assert_eq!(names("store"), "mine:latest\n");
}

#[test]
fn what_changes_is_said() {
    let room = Room::with("app.tar", &build::oci(&[&app()]));
    room.run("imgconvert --digest-map same.json app.tar oci:same")
        .ok("");
    let map = |name: &str| -> Value {
        let bytes = std::fs::read(room.path(name)).expect(name);
        serde_json::from_slice(&bytes).expect("JSON")
    };
    assert_eq!(map("same.json"), json!([]));
    room.run("imgconvert --compression zstd --digest-map map.json app.tar oci:small")
        .ok("");
    let changes = map("map.json");
    let whats: Vec<&str> = changes
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|change| change["What"].as_str())
        .collect();
    assert_eq!(whats, ["layer", "layer", "manifest"]);
    assert_eq!(changes[2]["Old"], app().manifest_digest());
    let new = changes[2]["New"].as_str().expect("a digest");
    room.run("imgls --format '{{.Digest}} {{.ImageID}}' small")
        .ok(&format!("{new} {}\n", app().id()));
    let run = room.run("imgconvert --keep-digests --compression zstd app.tar kept.tar");
    run.code(2)
        .complains("imgconvert: app.tar: layer sha256:")
        .complains(" would become sha256:");
    assert!(!room.path("kept.tar").exists());
    // Back again it is another manifest, with the same image.
    room.run("imgconvert --compression none small oci:plain")
        .ok("");
    room.run("imgls -q --no-trunc plain")
        .ok(&format!("{}\n", app().id()));
    for folder in ["same", "small", "plain"] {
        room.run(&format!("imgverify -q {folder}")).ok("");
    }
}

#[test]
fn threads_change_nothing() {
    let room = Room::with("app.tar", &build::docker(&[&app(), &tool()]));
    for compression in ["gzip", "zstd"] {
        for threads in ["1", "8"] {
            room.run(&format!("imgconvert -j {threads} --compression {compression} app.tar oci-archive:{threads}.tar")).ok("");
        }
        same(&room, "1.tar", "8.tar");
    }
}

#[test]
fn bad_usage() {
    let room = Room::with("app.tar", &build::docker(&[&app(), &tool()]));
    std::fs::create_dir(room.path("full")).expect("a folder");
    room.write("full/file", b"x");
    let hint = "hint: imgconvert --help shows how it is used";
    let several = "app.tar: one image is needed and several are here: it holds app.tar:demo:1 and app.tar:tool:2\n\
                   hint: name one of them, as in app.tar:demo:1";
    for (line, why) in [
        (
            "imgconvert app.tar",
            format!("the following required arguments were not provided: <DST>\n{hint}"),
        ),
        ("imgconvert app.tar oci:", "'oci:' names no file".into()),
        (
            "imgconvert gone out.tar",
            "no such file, and no image 'gone' in the store".into(),
        ),
        ("imgconvert app.tar oci:out.tar:x", several.into()),
        (
            "imgconvert app.tar dir:out.tar",
            "app.tar: not possible with 2 images: this format holds one".into(),
        ),
        (
            "imgconvert app.tar:demo:1 dir:full",
            "full: cannot create: file exists".into(),
        ),
        (
            "imgconvert --digest-map - app.tar -",
            "standard output takes the archive or the digest map, not both".into(),
        ),
        (
            "imgconvert --level 1 app.tar out.tar",
            "--level is for --compression gzip and zstd".into(),
        ),
        (
            "imgconvert --platform linux/s390x app.tar out.tar",
            "app.tar: no image 'linux/s390x' here: it holds linux/amd64".into(),
        ),
    ] {
        room.run(line).fails(&format!("imgconvert: {why}\n"));
        assert!(!room.path("out.tar").exists(), "{line}");
    }
}

#[test]
fn damaged_input_gives_no_output() {
    let image = app();
    for blob in image.blobs() {
        let name = build::blob_name(&build::digest(&blob));
        let mut files = build::oci(&[&image]);
        files.bytes(&name)[0] ^= 1;
        let room = Room::with("app.tar", &files);
        for destination in [
            "out",
            "oci:out",
            "oci-archive:out",
            "dir:out",
            "docker-legacy:out",
        ] {
            let run = room.run(&format!("imgconvert app.tar {destination}"));
            assert_eq!((run.code, run.out()), (Some(2), ""), "{run}");
            assert!(run.err().starts_with("imgconvert: app.tar: "), "{run}");
            assert!(!room.path("out").exists(), "{run}");
        }
    }
}

/// The layers of the only image of a layout.
fn layers(room: &Room, layout: &str) -> Value {
    let read = |name: &str| -> Value {
        let bytes = std::fs::read(room.path(&format!("{layout}/{name}"))).expect(name);
        serde_json::from_slice(&bytes).expect("json")
    };
    let digest = &read("index.json")["manifests"][0]["digest"];
    let digest = digest.as_str().expect("a digest");
    read(&format!("blobs/{}", digest.replace(':', "/")))["layers"].clone()
}

#[test]
fn zstd_chunked_says_where_its_parts_are() {
    let twice = build::layer("f a one | f a two");
    let image = app().layer_bytes(twice);
    let room = Room::with("app.tar", &build::oci(&[&image]));
    let convert = |line: &str| room.run(&format!("imgconvert {line}")).ok("");
    convert("--compression zstd:chunked app.tar oci:parts");
    let found = layers(&room, "parts");
    let prefix = "io.github.containers.zstd-chunked.";
    for (n, layer) in found.as_array().expect("a list").iter().enumerate() {
        let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
        assert_eq!(layer["mediaType"], zstd);
        // A layer with the same name twice is ordinary zstd.
        for key in [
            "manifest-checksum",
            "manifest-position",
            "tarsplit-position",
        ] {
            let note = &layer["annotations"][format!("{prefix}{key}")];
            assert_eq!(note.is_string(), n < 2, "layer {n}");
        }
    }
    room.run("imgverify -q parts").ok("");
    room.run("imginspect --format '{{.Id}}' parts")
        .ok(&format!("{}\n", image.id()));

    // What is packed so already stays, whatever the level; any number of threads gives the same.
    convert("--compression zstd:chunked --level 9 parts oci:again");
    assert_eq!(layers(&room, "again")[0], found[0]);
    convert("--compression zstd parts oci:kept");
    assert_eq!(layers(&room, "kept"), found);
    convert("-j 1 --compression zstd:chunked app.tar oci:one");
    assert_eq!(layers(&room, "one"), found);

    // zstd without parts is packed again, and what speaks of parts goes with them.
    convert("--compression zstd app.tar oci:whole");
    assert!(layers(&room, "whole")[0]["annotations"].is_null());
    convert("--compression zstd:chunked whole oci:back");
    assert_eq!(layers(&room, "back"), found);
    convert("--compression gzip parts oci:gzip");
    assert!(layers(&room, "gzip")[0]["annotations"].is_null());
    convert("--compression zstd:chunked --level 19 app.tar oci:small");
    assert_ne!(layers(&room, "small")[0], found[0]);
    room.run("imgverify -q small back gzip").ok("");
}

#[test]
fn zstd_chunked_needs_media_types_that_name_it() {
    let room = Room::with("app.tar", &build::oci(&[&app()]));
    room.run("imgconvert --compression zstd:chunked --media-types docker app.tar o.tar")
        .code(2)
        .complains("zstd layers under docker's media types");
    room.run("imgconvert --compression zstd:chunked --level 23 app.tar o.tar")
        .code(2)
        .complains("--level is 1 to 22 for this codec, not 23");
}

#[test]
fn a_lost_annotation_comes_back_and_a_false_one_goes() {
    let room = Room::with("app.tar", &build::oci(&[&app()]));
    let convert = |line: &str| room.run(&format!("imgconvert {line}")).ok("");
    convert("--compression zstd:chunked app.tar oci:parts");
    let found = layers(&room, "parts");
    for wrong in [None, Some("1:2:3:1")] {
        let folder = room.path("parts/blobs/sha256");
        let old = std::fs::read_to_string(room.path("parts/index.json")).expect("index");
        let index: Value = serde_json::from_str(&old).expect("json");
        let digest = index["manifests"][0]["digest"].as_str().expect("digest");
        let path = folder.join(digest.trim_start_matches("sha256:"));
        let mut manifest: Value =
            serde_json::from_slice(&std::fs::read(path).expect("manifest")).expect("json");
        let notes = &mut manifest["layers"][0]["annotations"];
        match wrong {
            None => *notes = json!({}),
            Some(text) => {
                notes["io.github.containers.zstd-chunked.manifest-position"] = text.into();
            }
        }
        let bytes = manifest.to_string();
        let new = build::digest(bytes.as_bytes());
        std::fs::write(folder.join(new.trim_start_matches("sha256:")), &bytes).expect("written");
        let mut edited = index.clone();
        edited["manifests"][0]["digest"] = new.into();
        edited["manifests"][0]["size"] = bytes.len().into();
        std::fs::write(room.path("parts/index.json"), edited.to_string()).expect("written");
        let verified = room.run("imgverify parts");
        match wrong {
            None => verified.code(0),
            Some(_) => verified.code(1).says("[toc-damaged]"),
        };
        convert("--compression zstd:chunked parts oci:back");
        assert_eq!(layers(&room, "back"), found);
        std::fs::remove_dir_all(room.path("back")).expect("removed");
        std::fs::write(room.path("parts/index.json"), old).expect("written");
    }
}
