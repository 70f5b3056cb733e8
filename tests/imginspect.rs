//! imginspect as a user runs it.

use serde_json::json;

use crate::common::build::{self, Files, Image, Shared};
use crate::common::pack::Pack;
use crate::common::run::Room;

fn app() -> Image {
    build::image("demo:1")
        .named("demo:latest")
        .layer("d etc | f etc/a one | f etc/b two")
        .step("CMD [\"/bin/sh\"]")
        .layer("f etc/c three | o etc")
        .set("author", json!("me"))
}

fn tool() -> Image {
    build::image("tool:2").layer("z big 2500000")
}

/// Expected output for [`app`] in a docker-archive.
fn expected_of(app: &Image, files: &Files) -> String {
    let layers: Vec<String> = files
        .names()
        .into_iter()
        .filter(|name| name.ends_with("/layer.tar"))
        .collect();
    let [a, b] = &app.diff_ids()[..] else {
        panic!("two layers")
    };
    format!(
        r#"[
    {{
        "Id": "{id}",
        "RepoTags": [
            "demo:1",
            "demo:latest"
        ],
        "RepoDigests": [],
        "Parent": "",
        "Comment": "",
        "Created": "2024-01-01T00:00:00Z",
        "DockerVersion": "",
        "Author": "me",
        "Config": {{
            "Hostname": "",
            "Domainname": "",
            "User": "",
            "AttachStdin": false,
            "AttachStdout": false,
            "AttachStderr": false,
            "Tty": false,
            "OpenStdin": false,
            "StdinOnce": false,
            "Env": [
                "PATH=/bin"
            ],
            "Cmd": [
                "/bin/sh"
            ],
            "Image": "",
            "Volumes": null,
            "WorkingDir": "",
            "Entrypoint": null,
            "OnBuild": null,
            "Labels": null
        }},
        "Architecture": "amd64",
        "Os": "linux",
        "Size": 11,
        "VirtualSize": 11,
        "RootFS": {{
            "Type": "layers",
            "Layers": [
                "{a}",
                "{b}"
            ]
        }},
        "Metadata": {{
            "LastTagTime": "0001-01-01T00:00:00Z"
        }},
        "Layers": [
            {{
                "DiffID": "{a}",
                "Digest": null,
                "MediaType": null,
                "Member": "{first}",
                "Present": true,
                "Compression": "none",
                "StoredBytes": 3584,
                "SizeBytes": 6
            }},
            {{
                "DiffID": "{b}",
                "Digest": null,
                "MediaType": null,
                "Member": "{second}",
                "Present": true,
                "Compression": "none",
                "StoredBytes": 2560,
                "SizeBytes": 5
            }}
        ],
        "Archive": {{
            "Path": "app.tar",
            "Shape": "docker-archive"
        }}
    }}
]
"#,
        id = app.id(),
        first = layers[0],
        second = layers[1],
    )
}

#[test]
fn default_is_the_docker_array_with_further_keys() {
    let files = build::docker(&[&app()]);
    let room = Room::with("app.tar", &files);
    let expected = expected_of(&app(), &files);
    room.run("imginspect app.tar").ok(&expected);
    let piped = expected.replace("\"Path\": \"app.tar\"", "\"Path\": \"-\"");
    room.command("imginspect -")
        .pipe(&files.tar())
        .run()
        .ok(&piped);
    room.command("imginspect -")
        .stdin_file("app.tar")
        .run()
        .ok(&piped);
    for pack in Pack::ALL {
        let packed = pack.pack(&files.tar());
        room.command("imginspect -").pipe(&packed).run().ok(&piped);
        room.write("app.tar", &packed);
        room.run("imginspect app.tar").ok(&expected);
    }
}

#[test]
fn all_formats_give_the_same_details() {
    let app = app();
    let room = Room::new();
    let of = |name: &str, files: &Files| {
        room.write(name, &files.tar());
        let run = room.run(&format!("imginspect {name}:demo:1"));
        run.code(0);
        let mut value = run.json()[0].clone();
        let object = value.as_object_mut().expect("an object");
        let removed: Vec<_> = ["Archive", "Layers", "Descriptor", "RepoDigests"]
            .into_iter()
            .filter_map(|key| object.remove(key))
            .collect();
        (value, removed)
    };
    let (docker, ours) = of("docker.tar", &build::docker(&[&app]));
    assert_eq!(ours.len(), 3, "no descriptor in a docker-archive: {ours:?}");
    let (hard, _) = of(
        "hard.tar",
        &build::docker_sharing(&[&app, &app], Shared::HardLink),
    );
    assert_eq!(docker, hard);
    for (name, files, shape) in [
        ("oci.tar", build::oci(&[&app]), "OCI layout"),
        (
            "both.tar",
            build::docker25(&[&app]),
            "docker-archive with OCI layout",
        ),
    ] {
        let (value, ours) = of(name, &files);
        assert_eq!(docker, value, "{name}");
        assert_eq!(ours[0], json!({"Path": name, "Shape": shape}));
        let layers = ours[1].as_array().expect("layers");
        for (layer, diff_id) in layers.iter().zip(app.diff_ids()) {
            assert_eq!(layer["Digest"], diff_id.as_str());
            assert_eq!(layer["MediaType"], "application/vnd.oci.image.layer.v1.tar");
            assert_eq!(layer["Member"], build::blob_name(&diff_id));
        }
        assert_eq!(
            ours[2],
            build::descriptor(
                "application/vnd.oci.image.manifest.v1+json",
                &app.manifest()
            )
        );
        assert_eq!(ours[3], json!([format!("demo@{}", app.manifest_digest())]));
    }
}

#[test]
fn layers_show_their_compression() {
    let mut image = build::image("demo:1").layer("f plain x");
    for pack in Pack::ALL {
        image = image
            .layer(&format!("f of{} 12345", pack.suffix()))
            .packed(pack);
    }
    let room = Room::with("app.tar", &build::oci(&[&image]));
    let layers = &room.run("imginspect app.tar").json()[0]["Layers"];
    let told: Vec<_> = layers
        .as_array()
        .expect("layers")
        .iter()
        .map(|layer| {
            (
                layer["Compression"].as_str().unwrap_or_default(),
                layer["SizeBytes"].as_u64(),
                layer["StoredBytes"].as_u64(),
            )
        })
        .collect();
    let stored: Vec<u64> = image.blobs().iter().map(|blob| blob.len() as u64).collect();
    let expected = ["none", "gzip", "zstd", "xz", "bzip2"]
        .iter()
        .zip(&stored)
        .enumerate()
        .map(|(i, (name, stored))| (*name, Some(if i == 0 { 1 } else { 5 }), Some(*stored)));
    assert_eq!(told, expected.collect::<Vec<_>>());
}

#[test]
fn formats() {
    let room = Room::with("app.tar", &build::docker(&[&app(), &tool()]));
    let (app_id, tool_id) = (app().id(), tool().id());
    room.run("imginspect --format '{{.Id}}' app.tar:demo:1 app.tar:tool:2")
        .ok(&format!("{app_id}\n{tool_id}\n"));
    room.run(
        "imginspect -f '{{json .Config.Env}} {{.Size}} {{len .RootFS.Layers}}' app.tar:demo:1",
    )
    .ok("[\"PATH=/bin\"] 11 2\n");
    room.run(
        "imginspect -f '{{range .RepoTags}}{{.}};{{end}}{{index .Config.Cmd 0}}' app.tar:demo:1",
    )
    .ok("demo:1;demo:latest;/bin/sh\n");
    room.run("imginspect -f '{{.Config.Labels.none}}' app.tar:demo:1")
        .no_crash();
    let lines = room.run("imginspect --format json app.tar:demo:1 app.tar:tool:2");
    lines.code(0);
    let ids: Vec<_> = lines
        .json_lines()
        .iter()
        .map(|value| value["Id"].clone())
        .collect();
    assert_eq!(ids, [json!(app_id), json!(tool_id)]);
    let array = room.run("imginspect app.tar:demo:1 app.tar:tool:2");
    assert_eq!(
        array.json().as_array().expect("an array"),
        &lines.json_lines()
    );
}

#[test]
fn raw_documents_are_exact() {
    // Unusual formatting on purpose, which a rewrite would not keep.
    let odd = br#"{ "os":"linux",  "architecture" : "amd64","rootfs":{"diff_ids":[],"type":"layers"}, "x":1.50 }"#;
    let image = build::image("demo:1");
    let mut files = build::docker(&[&image]);
    let name = format!("{}.json", image.id().trim_start_matches("sha256:"));
    files.put(&name, odd.as_slice());
    let manifest = b" [ {\"Layers\":[], \"RepoTags\":[\"demo:1\"],\"Config\":\"CONFIG\"}]\n";
    let manifest = String::from_utf8_lossy(manifest).replace("CONFIG", &name);
    files.put("manifest.json", manifest.as_bytes());
    let room = Room::with("app.tar", &files);
    room.run("imginspect --raw config app.tar")
        .ok(&String::from_utf8_lossy(odd));
    room.run("imginspect --raw index app.tar").ok(&manifest);
    room.command("imginspect --raw config -")
        .pipe(&files.tar())
        .run()
        .ok(&String::from_utf8_lossy(odd));
    room.run("imginspect --raw manifest app.tar")
        .fails("imginspect: app.tar: image has no manifest: this docker-archive holds none\n");

    let app = app();
    let files = build::docker25(&[&app]);
    let room = Room::with("app.tar", &files);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    room.run("imginspect --raw manifest app.tar")
        .ok(&text(&app.manifest()));
    room.run("imginspect --raw config app.tar:demo:1")
        .ok(&text(&app.config()));
    room.run("imginspect --raw index app.tar")
        .ok(&text(files.get("index.json")));
    room.run("imginspect --raw index docker-archive:app.tar")
        .ok(&text(files.get("manifest.json")));
    // Several images, without separators.
    let twice = text(&app.config()).repeat(2);
    room.run("imginspect --raw config app.tar:demo:1 app.tar:demo:latest")
        .ok(&twice);

    let room = Room::new();
    build::dir(&app).write_to(&room.path("dir"));
    room.run("imginspect --raw manifest dir")
        .ok(&text(&app.manifest()));
    room.run("imginspect --raw index dir")
        .ok(&text(&app.manifest()));
}

#[test]
fn one_platform_of_an_index() {
    let (amd, arm) = (app(), app().platform("linux/arm64/v8"));
    let files = build::multi("demo:1", &[&amd, &arm], &["linux/s390x"]);
    let room = Room::with("app.tar", &files);
    let line = "imginspect --format '{{.Id}} {{.Architecture}}'";
    room.run(&format!("{line} --platform linux/arm64 app.tar"))
        .ok(&format!("{} arm64\n", arm.id()));
    room.run(&format!("{line} --platform linux/amd64 app.tar"))
        .ok(&format!("{} amd64\n", amd.id()));
    let digest = arm.manifest_digest();
    room.run(&format!("{line} app.tar@{digest}"))
        .ok(&format!("{} arm64\n", arm.id()));
    room.run("imginspect --platform linux/arm64 -f '{{.Variant}} {{.RepoTags}}' app.tar")
        .ok("v8 [demo:1]\n");
    room.run("imginspect --platform linux/s390x app.tar")
        .fails("imginspect: app.tar: no such image 'linux/s390x': available: linux/amd64 and linux/arm64/v8\n");
    let manifest = String::from_utf8(arm.manifest()).expect("UTF-8");
    room.run("imginspect --raw manifest --platform linux/arm64 app.tar")
        .ok(&manifest);
    // The index of that name, not the one that lists it.
    let inner = room.run("imginspect --raw index app.tar:demo:1");
    assert_eq!(
        inner.json()["manifests"].as_array().map(Vec::len),
        Some(4),
        "{inner}"
    );
    let names = files.names();
    let names: Vec<&String> = names
        .iter()
        .filter(|name| name.contains(&build::digest(&inner.stdout)[7..]))
        .collect();
    assert_eq!(names.len(), 1, "{inner}");
}

#[test]
fn platforms_are_listed_if_none_is_the_hosts() {
    let images = ["linux/mips64le", "linux/riscv64"].map(|platform| app().platform(platform));
    let files = build::multi("demo:1", &[&images[0], &images[1]], &[]);
    Room::with("app.tar", &files)
        .run("imginspect app.tar")
        .fails(
            "imginspect: app.tar: several images, expected one: \
         --platform linux/mips64le and --platform linux/riscv64\n\
         hint: name one of them, as in --platform linux/mips64le\n",
        );
}

#[test]
fn several_images_are_listed_as_candidates() {
    let images = [&app(), &tool(), &build::image("").layer("f x y")];
    for (files, last) in [
        (build::docker(&images), 2),
        (build::oci(&images), 3),
        (build::docker25(&images), 2),
    ] {
        let room = Room::with("app.tar", &files);
        let list = |place: &str| format!("{place}:demo:1, {place}:tool:2 and {place}:@{last}");
        for name in ["imginspect", "imghistory"] {
            let expected = |place: &str| {
                format!(
                    "{name}: {place}: several images, expected one: {}\n\
                 hint: name one of them, as in {place}:demo:1\n",
                    list(place)
                )
            };
            room.run(&format!("{name} app.tar"))
                .fails(&expected("app.tar"));
            room.command(&format!("{name} -"))
                .pipe(&files.tar())
                .run()
                .fails(&expected("-"));
        }
        for candidate in list("app.tar").replace(" and ", ", ").split(", ") {
            room.run(&format!("imginspect -f '{{{{.Os}}}}' {candidate}"))
                .ok("linux\n");
        }
    }
}

#[test]
fn images_of_one_name_are_selected_by_position() {
    let other = build::image("demo:1").layer("f other x");
    let files = build::oci(&[&build::image("demo:1").layer("f a a"), &other]);
    let room = Room::with("app.tar", &files);
    room.run("imginspect app.tar:demo:1").fails(
        "imginspect: app.tar: several images, expected one: app.tar:@0 and app.tar:@1\n\
         hint: name one of them, as in app.tar:@0\n",
    );
    room.run("imginspect -f '{{.Id}}' app.tar:@1")
        .ok(&format!("{}\n", other.id()));
}

#[test]
fn images_of_docker_before_1_10() {
    let app = app();
    let room = Room::with("old.tar", &build::v1(&[&app]));
    let run = room.run("imginspect old.tar");
    run.code(0);
    let value = &run.json()[0];
    let shown = [
        &value["RepoTags"],
        &value["Size"],
        &value["IdKind"],
        &value["RootFS"],
        &value["Archive"]["Shape"],
    ];
    let expected = [
        json!(["demo:1", "demo:latest"]),
        json!(11),
        json!("v1"),
        json!({"Type": "layers"}),
        json!("docker-archive (before 1.10)"),
    ];
    assert!(shown.into_iter().eq(&expected), "{run}");
    room.run("imginspect --raw config old.tar")
        .code(2)
        .complains("'config' is not in the archive");
}

#[test]
fn image_with_a_missing_layer_has_no_size() {
    let app = app();
    let mut files = build::oci(&[&app]);
    files.remove(&build::blob_name(&app.diff_ids()[0]));
    let room = Room::with("app.tar", &files);
    room.run("imginspect -f '{{json .Size}} {{range .Layers}}{{.Present}} {{end}}' app.tar")
        .ok("null false true \n");
    room.run("imgls --format '{{.Size}}' app.tar:demo:1")
        .ok("N/A\n");
}

#[test]
fn unknown_config_fields_are_kept() {
    let app = app().set(
        "config",
        json!({"Cmd": ["x"], "Future": {"a": [1]}, "StopSignal": "SIGQUIT", "ExposedPorts": {}}),
    );
    let room = Room::with("app.tar", &build::docker(&[&app]));
    let config = &room.run("imginspect app.tar").json()[0]["Config"];
    assert_eq!(config["Future"], json!({"a": [1]}));
    assert_eq!(config["StopSignal"], "SIGQUIT");
    assert!(
        config.get("ExposedPorts").is_none(),
        "docker leaves empty ports out: {config}"
    );
}

#[test]
fn raw_documents_of_a_damaged_image() {
    let image = build::image("demo:1").layer("f a a");
    let mut files = build::oci(&[&image]);
    files.remove(&build::blob_name(&image.id()));
    let room = Room::with("app.tar", &files);
    let run = room.run("imginspect --raw manifest app.tar");
    assert_eq!(
        (run.code, &run.stdout),
        (Some(0), &image.manifest()),
        "{run}"
    );
    room.run("imginspect --raw config app.tar")
        .fails("imginspect: app.tar: member 'config' is not in the archive\n");
    let mut files = build::oci(&[&image]);
    let name = build::blob_name(&image.manifest_digest());
    files.bytes(&name).push(b' ');
    let room = Room::with("app.tar", &files);
    let run = room.run("imginspect --raw config app.tar");
    assert_eq!((run.code, &run.stdout), (Some(0), &image.config()), "{run}");
    room.run("imginspect --raw manifest app.tar")
        .code(2)
        .complains("imginspect: app.tar: manifest: size mismatch: ");
}

#[test]
fn table_format_is_refused() {
    Room::new()
        .run("imginspect --format table gone.tar")
        .fails("imginspect: --format table is not supported: expected json or a Go template\n");
}
