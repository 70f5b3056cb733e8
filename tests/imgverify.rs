//! imgverify, run for real.

use serde_json::json;

use crate::common::build::{self, Files, Image, Shared};
use crate::common::kilobytes;
use crate::common::pack::Pack;
use crate::common::run::Room;

fn app() -> Image {
    build::image("demo:1")
        .layer("d etc | f etc/a one | f etc/b two")
        .step("CMD x")
        .layer("f etc/c three | o etc")
}

fn tool() -> Image {
    build::image("tool:2")
        .layer("d etc | f etc/a one | f etc/b two")
        .layer("f x y")
}

#[test]
fn sound_archives_of_every_shape() {
    let (app, tool) = (app(), tool());
    let images = [&app, &tool];
    let room = Room::new();
    for (name, files, shape, read) in [
        ("docker", build::docker(&images), "docker-archive", "8.19kB"),
        (
            "hard",
            build::docker_sharing(&images, Shared::HardLink),
            "docker-archive",
            "8.19kB",
        ),
        (
            "both",
            build::docker25(&images),
            "docker-archive with OCI layout",
            "",
        ),
        ("oci", build::oci(&images), "OCI layout", ""),
    ] {
        let tar = files.tar();
        room.write(name, &tar);
        let read = match read {
            "" => {
                let documents =
                    [&app, &tool].map(|image| image.config().len() + image.manifest().len());
                kilobytes(8192 + documents.iter().sum::<usize>())
            }
            read => read.to_owned(),
        };
        let line = |place: &str| format!("{place}: ok: {shape}, 2 images, 3 layers, {read} read\n");
        room.run(&format!("imgverify {name}")).ok(&line(name));
        room.run(&format!("imgverify -q {name}")).ok("");
        room.command("imgverify -").pipe(&tar).run().ok(&line("-"));
        room.command("imgverify -")
            .stdin_file(name)
            .run()
            .ok(&line("-"));
        for pack in Pack::ALL {
            room.write("packed", &pack.pack(&tar));
            room.run("imgverify packed").ok(&line("packed"));
            room.command("imgverify -")
                .pipe(&pack.pack(&tar))
                .run()
                .ok(&line("-"));
        }
    }
    build::oci(&images).write_to(&room.path("layout"));
    room.run("imgverify layout")
        .code(0)
        .says("layout: ok: OCI layout, 2 images, 3 layers, ");
    build::dir(&app).write_to(&room.path("dir"));
    room.run("imgverify dir")
        .code(0)
        .says("dir: ok: dir, 1 image, 2 layers, ");
}

#[test]
fn archives_of_docker_before_1_10_have_no_digests() {
    let room = Room::with("old.tar", &build::v1(&[&app()]));
    room.run("imgverify old.tar").ok(
        "note: old.tar: demo:1: an image of docker before 1.10: no digest is recorded, so only its form was checked \
         [no-digests]\n\
         old.tar: ok: docker-archive (before 1.10), 1 image, 2 layers, 6.14kB read\n",
    );
}

#[test]
fn a_changed_byte_is_named_in_text_and_json() {
    let app = app();
    let mut files = build::oci(&[&app]);
    let blob = build::blob_name(&app.diff_ids()[1]);
    let digest = &app.diff_ids()[1];
    let content = files.bytes(&blob);
    content[512] ^= 1;
    let found = build::digest(content);
    let room = Room::with("app.tar", &files);
    let bytes = app.config().len() + app.manifest().len() + 3584 + 2560;
    room.run("imgverify app.tar").is(
        1,
        &format!(
            "error: app.tar: layer 2 of 2: {blob}: digest mismatch: expected {digest}, found {found} [digest-mismatch]\n\
             error: app.tar: layer 2 of 2: {blob}: diff ID mismatch: expected {digest}, found {found} [diff-id-mismatch]\n\
             app.tar: damaged: OCI layout, 1 image, 2 layers, {} read\n",
            kilobytes(bytes)
        ),
        "",
    );
    room.run("imgverify --quiet app.tar").is(1, "", "");
    let lines = room.run("imgverify --json app.tar");
    lines.code(1);
    assert_eq!(
        lines.json_lines(),
        [
            json!({"Type": "finding", "Archive": "app.tar", "Severity": "error", "Code": "digest-mismatch",
                   "Places": ["layer 2 of 2", blob], "Message": format!("digest mismatch: expected {digest}, found {found}")}),
            json!({"Type": "finding", "Archive": "app.tar", "Severity": "error", "Code": "diff-id-mismatch",
                   "Places": ["layer 2 of 2", blob], "Message": format!("diff ID mismatch: expected {digest}, found {found}")}),
            json!({"Type": "summary", "Archive": "app.tar", "Shape": "OCI layout", "Sound": false, "Sparse": false,
                   "Images": 1, "Layers": 2, "Blobs": 4, "Bytes": bytes, "Errors": 2, "Warnings": 0, "Notes": 0}),
        ]
    );
}

/// The codes of what is found, each once, and whether the archive is sound.
fn codes(files: &Files) -> (Vec<String>, bool) {
    let room = Room::with("app.tar", files);
    let by_file = room.run("imgverify --json app.tar");
    let by_pipe = room.command("imgverify --json -").pipe(&files.tar()).run();
    for run in [&by_file, &by_pipe] {
        assert!(
            matches!(run.code, Some(0 | 1)) && run.err().is_empty(),
            "{run}"
        );
    }
    let summary = |run: &crate::common::run::Output| {
        let lines = run.json_lines();
        let (last, findings) = lines.split_last().expect("a summary");
        let mut codes: Vec<String> = findings
            .iter()
            .map(|line| line["Code"].as_str().expect("a code").to_owned())
            .collect();
        codes.sort_unstable();
        codes.dedup();
        (codes, last["Sound"] == true)
    };
    assert_eq!(
        summary(&by_file),
        summary(&by_pipe),
        "file and pipe differ\n{by_file}\n{by_pipe}"
    );
    assert_eq!(by_file.code == Some(0), summary(&by_file).1, "{by_file}");
    summary(&by_file)
}

#[track_caller]
fn finds(files: &Files, expected: &[&str], sound: bool) {
    let (found, is_sound) = codes(files);
    assert_eq!(
        (
            found.iter().map(String::as_str).collect::<Vec<_>>(),
            is_sound
        ),
        (expected.to_vec(), sound)
    );
}

fn config_name(image: &Image) -> String {
    format!("{}.json", image.id().trim_start_matches("sha256:"))
}

#[test]
fn damage_by_its_code() {
    let app = app();
    let oci = || build::oci(&[&app]);
    let layer = build::blob_name(&app.diff_ids()[0]);
    let manifest = build::blob_name(&app.manifest_digest());
    let config = build::blob_name(&app.id());

    let mut files = oci();
    files.remove(&layer);
    finds(&files, &["blob-absent"], false);

    let mut files = oci();
    files.remove(&config);
    finds(&files, &["blob-absent"], false);

    let mut files = oci();
    files.remove(&manifest);
    let (found, sound) = codes(&files);
    assert!(
        !sound && found.contains(&"blob-absent".to_owned()),
        "{found:?}"
    );

    let mut files = oci();
    let shorter = files.bytes(&layer).len() - 512;
    files.bytes(&layer).truncate(shorter);
    finds(
        &files,
        &[
            "diff-id-mismatch",
            "digest-mismatch",
            "one-end-block",
            "size-mismatch",
        ],
        false,
    );

    let mut files = oci();
    files.put(&manifest, "{");
    let (found, sound) = codes(&files);
    assert!(
        !sound && found.contains(&"json".to_owned()) && found.contains(&"size-mismatch".to_owned()),
        "{found:?}"
    );

    // A config that counts one layer too few, all digests right.
    let image = app.clone().set(
        "rootfs",
        json!({"type": "layers", "diff_ids": [app.diff_ids()[0]]}),
    );
    finds(&build::oci(&[&image]), &["layer-count"], false);
    finds(&build::docker(&[&image]), &["layer-count"], false);

    // A config with another layer's diff ID.
    let ids = [&app.diff_ids()[1], &app.diff_ids()[0]];
    let image = app
        .clone()
        .set("rootfs", json!({"type": "layers", "diff_ids": ids}));
    finds(&build::oci(&[&image]), &["diff-id-mismatch"], false);
    finds(&build::docker(&[&image]), &["diff-id-mismatch"], false);

    // Packed layers: damage of the packing, and of what is in it.
    for pack in Pack::ALL {
        let image = build::image("demo:1").layer("f a aaaa").packed(pack);
        let mut files = build::oci(&[&image]);
        let name = build::blob_name(&build::digest(&image.blobs()[0]));
        let half = files.bytes(&name).len() / 2;
        files.bytes(&name).truncate(half);
        let (found, sound) = codes(&files);
        assert!(
            !sound
                && found.contains(&"size-mismatch".to_owned())
                && found.contains(&"compression".to_owned()),
            "{pack:?}: {found:?}"
        );
        let wrong = image.set(
            "rootfs",
            json!({"type": "layers", "diff_ids": [build::digest(b"")]}),
        );
        let (found, sound) = codes(&build::oci(&[&wrong]));
        assert!(
            !sound && found.contains(&"diff-id-mismatch".to_owned()),
            "{pack:?}: {found:?}"
        );
    }

    // Bytes that are no tar, though everything else is right.
    let noise = build::image("demo:1").layer_bytes(b"no tar".repeat(200));
    finds(&build::docker(&[&noise]), &["tar"], false);
    let empty = build::image("demo:1").layer_bytes(Vec::new());
    finds(&build::docker(&[&empty]), &["truncated"], false);
}

#[test]
fn what_two_readers_would_see_differently() {
    let (app, tool) = (app(), tool());

    let mut files = build::docker(&[&app]);
    let copy = files.get(&config_name(&app)).to_vec();
    files.add(&config_name(&app), copy);
    finds(&files, &["duplicate-member"], true);

    let mut files = build::docker(&[&app]);
    files.add(&config_name(&app), "{}");
    finds(&files, &["ambiguous"], false);

    let mut files = build::docker(&[&app, &tool]);
    files.edit("manifest.json", |items| {
        items[1]["RepoTags"] = json!(["demo:1"])
    });
    files.remove("repositories");
    finds(&files, &["duplicate-name"], false);

    // Docker's half says that demo:1 is the tool.
    let mut files = build::docker25(&[&app]);
    let other = build::docker25(&[&tool]);
    for name in other.names() {
        if name.starts_with("blobs/") && !files.has(&name) {
            files.add(&name, other.get(&name));
        }
    }
    files.put("manifest.json", other.get("manifest.json"));
    files.edit("manifest.json", |items| {
        items[0]["RepoTags"] = json!(["demo:1"])
    });
    files.remove("repositories");
    let (found, sound) = codes(&files);
    assert!(
        !sound && found.contains(&"halves-disagree".to_owned()),
        "{found:?}"
    );

    // A layer named in manifest.json that is not the manifest's.
    let mut files = build::docker25(&[&app]);
    files.edit("manifest.json", |items| {
        items[0]["Layers"]
            .as_array_mut()
            .expect("layers")
            .swap(0, 1);
    });
    files.remove("repositories");
    finds(&files, &["halves-disagree"], false);

    let mut files = build::docker25(&[&app]);
    files.edit("manifest.json", |items| {
        items[0]["RepoTags"] = json!(["demo:1", "demo:more"])
    });
    files.remove("repositories");
    finds(&files, &["names-disagree"], true);

    let mut files = build::docker(&[&app]);
    files.edit("repositories", |value| {
        value["demo"]["9"] = json!("f".repeat(64))
    });
    finds(&files, &["repositories-disagree"], true);
}

#[test]
fn oddities_are_warnings_or_notes() {
    let app = app();
    let mut files = build::oci(&[&app]);
    files.remove("oci-layout");
    finds(&files, &["layout-version"], true);
    files.add("oci-layout", r#"{"imageLayoutVersion":"2.0.0"}"#);
    finds(&files, &["layout-version"], true);

    let mut files = build::oci(&[&app]);
    files
        .add("blobs/sha256/README", "text")
        .add("README", "text");
    finds(&files, &["unknown-member", "unreferenced-blob"], true);
    let spare = b"unused";
    files = build::oci(&[&app]);
    files.add(&build::blob_name(&build::digest(spare)), spare.as_slice());
    finds(&files, &["unreferenced-blob"], true);
    // But a spare blob that is not what it is named by is damage.
    files.put(&build::blob_name(&build::digest(spare)), "other!");
    finds(&files, &["digest-mismatch", "unreferenced-blob"], false);

    let mut files = build::oci(&[&app]);
    files.edit("index.json", |index| {
        index["manifests"][0]["platform"]["architecture"] = json!("s390x")
    });
    finds(&files, &["platform"], true);
    files.edit("index.json", |index| {
        index["manifests"][0]["platform"]["architecture"] = json!("amd64");
        index["manifests"][0]["mediaType"] =
            json!("application/vnd.docker.distribution.manifest.v2+json");
    });
    finds(&files, &["media-type"], true);
    let gzip = build::image("demo:1").layer("f a a").packed(Pack::Xz);
    finds(&build::oci(&[&gzip]), &["media-type"], true);

    let mut files = build::docker(&[&app]);
    files.edit("manifest.json", |items| {
        items[0]["RepoTags"] = json!(["Not A Name"])
    });
    files.remove("repositories");
    finds(&files, &["bad-name"], true);

    let mut files = build::docker(&[&app]);
    let name = config_name(&app);
    let config = files.get(&name).to_vec();
    let lie = format!("{}.json", "0".repeat(64));
    files.remove(&name).add(&lie, config);
    files.edit("manifest.json", |items| items[0]["Config"] = json!(lie));
    finds(&files, &["config-name"], true);

    for history in [json!([{"created_by": "x"}]), json!([{}, {}, {}])] {
        finds(
            &build::docker(&[&app.clone().history(history)]),
            &["history-layers"],
            true,
        );
    }

    let files = build::multi("demo:1", &[&app], &["linux/s390x"]);
    finds(&files, &["sparse"], true);
}

#[test]
fn oddities_of_layers() {
    let of = |line: &str| build::docker(&[&build::image("demo:1").layer(line)]);
    finds(&of("f a 1 | f b 1"), &[], true);
    finds(&of("f a 1 | f a 2"), &["repeated-entry"], true);
    finds(&of("f /a 1"), &["absolute-path"], true);
    finds(&of("f ../a 1"), &["climbing-path"], false);
    finds(&of("f a/../../b 1"), &["climbing-path"], false);
    finds(&of("f .wh. x"), &["invalid-whiteout"], false);
    finds(&of("f a/.wh... x"), &["invalid-whiteout"], false);
    finds(&of("l . /etc"), &["root-not-directory"], false);
    finds(
        &of("w a | o b | l c ../../../etc | p f"),
        &["climbing-link", "whiteout-of-nothing"],
        true,
    );
    finds(&of("d x | l x/c ../etc | l x/d /etc"), &[], true);
    finds(&of("f a/B 1 | f a/b 1"), &["name-twin"], true);
    let plain = build::layer("f a 1");
    let bytes = |bytes: Vec<u8>| build::docker(&[&build::image("demo:1").layer_bytes(bytes)]);
    finds(
        &bytes(plain[..plain.len() - 512].to_vec()),
        &["one-end-block"],
        true,
    );
    finds(
        &bytes(plain[..plain.len() - 1024].to_vec()),
        &["missing-end-marker"],
        true,
    );
    finds(
        &bytes([&plain[..], &build::layer("f hidden 1")].concat()),
        &["entries-after-end"],
        true,
    );
    finds(
        &bytes([&plain[..plain.len() - 512], &build::layer("f hidden 1")].concat()),
        &["entries-after-end", "one-end-block"],
        true,
    );
    finds(
        &bytes([&plain[..], b"more"].concat()),
        &["trailing-data"],
        true,
    );
    finds(&bytes([&plain[..], &[0; 8192]].concat()), &[], true);
    finds(
        &bytes([&plain[..], &vec![0; 2 << 20]].concat()),
        &["long-padding"],
        true,
    );
    let mut padding = plain.clone();
    padding[1023] = 1;
    finds(&bytes(padding), &["padding-data"], true);
    let unpadded = ["missing-end-marker", "missing-padding"];
    finds(&bytes(plain[..513].to_vec()), &unpadded, true);
    finds(&bytes(plain[..512].to_vec()), &["tar"], false);
    finds(&bytes(plain[..300].to_vec()), &["tar"], false);
}

#[test]
fn whiteouts_of_nothing_and_of_own_paths() {
    let of = |below: &str, above: &str| {
        build::docker(&[&build::image("demo:1").layer(below).layer(above)])
    };
    finds(&of("f a 1 | d b | f b/c 2", "w a | w b/c"), &[], true);
    finds(&of("d b | f b/c 2", "w b | w b/c"), &[], true);
    finds(&of("d b | f b/c 2", "o b"), &[], true);
    finds(&of("f a 1", "w b"), &["whiteout-of-nothing"], true);
    finds(&of("d a", "w a/b"), &["whiteout-of-nothing"], true);
    finds(&of("f a 1", "w a | f a 2"), &["own-whiteout"], true);
    finds(&of("f a 1", "f a 2 | w a"), &["own-whiteout"], true);
    finds(&of("f a 1", "w b | f b 2"), &["own-whiteout"], true);
    // A directory that was made anew has an opaque whiteout, and files in it beside whiteouts of others.
    finds(&of("d b | f b/c 2", "d b | o b | f b/d 3"), &[], true);
    let room = Room::with("app.tar", &of("f a 1", "w b | w c | w d | w e | w f"));
    room.run("imgverify app.tar")
        .code(0)
        .says("layer 2 of 2: nothing below is removed by the whiteout of b, c, d and 2 more");
}

#[test]
fn what_compressed_streams_carry_beside_the_layer() {
    let with = |pack: Pack, stored: Vec<u8>| {
        let image = build::image("demo:1").layer("f a one").packed(pack);
        let own = image.blobs()[0].clone();
        let mut files = build::oci(&[&image]);
        let name = files
            .names()
            .into_iter()
            .find(|name| files.get(name) == &own[..]);
        *files.bytes(&name.expect("the layer")) = stored;
        Room::with("app.tar", &files).run("imgverify app.tar")
    };
    let plain = build::layer("f a one");
    let gzip = |extra: &[u8]| {
        let mut packer = flate2::GzBuilder::new()
            .extra(extra)
            .write(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packer, &plain).expect("memory");
        packer.finish().expect("memory")
    };
    // The digest is another one then; what is told beside it is what counts here.
    let told = with(Pack::Gzip, gzip(b"SG\x02\0xxAB\x03\0\x01\x02\x03"));
    told.says("the gzip header has an extra field 'AB' of 3 bytes: 010203");
    assert!(!told.out().contains("'SG'"), "{told}");
    let told = with(Pack::Gzip, gzip(b"SG\x02\0xx"));
    assert!(!told.out().contains("extra field"), "{told}");
    // A field that says that it is longer than all of them.
    with(Pack::Gzip, gzip(b"AB\xff\xffx")).says("an extra field 'AB' of 1 bytes: 78");
    let frame = |contents: &[u8]| {
        let size = u32::try_from(contents.len()).expect("a size");
        [&b"\x5e\x2a\x4d\x18"[..], &size.to_le_bytes(), contents].concat()
    };
    let packed = zstd::encode_all(&plain[..], 1).expect("memory");
    let told = with(Pack::Zstd, [&packed[..], &frame(b"hidden")].concat());
    let at = packed.len();
    told.says(&format!(
        "a skippable frame of 6 bytes, at byte {at}, that no table of contents has"
    ));
    let two = [&frame(b"one")[..], &packed, &frame(b"two and more")].concat();
    // Those of zstd:chunked belong to its table of contents, with the footer of today and with the older one.
    let foreign = crate::common::repository("testdata/foreign/skopeo-zstdchunked.tar");
    let room = Room::with(
        "app.tar",
        &build::docker(&[&build::image("demo:1").layer("f a one")]),
    );
    room.run("imgconvert --compression zstd:chunked app.tar oci-archive:chunked.tar")
        .code(0);
    for archive in [foreign.display().to_string(), "chunked.tar".to_owned()] {
        let told = room.run(&format!("imgverify {archive}"));
        assert!(!told.code(0).out().contains("skippable-frame"), "{told}");
    }
    with(Pack::Zstd, two).says(
        "2 skippable frames of 15 bytes together, the first at byte 0, that no table of contents has",
    );
}

#[test]
fn layers_that_no_engine_can_apply() {
    let of = |below: &str, above: &str| {
        build::docker(&[&build::image("demo:1").layer(below).layer(above)])
    };
    finds(&of("f a 1", "h b a"), &[], true);
    finds(&of("f a 1", "h b c"), &["does-not-apply"], false);
    finds(
        &of("d a | f a/b 1", "w a | h c a/b"),
        &["does-not-apply"],
        false,
    );
    finds(&of("f a 1", "f a/b 2"), &["parent-not-directory"], true);
    finds(&of("f a 1", "d a | f a/b 2"), &[], true);
    finds(&of("f a 1 | f a/b 2", "f c 1"), &["does-not-apply"], false);
    let image = build::image("demo:1").layer("f a 1").layer("h etc/b c");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    room.run("imgverify app.tar").code(1).says(
        "error: app.tar: layer 2 of 2: etc/b: cannot be applied: link to 'c': no such file [does-not-apply]\n",
    );
}

#[test]
fn a_record_to_hand_on() {
    let app = app();
    let tar = build::docker25(&[&app]).tar();
    let room = Room::new();
    room.write("app.tar", &tar);
    let run = |line: &str| room.command(line).env("SOURCE_DATE_EPOCH", "0").run();
    run("imgverify -q --custody app.json app.tar").ok("");
    let record = |name: &str| -> serde_json::Value {
        let bytes = std::fs::read(room.path(name)).expect("a record");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let json = record("app.json");
    assert_eq!(json["Verdict"], "sound");
    assert_eq!(json["Time"], "1970-01-01T00:00:00Z");
    assert_eq!(json["Input"]["SHA256"], build::digest(&tar));
    assert_eq!(json["Input"]["Size"], tar.len());
    assert_eq!(json["Images"][0]["ID"], app.id());
    let blobs = json["Blobs"].as_array().expect("blobs");
    let layer = build::blob_name(&app.diff_ids()[0]);
    let blob = blobs.iter().find(|blob| blob["Name"] == *layer);
    let blob = blob.expect("the layer");
    assert_eq!(blob["Digest"], app.diff_ids()[0]);
    assert_eq!(blob["DiffID"], app.diff_ids()[0]);
    assert_eq!(blob["Verified"], true);
    assert!(
        blob["Roles"]
            .as_array()
            .expect("roles")
            .contains(&json!("layer"))
    );

    // The same from a pipe, in one pass, but for the name; and on standard output nothing but the record.
    let piped = room
        .command("imgverify --custody - -")
        .env("SOURCE_DATE_EPOCH", "0")
        .pipe(&tar)
        .run();
    let mut piped: serde_json::Value =
        serde_json::from_slice(piped.out().as_bytes()).expect("JSON");
    piped["Input"]["Name"] = "app.tar".into();
    // What depends on the run and on its place, not on the input.
    let mut json = json;
    for record in [&mut piped, &mut json] {
        for key in ["Started", "Ended", "Command"] {
            record.as_object_mut().expect("keys").remove(key);
        }
        for key in ["Before", "After", "Unchanged"] {
            record["Input"].as_object_mut().expect("keys").remove(key);
        }
    }
    assert_eq!(piped, json);

    run("imgverify --check-custody app.json app.tar")
        .code(0)
        .says("app.tar: unchanged: sha256:");
    let mut other = tar.clone();
    *other.last_mut().expect("bytes") = 1;
    room.write("other.tar", &other);
    run("imgverify --check-custody app.json other.tar")
        .code(1)
        .says("other.tar: not what was recorded: expected sha256:");

    // Damage and what is no image are recorded as well, and what was there is replaced.
    let mut damaged = tar.clone();
    damaged[512] ^= 1;
    room.write("damaged.tar", &damaged);
    run("imgverify --custody app.json damaged.tar");
    let json = record("app.json");
    assert_ne!(json["Verdict"], "sound");
    assert_eq!(json["Input"]["SHA256"], build::digest(&damaged));
    room.write("text", b"no image");
    run("imgverify --custody text.json text").code(2);
    let json = record("text.json");
    assert_eq!(json["Verdict"], "not verified");
    assert_eq!(json["Input"]["Size"], 8);

    build::oci(&[&app]).write_to(&room.path("layout"));
    run("imgverify -q --custody layout.json layout").code(0);
    run("imgverify --check-custody layout.json layout").code(0);
    room.write("layout/more", b"x");
    run("imgverify --check-custody layout.json layout").code(1);
    run("imgverify --custody x.json app.tar layout").code(2);
}

#[test]
fn colours_only_when_asked_for() {
    let room = Room::with("old.tar", &build::v1(&[&app()]));
    room.run("imgverify --color always old.tar")
        .code(0)
        .says("\u{1b}[36mnote\u{1b}[0m: old.tar: ");
    for when in ["auto", "never"] {
        let run = room.run(&format!("imgverify --color {when} old.tar"));
        assert!(
            !run.out().contains('\u{1b}') && run.out().starts_with("note: "),
            "{run}"
        );
    }
}

#[test]
fn trouble_wins_over_damage() {
    let app = app();
    let mut files = build::oci(&[&app]);
    files.remove(&build::blob_name(&app.diff_ids()[0]));
    let room = Room::with("bad.tar", &files);
    room.write("good.tar", &build::oci(&[&app]).tar());
    room.run("imgverify good.tar bad.tar")
        .code(1)
        .says("good.tar: ok: ")
        .says("bad.tar: damaged: ");
    room.run("imgverify bad.tar gone.tar good.tar")
        .code(2)
        .says("bad.tar: damaged: ")
        .says("good.tar: ok: ")
        .complains("imgverify: gone.tar: cannot open: no such file or directory\n");
}

/// A name as long as names may be hid all other findings.
#[test]
fn a_finding_is_a_line_that_can_be_read() {
    let long = "z".repeat(60_000);
    let image = build::image("demo:1").layer(&format!("f ../{long} x | d a | h a/b ../{long}"));
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let run = room.run("imgverify app.tar");
    run.code(1).says("characters)");
    let widest = run.out().lines().map(|line| line.chars().count()).max();
    assert!(widest < Some(2000), "{widest:?}");
}
