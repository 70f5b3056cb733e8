//! Bases, contradictions, secrets, annotations and build contexts.

use serde_json::{Value, json};

use super::*;

fn above(base: &Image, created_by: &str, layer: &str) -> Value {
    let config: Value = serde_json::from_slice(&base.config()).expect("a config");
    let mut history = config["history"].as_array().expect("a history").clone();
    let mut entry = json!({"created": build::CREATED, "created_by": created_by});
    if layer.is_empty() {
        entry["empty_layer"] = true.into();
    }
    history.push(entry);
    history.into()
}

#[test]
fn the_base_is_found_among_other_images() {
    let base = build::image("base:1")
        .set("config", json!({"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]}))
        .layer("d etc | f etc/a one")
        .history(json!([{"created": build::CREATED, "created_by": "/bin/sh -c #(nop) ADD file:00 in / "},
            {"created": build::CREATED, "created_by": "/bin/sh -c #(nop)  CMD [\"/bin/sh\"]", "empty_layer": true}]));
    let middle = base
        .clone()
        .layer("f b two")
        .history(above(&base, "/bin/sh -c b", "x"));
    let top = middle
        .clone()
        .layer("f c three")
        .history(above(&middle, "/bin/sh -c c", "x"));
    let other = build::image("other:1").layer("f x 1");
    let room = Room::with("app.tar", &build::docker(&[&top]));
    std::fs::create_dir(room.path("images")).expect("a directory");
    room.write("images/a.tar", &build::docker(&[&other, &base]).tar());
    room.write(
        "images/b.tar",
        &build::docker(&[&middle.clone().named("middle:2")]).tar(),
    );
    room.write("images/c.txt", b"no archive");
    room.write("base.tar", &build::docker(&[&base]).tar());
    build::oci(&[&base]).write_to(&room.path("layout"));
    let whole = "ENV PATH=\"/bin\"\nADD <file:00> /\nCMD [\"/bin/sh\"]\nRUN b\nRUN c";
    for (line, from, expected) in [
        ("", "scratch", whole),
        ("--base images/a.tar:other:1", "scratch", whole),
        ("--base base.tar", "base:1", "RUN b\nRUN c"),
        ("--base layout", "base:1", "RUN b\nRUN c"),
        ("--base images", "base:1", "RUN c"),
        (
            "--base base.tar --base images/b.tar:middle:2",
            "base:1",
            "RUN c",
        ),
        ("--base app.tar", "scratch", whole),
    ] {
        let run = room.run(&format!("imghistory --dockerfile {line} app.tar"));
        run.code(0);
        let expected_from = match line.contains("images/b.tar") || line == "--base images" {
            true => "FROM base:1",
            false => &format!("FROM {from}"),
        };
        assert!(
            run.out().lines().any(|line| line == expected_from),
            "{line}\n{run}"
        );
        if expected_from == "FROM scratch" || !line.contains("images") {
            assert_eq!(body(run.out()), expected, "{line}\n{run}");
        } else {
            assert_eq!(body(run.out()), "RUN c", "{line}\n{run}");
        }
        parses(run.out());
    }
    // The store is used only on request: an image has the same Dockerfile everywhere.
    room.run("imgload -q -i base.tar --store store").code(0);
    let run = room.run("imghistory --dockerfile --store store app.tar");
    run.says("\nFROM scratch\n");
    assert_eq!(body(run.out()), whole, "{run}");
    room.run("imghistory --dockerfile --base base:1 --store store app.tar")
        .says("# FROM: 1 of 3 layers are those of base:1\nFROM base:1\n");
    room.run("imghistory --dockerfile --base gone.tar app.tar")
        .fails("imghistory: gone.tar: cannot open: no such file or directory\n");
}

#[test]
fn the_base_is_named_by_buildah_or_by_annotations() {
    let steps: &[Step<'_>] = &[
        ("/bin/sh -c #(nop) ADD file:00 in / ", "", "d a | f a/x 1"),
        ("/bin/sh -c #(nop)  CMD [\"sh\"]", "", ""),
        (
            "/bin/sh -c make",
            "FROM docker.io/library/debian:12",
            "f b 2",
        ),
        ("/bin/sh -c more", "FROM abcdef012345", "f c 3"),
    ];
    let by_buildah = image(json!({"Cmd": ["sh"]}), "", steps);
    let room = Room::with("app.tar", &build::docker(&[&by_buildah]));
    let run = room.run("imghistory --dockerfile app.tar");
    run.says("# FROM: buildah's comment\nFROM docker.io/library/debian:12\n");
    assert_eq!(body(run.out()), "RUN make\nRUN more", "{run}");

    let steps: Vec<Step<'_>> = steps
        .iter()
        .map(|&(text, _, layer)| (text, "", layer))
        .collect();
    let labels = json!({"org.opencontainers.image.base.name": "docker.io/library/debian:12"});
    let by_label = image(json!({"Cmd": ["sh"], "Labels": labels}), "", &steps);
    let room = Room::with("app.tar", &build::docker(&[&by_label]));
    let run = room.run("imghistory --dockerfile app.tar");
    run.says("FROM docker.io/library/debian:12\n")
        .says("where it ends is a guess");
    assert!(body(run.out()).starts_with("RUN make\nRUN more\n"), "{run}");
}

#[test]
fn contradictions_are_reported() {
    let config = json!({"Env": ["A=1"], "User": "u"});
    let history = json!([
        {"created": "2024-01-02T00:00:00Z", "created_by": "COPY a /srv/a # buildkit", "comment": BUILDKIT},
        {"created": "2024-01-01T00:00:00Z", "created_by": "RUN /bin/sh -c make # buildkit", "comment": BUILDKIT},
        {"created": "2024-01-03T00:00:00Z", "created_by": "ENV A=2", "comment": BUILDKIT, "empty_layer": true},
        {"created": "2024-01-03T00:00:00Z", "created_by": "ENV B=3", "comment": BUILDKIT, "empty_layer": true},
        {"created": "2024-01-03T00:00:00Z", "created_by": "USER root", "comment": BUILDKIT, "empty_layer": true},
    ]);
    let lying = build::image("demo:1")
        .set("config", config)
        .layer("f d 1")
        .layer("d etc | f etc/a x")
        .layer("")
        .history(history);
    let room = Room::with("app.tar", &build::docker(&[&lying]));
    let run = room.run("imghistory --dockerfile app.tar");
    run.code(0);
    let expected = [
        "entry 1: COPY to /srv/a, where its layer has nothing",
        "the history lists 2 layers, the image has 3: the lowest have no entry",
        "entry 2 says it was made at 2024-01-01T00:00:00Z, before entry 1 below it (2024-01-02T00:00:00Z)",
        "ENV A has another value in the config",
        "ENV B is not in the config",
        "USER root is not what the config has",
    ];
    let warnings: Vec<&str> = run
        .err()
        .lines()
        .filter_map(|line| line.strip_prefix("imghistory: warning: app.tar: "))
        .collect();
    assert_eq!(warnings, expected, "{run}");
    let rows = room
        .run("imghistory --dockerfile --format json app.tar")
        .json_lines();
    let lies: Vec<&Value> = rows
        .iter()
        .filter(|row| row["Kind"] == "contradiction")
        .collect();
    assert_eq!(lies.len(), warnings.len(), "{lies:?}");
    let copy = rows
        .iter()
        .find(|row| row["Instruction"] == "COPY" && row["Entry"] == 1)
        .expect("a row");
    assert_eq!(
        copy["Lies"],
        json!(["COPY to /srv/a, where its layer has nothing"])
    );
    // No finding: links in the path, a directory of WORKDIR.
    let honest = image(
        json!({"WorkingDir": "/var/app"}),
        "",
        &[
            (
                "ADD rootfs.tar / # buildkit",
                BUILDKIT,
                "d usr | d usr/lib | l lib usr/lib | d var | l run /var/run",
            ),
            ("WORKDIR /var/app", BUILDKIT, "d var/app"),
            ("COPY x /lib/x # buildkit", BUILDKIT, "f usr/lib/x 1"),
            ("COPY x . # buildkit", BUILDKIT, "f var/app/x 1"),
            ("COPY x ../y # buildkit", BUILDKIT, "f var/y 1"),
            ("COPY x /run/x # buildkit", BUILDKIT, "f var/run/x 1"),
        ],
    );
    let room = Room::with("app.tar", &build::docker(&[&honest]));
    assert_eq!(room.run("imghistory --dockerfile app.tar").err(), "");
}

#[test]
fn secrets_are_flagged_and_masked() {
    let made = image(
        json!({"Env": ["API_TOKEN=abcdefgh"]}),
        "",
        &[
            ("/bin/sh -c #(nop)  ARG NPM_TOKEN", "", ""),
            (
                "|1 NPM_TOKEN=npm_0123456789abcdef /bin/sh -c make",
                "",
                "f a 1",
            ),
            ("/bin/sh -c #(nop)  ENV API_TOKEN=abcdefgh", "", ""),
        ],
    );
    let room = Room::with("app.tar", &build::docker(&[&made]));
    let run = room.run("imghistory --dockerfile app.tar");
    run.complains("the value of the build argument NPM_TOKEN looks like a secret (a token of npm): np… (20 characters)\n")
        .complains("the value of the ENV API_TOKEN looks like a secret (by its name): ab… (8 characters)\n");
    assert!(!run.err().contains("npm_0123456789abcdef"), "{run}");
    let rows = room
        .run("imghistory --dockerfile --format json app.tar")
        .json_lines();
    assert_eq!(
        rows.iter().filter(|row| row["Kind"] == "secret").count(),
        2,
        "{rows:?}"
    );
}

#[test]
fn annotations_and_rows() {
    let made = image(
        json!({"User": "u"}),
        "",
        &[
            (
                "/bin/sh -c #(nop) COPY dir:0123456789abcdef in /app ",
                "",
                "d app | f app/x one | f app/y four",
            ),
            ("/bin/sh -c #(nop)  USER u", "", ""),
        ],
    );
    let room = Room::with("app.tar", &build::oci(&[&made]));
    let layer = &made.diff_ids()[0];
    let run = room.run("imghistory --dockerfile --annotate app.tar");
    run.code(0).says(&format!(
        "# lost, entry 1, layer 1, {layer}, 7B, 2 files\n\
         # created by: /bin/sh -c #(nop) COPY dir:0123456789abcdef in /app \n\
         # the name of the source is not recorded\n\
         #   /app\n#   /app/x\n#   /app/y\n\
         COPY <dir:0123456789ab> /app/\n"
    ));
    run.says("# exact, entry 2\n# created by: /bin/sh -c #(nop)  USER u\nUSER u\n");
    parses(run.out());
    let rows = room
        .run("imghistory --dockerfile --format json app.tar")
        .json_lines();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(
        rows[1],
        json!({
            "BuildArgs": {}, "Confidence": "lost", "CreatedBy": "/bin/sh -c #(nop) COPY dir:0123456789abcdef in /app ",
            "DiffID": layer, "Entry": 1, "Files": 2, "Instruction": "COPY", "Kind": "instruction", "Layer": 1,
            "LayerDigest": layer, "Lies": [], "Notes": [], "Paths": ["app", "app/x", "app/y"],
            "Remarks": ["the name of the source is not recorded"], "Secrets": [], "SizeBytes": 7,
            "Text": "COPY <dir:0123456789ab> /app/",
        })
    );
    assert_eq!(rows[2]["Confidence"], "exact");
    room.run("imghistory --dockerfile --format '{{.Text}}' app.tar")
        .ok("FROM scratch\nCOPY <dir:0123456789ab> /app/\nUSER u\n");
    for (line, why) in [
        ("imghistory --annotate --layers app.tar", "--layers"),
        ("imghistory --extract x -q app.tar", "--quiet"),
        ("imghistory --dockerfile --layers app.tar", "--layers"),
    ] {
        room.run(line).code(2).complains(why);
    }
}

#[test]
fn contexts_have_the_files_of_copies() {
    let steps: &[Step<'_>] = &[
        (
            "ADD rootfs.tar / # buildkit",
            BUILDKIT,
            "d etc | f etc/a one | f etc/old 1",
        ),
        (
            "COPY conf /etc/ # buildkit",
            BUILDKIT,
            "d etc | f etc/b two | l etc/c b",
        ),
        (
            "COPY x /etc/d # buildkit",
            BUILDKIT,
            "d etc | f etc/d x | h etc/e etc/d",
        ),
        ("/bin/sh", "", "d etc | w etc/old | f etc/new 2 | o srv"),
        ("COPY none /x # buildkit", BUILDKIT, ""),
        ("RUN /bin/sh -c make # buildkit", BUILDKIT, "f made 1"),
    ];
    let mut made = image(json!({"Env": ["A=b"]}), "", steps);
    made = made.set("author", "me".into());
    for (how, files) in [
        ("plain", build::docker(&[&made])),
        ("oci", build::oci(&[&made])),
    ] {
        let room = Room::with("app.tar", &files);
        let run = room.run("imghistory --dockerfile --extract out app.tar");
        run.code(0);
        assert_eq!(run.out(), "", "{how}");
        let text = std::fs::read_to_string(room.path("out/Dockerfile")).expect("a Dockerfile");
        parses(&text);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let expected = [
            "FROM scratch",
            "ENV A=\"b\"",
            "COPY layers/1/ /",
            "COPY layers/2/ /",
            "ADD layers/3.tar /",
            "RUN [\"/bin/sh\",\"-c\",\"'rm' '-rf' '--' '/etc/old'; for d in \\\"$@\\\"; do find \\\"$d\\\" -mindepth 1 -delete; done\",\"sh\",\"/srv\"]",
            "ADD layers/4.tar /",
            "RUN make",
        ];
        assert_eq!(lines, expected, "{how}: {text}");
        assert!(
            text.contains("\n# COPY conf /etc/\nCOPY layers/2/ /\n"),
            "{text}"
        );
        let read = |path: &str| std::fs::read_to_string(room.path(path)).expect(path);
        assert_eq!(
            (read("out/layers/2/etc/b"), read("out/layers/2/etc/c")),
            ("two".into(), "two".into())
        );
        // Whiteouts are for engines: ADD would make files of them.
        let list = |path: &str| -> Vec<String> {
            let file = std::fs::File::open(room.path(path)).expect(path);
            let mut tar = tar::Archive::new(file);
            let entries = tar.entries().expect("entries");
            entries
                .map(|entry| {
                    entry
                        .expect("an entry")
                        .path()
                        .expect("a path")
                        .display()
                        .to_string()
                })
                .collect()
        };
        assert_eq!(list("out/layers/4.tar"), ["etc", "etc/new"]);
        assert_eq!(
            std::fs::read(room.path("out/layers/3.tar")).expect("a tar"),
            build::layer("d etc | f etc/d x | h etc/e etc/d")
        );
        // It is not written twice, nor over something.
        let again = room.run("imghistory --dockerfile --extract out app.tar");
        again.fails("imghistory: out: it is there already, and not empty\n");
        std::fs::create_dir(room.path("empty")).expect("a directory");
        room.command("imghistory --dockerfile --extract empty -")
            .pipe(&files.tar())
            .run()
            .code(0);
        assert_eq!(text, read("empty/Dockerfile"));
        assert_eq!(list("empty/layers/4.tar"), ["etc", "etc/new"]);
    }
}

#[test]
fn nothing_is_written_outside_the_context() {
    for layer in [
        "f ../out 1",
        "d a | f a/../../out 1",
        "l a .. | f a/out 1",
        "l a /tmp | d a | f a/out 1",
        "d a | l a .. | f a/out 1",
        "f /out 1 | l b ../../../out",
        "d a | f a 1 | f a/out 1",
        "f a 1 | f a 2",
        "d a/b | f c/d/e 1",
    ] {
        let made = image(json!({}), "", &[("COPY x / # buildkit", BUILDKIT, layer)]);
        let room = Room::with("app.tar", &build::docker(&[&made]));
        let run = room.run("imghistory --dockerfile --extract context app.tar");
        run.no_crash().code(0);
        let mut names: Vec<String> = std::fs::read_dir(room.path(""))
            .expect("the room")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["app.tar", "context"], "{layer}\n{run}");
        let tar = room.path("context/layers/1.tar").exists();
        assert_eq!(tar, !layer.starts_with("f /out"), "{layer}\n{run}");
    }
    // A damaged archive leaves no files.
    let made = image(
        json!({}),
        "",
        &[("COPY x / # buildkit", BUILDKIT, "f a 123")],
    );
    let mut files = build::oci(&[&made]);
    let name = build::blob_name(&made.diff_ids()[0]);
    let bytes = files.bytes(&name);
    let end = bytes.len() - 1;
    bytes[600] = b'9';
    bytes[end] = 0;
    let room = Room::with("app.tar", &files);
    room.run("imghistory --dockerfile --extract context app.tar")
        .no_crash();
}
