//! imgconvert as a user runs it.

use serde_json::{Value, json};

use crate::common::build::{self, Image};
use crate::common::pack::Pack;
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
fn digest_map_lists_changes() {
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
    // Converted back, the manifest is another, and the image the same.
    room.run("imgconvert --compression none small oci:plain")
        .ok("");
    room.run("imgls -q --no-trunc plain")
        .ok(&format!("{}\n", app().id()));
    for folder in ["same", "small", "plain"] {
        room.run(&format!("imgverify -q {folder}")).ok("");
    }
}

#[test]
fn same_bytes_with_any_number_of_threads() {
    let room = Room::with("app.tar", &build::docker(&[&app(), &tool()]));
    for compression in ["gzip", "zstd"] {
        for threads in ["1", "8"] {
            room.run(&format!("imgconvert --force -j {threads} --compression {compression} app.tar oci-archive:{threads}.tar")).ok("");
        }
        same(&room, "1.tar", "8.tar");
    }
}

#[test]
fn bad_usage() {
    let room = Room::with("app.tar", &build::docker(&[&app(), &tool()]));
    std::fs::create_dir(room.path("full")).expect("a folder");
    room.write("full/file", b"x");
    let hint = "hint: see imgconvert --help";
    let several = "app.tar: several images, expected one: app.tar:demo:1 and app.tar:tool:2\n\
                   hint: name one of them, as in app.tar:demo:1";
    for (line, why) in [
        (
            "imgconvert app.tar",
            format!("the following required arguments were not provided: <DST>\n{hint}"),
        ),
        ("imgconvert app.tar oci:", "'oci:': missing file name".into()),
        ("imgconvert app.tar :", "':': missing file name".into()),
        ("imgconvert app.tar :x", "':x': missing file name".into()),
        (
            "imgconvert app.tar docker-daemon:out.tar",
            "'docker-daemon:out.tar': unsupported transport 'docker-daemon:': imgkit reads files and is offline\n\
             hint: docker save -o FILE.tar out.tar writes it to a file".into(),
        ),
        (
            "imgconvert app.tar out.tar:app:2",
            "'out.tar:app:2': unknown output format 'out.tar': write ./out.tar:app:2 for a file, docker-archive:out.tar:app:2 to give a name".into(),
        ),
        (
            "imgconvert gone out.tar",
            "'gone': no such file or image".into(),
        ),
        ("imgconvert app.tar oci:out.tar:x", several.into()),
        (
            "imgconvert app.tar dir:out.tar",
            "app.tar: unsupported: 2 images: this format holds one".into(),
        ),
        (
            "imgconvert app.tar:demo:1 dir:full",
            "full: cannot create: already exists: a directory that is not empty".into(),
        ),
        (
            "imgconvert --digest-map - app.tar -",
            "standard output cannot take both the archive and the digest map".into(),
        ),
        (
            "imgconvert --level 1 app.tar out.tar",
            "--level requires --compression gzip or zstd".into(),
        ),
        (
            "imgconvert --platform linux/s390x app.tar out.tar",
            "app.tar: no such image 'linux/s390x': available: linux/amd64".into(),
        ),
    ] {
        room.run(line).fails(&format!("imgconvert: {why}\n"));
        assert!(!room.path("out.tar").exists(), "{line}");
    }
}

/// skopeo's `--all`, which is the default.
#[test]
fn all_platforms_are_converted() {
    let (amd, arm) = (app(), app().platform("linux/arm64/v8"));
    let files = build::multi("demo:1", &[&amd, &arm], &[]);
    let room = Room::with("app.tar", &files);
    room.run("imgconvert --all app.tar oci-archive:all.tar")
        .ok("");
    room.run("imgconvert app.tar oci-archive:plain.tar").ok("");
    same(&room, "all.tar", "plain.tar");
    for image in [amd, arm] {
        let platform = image.platform_value()["architecture"].clone();
        let platform = platform.as_str().expect("a text");
        room.run(&format!(
            "imginspect -f '{{{{.Id}}}}' --platform linux/{platform} all.tar"
        ))
        .ok(&format!("{}\n", image.id()));
    }
    // Any file name is allowed.
    room.run("imgconvert app.tar ./a:b").ok("");
    assert!(room.path("a:b").exists());
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

/// A layer with all traces of a build: current times, user and group names, PAX times.
fn built_at(seconds: u64, user: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, data) in [("./etc/", ""), ("./etc/a", "one"), ("./old", "kept")] {
        let mut header = tar::Header::new_ustar();
        let folder = name.ends_with('/');
        header.set_entry_type(match folder {
            true => tar::EntryType::Directory,
            false => tar::EntryType::Regular,
        });
        header.set_mode(if folder { 0o755 } else { 0o4711 });
        header.set_uid(33);
        header.set_gid(44);
        header.set_username(user).expect("short");
        header.set_groupname(user).expect("short");
        header.set_size(data.len() as u64);
        header.set_mtime(if name == "./old" { 5 } else { seconds });
        if name == "./etc/a" {
            let fine = format!("{seconds}.25");
            let records = [("mtime", fine.as_bytes()), ("atime", fine.as_bytes())];
            tar.append_pax_extensions(records).expect("memory");
        }
        header.set_cksum();
        tar.append_data(&mut header, name, data.as_bytes())
            .expect("memory");
    }
    tar.into_inner().expect("memory")
}

#[test]
fn reproducible_ignores_the_build_time() {
    let build = |seconds, user, created: &str| {
        build::image("demo:1")
            .layer_bytes(built_at(seconds, user))
            .set("created", json!(created))
            .set("container", json!(user))
    };
    let monday = build(1_700_000_000, "ann", "2024-03-04T05:06:07.8Z");
    let friday = build(1_700_400_000, "bob", "2024-03-08T01:02:03Z");
    let room = Room::new();
    for (name, image) in [("mon.tar", &monday), ("fri.tar", &friday)] {
        room.write(
            name,
            &build::oci(&[&image.clone().packed(Pack::Gzip)]).tar(),
        );
        for (out, epoch) in [("1970", "0"), ("2023", "1690000000")] {
            let line =
                format!("imgconvert --reproducible --digest-map map.json {name} {out}-{name}");
            let run = room.command(&line).env("SOURCE_DATE_EPOCH", epoch).run();
            run.ok("");
            let map: Value =
                serde_json::from_slice(&std::fs::read(room.path("map.json")).expect("a map"))
                    .expect("JSON");
            let what: Vec<&str> = map
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(|change| change["What"].as_str())
                .collect();
            assert_eq!(what, ["layer", "image", "manifest"]);
            room.run(&format!("imgverify -q {out}-{name}")).ok("");
        }
    }
    same(&room, "1970-mon.tar", "1970-fri.tar");
    same(&room, "2023-mon.tar", "2023-fri.tar");
    // The layer as another reader reads it.
    room.run("imgconvert --compression none 2023-mon.tar dir:plain")
        .ok("");
    let config = room.run("imginspect --raw config 2023-mon.tar").json();
    let diff_id = config["rootfs"]["diff_ids"][0].as_str().expect("a diff ID");
    let layer = room
        .path("plain")
        .join(diff_id.trim_start_matches("sha256:"));
    let mut tar = tar::Archive::new(std::fs::File::open(layer).expect("the layer"));
    let mut found = Vec::new();
    for entry in tar.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let extensions = entry.pax_extensions().expect("sound").is_some();
        let header = entry.header();
        let owner = (
            header.uid().expect("a number"),
            header.gid().expect("a number"),
        );
        let names = (header.username_bytes(), header.groupname_bytes());
        assert_eq!(
            (names, extensions),
            ((Some(&b""[..]), Some(&b""[..])), false)
        );
        let (mode, mtime) = (
            header.mode().expect("octal"),
            header.mtime().expect("octal"),
        );
        let path = entry.path().expect("UTF-8").display().to_string();
        let text = std::io::read_to_string(&mut entry).expect("text");
        found.push((path, text, owner, mode, mtime));
    }
    let row = |path: &str, text: &str, mode, mtime| {
        (path.to_owned(), text.to_owned(), (33, 44), mode, mtime)
    };
    assert_eq!(
        found,
        [
            row("etc/", "", 0o755, 1_690_000_000),
            row("etc/a", "one", 0o4711, 1_690_000_000),
            row("old", "kept", 0o4711, 5),
        ]
    );
    assert_eq!(config["created"], json!("2023-07-22T04:26:40Z"));
    assert_eq!(config["container"], Value::Null);
    let refused = room.run("imgconvert --reproducible --keep-digests mon.tar no.tar");
    refused.code(2).complains("would become");
    assert!(!room.path("no.tar").exists());
}

/// The uncompressed size is guessed from the end of the gzip stream, which states that of the last member only.
#[test]
fn layers_of_several_gzip_members_are_decompressed() {
    let members = |parts: &[&[u8]]| -> Vec<u8> {
        parts
            .iter()
            .flat_map(|part| Pack::Gzip.pack(part))
            .collect()
    };
    let layer = build::layer("f a one | z b 20000 | f c two");
    for cut in [0, 10, 512, layer.len() / 2, layer.len() - 10] {
        let image = build::image("demo:1").layer_bytes(layer.clone());
        let room = Room::with("plain.tar", &build::docker25(&[&image]));
        let (before, after) = layer.split_at(cut);
        let packed = build::docker25(&[&image.clone().stored(members(&[before, after]))]);
        room.write("packed.tar", &packed.tar());
        room.run("imgverify -q packed.tar").ok("");
        for program in [
            "imgsave --compression none -o",
            "imgsave --format docker-legacy -o",
        ] {
            room.run(&format!("{program} a.tar packed.tar")).ok("");
            room.run(&format!("{program} b.tar plain.tar")).ok("");
            if program.contains("legacy") {
                same(&room, "a.tar", "b.tar");
            }
            room.run("imgverify -q a.tar").ok("");
            room.run("imgls -q --no-trunc a.tar")
                .ok(&format!("{}\n", image.id()));
        }
    }
}

/// Layers of the only image of a layout.
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
fn zstd_chunked_table_of_contents() {
    let twice = build::layer("f a one | f a two");
    let image = app().layer_bytes(twice);
    let room = Room::with("app.tar", &build::oci(&[&image]));
    let convert = |line: &str| {
        room.run(&format!("imgconvert {line}")).ok("");
    };
    convert("--compression zstd:chunked app.tar oci:parts");
    let found = layers(&room, "parts");
    let prefix = "io.github.containers.zstd-chunked.";
    for (n, layer) in found.as_array().expect("a list").iter().enumerate() {
        let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
        assert_eq!(layer["mediaType"], zstd);
        // A layer with a repeated path becomes ordinary zstd.
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

    // A layer with that compression is kept, whatever the level; any number of threads gives the same bytes.
    convert("--compression zstd:chunked --level 9 parts oci:again");
    assert_eq!(layers(&room, "again")[0], found[0]);
    convert("--compression zstd parts oci:kept");
    assert_eq!(layers(&room, "kept"), found);
    convert("-j 1 --compression zstd:chunked app.tar oci:one");
    assert_eq!(layers(&room, "one"), found);

    // zstd without a table of contents is recompressed, and annotations about the table are removed.
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
fn zstd_chunked_requires_oci_media_types() {
    let room = Room::with("app.tar", &build::oci(&[&app()]));
    room.run("imgconvert --compression zstd:chunked --media-types docker app.tar o.tar")
        .code(2)
        .complains("zstd layers under docker's media types");
    room.run("imgconvert --compression zstd:chunked --level 23 app.tar o.tar")
        .code(2)
        .complains("invalid --level: expected 1 to 22, found 23");
}

#[test]
fn chunked_annotations_are_restored_or_removed() {
    let room = Room::with("app.tar", &build::oci(&[&app()]));
    let convert = |line: &str| {
        room.run(&format!("imgconvert {line}")).ok("");
    };
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
