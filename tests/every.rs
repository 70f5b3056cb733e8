//! What all programs do alike: trouble with input and output, bad usage, hostile text.

use std::fs::File;
use std::os::fd::OwnedFd;

use serde_json::json;

use crate::common::run::{OPENING, PROGRAMS, Room, clean, on, program};
use crate::common::{build, foreign};

fn app() -> build::Image {
    build::image("demo:1").layer("d etc | f etc/a one")
}

#[test]
fn a_reader_that_went_away_ends_the_run_quietly() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    for line in [
        "imgls app.tar",
        "imginspect app.tar",
        "imginspect --raw config app.tar",
        "imghistory app.tar",
        "imgdiff app.tar app.tar",
        "imgdiff --waste app.tar",
        "imgverify app.tar",
        "imgload app.tar",
        "imgload --format json app.tar",
        "imgsave app.tar",
        "imgconvert app.tar -",
        "imgconvert app.tar docker-archive:out --digest-map -",
        "imgrm demo:1",
        "imgprune --force",
        "imgdf",
        "imgdf -v app.tar",
        "imggraph app.tar",
        "imggraph --format html app.tar",
        "imgls --help",
        "imgls --version",
        "imgverify --generate man",
    ] {
        if line.starts_with("imgrm") {
            room.run("imgload app.tar").code(0);
        }
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let run = room
            .command(line)
            .stdout(File::from(OwnedFd::from(writer)))
            .run();
        run.ok("");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    for line in [
        "imgls app.tar",
        "imginspect app.tar",
        "imginspect --raw config app.tar",
        "imghistory app.tar",
        "imgverify app.tar",
        "imgload app.tar",
        "imgsave app.tar",
        "imgconvert app.tar -",
        "imgconvert app.tar docker-archive:out --digest-map -",
        "imgrm demo:1",
        "imgprune --force",
        "imgdf",
        "imggraph app.tar",
        "imggraph --format html app.tar",
        "imgls --help",
        "imgls --generate bash",
    ] {
        let name = line.split(' ').next().expect("a program");
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let expected = format!("{name}: cannot write: no space left on device\n");
        room.command(line).stdout(full).run().fails(&expected);
    }
}

#[test]
fn inputs_that_are_no_archive_are_named_for_what_they_are() {
    let room = Room::new();
    room.write("empty", b"");
    let noise: Vec<u8> = (0..3000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    room.write("noise", &noise);
    room.write("list.json", b"[1, 2]");
    room.write("marker", &[0; 1024]);
    std::fs::create_dir(room.path("folder")).expect("a folder");
    build::fifo(&room.path("fifo"));
    std::os::unix::fs::symlink("nowhere", room.path("dangling")).expect("a link");
    std::fs::copy(foreign("rootfs.tar"), room.path("rootfs")).expect("a copy");
    let none = "not an image archive";
    for (input, why) in [
        (
            "gone.tar",
            "cannot open: no such file or directory".to_owned(),
        ),
        (
            "./gone",
            "cannot open: no such file or directory".to_owned(),
        ),
        (
            "./dangling",
            "cannot open: no such file or directory".to_owned(),
        ),
        ("empty", format!("{none}: empty file")),
        (
            "noise",
            format!("{none}: neither a tar nor a compressed tar"),
        ),
        ("list.json", format!("{none}: JSON document")),
        ("marker", format!("{none}: tar without members")),
        (
            "folder",
            format!("{none}: no manifest.json, index.json, oci-layout or repositories"),
        ),
        (
            "fifo",
            "not a file or directory: a FIFO\nhint: use - and redirect, as in imgls - < fifo"
                .to_owned(),
        ),
        ("/dev/null", "not a file or directory: a device".to_owned()),
        ("/dev/zero", "not a file or directory: a device".to_owned()),
        (
            "rootfs",
            format!(
                "{none}: neither manifest.json nor oci-layout found\n\
                 hint: looks like a root filesystem; imgimport rootfs NAME makes an image of it"
            ),
        ),
    ] {
        for (name, line) in OPENING {
            room.run(&on(line, input))
                .fails(&format!("{name}: {input}: {why}\n"));
        }
    }
    for (name, line) in OPENING {
        let gone = format!("{name}: 'gone': no such file or image\n");
        room.run(&on(line, "gone")).fails(&gone);
    }
}

#[test]
fn standard_input_that_is_no_archive() {
    let room = Room::new();
    room.write("empty", b"");
    for (name, line) in OPENING {
        let line = on(line, "-");
        let empty = format!("{name}: standard input: not an image archive: empty file\n");
        room.command(&line).pipe(b"").run().fails(&empty);
        room.command(&line).stdin_closed().run().fails(&empty);
        room.command(&line).stdin_file("empty").run().fails(&empty);
        room.command(&line).run().fails(&empty);
        let folder = format!("{name}: standard input: not a file or directory: a directory\n");
        room.command(&line).stdin_file(".").run().fails(&folder);
        let noise = format!(
            "{name}: standard input: not an image archive: neither a tar nor a compressed tar\n"
        );
        room.command(&line)
            .pipe(&b"no tar at all. ".repeat(300))
            .run()
            .fails(&noise);
    }
}

#[test]
fn bad_usage_is_one_line_and_a_hint() {
    let room = Room::new();
    for (line, what, hint) in [
        ("imgls --bogus", "unexpected argument '--bogus' found", ""),
        (
            "imgls --qiet",
            "unexpected argument '--qiet' found",
            "a similar argument exists: '--quiet'",
        ),
        (
            "imgls --filter",
            "a value is required for '--filter <FILTER>' but none was supplied",
            "",
        ),
        (
            "imgls --tree --quiet",
            "the argument '--tree' cannot be used with '--quiet'",
            "",
        ),
        (
            "imgls -j 0",
            "invalid value '0' for '--jobs <N>': 0 is not in 1..=1024",
            "",
        ),
        (
            "imgls --progress sometimes",
            "invalid value 'sometimes' for '--progress <HOW>' [possible values: auto, plain, none]",
            "",
        ),
        (
            "imginspect",
            "the following required arguments were not provided: <IMAGE>...",
            "",
        ),
        (
            "imginspect --raw layer x",
            "invalid value 'layer' for '--raw <DOCUMENT>' [possible values: manifest, config, index]",
            "",
        ),
        (
            "imginspect --raw config --format json x",
            "the argument '--raw <DOCUMENT>' cannot be used with '--format <FORMAT>'",
            "",
        ),
        (
            "imghistory",
            "the following required arguments were not provided: <IMAGE>",
            "",
        ),
        (
            "imghistory a b",
            "the following required arguments were not provided: --timeline",
            "",
        ),
        (
            "imghistory -H=maybe a",
            "invalid value 'maybe' for '--human[=<BOOL>]' [possible values: true, false]",
            "",
        ),
        (
            "imgload x -i y",
            "the argument '[ARCHIVE]...' cannot be used with '--input <FILE>'",
            "",
        ),
        (
            "imgsave",
            "the following required arguments were not provided: <IMAGE>...",
            "",
        ),
        (
            "imgsave --format zip x",
            "invalid value 'zip' for '--format <FORMAT>' [possible values: docker, docker-legacy, oci, oci-layout, dir]",
            "",
        ),
        (
            "imgconvert x",
            "the following required arguments were not provided: <DST>",
            "",
        ),
        (
            "imgconvert --all --platform linux/amd64 x y",
            "the argument '--all' cannot be used with '--platform <PLATFORM>'",
            "",
        ),
        (
            "imgtag x",
            "the following required arguments were not provided: <NEW>",
            "",
        ),
        (
            "imgrm",
            "the following required arguments were not provided: <IMAGE>...",
            "",
        ),
        ("imgprune x y", "unexpected argument 'y' found", ""),
        ("imgdf --bogus", "unexpected argument '--bogus' found", ""),
        (
            "imgverify -q --json x",
            "--format json has no effect with --quiet",
            "-",
        ),
    ] {
        let name = line.split(' ').next().expect("a program");
        let hint = match hint {
            "" => format!("hint: see {name} --help\n"),
            "-" => String::new(),
            hint => format!("hint: {hint}\n"),
        };
        room.run(line).fails(&format!("{name}: {what}\n{hint}"));
    }
}

#[test]
fn formats_and_filters_are_read_before_any_file() {
    let room = Room::new();
    for (line, why) in [
        (
            "imgls --format '{{.ID' gone.tar",
            "template: --format:1:6: unclosed action",
        ),
        (
            "imghistory --format '{{nope}}' gone.tar",
            "template: --format: function \"nope\" not defined",
        ),
        (
            "imginspect --format '{{.Id' gone.tar",
            "template: --format:1:6: unclosed action",
        ),
        (
            "imgls --filter size=1 gone.tar",
            "filter 'size=1': unknown key: expected reference, dangling, label, before, since or until",
        ),
        (
            "imgls --filter dangling=maybe gone.tar",
            "filter 'dangling=maybe': expected true or false",
        ),
        (
            "imgls --filter label gone.tar",
            "filter 'label': expected KEY=VALUE",
        ),
    ] {
        let name = line.split(' ').next().expect("a program");
        room.run(line).fails(&format!("{name}: {why}\n"));
    }
    for name in ["imgls", "imghistory"] {
        let room = Room::with("app.tar", &build::docker(&[&app()]));
        room.run(&format!("{name} --format '{{{{.Nope}}}}' app.tar"))
            .code(2)
            .complains("no field 'Nope'");
    }
}

#[test]
fn references_that_are_none() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    for (name, line) in OPENING {
        room.run(&on(line, "app.tar:"))
            .fails(&format!("{name}: missing reference after ':'\n"));
        room.run(&on(line, "app.tar@sha256:xyz"))
            .code(2)
            .complains("invalid digest 'sha256:xyz'");
        room.run(&on(line, "''")).fails(&format!(
            "{name}: invalid image: expected a name or a path, found ''\n"
        ));
    }
}

/// Everything that a hostile archive can say, with the parts that must never reach a terminal.
const HOSTILE: &str =
    "x\u{1b}[2J\r\n\u{202e}evil\u{200b}\u{7}\u{9b}1m::set-output name=a::b\u{2028}";

#[test]
fn no_text_from_an_archive_reaches_the_terminal_raw() {
    let text = HOSTILE;
    let image = build::image("demo:1")
        .layer("f a a")
        .set("author", json!(text))
        .set("os", json!(format!("linux{text}")))
        .set("config", json!({"Labels": {text: text}, "Env": [text], "Cmd": [text]}))
        .history(json!([
            {"created": text, "created_by": text, "comment": text, "author": text, "empty_layer": true},
            {"created": build::CREATED, "created_by": text, "comment": text},
        ]));
    let mut docker = build::docker(&[&image]);
    docker.edit("manifest.json", |items| {
        items[0]["RepoTags"] = json!(["demo:1", text])
    });
    docker.add(&format!("extra/{text}"), "nothing");
    let mut oci = build::oci(&[&image]);
    oci.edit("index.json", |index| {
        index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = json!(text);
        index["manifests"][0]["platform"]["os"] = json!(text);
    });
    oci.add(&format!("blobs/sha256/{text}"), "nothing");
    let room = Room::new();
    room.write("docker.tar", &docker.tar());
    room.write("oci.tar", &oci.tar());
    room.write(&format!("{text}.tar").replace('/', "_"), b"no tar");
    for archive in ["docker.tar", "oci.tar"] {
        for line in [
            "imgls",
            "imgls --tree",
            "imgls --no-trunc",
            "imgls --format '{{.Repository}} {{.Tag}} {{.Platform}} {{.Created}}'",
            "imgls --format 'table {{.Repository}} {{.Platform}}'",
            "imghistory",
            "imghistory --no-trunc",
            "imghistory --format '{{.CreatedBy}} {{.Comment}} {{.Author}} {{.Created}}'",
            "imginspect --format '{{.Author}} {{.Config.Labels}} {{.Config.Env}} {{.Os}} {{.RepoTags}}'",
            "imginspect --format '{{range .Config.Cmd}}{{println .}}{{end}}'",
            "imgverify",
            "imgls --filter reference=nothing",
            "imgls --filter before=nothing",
        ] {
            let run = room.run(&format!("{line} {archive}"));
            run.no_crash();
            for text in [run.out(), run.err()] {
                let raw = text.chars().find(|&c| {
                    c != '\n' && c.is_control() || ['\u{202e}', '\u{200b}', '\u{2028}'].contains(&c)
                });
                assert_eq!(raw, None, "{run}");
            }
            let forged = run.out().lines().chain(run.err().lines());
            let forged = forged.filter(|line| line.starts_with("::") || line.starts_with("evil"));
            assert_eq!(forged.count(), 0, "{run}");
        }
        // Every one of the lines above came from somewhere: the text is there, escaped.
        room.run(&format!("imghistory --no-trunc {archive}"))
            .says(r"x\x1b[2J\r\n\u{202e}evil\u{200b}\x07\u{9b}1m::set-output name=a::b\u{2028}");
        let rows = room.run(&format!("imghistory --format json --no-trunc {archive}"));
        assert_eq!(rows.json_lines()[0]["CreatedBy"], text);
        assert_eq!(rows.json_lines()[1]["Comment"], text);
        let all = room.run(&format!("imginspect {archive}"));
        assert_eq!(all.json()[0]["Config"]["Labels"][text], text);
        assert_eq!(all.json()[0]["Author"], text);
        for json in [&rows, &all] {
            let raw = json.out().chars().find(|&c| c != '\n' && c.is_control());
            assert_eq!(raw, None, "{json}");
        }
    }
    // The file itself may be called anything.
    for (_, line) in OPENING {
        let path = format!("{text}.tar").replace('/', "_");
        let run = room.run(&on(line, &format!("'{path}'")));
        run.code(2)
            .complains(r"x\x1b[2J\r\n\u{202e}evil")
            .complains("not an image archive");
        assert!(!run.err().contains('\u{1b}'), "{run}");
        assert_eq!(run.err().lines().count(), 1, "{run}");
    }
}

#[test]
fn one_of_several_inputs_that_fails_does_not_stop_the_others() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    let id = app().id();
    let gone = "gone.tar: cannot open: no such file or directory\n";
    for (line, out) in [
        ("imgls --no-trunc -q gone.tar app.tar", format!("{id}\n")),
        (
            "imginspect --format '{{.Id}}' app.tar gone.tar",
            format!("{id}\n"),
        ),
        (
            "imgverify app.tar gone.tar",
            "app.tar: ok: docker-archive, 1 image, 1 layer, 2.56kB read\n".into(),
        ),
    ] {
        let name = line.split(' ').next().expect("a program");
        room.run(line).is(2, &out, &format!("{name}: {gone}"));
    }
}

/// clap repeats what was typed; it came out raw, and cut where it had a line end.
#[test]
fn no_argument_reaches_the_terminal_raw() {
    let room = Room::new();
    let evil = "x\r\u{202e}\u{1b}[2J";
    for (line, shown) in [
        (format!("imgls --progress '{evil}'"), r"invalid value 'x\r\u{202e}\x1b[2J' for '--progress <HOW>' [possible values: auto, plain, none]".to_owned()),
        (format!("imgls '--{evil}'"), r"unexpected argument '--x\r\u{202e}\x1b[2J' found".to_owned()),
        ("imgprune a 'b\nc'".to_owned(), r"unexpected argument 'b\nc' found".to_owned()),
        ("imgprune a -:b".to_owned(), "unexpected argument '-:b' found".to_owned()),
        (format!("imgls --progress {}", "y".repeat(100_000)), format!("invalid value '{}…{}' for '--progress <HOW>' [possible values: auto, plain, none]", "y".repeat(150), "y".repeat(49))),
        ("imgls -j '1\n'".to_owned(), r"invalid value '1\n' for '--jobs <N>': invalid digit found in string".to_owned()),
    ] {
        let run = room.run(&line);
        run.code(2);
        let name = line.split(' ').next().expect("a program");
        let first = run.err().lines().next().unwrap_or_default();
        assert_eq!(first, format!("{name}: {shown}"), "{run}");
        let raw = run.err().chars().find(|&c| c != '\n' && (c.is_control() || c == '\u{202e}'));
        assert_eq!(raw, None, "{run}");
        assert_eq!(run.err().lines().count(), 2, "{run}");
    }
}

#[test]
fn an_error_is_a_line_that_can_be_read() {
    let image = app();
    let long = "z".repeat(1_000_000);
    let mut files = build::docker(&[&image]);
    files.edit("manifest.json", |items| {
        items[0]["Config"] = json!(format!("{long}.json"));
        items[0]["RepoTags"] = json!([format!("A{long}"), "demo:1"]);
    });
    let room = Room::with("app.tar", &files);
    for line in [
        "imgls app.tar".to_owned(),
        "imginspect app.tar".to_owned(),
        "imginspect app.tar:nothing".to_owned(),
        format!("imgls gone{}.tar", "g".repeat(3000)),
        format!("imgls app.tar:{}", "n".repeat(3000)),
    ] {
        let run = room.run(&line);
        run.code(2);
        let widest = run.err().lines().map(|line| line.chars().count()).max();
        assert!(widest < Some(1000), "{widest:?}\n{run}");
    }
}

#[test]
fn every_program_tells_about_itself() {
    let version = env!("CARGO_PKG_VERSION");
    for name in PROGRAMS {
        let room = Room::new();
        room.run(&format!("{name} --version"))
            .ok(&format!("{name} {version}\n"));
        for flag in ["-h", "--help"] {
            room.run(&format!("{name} {flag}"))
                .code(0)
                .says(&format!("Usage: {name} "));
        }
        for kind in ["man", "bash", "zsh", "fish"] {
            room.run(&format!("{name} --generate {kind}"))
                .code(0)
                .says(name);
        }
        // None of that makes a store, or anything else.
        let left = std::fs::read_dir(room.path("")).expect("a folder");
        assert_eq!(left.count(), 0, "{name}");
    }
}

#[test]
fn unknown_kinds_of_documentation_are_bad_usage() {
    for name in PROGRAMS {
        Room::new()
            .run(&format!("{name} --generate nope"))
            .code(2)
            .complains("invalid value 'nope' for '--generate <KIND>' [possible values: man, ");
    }
}

/// A file may be called anything, and clap wanted UTF-8.
#[test]
fn file_names_that_are_no_utf8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let room = Room::new();
    let name = OsStr::from_bytes(b"caf\xe9.tar");
    let folder = room.path("");
    std::fs::write(folder.join(name), build::docker(&[&app()]).tar()).expect("a file");
    let run = |arguments: &[&[u8]]| {
        let mut command = std::process::Command::new(program("imgls"));
        command.args(arguments.iter().map(|bytes| OsStr::from_bytes(bytes)));
        clean(&mut command, &folder);
        let output = command.output().expect("imgls");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let id = app().id()[7..19].to_owned() + "\n";
    assert_eq!(
        run(&[b"-q", b"caf\xe9.tar"]),
        (Some(0), id.clone(), String::new())
    );
    assert_eq!(
        run(&[b"-q", b"docker-archive:caf\xe9.tar:demo:1"]),
        (Some(0), id, String::new())
    );
    let (code, out, err) = run(&[b"gon\xe9.tar"]);
    let wanted = "imgls: gon\\xe9.tar: cannot open: no such file or directory\n";
    assert_eq!((code, out.as_str(), err.as_str()), (Some(2), "", wanted));
    let (code, _, err) = run(&[b"caf\xe9.tar:\xff"]);
    let wanted = "imgls: invalid image reference '\\xff': invalid UTF-8\n";
    assert_eq!((code, err.as_str()), (Some(2), wanted));
    let (code, _, err) = run(&[b"--progress", b"\xff"]);
    assert_eq!(code, Some(2));
    assert!(
        err.starts_with("imgls: invalid value '\\xff' for '--progress <HOW>'")
            || err.starts_with("imgls: invalid UTF-8"),
        "{err}"
    );
}

/// What a shell's `<(…)` and `< file` make of standard input and other descriptors.
#[test]
fn descriptors_are_read_as_streams() {
    let room = Room::with("app.tar", &build::docker(&[&app()]));
    let tar = build::docker(&[&app()]).tar();
    let row = app().short().to_owned() + "\n";
    for line in [
        "imgls -q /dev/stdin",
        "imgls -q /dev/fd/0",
        "imgls -q /proc/self/fd/0",
        "imgls -q docker-archive:/dev/stdin:demo:1",
        "imgls -q docker-archive:-:demo:1",
    ] {
        room.command(line).pipe(&tar).run().ok(&row);
        room.command(line).stdin_file("app.tar").run().ok(&row);
    }
    for script in [
        "cat app.tar | { exec 7<&0 </dev/null; imgls -q /dev/fd/7; }",
        "cat app.tar | { exec 7<&0 </dev/null; imgls -q /proc/self/fd/7; }",
        "exec 7<app.tar; imgls -q /dev/fd/7",
    ] {
        let mut command = std::process::Command::new("sh");
        let script = script.replace("imgls", program("imgls").to_str().expect("UTF-8"));
        command.arg("-c").arg(&script);
        clean(&mut command, &room.path(""));
        let output = command.output().expect("sh");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            row,
            "{script}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    // Nobody writes to this one any more; nobody waits for it.
    let script = "true | { sleep 0.1; exec 7<&0 </dev/null; imgls -q /dev/fd/7; }";
    let mut command = std::process::Command::new("sh");
    command
        .arg("-c")
        .arg(script.replace("imgls", program("imgls").to_str().expect("UTF-8")));
    clean(&mut command, &room.path(""));
    let output = command.output().expect("sh");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "imgls: /dev/fd/7: not an image archive: empty file\n");
}
