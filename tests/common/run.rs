//! The real programs, run in a fresh folder with a clean environment.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::build::Files;

/// The programs under test.
pub const PROGRAMS: [&str; 21] = [
    "imgbase",
    "imgls",
    "imginspect",
    "imghistory",
    "imgverify",
    "imgload",
    "imgsave",
    "imgconvert",
    "imgpush",
    "imgpull",
    "imgtag",
    "imgrm",
    "imgprune",
    "imgdf",
    "imgdiff",
    "imgexport",
    "imgfind",
    "imgedit",
    "imggraph",
    "imgimport",
    "imgcommit",
];

/// Those that open an image that is named on the command line, each as a command line with `{}` in its place.
pub const OPENING: [(&str, &str); 14] = [
    ("imgls", "imgls {}"),
    ("imginspect", "imginspect {}"),
    ("imghistory", "imghistory {}"),
    ("imgverify", "imgverify {}"),
    ("imgdf", "imgdf {}"),
    ("imgload", "imgload {}"),
    ("imgsave", "imgsave -o out {}"),
    ("imgconvert", "imgconvert --force {} docker-archive:out"),
    ("imgtag", "imgtag {} name"),
    ("imgexport", "imgexport -o out {}"),
    ("imgfind", "imgfind {}"),
    ("imggraph", "imggraph {}"),
    ("imgcommit", "imgcommit --squash {} -o out"),
    ("imgedit", "imgedit {} --author me -o out"),
];

/// A command line of [`OPENING`] with an image.
pub fn on(line: &str, image: &str) -> String {
    line.replace("{}", image)
}

/// The time that the programs take for now: two days after the images of the builder were made.
pub const NOW: &str = "1704240000";

/// Path of a program that was built, or, with `IMGKIT_MULTICALL=FILE`, of a link to that file, an imgkit, so that any
/// test runs all programs through it.
pub fn program(name: &str) -> PathBuf {
    static THROUGH: LazyLock<Option<tempfile::TempDir>> = LazyLock::new(|| {
        let imgkit = std::env::var_os("IMGKIT_MULTICALL")?;
        let directory = tempfile::Builder::new().prefix("imgkit-links-").tempdir();
        let directory = directory.expect("a directory");
        for name in PROGRAMS.iter().chain(&["imgkit"]) {
            std::os::unix::fs::symlink(&imgkit, directory.path().join(name)).expect("a link");
        }
        Some(directory)
    });
    let path = match &*THROUGH {
        Some(directory) => directory.path().join(name),
        None => Path::new(env!("CARGO_BIN_EXE_imgls")).with_file_name(name),
    };
    assert!(path.is_file(), "{name} is none of the programs");
    path
}

/// A fresh folder in which programs run; gone when it is dropped.
pub struct Room {
    folder: tempfile::TempDir,
}

/// Directory of the rooms: in memory if there is enough, because a disk syncs each file that a program writes. TMPDIR overrides it.
static ROOMS: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let free = rustix::fs::statvfs(memory).map_or(0, |about| about.f_bavail * about.f_frsize);
    match free >= 4 << 30 && std::env::var_os("TMPDIR").is_none() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    }
});

impl Room {
    /// An empty folder.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("imgkit-test-")
            .tempdir_in(&*ROOMS);
        Room {
            folder: folder.expect("a temporary folder"),
        }
    }

    /// A folder with one archive in it, as a tar.
    pub fn with(name: &str, files: &Files) -> Self {
        let room = Room::new();
        room.write(name, &files.tar());
        room
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("a file in the room");
    }

    /// A command line: words between blanks, single quotes around words that hold blanks.
    pub fn command(&self, line: &str) -> Run<'_> {
        Run {
            room: self,
            line: line.to_owned(),
            stdin: Stdin::Null,
            stdout: None,
            env: Vec::new(),
            seconds: None,
        }
    }

    /// Runs a command line with nothing on standard input.
    #[track_caller]
    pub fn run(&self, line: &str) -> Output {
        self.command(line).run()
    }
}

/// What is in a folder, for people.
fn listing(top: &Path) -> String {
    let mut lines = Vec::new();
    let mut work = vec![top.to_owned()];
    while let Some(folder) = work.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let shown = path.strip_prefix(top).unwrap_or(&path);
            let metadata = std::fs::symlink_metadata(&path);
            let size = metadata.as_ref().map_or(0, std::fs::Metadata::len);
            lines.push(format!("{size:>10} {}", shown.display()));
            if metadata.is_ok_and(|metadata| metadata.is_dir()) {
                work.push(path);
            }
        }
    }
    lines.sort_unstable();
    lines.join("\n")
}

enum Stdin<'a> {
    Null,
    Closed,
    File(PathBuf),
    Pipe(&'a [u8]),
}

/// A program about to run.
pub struct Run<'a> {
    room: &'a Room,
    line: String,
    stdin: Stdin<'a>,
    stdout: Option<File>,
    env: Vec<(&'a str, &'a str)>,
    seconds: Option<u32>,
}

impl<'a> Run<'a> {
    /// Standard input is a file of the room or an absolute path.
    pub fn stdin_file(mut self, path: impl AsRef<Path>) -> Self {
        self.stdin = Stdin::File(self.room.folder.path().join(path));
        self
    }

    /// Standard input is a pipe with these bytes.
    pub fn pipe(mut self, bytes: &'a [u8]) -> Self {
        self.stdin = Stdin::Pipe(bytes);
        self
    }

    /// Standard input is closed.
    pub fn stdin_closed(mut self) -> Self {
        self.stdin = Stdin::Closed;
        self
    }

    /// Standard output is this file.
    pub fn stdout(mut self, file: File) -> Self {
        self.stdout = Some(file);
        self
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &'a str, value: &'a str) -> Self {
        self.env.push((name, value));
        self
    }

    /// The program is killed when it has used so many seconds of the processors' time: unlike time on the clock, that does
    /// not depend on what else runs.
    pub fn seconds(mut self, most: u32) -> Self {
        self.seconds = Some(most);
        self
    }

    /// Runs to the end.
    #[track_caller]
    pub fn run(self) -> Output {
        let words = words(&self.line);
        let (name, arguments) = words.split_first().expect("a program");
        let path = program(name);
        let mut prepared = String::new();
        if let Some(seconds) = self.seconds {
            prepared += &format!("ulimit -t {seconds}; ");
        }
        let closed = match self.stdin {
            Stdin::Closed => " <&-",
            _ => "",
        };
        let mut command = match (&*prepared, closed) {
            ("", "") => Command::new(path),
            _ => {
                let mut shell = Command::new("sh");
                let script = format!(r#"{prepared}exec "$0" "$@"{closed}"#);
                shell.arg("-c").arg(script).arg(path);
                shell
            }
        };
        command.args(arguments);
        clean(&mut command, self.room.folder.path());
        command.envs(self.env.iter().copied());
        command.stdin(match &self.stdin {
            Stdin::Null | Stdin::Closed => Stdio::null(),
            Stdin::File(path) => File::open(path).expect("a file for standard input").into(),
            Stdin::Pipe(_) => Stdio::piped(),
        });
        command.stdout(self.stdout.map_or_else(Stdio::piped, Stdio::from));
        command.stderr(Stdio::piped());
        let mut child = command.spawn().expect("a program that starts");
        let pipe = child.stdin.take();
        let output = std::thread::scope(|scope| {
            if let (Some(mut pipe), Stdin::Pipe(bytes)) = (pipe, &self.stdin) {
                // A program that has seen enough may go away early.
                scope.spawn(move || pipe.write_all(bytes));
            }
            child.wait_with_output().expect("a program that ends")
        });
        Output {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: output.stderr,
            line: self.line,
            folder: self.room.folder.path().to_owned(),
        }
    }
}

/// Nothing of the machine's settings reaches a program under test.
pub fn clean(command: &mut Command, folder: &Path) {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder.join("home"))
        .env("TZ", "UTC")
        .env("LANG", "C.UTF-8")
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .env("SOURCE_DATE_EPOCH", NOW)
        .current_dir(folder);
}

/// The words of a command line: between blanks, single quotes around words that hold blanks.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut started, mut quoted) = (String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (quoted, started) = (!quoted, true),
            ' ' if !quoted => {
                if std::mem::take(&mut started) {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => {
                started = true;
                word.push(c);
            }
        }
    }
    assert!(!quoted, "a quote without its end: {line}");
    if started {
        words.push(word);
    }
    words
}

/// What a program did.
pub struct Output {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    line: String,
    folder: PathBuf,
}

impl Output {
    /// Standard output as text.
    #[track_caller]
    pub fn out(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap_or_else(|_| panic!("no UTF-8\n{self}"))
    }

    /// Standard error as text.
    #[track_caller]
    pub fn err(&self) -> &str {
        std::str::from_utf8(&self.stderr).unwrap_or_else(|_| panic!("no UTF-8\n{self}"))
    }

    /// Exit status and both streams are exactly these.
    #[track_caller]
    pub fn is(&self, code: i32, stdout: &str, stderr: &str) -> &Self {
        let same = self.code == Some(code)
            && self.stdout == stdout.as_bytes()
            && self.stderr == stderr.as_bytes();
        assert!(
            same,
            "expected exit status {code}\n--- expected stdout\n{stdout}\n--- expected stderr\n{stderr}\n\n{self}"
        );
        self
    }

    /// Exit status 0, this output, nothing said.
    #[track_caller]
    pub fn ok(&self, stdout: &str) -> &Self {
        self.is(0, stdout, "")
    }

    /// Exit status 2, no output, these lines.
    #[track_caller]
    pub fn fails(&self, stderr: &str) -> &Self {
        self.is(2, "", stderr)
    }

    /// The exit status.
    #[track_caller]
    pub fn code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "\n{self}");
        self
    }

    /// It ended by itself with one of the three statuses that the programs have.
    #[track_caller]
    pub fn no_crash(&self) -> &Self {
        assert!(
            matches!(self.code, Some(0..=2)) && !self.err_lossy().contains("panicked"),
            "\n{self}"
        );
        self
    }

    /// Standard output holds this text.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.out().contains(text), "no '{text}' in stdout\n{self}");
        self
    }

    /// Standard error holds this text.
    #[track_caller]
    pub fn complains(&self, text: &str) -> &Self {
        assert!(self.err().contains(text), "no '{text}' in stderr\n{self}");
        self
    }

    /// Every line of standard output as JSON.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let parse = |line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self}"))
        };
        self.out().lines().map(parse).collect()
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    fn err_lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.stderr)
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}\n--- folder\n{}", self.line, listing(&self.folder))?;
        writeln!(f, "--- exit status {:?}", self.code)?;
        writeln!(f, "--- stdout\n{}", String::from_utf8_lossy(&self.stdout))?;
        writeln!(f, "--- stderr\n{}", self.err_lossy())
    }
}
