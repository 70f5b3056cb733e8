//! A room for one run: the input, what must not be touched, little memory and little time.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::common::build;
use crate::common::run::{clean, program};

/// What a program may have of private memory: heap, stacks of threads and whatever else is mapped to be written.
///
/// `RLIMIT_DATA` counts just that. `RLIMIT_AS` would count addresses that are only set aside, 64 MiB for the heap of
/// every thread, and files that are mapped to be read, so that it would be a limit on something else.
const MEMORY_KB: u32 = 256 << 10;

/// How many seconds of processor time a run may take. Most take some hundredths of a second.
const SECONDS: u32 = 10;

/// How long a run may take in all: much longer, because a machine that tests have to themselves is not to be had.
const TIME: Duration = Duration::from_secs(120);

/// What a program reads.
#[derive(Clone)]
pub enum Input {
    /// A file, `in.tar`.
    File(Vec<u8>),
    /// Whatever this makes in the folder it is given.
    Made(&'static str, fn(&Path)),
    /// Files by their paths; `-> TARGET` is a link.
    Files(&'static str, Vec<(String, Vec<u8>)>),
}

impl Input {
    /// How it is called on the command line and in errors.
    pub fn place(&self) -> &'static str {
        match self {
            Input::File(_) => "in.tar",
            Input::Made(place, _) | Input::Files(place, _) => place,
        }
    }

    fn put(&self, work: &Path) {
        match self {
            Input::File(bytes) => fs::write(work.join("in.tar"), bytes).expect("a file"),
            Input::Made(_, make) => make(work),
            Input::Files(_, files) => {
                for (name, bytes) in files {
                    let path = work.join(name);
                    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                    match bytes.strip_prefix(b"-> ") {
                        Some(to) => {
                            let to = std::ffi::OsStr::from_bytes(to);
                            std::os::unix::fs::symlink(to, path).expect("a link");
                        }
                        None => fs::write(path, bytes).expect("a file"),
                    }
                }
            }
        }
    }
}

/// What a program did.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
    line: String,
    late: bool,
    /// What is there otherwise than before: names and what happened.
    changes: Vec<(String, &'static str)>,
}

/// What the names of the outputs begin with; the store that the home directory gets is one.
const OUTPUTS: [&str; 4] = ["work/out", "work/home", "work/config", "work/list"];

/// What is in the command lines of programs that change their input.
const CHANGING: [&str; 8] = [
    " --store in",
    "imgtag {}:",
    "imgrm {}:",
    "imgprune --force {}",
    "imgprune --all --force {}",
    "imgpush -q good.tar {}",
    "--repair {}",
    "--ledger {}",
];

/// Blobs of a tree, which stay if a push fails.
const BLOBS: &str = "work/in/docker/registry/v2/blobs/";

type Snapshot = BTreeMap<String, (u32, u64, i64, u64, Vec<u8>)>;

fn snapshot(top: &Path) -> Snapshot {
    let mut seen = Snapshot::new();
    let mut todo = vec![top.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(meta) = fs::symlink_metadata(&path) else {
                continue;
            };
            let content = match meta.file_type() {
                kind if kind.is_file() && meta.len() < 1 << 20 => {
                    fs::read(&path).unwrap_or_default()
                }
                kind if kind.is_symlink() => fs::read_link(&path)
                    .map(|to| to.into_os_string().into_encoded_bytes())
                    .unwrap_or_default(),
                _ => Vec::new(),
            };
            let is_folder = meta.is_dir();
            if is_folder {
                todo.push(path.clone());
            }
            // A folder's time changes when a temporary file comes and goes in it.
            let (time, links) = if is_folder {
                (0, 0)
            } else {
                (meta.mtime(), meta.nlink())
            };
            let name = path
                .strip_prefix(top)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            let size = if is_folder { 0 } else { meta.len() };
            seen.insert(name, (meta.mode(), size, time, links, content));
        }
    }
    seen
}

/// An image that nothing is wrong with.
pub fn good() -> &'static [u8] {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    GOOD.get_or_init(|| {
        let good = build::image("good:1").layer("d etc | f etc/a one");
        build::docker(&[&good]).tar()
    })
}

/// Runs a command line in a fresh room, with `{}` the input's name and `-` the input through a pipe.
pub fn run(input: &Input, line: &str) -> Ran {
    let room = tempfile::Builder::new()
        .prefix("imgkit-rows-")
        .tempdir()
        .expect("a folder");
    let work = room.path().join("work");
    for folder in ["outside", "work/changed", "tmp"] {
        fs::create_dir_all(room.path().join(folder)).expect("a folder");
    }
    fs::write(room.path().join("outside/canary"), "untouched").expect("a file");
    fs::write(work.join("canary"), "untouched").expect("a file");
    fs::write(work.join("changed/new"), "new").expect("a file");
    fs::write(work.join("good.tar"), good()).expect("a file");
    fs::write(work.join("plain.tar"), build::layer("f a one")).expect("a file");
    input.put(&work);
    let before = snapshot(room.path());

    let line = line.replace("{}", input.place());
    let (first, line) = line
        .split_once(" ;; ")
        .map_or((":", line.as_str()), |parts| parts);
    let line = line.to_owned();
    let mut words = line.split(' ');
    let program = program(words.next().expect("a program"));
    let mut command = Command::new("sh");
    clean(&mut command, &work);
    command.env("TMPDIR", room.path().join("tmp"));
    command.args([
        "-c",
        &format!("ulimit -d {MEMORY_KB}; ulimit -t {SECONDS}; ulimit -c 0; {first}; exec \"$@\""),
        "sh",
    ]);
    command.arg(program).args(words);
    let pipe = line.contains(" - ") || line.ends_with(" -");
    command.stdin(if pipe { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = Instant::now();
    // Waited for below, in steps.
    #[allow(clippy::zombie_processes)]
    let mut child = command.spawn().expect("a shell");
    let (mut late, mut status) = (false, None);
    let (stdout, stderr) = std::thread::scope(|scope| {
        let stdin = child.stdin.take();
        scope.spawn(move || {
            if let (Some(mut stdin), Input::File(bytes)) = (stdin, input) {
                // A program that has seen enough goes away early.
                let _ = stdin.write_all(bytes);
            }
        });
        let mut out = child.stdout.take().expect("a pipe");
        let mut err = child.stderr.take().expect("a pipe");
        let out = scope.spawn(move || {
            let mut bytes = Vec::new();
            // An export of a bomb on standard output is not kept.
            let _ = out.by_ref().take(4 << 20).read_to_end(&mut bytes);
            let _ = std::io::copy(&mut out, &mut std::io::sink());
            bytes
        });
        let err = scope.spawn(move || {
            let mut bytes = Vec::new();
            let _ = err.read_to_end(&mut bytes);
            bytes
        });
        let mut pause = Duration::from_millis(2);
        while status.is_none() {
            status = child.try_wait().expect("a child");
            if status.is_none() && start.elapsed() > TIME {
                late = true;
                let _ = child.kill();
            }
            if status.is_none() {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
        }
        (out.join().expect("a reader"), err.join().expect("a reader"))
    });
    let took = start.elapsed();
    let after = snapshot(room.path());
    let mut changes = Vec::new();
    for (name, was) in &before {
        match after.get(name) {
            None => changes.push((name.clone(), "is gone")),
            Some(now) if now != was => changes.push((name.clone(), "has changed")),
            Some(_) => {}
        }
    }
    let new = after.keys().filter(|name| !before.contains_key(*name));
    changes.extend(new.map(|name| (name.clone(), "is new")));
    let top = room.path().to_owned();
    if room.close().is_err() {
        // A folder that was unpacked may have no permission to be removed from.
        let chmod = Command::new("chmod")
            .args(["-R", "u+rwX"])
            .arg(&top)
            .stderr(Stdio::null())
            .status();
        assert!(
            chmod.is_ok_and(|status| status.success()),
            "a folder that stays: {top:?}"
        );
        let _ = fs::remove_dir_all(&top);
    }
    Ran {
        code: status.and_then(|status| status.code()),
        stdout,
        stderr,
        took,
        line,
        late,
        changes,
    }
}

/// Characters that do something to a terminal, or hide or turn text, other than the newline.
pub fn is_raw(c: char) -> bool {
    c != '\n' && c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}

impl Ran {
    /// What holds for every run, whatever it was about. `failed`: no output may have appeared.
    pub fn behaves(&self, line: &str, failed: bool) -> Result<(), String> {
        if self.late {
            return Err(format!("it took longer than {TIME:?}"));
        }
        // What came is kept, or asked for, in spite of the rest.
        let keeps = ["--partial", "--missing", "--volumes"];
        let failed = failed && !keeps.iter().any(|option| line.contains(option));
        for (name, what) in &self.changes {
            // A store or tree that is kept may change, and only where that worked.
            let may_change = name.starts_with("work/in")
                && (!failed && CHANGING.iter().any(|text| line.contains(text))
                    || name == "work/in/.imgkit.lock"
                    || line.starts_with("imgpush") && name.starts_with(BLOBS));
            if may_change {
                continue;
            }
            let is_output = OUTPUTS.iter().any(|output| name.starts_with(output));
            // A store that is empty is one, as it is after a load that works.
            let is_empty_store = name.starts_with("work/home")
                && [
                    "home",
                    ".local",
                    "share",
                    "imgkit",
                    "blobs",
                    "sha256",
                    "oci-layout",
                    "index.json",
                ]
                .iter()
                .any(|known| name.ends_with(known))
                || name.ends_with(".lock");
            // What can be had of the other layers is written.
            let is_recovery = line.contains("--deleted");
            let may_be = is_output && (!failed || is_empty_store || is_recovery);
            if may_be && line.contains("--overwrite") {
                continue;
            }
            if !may_be || what != &"is new" || name.contains(".imgkit-") {
                return Err(format!("{name} {what}"));
            }
        }
        let err = std::str::from_utf8(&self.stderr).map_err(|_| "standard error is no UTF-8")?;
        if err.contains("panicked") || err.contains("memory allocation") {
            return Err("it panicked".into());
        }
        // Data as it is; a document that was asked for raw too.
        let is_data = line.contains("--raw") || line.contains("-o -");
        let out = match std::str::from_utf8(&self.stdout) {
            Ok(out) if !is_data => out,
            Err(_) if !is_data => return Err("standard output is no UTF-8".into()),
            _ => "",
        };
        for (stream, text) in [("output", out), ("error", err)] {
            // JSON keeps what it is given, but for what moves a cursor.
            let is_json =
                stream == "output" && (line.contains("json") || line.starts_with("imginspect"));
            let bad = |c: &char| {
                if *c == '\t' && line.starts_with("imgdiff") {
                    // Its columns.
                    false
                } else if is_json {
                    *c != '\n' && c.is_control()
                } else {
                    is_raw(*c)
                }
            };
            if let Some(raw) = text.chars().find(bad) {
                return Err(format!("{raw:?} on standard {stream}"));
            }
        }
        let is_page = line.contains("html") || line.contains("svg");
        if is_page && out.contains("<script>alert") {
            return Err("text of the image is markup of the page".into());
        }
        let program = line.split(' ').next().unwrap_or_default();
        let ours =
            |line: &str| line.starts_with(&format!("{program}: ")) || line.starts_with("hint: ");
        match err.lines().find(|line| !ours(line)) {
            Some(other) => Err(format!("not a line of ours: {other}")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(1500)]).into_owned();
        writeln!(f, "$ {}", self.line)?;
        writeln!(f, "exit status {:?} after {:?}", self.code, self.took)?;
        for (name, what) in self.changes.iter().take(12) {
            writeln!(f, "{name} {what}")?;
        }
        writeln!(
            f,
            "--- stdout\n{}--- stderr\n{}",
            cut(&self.stdout),
            cut(&self.stderr)
        )
    }
}
