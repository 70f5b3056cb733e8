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

/// Names of registries and engines were files that do not exist.
#[test]
fn transports_that_need_a_network_are_refused_with_the_tool_that_has_one() {
    let room = Room::new();
    for (typed, transport, remedy) in [
        (
            "docker://alpine:3",
            "docker://",
            "skopeo copy docker://alpine:3 oci-archive:FILE.tar",
        ),
        (
            "docker-daemon:app:1",
            "docker-daemon:",
            "docker save -o FILE.tar app:1",
        ),
        (
            "containers-storage:app",
            "containers-storage:",
            "podman save -o FILE.tar app",
        ),
    ] {
        for line in ["imgls", "imgload", "imgconvert"] {
            let operands = match line {
                "imgconvert" => format!("{typed} out.tar"),
                _ => typed.to_owned(),
            };
            room.run(&format!("{line} {operands}")).fails(&format!(
                "{line}: '{typed}': unsupported transport '{transport}': imgkit reads files and is offline\n\
                 hint: {remedy} writes it to a file\n"
            ));
        }
    }
    let image = build::image("demo:1").layer("f a a");
    room.write("app.tar", &build::docker(&[&image]).tar());
    room.run("imgconvert app.tar docker://demo:1")
        .code(2)
        .complains("unsupported transport 'docker://'");
}

/// clap guessed `--min-score` for `--exit-code`, and had operands for `-t`.
#[test]
fn options_of_other_tools_are_answered_with_ours() {
    let room = Room::new();
    for (line, hint) in [
        (
            "imgdiff --exit-code a b",
            "it is the default: the exit status is 1 for a difference",
        ),
        ("imgls --tga x", "see imgls --help"),
        ("imgls --quite", "a similar argument exists: '--quiet'"),
        ("imgls --zzzzzz", "see imgls --help"),
    ] {
        let run = room.run(line);
        run.code(2);
        assert_eq!(
            run.err().lines().last(),
            Some(format!("hint: {hint}").as_str()),
            "{run}"
        );
    }
}

/// The first word that bash completed was an option, the word after `FILE:` was `-`, and `--format` took files.
#[test]
fn bash_completes_files_and_images() {
    let image = build::image("demo:1").layer("f a a");
    let room = Room::with("app.tar", &build::docker(&[&image]));
    room.run("imgload -q --store store app.tar").code(0);
    let script = room.run("imgls --generate bash");
    room.write("completion", script.out().as_bytes());
    let complete = |line: &str| -> Vec<String> {
        let mut command = Command::new("bash");
        clean(&mut command, &room.path(""));
        let folder = program("imgls").parent().expect("a directory").to_owned();
        command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        command.env("IMGKIT_STORE", "store");
        command.arg("-c").arg(format!(
            "source ./completion; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; \
             COMP_WORDS=($COMP_LINE); [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=(''); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); \
             _imgls imgls \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        ));
        let output = command.output().expect("bash");
        let text = String::from_utf8(output.stdout).expect("text");
        let mut words: Vec<String> = text.lines().map(str::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(
        complete("imgls "),
        ["app.tar", "completion", "demo:1", "store"]
    );
    assert_eq!(complete("imgls app.tar:"), ["demo:1"]);
    assert_eq!(complete("imgls --dig"), ["--digests"]);
    assert_eq!(complete("imgls --format c"), ["c"]);
    assert_eq!(complete("imgls --progress n"), ["none"]);
}

/// A program was looked for in the current directory alone, and `docker run IMAGE ARG` could not run it.
#[test]
fn scratch_takes_a_program_of_path_as_the_entry_point() {
    let room = Room::new();
    let run = room.command("imgbase scratch -o out.tar gzip");
    run.env("PATH", "/usr/bin:/bin").run().code(0);
    let run =
        room.run("imginspect --format '{{json .Config.Entrypoint}} {{json .Config.Cmd}}' out.tar");
    let found = ["/usr/bin/gzip", "/bin/gzip"].map(|path| format!("[\"{path}\"] null\n"));
    assert!(found.iter().any(|line| line == run.out()), "{run}");
}
