//! Standard output for data, standard error for people.

use std::io::{self, BufWriter, IsTerminal, Stderr, Stdout, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::args::{ColorWhen, Common, ProgressWhen};
use super::interrupt;
use super::progress::Progress;
use crate::archive::distance;
use crate::blob::{Hasher, Meter};
use crate::error::{During, Error, Fault, Result};
use crate::escape;
use crate::spec::{Digest, Timestamp};

/// Maximum length of a warning or note in characters.
const LINE: usize = 1000;

/// Standard output, hashed if a record of it is requested.
struct Counted {
    inner: Stdout,
    seen: Option<(u64, Hasher)>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        if let Some((size, hasher)) = &mut self.seen {
            *size += written as u64;
            hasher.update(bytes.get(..written).unwrap_or_default());
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Streams of a program, and a record of printed errors.
pub struct Io {
    program: &'static str,
    out: BufWriter<Counted>,
    err: Stderr,
    failed: bool,
    color: bool,
    progress: ProgressWhen,
}

impl Io {
    pub(super) fn new(program: &'static str) -> Self {
        let stdout = Counted {
            inner: io::stdout(),
            seen: None,
        };
        let out = BufWriter::with_capacity(64 * 1024, stdout);
        Io {
            program,
            out,
            err: io::stderr(),
            failed: false,
            color: false,
            progress: ProgressWhen::Auto,
        }
    }

    /// Applies options; `color` is `None` for a program without colour.
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
            // Fails only for a second call.
            let _ = rayon::ThreadPoolBuilder::new()
                .num_threads(usize::from(jobs))
                .build_global();
        }
    }

    /// Returns the name of the program.
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// Returns standard output, buffered.
    pub fn out(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Returns standard output as a file for large data, after writing all buffered data.
    ///
    /// # Errors
    /// `Io`.
    pub fn raw_out(&mut self) -> Result<std::fs::File> {
        use std::os::fd::AsFd;
        self.finish()?;
        let out = io::stdout().as_fd().try_clone_to_owned();
        out.map(std::fs::File::from).during("write")
    }

    /// Hashes standard output from here on.
    ///
    /// # Errors
    /// `Io`, from writing what is buffered.
    pub fn hash_output(&mut self) -> Result<()> {
        self.finish()?;
        self.out.get_mut().seen = Some((0, Hasher::default()));
        Ok(())
    }

    /// Size in bytes and SHA-256 digest of standard output since [`Io::hash_output`], which ends; `None` if it was not
    /// requested, or nothing was written.
    ///
    /// # Errors
    /// `Io`, from writing what is buffered.
    pub fn output_digest(&mut self) -> Result<Option<(u64, Digest)>> {
        self.finish()?;
        let seen = self.out.get_mut().seen.take();
        Ok(seen
            .filter(|(size, _)| *size > 0)
            .map(|(size, hasher)| (size, hasher.finish())))
    }

    /// Tests if standard output has colour.
    pub fn color(&self) -> bool {
        self.color
    }

    /// Columns of the terminal that tables are fitted to. `None` if standard output is no terminal, or if cells must not
    /// be cut.
    pub fn window(&self, no_trunc: bool) -> Option<u16> {
        let size = terminal_size::terminal_size_of(io::stdout());
        size.filter(|_| !no_trunc).map(|(width, _)| width.0)
    }

    /// Writes a line of data.
    ///
    /// # Errors
    /// `Io`, a broken pipe among them.
    pub fn line(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{line}").during("write")
    }

    /// Writes all buffered data.
    ///
    /// # Errors
    /// `Io`, for a full disk at the latest here.
    pub fn finish(&mut self) -> Result<()> {
        self.out.flush().during("write")
    }

    /// Prints an error with its hint; the exit status will be 2.
    pub fn fail(&mut self, error: &Error) {
        self.failed = true;
        self.say(&error.to_string());
        if let Some(hint) = error.hint().or_else(|| nearest_file(error)) {
            self.hint(&hint);
        }
    }

    /// Prints a warning.
    pub fn warn(&mut self, text: &str) {
        self.say(&format!("warning: {}", escape::brief_to(text, LINE)));
    }

    /// Prints a note.
    pub fn note(&self, text: &str) {
        let _ = writeln!(
            &self.err,
            "{}: {}",
            self.program,
            escape::brief_to(text, LINE)
        );
    }

    /// Prints a line on standard error, after all buffered data.
    pub(super) fn say(&mut self, line: &str) {
        interrupt::hold();
        let _ = self.out.flush();
        let _ = writeln!(self.err, "{}: {line}", self.program);
    }

    /// Prints a hint, after an error.
    pub fn hint(&mut self, line: &str) {
        let _ = writeln!(self.err, "hint: {line}");
    }

    /// Tests if an error was printed.
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

/// Returns the current time for ages: `SOURCE_DATE_EPOCH` if set, or the clock.
pub fn now() -> Timestamp {
    let clock = || {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    };
    Timestamp::from_unix(source_date_epoch().unwrap_or_else(clock), 0)
}

/// Returns the value of `SOURCE_DATE_EPOCH` in seconds since 1970, if it is set and not empty. `check_epoch` has
/// rejected invalid values.
pub fn source_date_epoch() -> Option<i64> {
    epoch().ok().flatten()
}

/// Rejects an invalid `SOURCE_DATE_EPOCH`: ignored, it would give new images the time of the clock.
///
/// # Errors
/// `Usage`.
pub(super) fn check_epoch() -> Result<()> {
    epoch().map(drop)
}

/// End of the year 9999, the last one in RFC 3339.
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
            Err(Error::usage(format!(
                "SOURCE_DATE_EPOCH: invalid time '{shown}': expected whole seconds since 1970, at most {LAST_EPOCH}"
            )))
        }
    }
}

/// Tests if the program runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns the directory for temporary files of an output: beside the output, which needs that space anyway, or the
/// system's temporary directory if the output is a stream or a device.
pub fn temporary_directory(output: Option<&Path>) -> PathBuf {
    let parent = output.and_then(Path::parent);
    let beside = parent.map(|parent| match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    });
    beside
        .filter(|directory| directory.is_dir() && *directory != Path::new("/dev"))
        .map_or_else(std::env::temp_dir, Path::to_owned)
}

/// Maximum number of files that are compared with a mistyped name.
const COMPARED: usize = 10_000;

/// Returns a hint for a file that does not exist: the only one in its directory whose name differs by one character, or
/// by two of at least six.
fn nearest_file(error: &Error) -> Option<String> {
    let typed = match error.fault() {
        Fault::NotFound { wanted, .. } => wanted.as_str(),
        Fault::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            error.context().next()?
        }
        _ => return None,
    };
    let path = Path::new(typed);
    let name = path.file_name()?.to_str().filter(|name| name.len() > 2)?;
    let directory = path.parent()?;
    let listed = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    if path.exists() {
        return None;
    }
    let files = std::fs::read_dir(listed).ok()?.flatten().take(COMPARED);
    let files = files.filter_map(|entry| entry.file_name().into_string().ok());
    let near = files.map(|file| (distance(&file, name), file));
    let limit = if name.len() < 6 { 1 } else { 2 };
    let mut near: Vec<(usize, String)> =
        near.filter(|(far, _)| (1..=limit).contains(far)).collect();
    near.sort_unstable();
    match &near[..] {
        [(far, file), rest @ ..] if rest.first().is_none_or(|(next, _)| next > far) => {
            let closest = directory.join(file);
            let closest = closest.to_string_lossy();
            Some(format!("the closest name is {}", escape::brief(&closest)))
        }
        _ => None,
    }
}

/// Tests if an output is standard output: `-`, or a name of it in `/dev`.
pub fn is_stdout(path: &Path) -> bool {
    let names = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    names.iter().any(|name| path == Path::new(name))
}

/// Rejects an output that is the input, under any name, or is inside the directory that is the input.
///
/// # Errors
/// `Usage`, placed at the output.
pub fn reject_same_file(output: Option<&Path>, input: Option<&Path>) -> Result<()> {
    let (Some(output), Some(input)) = (output, input) else {
        return Ok(());
    };
    let refused = |why: &str| {
        let error = Error::usage(why);
        Err(error.at(output.to_string_lossy().into_owned()))
    };
    let Ok(read) = std::fs::metadata(input) else {
        return Ok(());
    };
    if !read.is_file() && !read.is_dir() {
        return Ok(());
    }
    let is_same = |other: std::fs::Metadata| (other.dev(), other.ino()) == (read.dev(), read.ino());
    if std::fs::metadata(output).is_ok_and(is_same) {
        return refused("the output is the input");
    }
    let parent = output
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = std::fs::canonicalize(parent.unwrap_or(".".as_ref()));
    let is_inside = |parent: std::path::PathBuf| {
        let mut above = parent.ancestors();
        above.any(|directory| std::fs::metadata(directory).is_ok_and(is_same))
    };
    match read.is_dir() && parent.is_ok_and(is_inside) {
        true => refused("the output is inside the input"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_files_are_beside_the_output() {
        let temporary = std::env::temp_dir();
        assert_eq!(
            temporary_directory(Some("out.tar".as_ref())),
            Path::new(".")
        );
        assert_eq!(
            temporary_directory(Some("src/out.tar".as_ref())),
            Path::new("src")
        );
        assert_eq!(
            temporary_directory(Some("none/out.tar".as_ref())),
            temporary
        );
        assert_eq!(temporary_directory(Some("/dev/null".as_ref())), temporary);
        assert_eq!(temporary_directory(None), temporary);
    }
}
