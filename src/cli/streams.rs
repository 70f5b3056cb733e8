//! Standard output for data, standard error for people.

use std::io::{self, BufWriter, IsTerminal, Stderr, Stdout, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::args::{ColorWhen, Common, ProgressWhen};
use super::interrupt;
use super::progress::Progress;
use crate::blob::Meter;
use crate::error::{Error, Fault, Result};
use crate::escape;
use crate::spec::Timestamp;

/// The most characters of a warning or note.
const LINE: usize = 1000;

/// The streams of a program, and whether anything went wrong so far.
pub struct Io {
    program: &'static str,
    out: BufWriter<Stdout>,
    err: Stderr,
    failed: bool,
    color: bool,
    progress: ProgressWhen,
}

impl Io {
    pub(super) fn new(program: &'static str) -> Self {
        let out = BufWriter::with_capacity(64 * 1024, io::stdout());
        Io {
            program,
            out,
            err: io::stderr(),
            failed: false,
            color: false,
            progress: ProgressWhen::Auto,
        }
    }

    /// Takes in what was typed; `color` is `None` for a program without colour.
    pub(super) fn configure(&mut self, common: &Common, color: Option<ColorWhen>) {
        let wanted = || {
            io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        };
        self.color = match color {
            Some(ColorWhen::Always) => true,
            Some(ColorWhen::Never) | None => false,
            Some(ColorWhen::Auto) => wanted(),
        };
        self.progress = common.progress;
        if let Some(jobs) = common.jobs {
            // Fails only if a pool is there already, which would be a second call.
            let _ = rayon::ThreadPoolBuilder::new()
                .num_threads(usize::from(jobs))
                .build_global();
        }
    }

    /// The program's name.
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// Standard output, buffered.
    pub fn out(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Standard output as a file, for large data: nothing looks for line ends in it. What was held back comes first.
    ///
    /// # Errors
    /// `Io`.
    pub fn raw_out(&mut self) -> Result<std::fs::File> {
        use std::os::fd::AsFd;
        self.finish()?;
        let out = io::stdout().as_fd().try_clone_to_owned();
        out.map(std::fs::File::from)
            .map_err(|error| Error::io("write", error))
    }

    /// Whether to use colour on standard output.
    pub fn color(&self) -> bool {
        self.color
    }

    /// Writes a line of data.
    ///
    /// # Errors
    /// `Io`, a broken pipe among them.
    pub fn line(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{line}").map_err(|error| Error::io("write", error))
    }

    /// Writes everything that is still held back.
    ///
    /// # Errors
    /// `Io`: a full disk shows here at the latest.
    pub fn finish(&mut self) -> Result<()> {
        self.out.flush().map_err(|error| Error::io("write", error))
    }

    /// Says an error, with its hint; the exit status will be 2.
    pub fn fail(&mut self, error: &Error) {
        self.failed = true;
        self.say(&error.to_string());
        if let Some(hint) = error.hint() {
            self.hint(&hint);
        }
    }

    /// Says something that is worth knowing and no error.
    pub fn warn(&mut self, text: &str) {
        self.say(&format!("warning: {}", escape::brief_to(text, LINE)));
    }

    /// Says something for people to know, when nothing is wrong.
    pub fn note(&self, text: &str) {
        let _ = writeln!(
            &self.err,
            "{}: {}",
            self.program,
            escape::brief_to(text, LINE)
        );
    }

    /// One line on standard error, after what has been printed so far.
    pub(super) fn say(&mut self, line: &str) {
        interrupt::hold();
        let _ = self.out.flush();
        let _ = writeln!(self.err, "{}: {line}", self.program);
    }

    /// What to type instead, after an error.
    pub fn hint(&mut self, line: &str) {
        let _ = writeln!(self.err, "hint: {line}");
    }

    /// Whether an error was said.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Shows progress as the options and the terminal allow, until the result is dropped. `total` is in bytes.
    pub fn progress(
        &self,
        label: &str,
        total: Option<u64>,
        meter: &Meter,
        quiet: bool,
    ) -> Progress {
        let when = if quiet {
            ProgressWhen::None
        } else {
            self.progress
        };
        Progress::start(
            &format!("{}: {}", self.program, escape::brief(label)),
            total,
            meter,
            when,
        )
    }
}

/// The time against which ages are told: `SOURCE_DATE_EPOCH` where it is set, else the clock.
pub fn now() -> Timestamp {
    let clock = || {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    };
    Timestamp::from_unix(source_date_epoch().unwrap_or_else(clock), 0)
}

/// Value of `SOURCE_DATE_EPOCH` in seconds since 1970, if it is set and not empty. `check_epoch` has refused what is
/// malformed.
pub fn source_date_epoch() -> Option<i64> {
    epoch().ok().flatten()
}

/// Refuses a malformed `SOURCE_DATE_EPOCH`, which must not count as not set: images would be of the time of the clock.
///
/// # Errors
/// `Usage`.
pub(super) fn check_epoch() -> Result<()> {
    epoch().map(drop)
}

/// The end of the year 9999, the last that RFC 3339 can write.
const LAST_EPOCH: i64 = 253_402_300_799;

fn epoch() -> Result<Option<i64>> {
    let value = std::env::var_os("SOURCE_DATE_EPOCH").filter(|value| !value.is_empty());
    let Some(value) = value else {
        return Ok(None);
    };
    let digits = value.to_str();
    let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = digits.and_then(|text| text.parse().ok());
    match seconds.filter(|seconds| *seconds <= LAST_EPOCH) {
        Some(seconds) => Ok(Some(seconds)),
        None => {
            let shown = escape::text(&value.to_string_lossy()).into_owned();
            let why = format!(
                "SOURCE_DATE_EPOCH: invalid time '{shown}': expected whole seconds since 1970, at most {LAST_EPOCH}"
            );
            Err(Fault::Usage(why).into())
        }
    }
}

/// Whether the program runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where bytes are kept until it is known where in an output they belong: beside it, because there must be room for
/// them there anyway. The system's folder for temporary files where the output is a stream or a device.
pub fn landing(output: Option<&Path>) -> PathBuf {
    let parent = output.and_then(Path::parent);
    let beside = parent.map(|parent| match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    });
    beside
        .filter(|folder| folder.is_dir() && *folder != Path::new("/dev"))
        .map_or_else(std::env::temp_dir, Path::to_owned)
}

/// Whether an output is standard output: `-`, or its name in `/dev`, which no file can take the place of.
pub fn is_stdout(path: &Path) -> bool {
    let names = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    names.iter().any(|name| path == Path::new(name))
}

/// Refuses an output that is the input, by whatever name, or in the folder that is the input: what was read would be
/// gone, or would hold what was made of it.
///
/// # Errors
/// `Usage`, placed at the output.
pub fn apart(output: Option<&Path>, input: Option<&Path>) -> Result<()> {
    let (Some(output), Some(input)) = (output, input) else {
        return Ok(());
    };
    let refused = |why: &str| {
        let error = Error::new(Fault::Usage(why.into()));
        Err(error.at(output.to_string_lossy().into_owned()))
    };
    let Ok(read) = std::fs::metadata(input) else {
        return Ok(());
    };
    if !read.is_file() && !read.is_dir() {
        return Ok(());
    }
    let is_same = |there: std::fs::Metadata| (there.dev(), there.ino()) == (read.dev(), read.ino());
    if std::fs::metadata(output).is_ok_and(is_same) {
        return refused("the output is the input: name another");
    }
    let parent = output
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = std::fs::canonicalize(parent.unwrap_or(".".as_ref()));
    let is_inside = |parent: std::path::PathBuf| {
        let mut above = parent.ancestors();
        above.any(|folder| std::fs::metadata(folder).is_ok_and(is_same))
    };
    match read.is_dir() && parent.is_ok_and(is_inside) {
        true => refused("the output is inside the input: name another"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_in_this_folder_has_this_folder_beside_it() {
        let temporary = std::env::temp_dir();
        assert_eq!(landing(Some("out.tar".as_ref())), Path::new("."));
        assert_eq!(landing(Some("src/out.tar".as_ref())), Path::new("src"));
        assert_eq!(landing(Some("none/out.tar".as_ref())), temporary);
        assert_eq!(landing(Some("/dev/null".as_ref())), temporary);
        assert_eq!(landing(None), temporary);
    }
}
