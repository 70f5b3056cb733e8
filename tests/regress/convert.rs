//! Conversions: what is carried along, what is rewritten, and what an existing destination is worth.

use serde_json::{Value, json};

use crate::common::build::{self, Files, Image};
use crate::common::run::Room;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

fn app() -> Image {
    build::image("demo:1").layer("d etc | f etc/a one")
}

fn other() -> Image {
    build::image("demo:1").layer("f b two")
}

fn json_file(room: &Room, path: &str) -> Value {
    let bytes = std::fs::read(room.path(path)).expect(path);
    serde_json::from_slice(&bytes).expect("JSON")
}

fn listed(room: &Room, layout: &str) -> Vec<Value> {
    let index = json_file(room, &format!("{layout}/index.json"));
    index["manifests"].as_array().expect("a list").clone()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The document that a descriptor points to. The bytes have the digest and size that it states.
fn document(room: &Room, layout: &str, descriptor: &Value) -> Value {
    let digest = text(&descriptor["digest"]);
    let bytes = std::fs::read(room.path(&format!("{layout}/{}", build::blob_name(digest))));
    let bytes = bytes.expect("a blob");
    assert_eq!(build::digest(&bytes), digest);
    assert_eq!(descriptor["size"], bytes.len());
    serde_json::from_slice(&bytes).expect("JSON")
}

/// An artifact about `subject`, listed in the layout: its descriptor.
fn artifact(files: &mut Files, subject: &Value, media_type: &str, blob: &str) -> Value {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/example",
        "config": build::descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [build::descriptor(media_type, blob.as_bytes())],
        "subject": {"mediaType": subject["mediaType"], "digest": subject["digest"], "size": subject["size"]},
    })
    .to_string();
    files.blob(b"{}");
    files.blob(blob.as_bytes());
    files.blob(manifest.as_bytes());
    build::descriptor(MANIFEST, manifest.as_bytes())
}

fn multi() -> Files {
    let arm = build::image("").platform("linux/arm64").layer("f a arm");
    build::multi("demo:1", &[&app(), &arm], &[])
}

/// The index was rewritten twice, and index.json got the first digest while the second was stored.
#[test]
fn an_index_of_other_media_types_is_the_one_that_is_listed() {
    let room = Room::new();
    multi().write_to(&room.path("layout"));
    for options in ["", "--compression gzip", "--reproducible"] {
        let line = |from: &str, to: &str, types: &str| {
            room.run(&format!(
                "imgconvert --force {options} --media-types {types} {from} {to}"
            ))
            .code(0);
        };
        for (archive, place) in [
            ("oci-archive:o.tar", "o.tar"),
            ("docker-archive:d.tar", "d.tar"),
            ("oci-archive:o.tar:app:2", "o.tar"),
        ] {
            line("layout", archive, "docker");
            room.run(&format!("imgverify -q {place}")).ok("");
        }
        let _ = std::fs::remove_dir_all(room.path("docker"));
        let _ = std::fs::remove_dir_all(room.path("back"));
        line("layout", "oci:docker", "docker");
        let entry = &listed(&room, "docker")[0];
        assert_eq!(entry["mediaType"], DOCKER_LIST);
        let index = document(&room, "docker", entry);
        assert_eq!(index["mediaType"], DOCKER_LIST);
        for child in index["manifests"].as_array().expect("a list") {
            assert_eq!(child["mediaType"], DOCKER_MANIFEST);
            document(&room, "docker", child);
        }
        let about = &index["manifests"][2]["annotations"]["vnd.docker.reference.digest"];
        assert_eq!(*about, index["manifests"][0]["digest"]);
        line("docker", "oci:back", "oci");
        assert_eq!(listed(&room, "back")[0]["mediaType"], INDEX);
        for layout in ["docker", "back"] {
            room.run(&format!("imgverify -q {layout}")).ok("");
        }
    }
    room.command("imgconvert --media-types docker layout store:")
        .env("IMGKIT_STORE", "store")
        .run()
        .code(0);
    room.run("imgverify -q store").ok("");
    assert_eq!(listed(&room, "store").len(), 1);
}

/// Referrers named a digest that was nowhere any more.
#[test]
fn referrers_point_to_the_new_digest_of_their_subject() {
    let mut files = build::oci(&[&app()]);
    let mut image = build::descriptor(MANIFEST, &app().manifest());
    image["annotations"] = json!({REF_NAME: "demo:1"});
    let old = text(&image["digest"]).to_owned();
    let payload = json!({"critical": {"image": {"docker-manifest-digest": old}}}).to_string();
    let sbom = artifact(
        &mut files,
        &image,
        "application/spdx+json",
        r#"{"packages":[]}"#,
    );
    let about_sbom = artifact(&mut files, &sbom, "text/plain", "good");
    let signature = artifact(&mut files, &image, SIMPLE_SIGNING, &payload);
    let fallback = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [sbom]}).to_string();
    files.blob(fallback.as_bytes());
    let tag = |digest: &str, suffix: &str| json!({REF_NAME: digest.replace(':', "-") + suffix});
    let mut fallback = build::descriptor(INDEX, fallback.as_bytes());
    fallback["annotations"] = tag(&old, "");
    let mut signed = signature.clone();
    signed["annotations"] = tag(&old, ".sig");
    files.edit("index.json", |index| {
        index["manifests"] = json!([image, sbom, about_sbom, signed, fallback]);
    });
    let room = Room::new();
    files.write_to(&room.path("layout"));
    for (number, options) in [
        "--media-types docker",
        "--compression gzip",
        "--reproducible",
    ]
    .iter()
    .enumerate()
    {
        let out = format!("out{number}");
        let run = room.run(&format!(
            "imgconvert {options} --digest-map map.json layout oci:{out}"
        ));
        run.code(0).complains("its contents name ").complains(&old);
        assert_eq!(run.err().lines().count(), 1, "{run}");
        let map = json_file(&room, "map.json");
        let now = |digest: &Value| {
            let changes = map.as_array().expect("a list").iter();
            let mut changes = changes.filter(|change| change["Old"] == *digest);
            changes.next().expect("a change")["New"].clone()
        };
        let entries = listed(&room, &out);
        for (before, after) in [
            (&image, 0),
            (&sbom, 1),
            (&about_sbom, 2),
            (&signature, 3),
            (&fallback, 4),
        ] {
            assert_eq!(entries[after]["digest"], now(&before["digest"]));
        }
        for (referrer, subject) in [(1, 0), (2, 1), (3, 0)] {
            let manifest = document(&room, &out, &entries[referrer]);
            for field in ["mediaType", "digest", "size"] {
                assert_eq!(
                    manifest["subject"][field], entries[subject][field],
                    "{referrer}"
                );
            }
        }
        let new = text(&entries[0]["digest"]);
        assert_eq!(entries[3]["annotations"], tag(new, ".sig"));
        assert_eq!(entries[4]["annotations"], tag(new, ""));
        let index = document(&room, &out, &entries[4]);
        assert_eq!(index["manifests"][0]["digest"], entries[1]["digest"]);
        room.run(&format!("imgverify -q {out}")).ok("");
    }
    room.run("imgsave --compression gzip -o saved.tar layout")
        .code(0)
        .complains("its contents name ");
    room.run("imgload --compression gzip --store store layout")
        .code(0)
        .complains("its contents name ");
    room.run("imgverify -q saved.tar").ok("");
    room.run("imgconvert layout oci:same").is(0, "", "");
}

/// `signature-1` was gone, though the manifest that it is of stayed.
#[test]
fn signatures_of_a_dir_come_along() {
    let room = Room::new();
    let mut files = build::dir(&app());
    files.add("signature-1", b"one".as_slice());
    files.add("signature-2", b"two".as_slice());
    files.write_to(&room.path("dir"));
    room.run("imgconvert dir:dir dir:copy").is(0, "", "");
    room.run("imgsave --format dir -o saved dir:dir")
        .is(0, "", "");
    for copy in ["copy", "saved"] {
        for (name, bytes) in [("signature-1", b"one"), ("signature-2", b"two")] {
            let found = std::fs::read(room.path(&format!("{copy}/{name}")));
            assert_eq!(found.expect(name), bytes);
        }
    }
    for line in [
        "imgconvert dir oci:layout",
        "imgconvert dir out.tar",
        "imgsave -o saved.tar dir",
        "imgload --store store dir",
    ] {
        let run = room.run(line);
        run.code(0)
            .complains("signature-1: signature omitted: only dir: holds signatures");
    }
    room.run("imgconvert --compression gzip dir dir:packed")
        .code(0)
        .complains("signature-2: signature omitted: its manifest changed");
    assert!(!room.path("packed/signature-1").exists());
}

/// Two images were written under one tag, of which docker keeps the last.
#[test]
fn one_name_is_for_one_image() {
    let room = Room::with("a.tar", &build::docker(&[&app()]));
    room.write("b.tar", &build::docker(&[&other()]).tar());
    room.run("imgsave --name n:1 -o x.tar a.tar b.tar")
        .fails("imgsave: --tag n:1: expected one image, found 2\n");
    room.run("imgsave -o x.tar a.tar b.tar")
        .fails("imgsave: b.tar: ambiguous: 'demo:1' is the name of two different images\n");
    assert!(!room.path("x.tar").exists());
    room.run("imgsave --name n:1 -o x.tar a.tar a.tar").ok("");
    room.run("imgverify -q x.tar").ok("");
}

/// An existing archive was replaced without a word.
#[test]
fn imgconvert_replaces_no_file_unless_it_is_told_to() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    for destination in [
        "b.tar",
        "docker-archive:b.tar:n:1",
        "oci-archive:b.tar",
        "docker-legacy:b.tar",
    ] {
        room.write("b.tar", b"precious");
        room.run(&format!("imgconvert app.tar {destination}"))
            .fails("imgconvert: b.tar: cannot create: already exists: a file\nhint: --force replaces it\n");
        assert_eq!(
            std::fs::read(room.path("b.tar")).expect("b.tar"),
            b"precious"
        );
        room.run(&format!("imgconvert --force app.tar {destination}"))
            .ok("");
        room.run("imgverify -q b.tar").ok("");
    }
    room.write("empty.tar", b"");
    room.run("imgconvert app.tar empty.tar").ok("");
    std::fs::create_dir(room.path("full")).expect("a directory");
    room.write("full/file", b"x");
    room.run("imgconvert app.tar full")
        .fails("imgconvert: full: cannot create: already exists: a directory\n");
    room.run("imgconvert app.tar oci:full:x")
        .fails("imgconvert: full: cannot create: already exists: a directory that is neither empty nor an OCI layout\n");
    room.run("imgconvert app.tar dir:full")
        .fails("imgconvert: full: cannot create: already exists: a directory that is not empty\n");
    for line in ["imgsave -o new/ app.tar", "imgconvert app.tar new/"] {
        room.run(line)
            .code(2)
            .complains(": new/: cannot create: already exists: a directory\n");
    }
    assert!(!room.path("new").exists());
}

/// One blob that is no manifest kept all the images from being written.
#[test]
fn what_is_no_image_comes_along_with_the_images() {
    let mut files = build::oci(&[&app()]);
    let image = build::descriptor(MANIFEST, &app().manifest());
    let sbom = artifact(&mut files, &image, "application/spdx+json", "{}");
    files.blob(b"hello");
    let text = build::descriptor("text/plain", b"hello");
    files.edit("index.json", |index| {
        let list = index["manifests"].as_array_mut().expect("a list");
        list.extend([sbom.clone(), text.clone()]);
    });
    let room = Room::with("app.tar", &files);
    for (line, place) in [
        ("imgsave -o a.tar app.tar", "a.tar"),
        ("imgsave --platform linux/amd64 -o b.tar app.tar", "b.tar"),
        ("imgsave --compression gzip -o c.tar app.tar", "c.tar"),
        ("imgconvert app.tar oci:d", "d"),
        ("imgconvert --platform linux/amd64 app.tar oci:e", "e"),
        ("imgload --platform linux/amd64 --store f app.tar", "f"),
    ] {
        room.run(line).code(0);
        room.run(&format!("imgverify -q {place}")).ok("");
        room.run(&format!("imgls -a -q --no-trunc {place}"))
            .says("")
            .code(0);
    }
    for layout in ["d", "e", "f"] {
        let digests: Vec<Value> = listed(&room, layout)
            .iter()
            .map(|entry| entry["digest"].clone())
            .collect();
        assert!(
            digests.contains(&sbom["digest"]) && digests.contains(&text["digest"]),
            "{layout}"
        );
        assert!(
            room.path(&format!(
                "{layout}/{}",
                build::blob_name(&build::digest(b"hello"))
            ))
            .exists()
        );
    }
    room.run("imgsave --format docker-legacy -o legacy.tar app.tar")
        .code(0)
        .complains("omitted: not an image, and this format holds only images");
}

/// The output or the loaded image was there, and the exit status said that it was not.
#[test]
fn a_side_file_that_cannot_be_written_leaves_no_output() {
    let room = Room::with("app.tar", &build::oci(&[&app()]));
    std::fs::create_dir(room.path("dir")).expect("a directory");
    std::fs::create_dir(room.path("root")).expect("a directory");
    room.write("root/file", b"x");
    for side in ["no/side", "dir", "dir/"] {
        for (line, output) in [
            (
                format!("imgconvert --digest-map {side} app.tar out.tar"),
                "out.tar",
            ),
            (
                format!("imgconvert --digest-map {side} app.tar oci:out"),
                "out",
            ),
            (
                format!("imgload --store store --id-file {side} app.tar"),
                "store/index.json",
            ),
            (
                format!("imgimport --store store --id-file {side} root n:1"),
                "store/index.json",
            ),
            (
                format!("imgimport --id-file {side} -o out.tar root n:1"),
                "out.tar",
            ),
            (
                format!("imgcommit --base app.tar --id-file {side} -o out.tar root n:1"),
                "out.tar",
            ),
            (
                format!("imgexport --config {side} -o out.tar app.tar"),
                "out.tar",
            ),
            (format!("imgexport --config {side} -C out app.tar"), "out"),
            (format!("imgexport --record {side} -C out app.tar"), "out"),
        ] {
            room.run(&line).code(2);
            assert!(!room.path(output).exists(), "{line}");
        }
    }
    room.run("imgload --store store --id-file /dev/null app.tar")
        .code(0);
    let null = std::fs::metadata("/dev/null").expect("/dev/null");
    assert!(!null.is_file());
}

/// ref.name got the default host and folder, so that skopeo found nothing by the text that was typed.
#[test]
fn the_text_of_a_name_stays() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    for (typed, full) in [
        ("app:1", Some("docker.io/library/app:1")),
        ("my/app", Some("docker.io/my/app:latest")),
        ("host.example:5000/a/b:t", Some("host.example:5000/a/b:t")),
        ("v1", None),
        ("UPPER", None),
        ("Host:5000/App:1", None),
    ] {
        room.run(&format!("imgconvert app.tar oci:layout:{typed}"))
            .ok("");
        let entry = listed(&room, "layout").pop().expect("an entry");
        assert_eq!(entry["annotations"][REF_NAME], typed);
        let found = entry["annotations"].get(FULL_NAME).and_then(Value::as_str);
        assert_eq!(found, full, "{typed}");
    }
    room.run("imgconvert app.tar oci:out").ok("");
    assert_eq!(listed(&room, "out")[0]["annotations"][REF_NAME], "demo:1");
    // What a layout has is kept through layouts, archives and the store.
    let mut files = build::oci(&[&app()]);
    files.edit("index.json", |index| {
        let entry = &mut index["manifests"][0];
        entry["annotations"] =
            json!({REF_NAME: "busybox:test1", "kind": "dev.cosignproject.cosign/image"});
        entry["x-unknown"] = json!({"a": [1]});
        entry["artifactType"] = "application/example".into();
    });
    files.write_to(&room.path("source"));
    for (line, layout) in [
        ("imgconvert source oci:one", "one"),
        ("imgsave --format oci-layout -o two source", "two"),
        ("imgload --store three source", "three"),
    ] {
        room.run(line).code(0);
        let entry = &listed(&room, layout)[0];
        assert_eq!(entry["annotations"][REF_NAME], "busybox:test1");
        assert_eq!(
            entry["annotations"]["kind"],
            "dev.cosignproject.cosign/image"
        );
        assert_eq!(entry["x-unknown"], json!({"a": [1]}));
        assert_eq!(entry["artifactType"], "application/example");
    }
    room.run("imgtag --store three busybox:test1 mine").ok("");
    let entry = listed(&room, "three").pop().expect("an entry");
    assert_eq!(entry["annotations"][REF_NAME], "mine");
    assert_eq!(
        entry["annotations"][FULL_NAME],
        "docker.io/library/mine:latest"
    );
    assert_eq!(entry["x-unknown"], json!({"a": [1]}));
    for line in [
        format!(
            "imgconvert app.tar docker-archive:no.tar:app@{}",
            app().manifest_digest()
        ),
        format!(
            "imgsave -o no.tar --name app@{} app.tar",
            app().manifest_digest()
        ),
    ] {
        room.run(&line)
            .code(2)
            .complains("a name with a digest cannot be given to an image");
    }
}

/// There is nothing to change in a copy, and containerd and BuildKit have a type for it.
#[test]
fn zstd_layers_under_media_types_of_docker_are_copied() {
    let image = app().packed(crate::common::pack::Pack::Zstd);
    let mut files = build::oci(&[&image]);
    let mut manifest: Value = serde_json::from_slice(&image.manifest()).expect("JSON");
    manifest["mediaType"] = DOCKER_MANIFEST.into();
    manifest["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json".into();
    let zstd = "application/vnd.docker.image.rootfs.diff.tar.zstd";
    manifest["layers"][0]["mediaType"] = zstd.into();
    let manifest = manifest.to_string();
    files.blob(manifest.as_bytes());
    files.edit("index.json", |index| {
        index["manifests"] = json!([build::descriptor(DOCKER_MANIFEST, manifest.as_bytes())]);
        index["manifests"][0]["annotations"] = json!({REF_NAME: "demo:1"});
    });
    let room = Room::with("app.tar", &files);
    for (line, place) in [
        ("imgsave -o a.tar app.tar", "a.tar"),
        ("imgconvert app.tar docker-archive:b.tar", "b.tar"),
        ("imgconvert app.tar oci-archive:c.tar", "c.tar"),
        ("imgload --store store app.tar", "store"),
        ("imgconvert app.tar oci:d", "d"),
    ] {
        room.run(line).code(0);
        room.run(&format!("imgverify -q {place}")).ok("");
    }
    assert_eq!(
        listed(&room, "d")[0]["digest"],
        build::digest(manifest.as_bytes())
    );
    room.run("imgconvert --media-types oci app.tar oci:oci")
        .ok("");
    let oci = document(&room, "oci", &listed(&room, "oci")[0]);
    assert_eq!(
        oci["layers"][0]["mediaType"],
        "application/vnd.oci.image.layer.v1.tar+zstd"
    );
    room.run("imgconvert --media-types docker oci oci:docker")
        .ok("");
    let docker = document(&room, "docker", &listed(&room, "docker")[0]);
    assert_eq!(docker["layers"][0]["mediaType"], zstd);
}

/// A file named `-` was written, and the pipe got nothing.
#[test]
fn a_dash_after_a_format_is_standard_output() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    for format in ["docker-archive", "oci-archive", "docker-legacy"] {
        room.run(&format!("imgconvert app.tar {format}:file.tar:n:1"))
            .ok("");
        let file = std::fs::read(room.path("file.tar")).expect("file.tar");
        for dash in ["-", "/dev/stdout"] {
            let run = room.run(&format!("imgconvert app.tar {format}:{dash}:n:1"));
            run.code(0);
            assert!(run.stdout == file, "{format}");
        }
        assert!(!room.path("-").exists());
        std::fs::remove_file(room.path("file.tar")).expect("file.tar");
    }
    for format in ["oci", "dir"] {
        room.run(&format!("imgconvert app.tar {format}:-"))
            .fails(&format!(
                "imgconvert: '{format}:-': cannot write a directory to standard output\n"
            ));
    }
}

/// The two halves of an archive disagreed over the ID of an image whose config is named by sha512.
#[test]
fn images_by_sha512_are_sound_in_every_format() {
    let room = Room::new();
    let mut files = Files::default();
    let image = app();
    let mut blob = |bytes: &[u8], media_type: &str| {
        let hex = hex::encode(<sha2::Sha512 as sha2::Digest>::digest(bytes));
        files.add(&format!("blobs/sha512/{hex}"), bytes);
        json!({"mediaType": media_type, "digest": format!("sha512:{hex}"), "size": bytes.len()})
    };
    let layer = blob(&image.blobs()[0], "application/vnd.oci.image.layer.v1.tar");
    let config = blob(&image.config(), "application/vnd.oci.image.config.v1+json");
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
    let mut entry = blob(manifest.to_string().as_bytes(), MANIFEST);
    entry["annotations"] = json!({REF_NAME: "demo:1"});
    files.add("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
    files.add("index.json", index.to_string());
    files.write_to(&room.path("layout"));
    room.run("imgload --store store layout").code(0);
    for (line, place) in [
        ("imgsave -o a.tar layout", "a.tar"),
        ("imgsave --store store -o b.tar demo:1", "b.tar"),
        ("imgsave --format docker-legacy -o c.tar layout", "c.tar"),
        ("imgconvert layout docker-archive:d.tar", "d.tar"),
        ("imgconvert layout oci-archive:e.tar", "e.tar"),
        ("imgconvert layout oci:f", "f"),
        ("imgconvert layout dir:g", "g"),
        ("imgconvert --compression gzip layout h.tar", "h.tar"),
        ("imgconvert --reproducible layout i.tar", "i.tar"),
    ] {
        room.run(line).code(0);
        let sound = room.run(&format!("imgverify {place}"));
        sound.code(0).says(": ok: ").says(" 1 image, 1 layer, ");
    }
    // docker knows an image by the sha256 digest of its config.
    let names = std::fs::read(room.path("c.tar")).expect("c.tar");
    let name = format!("{}.json", &image.id()["sha256:".len()..]);
    assert!(String::from_utf8_lossy(&names).contains(&name));
}

/// Two classic builds of the same files had two IDs: the container, its host name and the builder's version stayed.
#[test]
fn what_names_the_machine_that_built_an_image_is_cleared() {
    let build = |container: &str, version: &str, step: &str| {
        app()
            .set("container", json!(container))
            .set("docker_version", json!(version))
            .set(
                "container_config",
                json!({"Hostname": container, "Cmd": [step]}),
            )
            .set(
                "config",
                json!({"Hostname": container, "Image": step, "Cmd": ["/bin/sh"]}),
            )
    };
    let room = Room::with(
        "a.tar",
        &build::docker(&[&build("abc", "20.10.1", "sha256:1")]),
    );
    room.write(
        "b.tar",
        &build::docker(&[&build("def", "24.0.0", "sha256:2")]).tar(),
    );
    for archive in ["a", "b"] {
        room.run(&format!(
            "imgconvert --reproducible {archive}.tar {archive}2.tar"
        ))
        .ok("");
    }
    let read = |name: &str| std::fs::read(room.path(name)).expect(name);
    assert!(read("a2.tar") == read("b2.tar"));
    let config = room.run("imginspect --raw config a2.tar").json();
    assert_eq!(config["config"], json!({"Cmd": ["/bin/sh"]}));
    assert_eq!(
        config.get("docker_version").or(config.get("container")),
        None
    );
}

/// All but one ended with "directory not empty".
#[test]
fn programs_that_make_one_layout_at_once_all_add_to_it() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    let tags: Vec<String> = (0..8).map(|number| format!("t{number}")).collect();
    std::thread::scope(|scope| {
        for tag in &tags {
            let room = &room;
            scope.spawn(move || {
                let run = room.run(&format!("imgconvert -q app.tar oci:new:{tag}"));
                run.ok("");
            });
        }
    });
    let mut found: Vec<String> = listed(&room, "new")
        .iter()
        .map(|entry| text(&entry["annotations"][REF_NAME]).to_owned())
        .collect();
    found.sort_unstable();
    assert_eq!(found, tags);
    room.run("imgverify -q new").ok("");
}

/// Only the exact variant was found, though older ones run as well (containerd and containers/image take them).
#[test]
fn a_platform_falls_back_to_what_runs_there() {
    let room = Room::new();
    let image = |platform: &str| {
        build::image("")
            .platform(platform)
            .layer(&format!("f a {platform}"))
    };
    for (here, wanted, found) in [
        (
            "linux/arm/v7 linux/arm/v6 linux/arm/v5 linux/arm",
            "linux/arm/v7",
            Some("linux/arm/v7"),
        ),
        (
            "linux/arm linux/arm/v5 linux/arm/v6",
            "linux/arm/v7",
            Some("linux/arm/v6"),
        ),
        (
            "linux/arm linux/arm/v5",
            "linux/arm/v7",
            Some("linux/arm/v5"),
        ),
        ("linux/arm linux/arm64", "linux/arm/v7", Some("linux/arm")),
        ("linux/arm/v7 linux/amd64", "linux/arm/v6", None),
        (
            "linux/amd64/v2 linux/arm64",
            "linux/amd64",
            Some("linux/amd64/v2"),
        ),
        ("linux/amd64/v2 linux/amd64/v3", "linux/amd64", None),
        (
            "linux/amd64 linux/amd64/v2 linux/amd64/v3",
            "linux/amd64",
            Some("linux/amd64"),
        ),
        (
            "linux/amd64 linux/amd64/v2",
            "linux/amd64/v3",
            Some("linux/amd64/v2"),
        ),
        (
            "linux/arm64 linux/amd64",
            "linux/arm64/v8",
            Some("linux/arm64"),
        ),
    ] {
        let images: Vec<Image> = here.split(' ').map(image).collect();
        let images: Vec<&Image> = images.iter().collect();
        room.write("multi.tar", &build::multi("demo:1", &images, &[]).tar());
        let template = "{{.Os}}/{{.Architecture}}{{if .Variant}}/{{.Variant}}{{end}}";
        let run = room.run(&format!(
            "imginspect --platform {wanted} --format '{template}' multi.tar"
        ));
        match found {
            Some(found) => run.ok(&format!("{found}\n")),
            None => run.code(2),
        };
    }
}

/// It was said that there is no index.json, which is there, a directory below. One image is read there; which of two?
#[test]
fn a_layout_packed_with_its_directory_is_told() {
    let files = build::oci(&[&app()]);
    let mut below = Files::default();
    for name in ["lay/oci-layout", "lay/index.json"] {
        below.add(name, files.get(&name[4..]));
        below.add(&format!("other/{name}"), files.get(&name[4..]));
    }
    let room = Room::with("r.tar", &below);
    let why = "no manifest.json, index.json, oci-layout or repositories at the top level, but lay/index.json";
    room.run("imgls r.tar").fails(&format!(
        "imgls: r.tar: not an image archive: {why}\nhint: extract it (tar -xf r.tar) and name lay\n"
    ));
    files.write_to(&room.path("top/lay"));
    // With anything else beside it, the directory is no tree of layouts.
    room.write("top/note", b"");
    room.run("imgconvert top out.tar").fails(&format!(
        "imgconvert: top: not an image archive: {why}\nhint: name the directory of the image: top/lay\n"
    ));
}
