//! Interrupts: SIGINT at any moment ends a program with 130 and leaves no temporary file and no half of an output.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::build;
use crate::common::run::{PROGRAMS, Room, clean, program};

/// Command lines in which each program works on a few megabytes. Outputs begin with `out`.
const LINES: [&str; 35] = [
    "imgload --store new app.tar",
    "imgload --store store --tag other:1 --compression gzip app.tar",
    "imgsave -o out app.tar base.tar",
    "imgsave --compression zstd -o out app.tar",
    "imgsave --format oci-layout -o out app.tar",
    "imgconvert --reproducible app.tar docker-archive:out",
    "imgconvert --compression gzip app.tar oci:out",
    "imgconvert app.tar dir:out",
    "imgpush app.tar pushed",
    "imgpull --store new tree:demo:1",
    "imgexport -o out app.tar",
    "imgexport -C out --config out-config app.tar",
    "imgexport --deleted -o out app.tar",
    "imgexport --deleted -C out app.tar",
    "imgimport -o out --id-file out-id root",
    "imgimport --store store root new:1",
    "imgcommit --base base.tar -o out root",
    "imgcommit --squash app.tar -o out",
    "imgcommit --base base.tar --layer-out out root",
    "imgedit app.tar --author me --digest-map out-map -o out",
    "imgbase pack -o out --sbom spdx out-bill root",
    "imgtag --store new app.tar new:1",
    "imgrm --store store demo:1",
    "imgprune --store store --all --force",
    "imghistory --extract out app.tar",
    "imghistory --path etc/passwd --patch app.tar",
    "imgverify --custody record.json app.tar",
    "imgverify --slack out app.tar",
    "imgdiff --cache cache base.tar app.tar",
    "imggraph --format html app.tar base.tar",
    "imgls app.tar base.tar",
    "imgfind --format json app.tar",
    "imginspect app.tar",
    "imgdf --store store",
    "imghistory app.tar",
];

/// Number of moments at which each command line is interrupted.
const MOMENTS: u32 = 10;

/// Maximum number of rounds of moments: beside other work a run may take far longer than the next one.
const ROUNDS: u32 = 20;

/// Number of files in each layer and in the directory `root`.
const FILES: usize = 400;

/// Files below a directory with their sizes.
fn files(top: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut work = vec![top.to_owned()];
    while let Some(directory) = work.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let metadata = std::fs::symlink_metadata(&path).expect("metadata");
            let name = path.strip_prefix(top).expect("below").display().to_string();
            match metadata.is_dir() {
                true => work.push(path),
                false => drop(found.insert(name, metadata.len())),
            }
        }
    }
    found
}

/// A directory with the inputs of all command lines.
fn inputs() -> Room {
    let layer = |top: &str| {
        let text = |n: usize| format!("{n}.").repeat(200);
        let files = (0..FILES).map(|n| format!("f {top}{}/{n} {}", n % 20, text(n)));
        files.collect::<Vec<_>>().join(" | ")
    };
    let passwd = "d etc | f etc/passwd root";
    let base = build::image("base:1").layer(passwd);
    let app = build::image("demo:1").layer(passwd);
    // Half of the files of one layer are gone again.
    let gone: Vec<String> = (0..10).map(|n| format!("w a{n}")).collect();
    let app = app.layer(&layer("a")).layer(&layer("b"));
    let app = app.layer(&gone.join(" | "));
    let room = Room::with("app.tar", &build::docker(&[&app]));
    room.write("base.tar", &build::docker(&[&base]).tar());
    std::fs::create_dir(room.path("tmp")).expect("a directory");
    for n in 0..FILES {
        let directory = room.path(&format!("root/{}", n % 20));
        std::fs::create_dir_all(&directory).expect("a directory");
        let text = format!("{n}:").repeat(200);
        std::fs::write(directory.join(n.to_string()), text).expect("a file");
    }
    room.run("imgload -q --store store app.tar").code(0);
    room.run("imgpush -q app.tar tree").code(0);
    room
}

/// A run of a command line in a copy of the inputs.
struct Ended {
    room: Room,
    status: ExitStatus,
    took: Duration,
    stderr: String,
}

/// Runs a command line in a copy of the inputs, interrupted after `moment` if it takes longer.
fn run(line: &str, inputs: &Room, moment: Option<Duration>) -> Ended {
    let room = Room::new();
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(inputs.path(".")).arg(room.path("."));
    assert!(copy.status().expect("cp").success());
    let mut words = line.split(' ');
    let mut command = Command::new(program(words.next().expect("a program")));
    clean(&mut command, &room.path(""));
    command.args(words).env("TMPDIR", room.path("tmp"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let start = Instant::now();
    let child = command.spawn().expect("a program that starts");
    if let Some(moment) = moment {
        std::thread::sleep(moment);
        // Until it is waited for, its number is that of no other program.
        kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
    }
    let output = child.wait_with_output().expect("an end");
    Ended {
        room,
        status: output.status,
        took: start.elapsed(),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Outputs with their files and sizes, by their names.
fn outputs(found: &BTreeMap<String, u64>) -> BTreeMap<&str, Vec<(&str, u64)>> {
    let mut outputs: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for (name, size) in found.iter().filter(|(name, _)| name.starts_with("out")) {
        let top = name.split('/').next().unwrap_or_default();
        outputs.entry(top).or_default().push((name, *size));
    }
    outputs
}

/// Interrupts a command line at all moments, in rounds until a run has ended by it; returns whether one has.
fn interrupt(line: &str, inputs: &Room) -> bool {
    let whole = run(line, inputs, None);
    assert!(
        matches!(whole.status.code(), Some(0 | 1)),
        "{line}: {}",
        whole.stderr
    );
    let complete = files(&whole.room.path(""));
    let complete = outputs(&complete);
    let mut shortest = whole.took;
    let mut is_interrupted = false;
    for attempt in 0..ROUNDS * MOMENTS {
        let moment = attempt % MOMENTS;
        if is_interrupted && moment == 0 {
            break;
        }
        let ended = run(line, inputs, Some(shortest * moment / MOMENTS));
        let shown = format!(
            "{line}, interrupted at {moment} of {MOMENTS}: {}",
            ended.stderr
        );
        // As a shell has it.
        let status = ended
            .status
            .code()
            .or(ended.status.signal().map(|signal| 128 + signal));
        match status {
            Some(130) => is_interrupted = true,
            status => {
                assert_eq!(status, whole.status.code(), "{shown}");
                shortest = shortest.min(ended.took);
            }
        }
        let program = line.split(' ').next().expect("a program");
        let said = format!("{program}: interrupted\n");
        // A program that had nothing to remove yet ends without a word.
        let is_silent = !ended.stderr.contains("interrupted");
        assert!(
            status != Some(130) || is_silent || ended.stderr.ends_with(&said),
            "{shown}"
        );
        let found = files(&ended.room.path(""));
        let mut temporary = found
            .keys()
            .filter(|name| name.contains(".imgkit-") || name.starts_with("tmp/"));
        assert_eq!(temporary.next(), None, "{shown}");
        for (name, output) in outputs(&found) {
            assert_eq!(Some(&output), complete.get(name), "{shown}");
        }
        // Its size is that of the times in it.
        if found.contains_key("record.json") {
            let record = std::fs::read(ended.room.path("record.json")).expect("a file");
            serde_json::from_slice::<serde_json::Value>(&record).expect("a whole record");
        }
        for store in ["store", "new"].map(|store| ended.room.path(store)) {
            if store.exists() {
                let list = format!("imgls -q --store {}", store.display());
                ended.room.run(&list).code(0);
            }
        }
    }
    is_interrupted
}

#[test]
fn an_interrupt_at_any_moment_leaves_nothing() {
    for name in PROGRAMS {
        let is_here = LINES
            .iter()
            .any(|line| line.split(' ').next() == Some(name));
        assert!(is_here, "no command line of {name}");
    }
    let inputs = inputs();
    let interrupted = LINES
        .par_iter()
        .map(|line| (line, interrupt(line, &inputs)));
    for (line, is_interrupted) in interrupted.collect::<Vec<_>>() {
        assert!(is_interrupted, "{line}: never interrupted");
    }
}
