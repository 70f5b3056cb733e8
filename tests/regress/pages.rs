//! Operands that several programs take alike, hints that help, and pages that promise what is so.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::build;
use crate::common::pack::Pack;
use crate::common::repository;
use crate::common::run::{Room, clean, program};

fn app() -> build::Image {
    build::image("app:1").layer("d etc | f etc/a one")
}

fn tool() -> build::Image {
    build::image("tool:2").layer("f b two").layer("f c three")
}

/// A directory of archives, in which docker's data root lies too, and what is no archive.
fn pile() -> Room {
    let room = Room::new();
    for directory in [
        "pile/image/overlay2",
        "pile/overlay2/x",
        "pile/docker/image/overlay2/imagedb",
        "pile/docker/overlay2",
    ] {
        std::fs::create_dir_all(room.path(directory)).expect("directories");
    }
    room.write("pile/b.tar", &build::docker(&[&tool()]).tar());
    build::oci(&[&app()]).write_to(&room.path("pile/a"));
    room.write("pile/c.tar", &build::layer("d etc | d usr | f etc/x y"));
    room.write("pile/notes", b"no archive");
    // What lies in the storage of an engine is none.
    room.write(
        "pile/docker/overlay2/x.tar",
        &build::docker(&[&app()]).tar(),
    );
    room
}

/// Only imggraph read a directory of archives, and one that held docker's data root was called that.
#[test]
fn a_directory_of_archives_is_all_archives_in_it() {
    let room = pile();
    let names = "imgls --format '{{.Archive}} {{.Repository}}:{{.Tag}}' pile";
    let both = "pile/a app:1\npile/b.tar tool:2\n";
    room.run(names).ok(both);
    room.run("imgls pile").code(0).says("ARCHIVE");
    let usage = room.run("imgdf --format json pile").json_lines();
    assert_eq!(usage[0]["TotalCount"], "2");
    room.run("imgverify pile")
        .code(0)
        .says("pile/a: ok: OCI layout, 1 image, 1 layer, ")
        .says("read\npile/b.tar: ok: docker-archive, 1 image, 2 layers, ");
    room.run("imgload --store s --id-file ids pile")
        .ok("Loaded image: app:1\nLoaded image: tool:2\n");
    let ids = std::fs::read_to_string(room.path("ids")).expect("IDs");
    assert_eq!(ids, format!("{}\n{}\n", app().id(), tool().id()));
    let graph = room.run("imggraph --view images --format json pile").json();
    assert_eq!(graph["Totals"]["Images"], 2);
    // A damaged one does not hide the others.
    let whole = build::docker25(&[&app()]).tar();
    let lines = [
        (names, both),
        ("imgdf --format '{{.TotalCount}}' pile", "2\n0\n"),
        (
            "imgload --store t pile",
            "Loaded image: app:1\nLoaded image: tool:2\n",
        ),
    ];
    // Within a layer, between two members, and within the first document.
    let half = whole.len() / 2;
    for end in [2000, half, half + 512] {
        room.write("pile/aa.tar", &whole[..end]);
        for (line, said) in lines {
            let run = room.run(line);
            assert_eq!((run.code, run.out()), (Some(2), said), "{run}");
            run.complains(": pile/aa.tar: ");
        }
    }
    room.run("imgverify pile")
        .code(2)
        .says("pile/a: ok")
        .says("pile/b.tar: ok");
    room.write("pile/aa.tar", &whole[..2000]);
    room.run("imgverify pile")
        .code(1)
        .says("pile/a: ok")
        .says("pile/aa.tar: damaged")
        .says("pile/b.tar: ok");
    // What is a data root is called one, and what is none is not.
    room.run("imgls pile/docker")
        .code(2)
        .complains("pile/docker: not an image archive: data root of a docker engine");
    std::fs::create_dir_all(room.path("none/image/overlay2")).expect("directories");
    for line in ["imgls none", "imginspect none", "imgverify none"] {
        let name = line.split(' ').next().expect("a program");
        room.run(line).fails(&format!(
            "{name}: none: not an image archive: no manifest.json, index.json, oci-layout or repositories\n"
        ));
    }
}

/// The whole store was verified under the name of one of its images, and the whole archive under F:NAME.
#[test]
fn a_picked_image_is_verified_alone() {
    let room = Room::with("both.tar", &build::docker(&[&app(), &tool()]));
    room.run("imgload -q --store s both.tar").code(0);
    room.run("imgverify --store s app:1")
        .code(0)
        .says("app:1: ok: OCI layout, 1 image, 1 layer, ");
    for whole in ["imgverify --store s", "imgverify s"] {
        room.run(whole)
            .code(0)
            .says("s: ok: OCI layout, 2 images, 3 layers, ");
    }
    // A layer, then the config, of the other one.
    let layer = tool().diff_ids()[1].clone();
    for digest in [layer, tool().id()] {
        let blob = room.path(&format!("s/{}", build::blob_name(&digest)));
        let sound = std::fs::read(&blob).expect("a blob");
        let mut damaged = sound.clone();
        damaged[0] ^= 1;
        std::fs::write(&blob, damaged).expect("a blob");
        room.run("imgverify -q --store s app:1").ok("");
        room.run("imgverify -q --store s tool:2").is(1, "", "");
        room.run("imgverify -q --store s").is(1, "", "");
        std::fs::write(&blob, sound).expect("a blob");
    }
    room.run("imgverify --store nowhere")
        .fails("imgverify: nowhere: cannot open: no such file or directory\n");
    let mut files = build::docker(&[&app(), &tool()]);
    let top = files
        .names()
        .into_iter()
        .rfind(|name| name.ends_with("layer.tar"));
    files.bytes(&top.expect("a layer"))[0] ^= 1;
    room.write("damaged.tar", &files.tar());
    for (image, code) in [("app:1", 0), ("@0", 0), ("tool:2", 1), ("@1", 1)] {
        room.run(&format!("imgverify -q damaged.tar:{image}"))
            .code(code);
        room.command(&format!("imgverify -q -:{image}"))
            .pipe(&files.tar())
            .run()
            .code(code);
    }
    room.run("imgverify damaged.tar:nosuch:1").code(2);
}

/// --platform did nothing in imgverify and imgdf, and was taken by imgprune.
#[test]
fn one_platform_of_an_index_is_verified_and_counted() {
    let amd = build::image("demo:1").layer("f a amd");
    let arm = build::image("demo:1")
        .layer("f a arm")
        .platform("linux/arm64");
    let mut files = build::multi("demo:1", &[&amd, &arm], &[]);
    let layer = build::blob_name(&arm.diff_ids()[0]);
    files.bytes(&layer)[0] ^= 1;
    let room = Room::with("app.tar", &files);
    room.run("imgverify -q app.tar").code(1);
    room.run("imgverify -q --platform linux/amd64 app.tar")
        .ok("");
    room.run("imgverify -q --platform linux/arm64 app.tar")
        .code(1);
    room.run("imgverify -q --platform linux/s390x app.tar")
        .code(2)
        .complains("no such image 'linux/s390x'");
    let size = |line: &str| -> u64 {
        let rows = room.run(line).json_lines();
        rows[0]["SizeBytes"].as_u64().expect("a size")
    };
    let whole = size("imgdf --format json app.tar");
    let one = size("imgdf --format json --platform linux/amd64 app.tar");
    assert!(one < whole, "{one} of {whole}");
    room.run("imgprune --platform linux/amd64 --force")
        .fails("imgprune: --platform has no effect here\n");
    room.run("imgls --color always app.tar")
        .code(2)
        .complains("unexpected argument '--color' found");
    room.run("imgverify --color always --platform linux/arm64 app.tar")
        .code(1)
        .says("\x1b[31merror");
}

/// An archive was opened once for each argument, which a pipe cannot be.
#[test]
fn an_archive_is_opened_once_for_all_arguments_that_name_it() {
    let room = Room::with("both.tar", &build::docker(&[&app(), &tool()]));
    let shell = |line: &str| {
        let directory = program("imgls");
        let directory = directory
            .parent()
            .expect("a directory")
            .display()
            .to_string();
        let script = format!("PATH={directory}:$PATH; exec 3< <(cat both.tar); {line}");
        let mut command = Command::new("bash");
        clean(&mut command, &room.path(""));
        command.args(["-c", &script]).output().expect("bash")
    };
    let raw = shell("imginspect --raw config /dev/fd/3:app:1 /dev/fd/3:tool:2");
    assert_eq!(
        raw.stdout,
        [app().config(), tool().config()].concat(),
        "{raw:?}"
    );
    let diff = shell("imgdiff --format '{{.Change}} {{.Path}}' /dev/fd/3:app:1 /dev/fd/3:tool:2");
    let out = String::from_utf8_lossy(&diff.stdout);
    assert!(out.contains("A /b\nA /c\n"), "{diff:?}");
    let verified = shell("imgverify -q /dev/fd/3:app:1 /dev/fd/3:tool:2");
    assert_eq!(
        (verified.status.code(), &verified.stderr[..]),
        (Some(0), &b""[..])
    );
}

/// imgbase's subcommands sent people to a help without their options; the hint for --max-size led to the same error; a
/// zstd window that was too large was said to be one byte too large.
#[test]
fn hints_lead_further() {
    let room = Room::new();
    for line in ["imgbase pack --bogus x", "imgbase --store s deb --bogus"] {
        let command = if line.contains("deb") { "deb" } else { "pack" };
        room.run(line).fails(&format!(
            "imgbase: unexpected argument '--bogus' found\n\
             hint: see imgbase {command} --help\n"
        ));
    }
    room.run("imgbase --bogus")
        .fails("imgbase: unexpected argument '--bogus' found\nhint: see imgbase --help\n");
    let app = build::image("app:1").layer("f a one").packed(Pack::Gzip);
    room.write("app.tar", &build::oci(&[&app]).tar());
    let limited = "imgverify --max-size 1500 app.tar";
    let run = room.run(limited);
    assert_eq!(run.code, Some(2), "{run}");
    let hint = run.err().split("hint: ").nth(1).expect("a hint");
    let typed = hint.split(" raises").next().expect("an option");
    room.run(&format!("{limited} {typed}")).code(0);
    for (log, window) in [(23, "8M"), (20, "1M")] {
        let layer = build::layer("f a one");
        let mut packed = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
        packed.window_log(log).expect("a window");
        std::io::copy(&mut &layer[..], &mut packed).expect("memory");
        let app = build::image("app:1")
            .layer_bytes(layer)
            .stored(packed.finish().expect("memory"));
        room.write("zstd.tar", &build::oci(&[&app]).tar());
        let run = room.run("imgverify --limit window=1K zstd.tar");
        let found = 1_u64 << log;
        run.code(2)
            .complains(&format!("expected at most 1024, found {found}\n"))
            .complains(&format!("--limit window={window} raises it"));
        room.run(&format!("imgverify --limit window={window} zstd.tar"))
            .code(0);
    }
    let xz = {
        let mut options = liblzma::stream::LzmaOptions::new_preset(0).expect("options");
        options.dict_size(96 << 20);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        let check = liblzma::stream::Check::Crc32;
        let stream = liblzma::stream::Stream::new_stream_encoder(&filters, check);
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream.expect("one"));
        let tar = build::docker(&[&tool()]).tar();
        std::io::copy(&mut &tar[..], &mut encoder).expect("memory");
        encoder.finish().expect("memory")
    };
    room.write("app.tar.xz", &xz);
    room.run("imgls --limit window=1M app.tar.xz")
        .code(2)
        .complains("found 100663296\n")
        .complains("--limit window=128M raises it");
    room.run("imgls --limit window=128M app.tar.xz").code(0);
}

/// A page as plain text.
fn page(name: &str) -> String {
    let text = std::fs::read_to_string(repository(&format!("man/{name}.1"))).expect("a page");
    text.replace("\\-", "-")
        .replace("\\fB", " ")
        .replace("\\fR", " ")
}

/// The keys of a value and of all in it; what a config says has keys of its own.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            let is_config = map.get("Type") == Some(&json!("config"));
            for (key, value) in map {
                found.insert(key.clone());
                if !(is_config && matches!(key.as_str(), "Old" | "New" | "Values")) {
                    keys(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

fn named(program: &str, values: &[Value]) {
    let mut found = BTreeSet::new();
    values.iter().for_each(|value| keys(value, &mut found));
    assert!(found.len() > 3, "{program}: {found:?}");
    let page = page(program);
    let words: BTreeSet<&str> = page
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    let missing: Vec<&String> = found
        .iter()
        // The bytes of what is no UTF-8, as the page says of all keys.
        .filter(|key| {
            !words.contains(key.as_str()) && !words.contains(key.trim_end_matches("Bytes"))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "{program}.1 says nothing of {missing:?}"
    );
}

/// About 35 keys of imgdiff, and all of imgbase's --report and --lock, were on no page.
#[test]
fn every_key_of_json_output_is_on_the_page() {
    let room = Room::new();
    let base = build::image("a:1").layer("d etc | f etc/a one | f etc/b two | f etc/c three");
    let a = base.clone().layer("f etc/a four | l x etc/a").step("CMD a");
    let b = base
        .clone()
        .layer("w etc/b | f etc/new five | f etc/a six")
        .step("CMD b");
    for (name, image) in [("a.tar", &a), ("b.tar", &b), ("c.tar", &base)] {
        room.write(name, &build::docker(&[image]).tar());
    }
    std::fs::copy(
        repository("testdata/foreign/docker-classic.tar"),
        room.path("classic.tar"),
    )
    .expect("a copy");
    let mut rows = Vec::new();
    for line in [
        "a.tar b.tar",
        "--blame a.tar b.tar",
        "--blame=/etc/a a.tar",
        "--layers a.tar b.tar",
        "--stat a.tar b.tar",
        "--text=/etc a.tar b.tar",
        "--strict a.tar classic.tar",
        "a.tar b.tar c.tar",
        "--waste b.tar",
        "--waste classic.tar",
    ] {
        rows.extend(
            room.run(&format!("imgdiff --format json {line}"))
                .json_lines(),
        );
    }
    named("imgdiff", &rows);
    named(
        "imgverify",
        &room.run("imgverify --json classic.tar").json_lines(),
    );
    named(
        "imgload",
        &room.run("imgload --format json classic.tar").json_lines(),
    );
    let source = repository("testdata/debian/repository");
    let source = source.display();
    room.run(&format!(
        "imgbase deb --repo {source} --suite suite --keyring {source}/keyring.gpg --at 2024-01-02 --variant none \
         --include tool --report report.json --lock lock.json -o out.tar"
    ))
    .code(0);
    for file in ["report.json", "lock.json"] {
        let text = std::fs::read(room.path(file)).expect("a file");
        named("imgbase", &[serde_json::from_slice(&text).expect("JSON")]);
    }
}

/// Pages promised images that programs refuse, and left out TMPDIR.
#[test]
fn pages_promise_what_programs_take() {
    for (name, images, temporary, color) in [
        ("imgls", true, false, false),
        ("imgdiff", true, true, true),
        ("imgsave", true, true, false),
        ("imgexport", true, true, false),
        ("imgverify", true, true, true),
        ("imgprune", false, false, false),
        ("imgimport", false, true, false),
    ] {
        let page = page(name);
        assert_eq!(page.contains("see IMAGES in"), images, "{name}: IMAGES");
        assert_eq!(page.contains("TMPDIR"), temporary, "{name}: TMPDIR");
        assert_eq!(page.contains("NO_COLOR"), color, "{name}: NO_COLOR");
        assert_eq!(page.contains("--color"), color, "{name}: --color");
        let is_platform = page.contains("--platform");
        assert_eq!(is_platform, name != "imgprune", "{name}: --platform");
    }
    let page = page("imgrm");
    assert!(page.contains("a name, ID or digest") && !page.contains("docker-archive:"));
}
