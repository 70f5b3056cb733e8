//! Signals, leftovers, hints and completions.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::build;
use crate::common::run::{Room, clean, program};

/// The names in a directory, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn start(room: &Room, line: &str) -> Child {
    let mut words = line.split(' ');
    let mut command = Command::new(program(words.next().expect("a program")));
    clean(&mut command, &room.path(""));
    command.args(words).stdin(Stdio::null());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("a program that starts")
}

/// Sends a signal as soon as something has a temporary name, and returns what was said.
fn interrupted(room: &Room, line: &str, signal: rustix::process::Signal) -> String {
    let mut child = start(room, line);
    let begin = Instant::now();
    let in_work = || {
        let mut names = names(&room.path("")).into_iter();
        names.any(|name| name.starts_with(".imgkit-"))
    };
    while !in_work() {
        assert!(
            child.try_wait().expect("a state").is_none(),
            "{line}: too quick"
        );
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "{line}: nothing in work"
        );
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, signal).expect("a signal");
    let output = child.wait_with_output().expect("an end");
    assert_eq!(
        output.status.signal(),
        Some(signal.as_raw()),
        "{line}: {output:?}"
    );
    assert_eq!(output.stdout, b"", "{line}");
    String::from_utf8(output.stderr).expect("text")
}

/// SIGINT during `imgexport -C` left a directory as large as what was unpacked, and nothing was said.
#[test]
fn an_interrupted_program_removes_what_it_was_making() {
    use rustix::process::Signal;
    let files: Vec<String> = (0..30_000)
        .map(|n| format!("f d{}/{n} {n}", n % 50))
        .collect();
    let image = build::image("demo:1").layer(&files.join(" | "));
    let room = Room::with("app.tar", &build::docker(&[&image]));
    for (signal, said) in [
        (Signal::INT, "imgexport: interrupted\n"),
        (Signal::TERM, "imgexport: terminated\n"),
        (Signal::HUP, ""),
    ] {
        let found = interrupted(&room, "imgexport -C out app.tar", signal);
        assert_eq!(found, said);
        assert_eq!(names(&room.path("")), ["app.tar"]);
    }
}

/// A directory that another user made under a temporary name was emptied, and its modes were changed by path.
#[test]
fn what_another_user_made_is_no_leftover() {
    let image = build::image("demo:1").layer("f a a");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let digest = build::digest(b"out");
    let making = format!(".imgkit-{}.", &digest["sha256:".len()..][..16]);
    let (own, other) = (
        room.path(&format!("{making}own")),
        room.path(&format!("{making}other")),
    );
    for folder in [&own, &other] {
        std::fs::create_dir(folder).expect("a directory");
        std::fs::write(folder.join("f"), "f").expect("a file");
    }
    std::fs::create_dir(room.path("target")).expect("a directory");
    std::fs::set_permissions(room.path("target"), PermissionsExt::from_mode(0o755))
        .expect("a mode");
    std::os::unix::fs::symlink("target", room.path(&format!("{making}link"))).expect("a link");
    let is_root = std::fs::metadata(&own).expect("metadata").uid() == 0;
    if is_root {
        std::os::unix::fs::chown(&other, Some(1234), None).expect("an owner");
    }
    room.run("imgexport -C out app.tar").code(0);
    assert!(!own.exists());
    // Only root can make what belongs to somebody else.
    assert_eq!(other.join("f").exists(), is_root);
    let mode = std::fs::metadata(room.path("target"))
        .expect("metadata")
        .mode()
        & 0o777;
    assert_eq!(mode, 0o755);
}
