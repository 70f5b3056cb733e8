//! imgkit, all programs in one: each answers to the byte as the separate program does.
//!
//! `IMGKIT_MULTICALL=FILE cargo test --test imgkit` runs any other test through an imgkit.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::run::{OPENING, Output, PROGRAMS, Room, clean, on, program};
use crate::common::{build, foreign};

fn short(name: &str) -> &str {
    name.strip_prefix("img").expect("a program of the suite")
}

/// Files below a directory with their contents. Times and numbers in names differ between runs.
fn left(room: &Room) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut work = vec![room.path("")];
    while let Some(directory) = work.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => work.push(path),
                false => found.push((
                    path.strip_prefix(room.path("")).expect("below").to_owned(),
                    std::fs::read(&path).unwrap_or_default(),
                )),
            }
        }
    }
    found.sort();
    found
}

/// Runs a command line through the separate program and in another form, each in a room of its own.
#[track_caller]
fn same(room: impl Fn() -> Room, line: &str, through: &str) -> Output {
    let (alone, other) = (room(), room());
    let (expected, found) = (alone.run(line), other.run(through));
    assert_eq!(found.code, expected.code, "{expected}\n{found}");
    assert!(found.stdout == expected.stdout, "{expected}\n{found}");
    assert!(found.stderr == expected.stderr, "{expected}\n{found}");
    assert!(left(&alone) == left(&other), "{expected}\n{found}");
    found
}

/// The command line through imgkit, and through a link in `links`.
fn forms(line: &str, links: &Room) -> [String; 3] {
    let (name, arguments) = line.split_once(' ').unwrap_or((line, ""));
    [
        format!("imgkit {} {arguments}", short(name)),
        format!("imgkit {name} {arguments}"),
        format!("{} {arguments}", links.path(name).display()),
    ]
}

fn links() -> Room {
    let room = Room::new();
    let made = room.run("imgkit install-links .");
    made.is(0, "", "imgkit: .: 21 links made\n");
    room
}

#[test]
fn each_program_tells_about_itself_and_refuses_as_alone() {
    let links = links();
    for (at, name) in PROGRAMS.iter().enumerate() {
        for (next, arguments) in [
            "-h",
            "--help",
            "--version",
            "--generate man",
            "--generate bash",
            "--generate zsh",
            "--generate fish",
            "--no-such-option",
            "--limit x=y a b",
        ]
        .into_iter()
        .enumerate()
        {
            let line = format!("{name} {arguments}");
            same(Room::new, &line, &forms(&line, &links)[(at + next) % 3]);
        }
    }
    for (at, (_, line)) in OPENING.iter().enumerate() {
        let line = on(line, "gone.tar");
        let found = same(Room::new, &line, &forms(&line, &links)[at % 3]);
        assert_eq!(found.code, Some(2), "{found}");
    }
}

#[test]
fn each_program_reads_and_writes_as_alone() {
    let links = links();
    let archives = [
        "docker-buildkit.tar",
        "docker-classic.tar",
        "docker-import.tar",
        "buildah-oci.tar",
        "podman-docker.tar",
        "podman-oci.tar",
    ];
    let lines = [
        "imgls -a --digests a.tar",
        "imginspect a.tar",
        "imghistory a.tar",
        "imghistory --dockerfile a.tar",
        "imgverify a.tar",
        "imgdiff a.tar b.tar",
        "imgdf a.tar",
        "imggraph a.tar",
        "imgload a.tar",
        "imgsave -o out.tar a.tar",
        "imgconvert --compression zstd a.tar oci:out",
        "imgexport -o out.tar a.tar",
        "imgcommit --squash a.tar -o out.tar",
        "imgtag a.tar x",
        "imgedit a.tar --author me x",
        "imgrm x",
        "imgprune -f",
        "imgimport a.tar x",
        "imgbase pack -o out.tar a.tar",
    ];
    for (at, archive) in archives.iter().enumerate() {
        let room = || {
            let room = Room::with(
                "b.tar",
                &build::docker(&[&build::image("b:1").layer("f b b")]),
            );
            std::fs::copy(foreign(archive), room.path("a.tar")).expect("a copy");
            room
        };
        // Each line with some archives, each form with some lines.
        for (next, line) in lines
            .iter()
            .enumerate()
            .filter(|(next, _)| (at + next) % 3 == 0)
        {
            same(room, line, &forms(line, &links)[next % 3]);
        }
        let line = "imghistory --dockerfile a.tar";
        same(room, line, &forms(line, &links)[at % 3]).code(0);
    }
}

#[test]
fn its_help_lists_all_programs() {
    let room = Room::new();
    let help = room.run("imgkit --help");
    for name in PROGRAMS {
        let own = room.run(&format!("{name} -h"));
        let about = own.out().lines().next().expect("a line");
        help.says(&format!("\n  {:<14} {about}\n", short(name)));
    }
    room.run("imgkit help").ok(help.out());
    room.run("imgkit help imgkit").ok(help.out());
    for name in PROGRAMS {
        let own = room.run(&format!("{name} --help"));
        room.run(&format!("imgkit help {}", short(name)))
            .ok(own.out());
    }
    let shared = room.run("imgkit help imgkit.7");
    shared
        .code(0)
        .says("\nLIMITS\n")
        .says("\n  imgbase\n      Create base images");
    room.run("imgkit hepl").fails(
        "imgkit: unrecognized subcommand 'hepl'\nhint: a similar subcommand exists: 'help'\n",
    );
    room.run("imgkit diffs a b").fails(
        "imgkit: unrecognized subcommand 'diffs'\nhint: a similar subcommand exists: 'diff'\n",
    );
    room.run("imgkit imgverfy a").fails(
        "imgkit: unrecognized subcommand 'imgverfy'\n\
         hint: a similar subcommand exists: 'imgverify'\n",
    );
    room.run("imgkit").code(2);
}

/// A `man` that says what it was given, on a terminal that `script` makes.
#[test]
fn help_opens_the_manual_page_on_a_terminal() {
    let room = Room::new();
    room.write("man", b"#!/bin/sh\necho \"man $*\"; head -n 1\n");
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        clean(&mut command, &room.path(""));
        let imgkit = program("imgkit");
        let script = script.replace("imgkit", imgkit.to_str().expect("UTF-8"));
        let output = command.args(["-c", &script]).stdin(Stdio::null()).output();
        String::from_utf8(output.expect("sh").stdout).expect("UTF-8")
    };
    shell("chmod +x man");
    let on_terminal = "PATH=$PWD:$PATH script -qec 'imgkit help diff' /dev/null";
    let page = shell(on_terminal).replace('\r', "");
    let title = format!(
        ".TH IMGDIFF 1 \"\" \"imgkit {0}\" \"imgkit\"",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(page, format!("man -l -\n{title}\n"));
    // Without man, the help.
    let without =
        "script=$(command -v script); PATH=/nowhere $script -qec 'imgkit help diff' /dev/null";
    let text = shell(&format!("export SHELL=/bin/sh; {without}"));
    assert!(text.contains("Usage: imgdiff "), "{text}");
}

#[test]
fn links_replace_nothing_that_is_not_theirs() {
    let room = Room::new();
    room.write("imgls", b"mine");
    let made = room.run("imgkit install-links .");
    made.fails(
        "imgkit: ./imgls: cannot create: already exists: a file\nhint: --force replaces it\n",
    );
    assert_eq!(left(&room).len(), 1);
    let made = room.run("imgkit install-links --force new/bin");
    made.is(0, "", "imgkit: new/bin: 21 links made\n");
    let target = |path: &str| std::fs::read_link(room.path(path));
    assert!(target("new/bin/imgls").expect("a link").is_absolute());
    let again = room.run("imgkit install-links new/bin");
    again.is(0, "", "imgkit: new/bin: 0 links made, 21 existing\n");
    room.run("imgkit install-links . --force")
        .is(0, "", "imgkit: .: 21 links made\n");
    std::fs::create_dir(room.path("other")).expect("a directory");
    std::fs::create_dir(room.path("other/imgrm")).expect("a directory");
    room.run("imgkit install-links --force other")
        .fails("imgkit: other/imgrm: not a file or directory: a directory\n");
    // Beside imgkit itself, relative links, or hard ones. No name is changed that is imgkit already.
    std::fs::create_dir(room.path("own")).expect("a directory");
    std::fs::copy(program("imgkit"), room.path("own/imgkit")).expect("a copy");
    let own = room.path("own/imgkit");
    room.run(&format!("{} install-links own", own.display()))
        .code(0);
    assert_eq!(
        target("own/imgls").expect("a link"),
        PathBuf::from("imgkit")
    );
    room.run(&format!("{} install-links --hard own", own.display()))
        .is(0, "", "imgkit: own: 21 links made\n");
    assert!(target("own/imgls").is_err());
    let version = format!("imgls {}\n", env!("CARGO_PKG_VERSION"));
    room.run(&format!("{} --version", room.path("own/imgls").display()))
        .ok(&version);
    room.run(&format!("{} install-links own", own.display()))
        .is(0, "", "imgkit: own: 0 links made, 21 existing\n");
    let left = left(&room);
    assert!(
        left.iter()
            .all(|(path, _)| !path.to_string_lossy().contains("/.imgkit-"))
    );
}
