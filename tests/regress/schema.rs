//! Documents that break the rules of the image specification, as imgverify and imgload report them.
//!
//! What is an error and what a warning was asked of docker load 20.10 and skopeo 1.9 (docker-archive: and oci:).

use serde_json::{Value, json};

use crate::common::build::{self, Files, Image};
use crate::common::pack::Pack;
use crate::common::run::{Output, Room};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// The findings of one code: severity and text.
fn findings(run: &Output, codes: &[&str]) -> Vec<(String, String)> {
    let lines = run.json_lines().into_iter();
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    lines
        .filter(|line| codes.contains(&text(line, "Code").as_str()))
        .map(|line| (text(&line, "Severity"), text(&line, "Message")))
        .collect()
}

/// An image whose config has a value at a path, written with `/`.
fn with(path: &str, value: Value) -> Image {
    let mut image = build::image("demo:1").layer("f a a");
    let top = path.split('/').next().expect("a field");
    let mut document: Value = serde_json::from_slice(&image.config()).expect("a config");
    let mut at = &mut document;
    for part in path.split('/') {
        at = match part.parse::<usize>() {
            Ok(number) => &mut at[number],
            Err(_) => &mut at[part],
        };
    }
    *at = value;
    if top == "history" {
        image = image.history(document["history"].clone());
    } else {
        image = image.set(top, document[top].clone());
    }
    image
}

/// A layout whose manifest was edited, with a descriptor that fits it.
fn edited(edit: impl FnOnce(&mut Value)) -> Files {
    let app = build::image("demo:1").layer("f a a");
    let mut files = build::oci(&[&app]);
    let mut manifest: Value = serde_json::from_slice(&app.manifest()).expect("a manifest");
    edit(&mut manifest);
    let bytes = manifest.to_string().into_bytes();
    files.remove(&build::blob_name(&app.manifest_digest()));
    files.add(&build::blob_name(&build::digest(&bytes)), bytes.clone());
    files.edit("index.json", |index| {
        let entry = &mut index["manifests"][0];
        entry["digest"] = build::digest(&bytes).into();
        entry["size"] = bytes.len().into();
        if let Some(media_type) = manifest["mediaType"].as_str()
            && media_type == DOCKER
        {
            entry["mediaType"] = media_type.into();
        }
    });
    files
}

/// Configs that docker load and skopeo fail to read were called sound.
#[test]
fn a_config_that_no_engine_reads_is_an_error() {
    let text = "expected a string, found the number 7";
    for (path, value, message) in [
        ("config/User", json!(7), format!("config.User: {text}")),
        ("config/WorkingDir", json!(7), format!("config.WorkingDir: {text}")),
        ("config/Hostname", json!(7), format!("config.Hostname: {text}")),
        ("config/Env", json!([7]), format!("config.Env[0]: {text}")),
        ("config/Env", json!("A=b"), "config.Env: expected a list, found 'A=b'".into()),
        ("config/Cmd", json!("sh"), "config.Cmd: expected a list, found 'sh'".into()),
        ("config/Entrypoint", json!([7]), format!("config.Entrypoint[0]: {text}")),
        ("config/Volumes", json!(["/a"]), "config.Volumes: expected an object, found a list".into()),
        (
            "config/ExposedPorts",
            json!({"80/tcp": 7}),
            "config.ExposedPorts.80/tcp: expected an object, found the number 7".into(),
        ),
        ("config/Labels", json!({"a": 7}), format!("config.Labels.a: {text}")),
        ("config/ArgsEscaped", json!("yes"), "config.ArgsEscaped: expected true or false, found 'yes'".into()),
        (
            "config/Healthcheck",
            json!({"Interval": "30s"}),
            "config.Healthcheck.Interval: expected an integer, found '30s'".into(),
        ),
        ("config/StopTimeout", json!(1.5), "config.StopTimeout: expected an integer, found the number 1.5".into()),
        ("container_config", json!({"User": 7}), format!("container_config.User: {text}")),
        ("config", json!([]), "config: expected an object, found a list".into()),
        ("created", json!(""), "created: expected a date and time as in RFC 3339, found ''".into()),
        (
            "history/0/created",
            json!("2020-02-30T00:00:00Z"),
            "history[0].created: expected a date and time as in RFC 3339, found '2020-02-30T00:00:00Z'".into(),
        ),
        ("history/0/empty_layer", json!(7), "history[0].empty_layer: expected true or false, found the number 7".into()),
        ("os.features", json!("a"), "os.features: expected a list, found 'a'".into()),
        ("author", json!(7), format!("author: {text}")),
        ("docker_version", json!(7), format!("docker_version: {text}")),
    ] {
        let app = with(path, value);
        for files in [build::docker(&[&app]), build::oci(&[&app]), build::dir(&app), build::docker25(&[&app])] {
            let run = Room::with("app.tar", &files).run("imgverify --json app.tar");
            let found = findings(&run, &["schema"]);
            assert_eq!(found, [("error".to_owned(), message.clone())], "{path}: {run}");
            run.code(1);
        }
    }
}

/// What engines read and only the published schema refuses got no word.
#[test]
fn a_config_that_only_the_schema_refuses_is_a_warning() {
    for (path, value, message) in [
        (
            "config/Env",
            json!(["foo"]),
            "config.Env[0]: expected NAME=VALUE, found 'foo'",
        ),
        (
            "config/Labels",
            json!({"a": null}),
            "config.Labels.a: expected a string, found null",
        ),
        (
            "config/Shell",
            json!("sh"),
            "config.Shell: expected a list, found 'sh'",
        ),
        (
            "created",
            json!("2020-01-01T1:00:00Z"),
            "created: expected a date and time as in RFC 3339, found '2020-01-01T1:00:00Z'",
        ),
    ] {
        let app = with(path, value);
        for files in [build::docker(&[&app]), build::oci(&[&app])] {
            let run = Room::with("app.tar", &files).run("imgverify --json app.tar");
            let found = findings(&run, &["schema"]);
            assert_eq!(
                found,
                [("warning".to_owned(), message.to_owned())],
                "{path}: {run}"
            );
            run.code(0);
        }
    }
    // Of an OCI image the index would say so too.
    let app = with("architecture", json!(null));
    let run = Room::with("app.tar", &build::docker(&[&app])).run("imgverify --json app.tar");
    let message = "architecture: expected a string, found null".to_owned();
    assert_eq!(
        findings(&run, &["schema"]),
        [("warning".to_owned(), message)]
    );
    // What engines take and the schema has no rule against.
    for (path, value) in [
        ("config/Volumes", json!({"/a": {"x": 1}})),
        ("config/Unknown", json!(1)),
        ("config/Cmd", json!(null)),
        ("created", json!(null)),
        ("Size", json!(-1)),
    ] {
        let run = Room::with("app.tar", &build::docker(&[&with(path, value)]))
            .run("imgverify --json app.tar");
        assert_eq!(findings(&run, &["schema"]), [], "{path}: {run}");
    }
}

/// Manifests, indexes and descriptors were not compared with the published rules.
#[test]
fn manifests_indexes_and_descriptors_follow_the_published_rules() {
    let field = |path: &'static [&str], value: Value| {
        move |document: &mut Value| {
            let mut at = document;
            for part in path {
                at = match part.parse::<usize>() {
                    Ok(number) => &mut at[number],
                    Err(_) => &mut at[*part],
                };
            }
            *at = value;
        }
    };
    let size = "an integer from 0 to 9223372036854775807";
    for (path, value, severity, message) in [
        (
            &["schemaVersion"][..],
            json!(1),
            "warning",
            "schemaVersion: expected 2, found the number 1".to_owned(),
        ),
        (
            &["schemaVersion"],
            json!("2"),
            "error",
            "schemaVersion: expected 2, found '2'".into(),
        ),
        (
            &["schemaVersion"],
            json!(null),
            "warning",
            "schemaVersion: expected 2, found null".into(),
        ),
        (
            &["mediaType"],
            json!("x"),
            "warning",
            "mediaType: expected a media type, found 'x'".into(),
        ),
        (
            &["artifactType"],
            json!("x"),
            "warning",
            "artifactType: expected a media type, found 'x'".into(),
        ),
        (
            &["layers", "0", "size"],
            json!("1"),
            "error",
            format!("layers[0].size: expected {size}, found '1'"),
        ),
        (
            &["layers", "0", "urls"],
            json!(["not a uri"]),
            "warning",
            "layers[0].urls[0]: expected a URI, found 'not a uri'".into(),
        ),
        (
            &["layers", "0", "annotations"],
            json!({"a": 1}),
            "error",
            "layers[0].annotations.a: expected a string, found the number 1".into(),
        ),
        (
            &["layers", "0", "data"],
            json!("!!"),
            "error",
            "layers[0].data: expected base64 text, found '!!'".into(),
        ),
        (
            &["config", "mediaType"],
            json!(7),
            "error",
            "config.mediaType: expected a string, found the number 7".into(),
        ),
        (
            &["subject"],
            json!(7),
            "error",
            "subject: expected an object, found the number 7".into(),
        ),
        (
            &["annotations"],
            json!(["a"]),
            "error",
            "annotations: expected an object, found a list".into(),
        ),
    ] {
        let files = edited(field(path, value));
        let run = Room::with("app.tar", &files).run("imgverify --json app.tar");
        let found = findings(&run, &["schema"]);
        assert_eq!(found, [(severity.to_owned(), message)], "{path:?}: {run}");
    }
    let platform = &["manifests", "0", "platform"][..];
    for (path, value, severity, message) in [
        (
            &["schemaVersion"][..],
            json!(3),
            "warning",
            "schemaVersion: expected 2, found the number 3",
        ),
        (
            &["manifests", "0", "mediaType"],
            json!(""),
            "warning",
            "manifests[0].mediaType: expected a media type, found ''",
        ),
        (
            &["manifests", "0", "mediaType"],
            json!(null),
            "warning",
            "manifests[0].mediaType: expected a media type, found null",
        ),
        (
            platform,
            json!({"os": "linux"}),
            "warning",
            "manifests[0].platform.architecture: expected a string, found nothing",
        ),
        (
            platform,
            json!({"os": "linux", "architecture": "amd64", "os.features": [7]}),
            "error",
            "manifests[0].platform.os.features[0]: expected a string, found the number 7",
        ),
        (
            &["manifests", "0", "urls"],
            json!(["/a"]),
            "warning",
            "manifests[0].urls[0]: expected a URI, found '/a'",
        ),
    ] {
        let mut files = build::oci(&[&build::image("demo:1").layer("f a a")]);
        files.edit("index.json", field(path, value));
        let run = Room::with("app.tar", &files).run("imgverify --json app.tar");
        let found = findings(&run, &["schema"]);
        assert_eq!(
            found,
            [(severity.to_owned(), message.to_owned())],
            "{path:?}: {run}"
        );
    }
}

/// A manifest that its descriptor, or its own media type, calls an index was sound and was shown; skopeo and
/// containerd refuse it.
#[test]
fn a_manifest_that_is_called_an_index_is_ambiguous_to_all() {
    let app = build::image("demo:1").layer("f a a");
    let mut called = build::oci(&[&app]);
    called.edit("index.json", |index| {
        index["manifests"][0]["mediaType"] = INDEX.into()
    });
    let named = edited(|manifest| manifest["mediaType"] = INDEX.into());
    let mut twice = build::oci(&[&app]);
    twice.edit("index.json", |index| {
        let mut other = index["manifests"][0].clone();
        other["mediaType"] = INDEX.into();
        other["annotations"] = json!({"org.opencontainers.image.ref.name": "demo:2"});
        index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(other);
    });
    let mut list = build::multi("demo:1", &[&app], &[]);
    list.edit("index.json", |index| {
        index["manifests"][0]["mediaType"] = MANIFEST.into()
    });
    let both = edited(|manifest| manifest["manifests"] = json!([]));
    for (name, files) in [
        ("called", called),
        ("named", named),
        ("twice", twice),
        ("list", list),
        ("both", both),
    ] {
        let room = Room::with("app.tar", &files);
        room.run("imgverify app.tar").code(1).says(" [ambiguous]");
        for line in [
            "imginspect app.tar",
            "imgexport -o out.tar app.tar",
            "imgload --store store -i app.tar",
            "imgconvert app.tar oci:out",
        ] {
            let run = room.run(line);
            assert!(run.err().contains("document"), "{name}: {run}");
            run.code(2);
        }
    }
}

/// Descriptors of unknown types got no word.
#[test]
fn a_descriptor_of_an_unknown_type_gets_a_finding() {
    let mut files = build::oci(&[&build::image("demo:1").layer("f a a")]);
    files.edit("index.json", |index| {
        index["manifests"][0]["mediaType"] = "application/x-invalid".into();
    });
    let run = Room::with("app.tar", &files).run("imgverify --json app.tar");
    let message = "its descriptor says 'application/x-invalid', the document is an image; readers that go by types do not find it";
    assert_eq!(
        findings(&run, &["media-type"]),
        [("warning".to_owned(), message.to_owned())]
    );
}

/// What docker 1.10 to 1.12 pushed was no image; skopeo reads it.
#[test]
fn a_docker_manifest_is_an_image_whatever_type_its_config_has() {
    let docker = |config: &str| {
        let config = config.to_owned();
        edited(move |manifest| {
            manifest["mediaType"] = DOCKER.into();
            manifest["config"]["mediaType"] = config.into();
            manifest["layers"][0]["mediaType"] =
                "application/vnd.docker.image.rootfs.diff.tar".into();
        })
    };
    let id = build::image("demo:1").layer("f a a").id();
    for config in ["application/octet-stream", "application/json"] {
        let room = Room::with("app.tar", &docker(config));
        let run = room.run("imgverify app.tar");
        run.code(0).says("1 image, 1 layer");
        assert_eq!(
            room.run("imgls -q --no-trunc app.tar").out(),
            format!("{id}\n")
        );
        assert_eq!(
            room.run("imginspect --format '{{.Id}}' app.tar").out(),
            format!("{id}\n")
        );
        room.run("imgexport -o out.tar app.tar").code(0);
        room.run("imgload --store store -i app.tar")
            .ok("Loaded image: demo:1\n");
        assert_eq!(
            room.run("imgls --store store -q --no-trunc").out(),
            format!("{id}\n")
        );
        room.run("imgsave --store store -o saved.tar demo:1")
            .code(0);
        room.run("imgverify saved.tar")
            .code(0)
            .says("1 image, 1 layer");
        room.run("imgconvert --media-types oci app.tar oci:out:demo:1")
            .code(0);
        room.run("imgverify out").code(0).says("1 image, 1 layer");
    }
    // A plugin's config reads like an image's.
    let room = Room::with("app.tar", &docker("application/vnd.docker.plugin.v1+json"));
    room.run("imgverify app.tar").code(0).says("0 images");
    let other =
        edited(|manifest| manifest["config"]["mediaType"] = "application/octet-stream".into());
    Room::with("app.tar", &other)
        .run("imgverify app.tar")
        .code(0)
        .says("0 images");
}

/// What imgverify calls an error went into the store without a word, and on from there.
#[test]
fn imgload_warns_of_unsafe_layers_and_refuses_them_when_asked() {
    for (line, code) in [
        ("f ../../../x x", "climbing-path"),
        ("h a ../../etc/passwd", "does-not-apply"),
        ("l t /tmp | f t/x x", "does-not-apply"),
        ("f a a | f a/b b", "does-not-apply"),
        ("f .wh. x", "invalid-whiteout"),
    ] {
        for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
            let app = build::image("demo:1").layer(line).packed(pack);
            for files in [
                build::docker(&[&app]),
                build::oci(&[&app]),
                build::docker25(&[&app]),
            ] {
                let room = Room::with("app.tar", &files);
                room.run("imgverify app.tar")
                    .code(1)
                    .says(&format!(" [{code}]"));
                let run = room.run("imgload --store store -i app.tar");
                run.code(0).complains(&format!(" [{code}]\n"));
                assert!(
                    run.err()
                        .starts_with("imgload: warning: app.tar: layer 1 of 1: "),
                    "{run}"
                );
                let run = room.run("imgload --store other --check -i app.tar");
                run.code(2).complains(&format!(" [{code}]\n"));
                run.complains("imgload: app.tar: not loaded: ");
                assert!(!room.path("other").exists(), "{run}");
                let run = room
                    .command("imgload --store piped")
                    .pipe(&files.tar())
                    .run();
                run.code(0).complains(&format!(" [{code}]\n"));
            }
        }
    }
    let app = with("config/User", json!(7));
    let room = Room::with("app.tar", &build::docker(&[&app]));
    room.run("imgload --store store -i app.tar")
        .code(0)
        .complains("config.User: expected a string, found the number 7 [schema]\n");
    room.run("imgload --store other --check -i app.tar").code(2);
    let sound = Room::with(
        "app.tar",
        &build::docker(&[&build::image("demo:1").layer("f a a")]),
    );
    sound
        .run("imgload --store store --check -i app.tar")
        .ok("Loaded image: demo:1\n");
}

/// Compressed layers of more than 8 MiB in files were not looked at, nor those of a stream that are no tar.
#[test]
fn imgload_looks_at_layers_of_every_size_on_every_way() {
    let mut noise = 1u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_le_bytes()[3]
    })
    .take(9 << 20)
    .collect();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "noise", &bytes[..])
        .expect("memory");
    let large = [
        tar.into_inner().expect("memory"),
        build::layer("f ../../../x x"),
    ];
    // Both as one tar: the end marker of the first is cut off.
    let first = &large[0][..large[0].len() - 1024];
    let large = [first, &large[1]].concat();
    let no_tar = bytes[..4096].to_vec();
    for (layer, code) in [(large, "climbing-path"), (no_tar, "tar")] {
        for pack in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
            let app = build::image("demo:1")
                .layer_bytes(layer.clone())
                .packed(pack);
            let files = build::oci(&[&app]);
            let room = Room::with("app.tar", &files);
            for line in [
                "imgload --store store -i app.tar",
                "imgload --store store -i app.tar",
                "imgload --store other --compression zstd -i app.tar",
            ] {
                let run = room.run(line);
                run.code(0).complains(&format!(" [{code}]\n"));
            }
            let run = room
                .command("imgload --store piped")
                .pipe(&files.tar())
                .run();
            run.code(0).complains(&format!(" [{code}]\n"));
        }
    }
}

/// Path escapes were called damage, and names with control characters got no note.
#[test]
fn paths_that_escape_are_unsafe_and_notes_stand_under_their_layer() {
    let app = build::image("demo:1").layer("f ../x x");
    let run = Room::with("app.tar", &build::docker(&[&app])).run("imgverify app.tar");
    run.code(1).says("app.tar: unsafe: docker-archive");
    let app = build::image("demo:1").layer("f a\u{1b}[2J x | f A x | f a x | l u ../..");
    let run = Room::with("app.tar", &build::oci(&[&app])).run("imgverify app.tar");
    let out = run.out();
    assert!(
        out.starts_with(
            "note: app.tar: layer 1 of 1:\n  \
             1 symbolic link that leads out of the root directory: u [climbing-link]\n  \
             1 name that differs from another only in case or Unicode normalization: a [name-twin]\n  \
             1 name with control characters: a\\x1b[2J [control-characters]\n"
        ),
        "{run}"
    );
    let app = build::image("demo:1").layer("f a x | f a y");
    let run = Room::with("app.tar", &build::oci(&[&app])).run("imgverify app.tar");
    run.says(": 1 entry repeats a path of this layer; the last one counts [repeated-entry]");
}

/// A member cut short was told with the bytes that are missing, and otherwise in a file than in a pipe.
#[test]
fn a_member_cut_short_is_told_alike_in_a_file_and_a_pipe() {
    let app = build::image("demo:1").layer(&format!("f a {}", "a".repeat(300_000)));
    let tar = build::docker(&[&app]).tar();
    let cut = &tar[..200_000];
    let room = Room::new();
    room.write("cut.tar", cut);
    let file = room.run("imgverify cut.tar");
    file.code(1).says(": the member is truncated: expected ");
    let pipe = room.command("imgverify -").pipe(cut).run();
    pipe.code(1).says(" [truncated]");
    let lines = |run: &Output, name: &str| {
        let line = run.out().lines().find(|line| line.contains("[truncated]"));
        line.unwrap_or_default()
            .replace(&format!("error: {name}: "), "")
    };
    assert_eq!(lines(&file, "cut.tar"), lines(&pipe, "-"));
    // The bytes of the member that came by: 200,000 less the headers before it.
    pipe.says("197kB read");
}

/// An image that only index.json lists got no finding, and a name that is missing passed as unchanged.
#[test]
fn an_image_that_manifest_json_does_not_list_gets_a_finding() {
    let (app, tool) = (
        build::image("demo:1").layer("f a a"),
        build::image("tool:1").layer("f b b"),
    );
    let mut files = build::docker25(&[&app, &tool]);
    files.edit("manifest.json", |items| {
        items.as_array_mut().expect("a list").pop();
    });
    files.remove("repositories");
    let room = Room::with("app.tar", &files);
    let run = room.run("imgverify app.tar");
    run.code(0).says(
        "index.json: manifests[1]: 'tool:1' is not listed in manifest.json, so docker does not load it [halves-differ]",
    );
    room.run("imgverify -q --custody record.json app.tar")
        .code(0);
    room.run("imgverify --check-custody record.json app.tar:demo:1")
        .code(0);
    room.run("imgverify --check-custody record.json app.tar:nosuch")
        .code(2);
}

/// The documents of artifacts were refused.
#[test]
fn raw_documents_of_artifacts_and_attestations() {
    let files = edited(|manifest| {
        manifest["config"]["mediaType"] = "application/vnd.example.config".into();
    });
    let index: Value = serde_json::from_slice(files.get("index.json")).expect("an index");
    let digest = index["manifests"][0]["digest"]
        .as_str()
        .expect("a digest")
        .to_owned();
    let manifest = files.get(&build::blob_name(&digest)).to_vec();
    let room = Room::with("app.tar", &files);
    for image in [
        "app.tar".to_owned(),
        "app.tar:demo:1".to_owned(),
        format!("app.tar@{digest}"),
    ] {
        let run = room.run(&format!("imginspect --raw manifest {image}"));
        assert_eq!((run.code, &run.stdout), (Some(0), &manifest), "{run}");
        let run = room.run(&format!("imginspect --raw config {image}"));
        let config = build::image("demo:1").layer("f a a").config();
        assert_eq!((run.code, &run.stdout), (Some(0), &config), "{run}");
    }
}
