//! imgedit as a user runs it. What is expected is written by hand: JSON, and bytes of the input.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::build::{self, Image, digest};
use crate::common::pack::Pack;
use crate::common::run::Room;

/// The members of an archive by name.
fn members(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(std::fs::File::open(path).expect("an archive"));
    let mut found = BTreeMap::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a path").display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("contents");
        found.insert(name, bytes);
    }
    found
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// An archive that was written: its members, its entries, and the documents below the first.
struct Made {
    files: BTreeMap<String, Vec<u8>>,
    entry: Value,
    /// The manifest, or the index.
    top: Value,
}

impl Made {
    fn read(room: &Room, name: &str) -> Self {
        let files = members(&room.path(name));
        let entry = parsed(&files["index.json"])["manifests"][0].clone();
        let mut made = Made {
            files,
            entry,
            top: Value::Null,
        };
        made.top = parsed(made.blob(&made.entry));
        made
    }

    /// The blob of a descriptor, whose digest and size must be right.
    fn blob(&self, descriptor: &Value) -> &[u8] {
        let name = descriptor["digest"].as_str().expect("a digest");
        let bytes = &self.files[&build::blob_name(name)];
        assert_eq!(
            (digest(bytes).as_str(), bytes.len() as u64),
            (name, descriptor["size"].as_u64().expect("a size"))
        );
        bytes
    }

    fn config(&self) -> Value {
        parsed(self.blob(&self.top["config"]))
    }
}

fn app() -> Image {
    build::image("app:1")
        .layer("d etc | f etc/a one")
        .layer("f b two")
        .packed(Pack::Gzip)
        .set("x.unknown", json!({"b": 1, "a": [2]}))
        .set(
            "config",
            json!({
                "Env": ["PATH=/bin", "A=1", "AB=2"],
                "Cmd": ["/bin/sh"],
                "ExposedPorts": {"80/tcp": {}, "81/tcp": {}},
                "Volumes": {"/data": {}},
                "Labels": {"one.a": "1", "one.b": "2", "two": "3"},
                "StopSignal": "TERM",
                "Unknown": 1,
            }),
        )
}

fn room() -> Room {
    Room::with("app.tar", &build::docker25(&[&app()]))
}

/// Edits the archive, and returns what was written.
fn edited(options: &str) -> Made {
    let room = room();
    room.run(&format!("imgedit -q app.tar {options} -o out.tar app:2"))
        .code(0);
    Made::read(&room, "out.tar")
}

#[test]
fn config_is_edited_and_all_else_stays() {
    let made =
        edited("-c 'ENV A=9 C=3' -c 'USER 1000' --author me --created @1 --unset label:one.*");
    let mut expected = parsed(&app().config());
    expected["config"]["Env"] = json!(["PATH=/bin", "A=9", "AB=2", "C=3"]);
    expected["config"]["User"] = "1000".into();
    expected["config"]["Labels"] = json!({"two": "3"});
    expected["author"] = "me".into();
    expected["created"] = "1970-01-01T00:00:01Z".into();
    assert_eq!(made.config(), expected);
    // The manifest is the one of the input but for the config, and the layers have the same bytes.
    let mut manifest = parsed(&app().manifest());
    manifest["config"] = made.top["config"].clone();
    assert_eq!(made.top, manifest);
    for (layer, bytes) in manifest["layers"]
        .as_array()
        .expect("layers")
        .iter()
        .zip(app().blobs())
    {
        assert!(made.blob(layer) == bytes);
    }
    // Nothing else is in the archive.
    let blobs = made
        .files
        .keys()
        .filter(|name| name.starts_with("blobs/sha256/") && name.len() > 20);
    assert_eq!(blobs.count(), 4);
}

#[test]
fn each_part_can_be_removed() {
    for (what, field, left) in [
        ("env:A", "Env", json!(["PATH=/bin", "AB=2"])),
        ("env:A*", "Env", json!(["PATH=/bin"])),
        ("env:*", "Env", Value::Null),
        ("label:two", "Labels", json!({"one.a": "1", "one.b": "2"})),
        ("port:80/*", "ExposedPorts", json!({"81/tcp": {}})),
        ("volume:/data", "Volumes", Value::Null),
        ("cmd", "Cmd", Value::Null),
        ("stopsignal", "StopSignal", Value::Null),
    ] {
        let mut expected = parsed(&app().config());
        match &left {
            Value::Null => {
                let config = expected["config"].as_object_mut().expect("an object");
                config.remove(field);
            }
            left => expected["config"][field] = left.clone(),
        }
        assert_eq!(
            edited(&format!("--unset '{what}'")).config(),
            expected,
            "{what}"
        );
    }
    let made = edited("--unset created");
    assert_eq!(made.config().get("created"), None);
}

#[test]
fn edits_are_applied_in_the_order_typed() {
    let env = |options: &str| edited(options).config()["config"]["Env"].clone();
    assert_eq!(
        env("-c 'ENV Z=1' --unset env:Z -c 'ENV Y=1'"),
        json!(["PATH=/bin", "A=1", "AB=2", "Y=1"])
    );
    assert_eq!(
        env("--unset env:A -c 'ENV A=5'"),
        json!(["PATH=/bin", "AB=2", "A=5"])
    );
    assert_eq!(edited("--author a --author b").config()["author"], "b");
    // An entrypoint removes the command unless both follow each other.
    let cmd = |options: &str| edited(options).config()["config"].get("Cmd").cloned();
    let (first, second) = ("-c 'CMD [\"a\"]'", "-c 'ENTRYPOINT [\"b\"]'");
    assert_eq!(cmd(&format!("{first} {second}")), Some(json!(["a"])));
    assert_eq!(cmd(&format!("{first} --author x {second}")), None);
}

#[test]
fn annotations_have_a_place() {
    let made =
        edited("--annotation a=1 --annotation descriptor:d=2=3 --label-to-annotation 'one.*'");
    assert_eq!(
        made.top["annotations"],
        json!({"a": "1", "one.a": "1", "one.b": "2"})
    );
    assert_eq!(made.entry["annotations"]["d"], "2=3");
    assert_eq!(made.config(), parsed(&app().config()));
    let room = room();
    room.run("imgedit -q app.tar --annotation a=1 --annotation b=2 -o one.tar x:1")
        .code(0);
    room.run("imgedit -q one.tar --unset 'annotation:[a]' -o two.tar x:1")
        .code(0);
    assert_eq!(
        Made::read(&room, "two.tar").top["annotations"],
        json!({"b": "2"})
    );
    room.run("imgedit -q two.tar --unset annotation:b -o three.tar x:1")
        .code(0);
    assert_eq!(
        digest(&members(&room.path("three.tar"))[&build::blob_name(&app().manifest_digest())]),
        app().manifest_digest()
    );
    room.run("imgedit -q app.tar --annotation index:a=1 -o four.tar x:1")
        .is(0, &format!("{}\n", app().id()), "imgedit: --annotation index:a: nothing to change\nimgedit: nothing changed: all digests are the same\n");
}

#[test]
fn history_entries_are_added_on_request() {
    let room = room();
    room.command(
        "imgedit -q app.tar --history -c 'ENV A=2' --author me --annotation a=b -o out.tar x:1",
    )
    .env("SOURCE_DATE_EPOCH", "5")
    .run()
    .code(0);
    let made = Made::read(&room, "out.tar");
    let mut expected = parsed(&app().config())["history"].clone();
    for text in ["ENV A=2", "--author me"] {
        expected.as_array_mut().expect("a list").push(json!({
            "created": "1970-01-01T00:00:05Z",
            "created_by": format!("/bin/sh -c #(nop) {text}"),
            "empty_layer": true,
        }));
    }
    assert_eq!(made.config()["history"], expected);
}

fn platforms() -> [Image; 2] {
    let image = |platform| {
        build::image("")
            .platform(platform)
            .layer(&format!("f p {platform}"))
    };
    [image("linux/amd64"), image("linux/arm64/v8")]
}

#[test]
fn every_platform_of_an_index_is_edited() {
    let [one, two] = platforms();
    let room = Room::with(
        "multi.tar",
        &build::multi("multi:1", &[&one, &two], &["linux/s390x"]),
    );
    let run = room.run("imgedit multi.tar -c 'LABEL a=b' --annotation index:i=1 --annotation descriptor:d=2 --digest-map map -o out.tar new:1");
    run.code(0);
    let made = Made::read(&room, "out.tar");
    let before = parsed(
        &members(&room.path("multi.tar"))[&build::blob_name(
            parsed(&members(&room.path("multi.tar"))["index.json"])["manifests"][0]["digest"]
                .as_str()
                .expect("a digest"),
        )],
    );
    assert_eq!(made.top["annotations"], json!({"i": "1"}));
    let children = made.top["manifests"].as_array().expect("a list");
    // The attestation is about the old image; the missing platform stays as it was.
    assert_eq!(children.len(), 3);
    assert_eq!(children[2], before["manifests"][2]);
    let attestation = before["manifests"][3]["digest"].as_str().expect("a digest");
    run.complains(&format!(
        "{attestation}: referrer left out: it is about the image before the change\n"
    ));
    let mut rows = Vec::new();
    for (child, image) in children.iter().zip([&one, &two]) {
        assert_eq!(child["platform"], image.platform_value());
        assert_eq!(child["annotations"], json!({"d": "2"}));
        let manifest = parsed(made.blob(child));
        let mut config = parsed(&image.config());
        config["config"]["Labels"] = json!({"a": "b"});
        assert_eq!(parsed(made.blob(&manifest["config"])), config);
        let id = manifest["config"]["digest"]
            .as_str()
            .expect("a digest")
            .to_owned();
        run.complains(&format!("image {} -> {id}: edited\n", image.id()));
        rows.push(json!({"What": "image", "Old": image.id(), "New": id, "Why": "edited"}));
        let layer = &image.diff_ids()[0];
        rows.push(json!({"What": "layer", "Old": layer, "New": layer, "Why": "kept"}));
    }
    let map = parsed(&std::fs::read(room.path("map")).expect("a map"));
    let map = map.as_array().expect("a list");
    assert!(rows.iter().all(|row| map.contains(row)), "{map:?}");
    assert_eq!(
        map.iter()
            .filter(|row| row["What"] == "manifest" && row["Why"] == "what it points to changed")
            .count(),
        3
    );

    // The attestation can be kept as it is.
    room.run("imgedit -q multi.tar --keep-referrers -c 'LABEL a=b' -o kept.tar new:1")
        .code(0);
    let made = Made::read(&room, "kept.tar");
    assert_eq!(made.top["manifests"][3], before["manifests"][3]);
    made.blob(&before["manifests"][3]);

    // One platform is taken out of the index.
    room.run("imgedit -q multi.tar --platform linux/arm64 --set-platform linux/arm64/v9:1.2 -o one.tar new:1").code(0);
    let config = Made::read(&room, "one.tar").config();
    let mut expected = parsed(&two.config());
    expected["variant"] = "v9".into();
    expected["os.version"] = "1.2".into();
    assert_eq!(config, expected);
    room.run("imgedit -q multi.tar --set-platform linux/386 -o two.tar new:1")
        .fails("imgedit: --set-platform: the index has 2 images: choose one with --platform\n");
}

#[test]
fn nothing_changed_is_the_same_image() {
    let room = room();
    let note = "imgedit: --unset env:NO: nothing to change\nimgedit: nothing changed: all digests are the same\n";
    room.run("imgedit app.tar --unset env:NO -o out.tar app:1")
        .is(0, &format!("{}\n", app().id()), note);
    room.run("imgsave -o saved.tar app.tar").code(0);
    let blobs = |name: &str| {
        let mut found = members(&room.path(name));
        found.retain(|name, _| name.starts_with("blobs/"));
        found
    };
    assert!(blobs("out.tar") == blobs("saved.tar"));
}

#[test]
fn names_move_and_archives_are_replaced() {
    let room = room();
    room.run("imgload --store s app.tar").code(0);
    let layer = room.path(&format!(
        "s/{}",
        build::blob_name(&digest(&app().blobs()[1]))
    ));
    // Layers that the store has are not read.
    let bytes = std::fs::read(&layer).expect("a layer");
    std::fs::write(&layer, [&bytes[..bytes.len() - 8], &[0; 8]].concat()).expect("a damaged layer");
    let run = room.run("imgedit --store s app:1 --author me --replace");
    run.code(0).complains("app:1 moved from ");
    let id = run.out().trim().to_owned();
    let listed = room.run("imgls --store s --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'");
    assert!(listed.out().contains(&format!("app:1 {id}\n")), "{listed}");
    // The same in an archive.
    let run = room.run("imgedit -q app.tar --author me --replace");
    run.is(0, &format!("{id}\n"), "");
    room.run("imgls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' app.tar")
        .ok(&format!("app:1 {id}\n"));
    room.run(&format!("imgedit --store s {id} --author you --replace"))
        .fails("imgedit: --replace: the image is selected by its ID, so that there is no name to move\n");
    room.write(
        "two.tar",
        &build::docker(&[&app(), &build::image("b:1").layer("f x y")]).tar(),
    );
    let before = std::fs::read(room.path("two.tar")).expect("an archive");
    room.run("imgedit two.tar:b:1 --author you --replace")
        .fails("imgedit: --replace: two.tar holds 2 images, and the others would be lost\n");
    assert!(std::fs::read(room.path("two.tar")).expect("an archive") == before);
}

#[test]
fn dry_run_prints_the_plan_and_writes_nothing() {
    let room = room();
    let run = room.run("imgedit app.tar --author me --dry-run --store s -o out.tar x:1");
    let real = room.run("imgedit app.tar --author me -o real.tar x:1");
    assert_eq!(real.err().replace("imgedit: ", ""), run.out());
    run.is(0, run.out(), "");
    assert!(
        run.out()
            .starts_with(&format!("image {} -> {}", app().id(), real.out().trim())),
        "{run}"
    );
    assert!(!room.path("out.tar").exists() && !room.path("s").exists());
}

#[test]
fn invalid_edits_are_refused() {
    let room = room();
    for (options, why) in [
        ("", "missing edit, as -c 'ENV A=b'"),
        (
            "--unset env:",
            "--unset env:: expected env:, label:, port:, volume: or annotation: with a name, or cmd, entrypoint, user, workdir, healthcheck, stopsignal, shell, onbuild, author or created",
        ),
        (
            "--annotation =a",
            "--annotation =a: expected [manifest:|index:|descriptor:]KEY=TEXT",
        ),
        (
            "--created yesterday",
            "--created yesterday: expected a time as 2026-11-21T03:40:05Z, @SECONDS since 1970, or now",
        ),
        (
            "--set-platform linux",
            "--set-platform linux: expected os/architecture[/variant][:os-version]",
        ),
        ("-c 'RUN x'", "-c: RUN x: run is not a valid change command"),
    ] {
        room.run(&format!("imgedit app.tar {options} -o out.tar"))
            .fails(&format!("imgedit: {why}\n"));
    }
    room.run("imgedit app.tar --author a -o app.tar").code(2);
    assert!(!room.path("out.tar").exists());
}

#[test]
fn archives_are_appended_byte_for_byte() {
    let tar = build::layer("d new | f new/x 1 | w etc/.a | o etc");
    for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
        let room = room();
        let stored = pack.pack(&tar);
        room.write("layer.bin", &stored);
        let line =
            "imgedit -q app.tar --append layer.bin --append-message why --author me -o out.tar x:1";
        let run = room.command(line).env("SOURCE_DATE_EPOCH", "5").run();
        run.code(0);
        let made = Made::read(&room, "out.tar");
        let layers = made.top["layers"].as_array().expect("layers");
        let before = parsed(&app().manifest());
        assert_eq!(
            layers[..2],
            before["layers"].as_array().expect("layers")[..]
        );
        assert!(made.blob(&layers[2]) == stored);
        let suffix = match pack {
            Pack::Gzip => "+gzip",
            Pack::Zstd => "+zstd",
            _ => "",
        };
        let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        assert_eq!(layers[2]["mediaType"], media_type);
        let mut expected = parsed(&app().config());
        expected["author"] = "me".into();
        expected["rootfs"]["diff_ids"] =
            json!([app().diff_ids()[0], app().diff_ids()[1], digest(&tar)]);
        let entry = json!({"created": "1970-01-01T00:00:05Z", "created_by": "imgedit --append layer.bin", "comment": "why"});
        expected["history"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
        assert_eq!(made.config(), expected);
        room.run("imgverify -q out.tar").code(0);
    }
}

#[test]
fn directories_are_appended_as_the_image_is_compressed() {
    let room = room();
    std::fs::create_dir_all(room.path("root/opt")).expect("a directory");
    room.write("root/opt/x", b"1");
    room.run("imgedit -q app.tar --append root -o out.tar x:1")
        .code(0);
    let made = Made::read(&room, "out.tar");
    let layer = made.blob(&made.top["layers"][2]);
    let mut names = Vec::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(layer));
    for entry in archive.entries().expect("a tar") {
        names.push(
            entry
                .expect("an entry")
                .path()
                .expect("a path")
                .display()
                .to_string(),
        );
    }
    assert_eq!(names, ["opt/", "opt/x"]);
    room.run("imgedit app.tar --append-message x -o no.tar")
        .fails("imgedit: --append-message: expected --append before it\n");
    room.run("imgedit app.tar --append none -o no.tar")
        .fails("imgedit: none: cannot open: no such file or directory\n");
    room.write("text", &[b'a'; 600]);
    room.run("imgedit app.tar --append text -o no.tar")
        .code(2)
        .complains("imgedit: text: unsupported: input that is neither a tar nor a cpio archive");
}

#[test]
fn manifests_that_are_made_are_reported_once() {
    let room = Room::with("old.tar", &build::docker(&[&app()]));
    let run = room.run("imgedit old.tar --author me -o out.tar x:1");
    run.code(0);
    let made = Made::read(&room, "out.tar");
    let lines: Vec<&str> = run.err().lines().collect();
    let (id, manifest) = (
        run.out().trim(),
        made.entry["digest"].as_str().expect("a digest"),
    );
    let image = format!("imgedit: image {} -> {id}: edited", app().id());
    let manifest =
        format!("imgedit: manifest {manifest}: docker-archives of this kind have no manifest");
    assert_eq!(lines, [image, manifest], "{run}");
}

#[test]
fn compressed_archives_are_not_replaced() {
    let room = room();
    let bytes = std::fs::read(room.path("app.tar")).expect("an archive");
    let packed = Pack::Gzip.pack(&bytes);
    room.write("app.tar.gz", &packed);
    room.run("imgedit app.tar.gz --author me --replace")
        .fails("imgedit: --replace: app.tar.gz is compressed: expected an uncompressed archive\n");
    assert!(std::fs::read(room.path("app.tar.gz")).expect("an archive") == packed);
}

fn layered() -> Image {
    build::image("app:1")
        .layer("d etc | f etc/a one | f etc/b one | f b old")
        .layer("w etc/a | f b two | d opt | f opt/x 1 | f opt/y 2 | f opt.d z")
        .packed(Pack::Gzip)
        .layer("f d four")
}

/// The layers stay as they are, their entries in the history go, and what that changes is told.
#[test]
fn layers_are_taken_out() {
    let whole = layered();
    for layers in ["2", "2..2", &whole.diff_ids()[1][..20]] {
        let room = Room::with("app.tar", &build::docker25(&[&whole]));
        let run = room.run(&format!(
            "imgedit app.tar --drop-layer {layers} -o out.tar x:1"
        ));
        run.code(0);
        let told = run.err().lines().filter(|line| line.contains(": /"));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                "imgedit: /opt vanishes, with 2 paths below it",
                "imgedit: /opt.d vanishes",
                "imgedit: /b comes back, from layer 1",
                "imgedit: /etc/a comes back, from layer 1",
            ]
        );
        let made = Made::read(&room, "out.tar");
        let (before, mut expected) = (parsed(&whole.manifest()), parsed(&whole.config()));
        assert_eq!(
            made.top["layers"],
            json!([before["layers"][0], before["layers"][2]])
        );
        for list in ["/rootfs/diff_ids", "/history"] {
            let list = expected.pointer_mut(list).expect("a list");
            list.as_array_mut().expect("a list").remove(1);
        }
        assert_eq!(made.config(), expected);
        room.run("imgverify -q out.tar").code(0);
    }
}

/// Only a layer's own entry goes, whatever entries without layers stand between, and those of the base are unknown.
#[test]
fn layers_are_taken_out_by_their_commands() {
    let steps = json!([
        {"created_by": "ENV A=1", "empty_layer": true},
        {"created_by": "COPY secret /"},
        {"created_by": "CMD secret", "empty_layer": true},
        {"created_by": "RUN make", "comment": "x"},
    ]);
    let image = layered().history(steps);
    let room = Room::with("app.tar", &build::docker25(&[&image]));
    let line = "imgedit -q app.tar --drop-layer created-by:'secret|none' -o out.tar x:1";
    room.run(line).code(0);
    let made = Made::read(&room, "out.tar");
    let ids = image.diff_ids();
    assert_eq!(made.config()["rootfs"]["diff_ids"], json!([ids[0], ids[2]]));
    assert_eq!(
        made.config()["history"],
        json!([
            {"created_by": "ENV A=1", "empty_layer": true},
            {"created_by": "CMD secret", "empty_layer": true},
            {"created_by": "RUN make", "comment": "x"},
        ])
    );
    // Numbers are those of the image that the edits before have made.
    std::fs::create_dir_all(room.path("root/opt")).expect("a directory");
    room.write("root/opt/x", b"1");
    let line = "imgedit -q app.tar --drop-layer 1 --drop-layer 1 --append app.tar --append root --drop-layer 2..3 -o two.tar x:1";
    room.run(line).code(0);
    let made = Made::read(&room, "two.tar");
    assert_eq!(made.config()["rootfs"]["diff_ids"], json!([ids[2]]));
    let line = "imgedit app.tar --drop-layer created-by:nothing --dry-run";
    room.run(line)
        .complains("--drop-layer created-by:nothing: nothing to change");
    for (layers, why) in [
        ("4", "--drop-layer: no layer 4: the image has 3 layers"),
        ("2..1", "--drop-layer: empty range '2..1'"),
        ("x", "--drop-layer: no layer 'x' in the image"),
        ("created-by:(", "--drop-layer created-by:(: "),
    ] {
        let run = room.run(&format!(
            "imgedit app.tar --drop-layer '{layers}' -o no.tar"
        ));
        run.code(2).complains(why);
        assert!(!room.path("no.tar").exists());
    }
}
