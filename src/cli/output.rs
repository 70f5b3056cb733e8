//! Options of programs that make an image: its destination, its name and the changes of its config.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{Common, Reporting};
use super::conflicts::no_effect;
use super::open::store;
use super::streams::{Io, is_stdout};
use crate::blob::{FileRange, Meter, PendingFile, open_regular};
use crate::disk::Patterns;
use crate::error::{At, Error, Fault, Result};
use crate::escape;
use crate::render::json;
use crate::spec::Digest;
use crate::spec::instruction::{self, Change};
use crate::store::Policy;
use crate::write::{Bundle, Format, Listed, ListedName, archive};

/// Maximum size in bytes of the file of an option.
const OPTIONS: u64 = 16 << 20;

/// Destination of a new image, and changes of its config.
#[derive(Debug, Clone, clap::Args)]
pub struct OutputArgs {
    /// Apply a Dockerfile instruction; repeatable
    ///
    /// Supported: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR, in
    /// all forms of docker.
    #[arg(short = 'c', long = "change", value_name = "INSTRUCTION")]
    pub changes: Vec<String>,

    /// Name of the new image
    #[arg(short, long, value_name = "NAME[:TAG]")]
    pub tag: Option<String>,

    /// Write an archive to FILE, not to the store
    ///
    /// - is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write the ID of the image to FILE
    #[arg(long, value_name = "FILE", alias = "iidfile", hide_short_help = true)]
    pub id_file: Option<PathBuf>,

    /// Suppress progress
    #[arg(short, long)]
    pub quiet: bool,

    #[command(flatten)]
    reporting: Reporting,
}

/// Excluded paths.
#[derive(Debug, Clone, clap::Args)]
pub struct Selecting {
    /// Exclude matching paths, as in .gitignore
    ///
    /// Repeatable. A pattern with a slash is a path from the root, one without is a name in any directory; the contents of a directory
    /// that matches are excluded, too. * and ? do not match a slash, ** does, and !PATTERN includes paths that an earlier
    /// pattern excluded.
    #[arg(long, value_name = "PATTERN", alias = "ignore-path")]
    pub exclude: Vec<String>,

    /// Read patterns to exclude from FILE, one per line; repeatable
    #[arg(
        long,
        value_name = "FILE",
        alias = "ignore-from",
        hide_short_help = true
    )]
    pub exclude_from: Vec<PathBuf>,
}

impl Selecting {
    /// Returns all patterns.
    ///
    /// # Errors
    /// `Usage` for an invalid pattern; `Io`.
    pub fn excludes(&self) -> Result<Patterns> {
        let mut patterns = Vec::new();
        for path in &self.exclude_from {
            let text = option_file(path)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            patterns.extend(text.lines().map(str::to_owned));
        }
        patterns.extend(self.exclude.iter().cloned());
        Patterns::new(&patterns)
    }

    /// Tests if a pattern was given.
    pub fn is_given(&self) -> bool {
        !self.exclude.is_empty() || !self.exclude_from.is_empty()
    }
}

impl OutputArgs {
    /// Returns the output file, if the image is written to one.
    pub fn file(&self) -> Option<&Path> {
        let output = self.output.as_deref();
        output.filter(|path| !is_stdout(path))
    }

    /// Tests if the image is written to standard output.
    pub fn to_stdout(&self) -> bool {
        self.output.as_deref().is_some_and(is_stdout)
    }

    /// Parses the instructions and the name, which may also be an operand, and checks the output.
    ///
    /// # Errors
    /// `Instruction`, `BadReference`, and `Usage` for a terminal as output.
    pub fn parse(&self, name: Option<&str>) -> Result<(Vec<Change>, Vec<ListedName>)> {
        if self.to_stdout() && std::io::stdout().is_terminal() {
            let why = "refusing to write an archive to the terminal: name a file with -o, or pipe the output";
            return Err(Error::usage(why));
        }
        if self.to_stdout() {
            let json = ("--format json", self.is_json());
            no_effect("with -o -, which prints the archive", &[json])?;
        }
        let instructions = instruction::parse(&self.changes).at(|| "-c".to_owned())?;
        let name = self.tag.as_deref().or(name);
        let name = name.map(ListedName::new).transpose()?;
        Ok((instructions, name.into_iter().collect()))
    }

    /// Warns about malformed lists, as BuildKit's JSONArgsRecommended does.
    pub fn warn_of_lists(&self, instructions: &[Change], io: &mut Io) {
        for instruction in instructions {
            if let Some(text) = instruction.malformed_list() {
                io.warn(&format!(
                    "-c: {}: invalid JSON list, used as a string: expected double quotes, as in [\"a\", \"b\"], found '{text}'",
                    instruction.text
                ));
            }
        }
    }

    /// Returns the directory for anonymous temporary files, on the file system of the output.
    ///
    /// # Errors
    /// As [`crate::store::Store::blob_directory`].
    pub fn temporary_directory(&self, common: &Common) -> Result<PathBuf> {
        match (self.file(), self.to_stdout()) {
            (_, true) => Ok(super::temporary_directory(None)),
            (None, _) => store(common)?.blob_directory(),
            (Some(path), _) => Ok(super::temporary_directory(Some(path))),
        }
    }

    /// Tests if the image is printed as JSON.
    pub fn is_json(&self) -> bool {
        self.reporting.is_json()
    }

    /// Prints the image: its ID, or an object with the keys that its page lists.
    fn print(&self, bundle: &Bundle, id: &Digest, io: &mut Io) -> Result<()> {
        if !self.is_json() {
            return io.line(id.as_str());
        }
        report(&bundle.listed, self.file(), io)
    }

    /// Puts the image where it goes and prints it.
    ///
    /// # Errors
    /// As [`crate::store::Store::add`] and [`archive::to_path`].
    pub fn deliver(
        &self,
        bundle: &Bundle,
        id: &Digest,
        common: &Common,
        io: &mut Io,
    ) -> Result<()> {
        // Errors of writing are found before the image is added.
        let id_file = self.id_file.as_deref();
        let id_file = id_file.map(|path| PendingFile::new(path, format!("{id}\n").as_bytes()));
        let id_file = id_file.transpose()?;
        let meter = Meter::default();
        let label = self.file().map_or_else(
            || "storing".to_owned(),
            |path| path.to_string_lossy().into_owned(),
        );
        let progress = io.progress(&label, Some(archive::size(bundle)), &meter, self.quiet);
        match self.file() {
            _ if self.to_stdout() => {
                archive::to_stream(bundle, Format::Docker, io.out(), &meter)?;
            }
            None => {
                let store = store(common)?;
                let added = store.add(bundle, Policy::Replace, &meter)?;
                for placed in added.placed {
                    if let (Some(name), Some(old)) = (&placed.name, &placed.replaced) {
                        let name = escape::text(&name.to_string()).into_owned();
                        let old = store.image_id(old);
                        io.note(&format!("{name} moved from {old}"));
                    }
                }
            }
            Some(path) => archive::to_path(bundle, Format::Docker, path, &meter).map_err(
                |error| match error.fault() {
                    Fault::Io { .. } | Fault::NotAFile { .. } => error.at(path.to_string_lossy()),
                    _ => error,
                },
            )?,
        }
        drop(progress);
        id_file.map_or(Ok(()), PendingFile::commit)?;
        match self.to_stdout() {
            true => Ok(()),
            false => self.print(bundle, id, io),
        }
    }
}

/// Prints the images of an output as JSON, one object for each name.
///
/// # Errors
/// `Io`; as [`json::line`].
pub fn report(listed: &[Listed], output: Option<&Path>, io: &mut Io) -> Result<()> {
    for listed in listed {
        let digest = &listed.descriptor.digest;
        let id = listed.image.as_ref().map_or(digest, |image| &image.config);
        let names = listed.names.iter().map(|name| Some(name.name.to_string()));
        let mut names: Vec<Option<String>> = names.collect();
        if names.is_empty() {
            names.push(None);
        }
        for name in names {
            io.line(&made(name.as_deref(), id, digest, output)?)?;
        }
    }
    Ok(())
}

/// Returns the JSON object of a new image or tag: its name, image ID, and digest of the manifest or index, and the path
/// of the output, null for the local store.
///
/// # Errors
/// As [`json::line`].
pub fn made(
    name: Option<&str>,
    id: &Digest,
    digest: &Digest,
    output: Option<&Path>,
) -> Result<String> {
    json::line(&json!({
        "Name": name,
        "ID": id,
        "Digest": digest,
        "Output": output.map(|path| path.to_string_lossy()),
    }))
}

/// Notes the sockets of a directory, which no layer can hold: the first 10 paths and the number of all others.
pub fn note_sockets(sockets: &[Vec<u8>], io: &Io) {
    for path in sockets.iter().take(10) {
        io.note(&format!("{}: socket left out", escape::bytes(path)));
    }
    if let more @ 1.. = sockets.len().saturating_sub(10) {
        io.note(&format!("and {more} more sockets"));
    }
}

/// Parses `UID` or `UID:GID`.
///
/// # Errors
/// A message for the user.
pub fn owner_arg(text: &str) -> Result<(u32, u32), String> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|id| *id != u32::MAX);
    let owner = match text.split_once(':') {
        None => number(text).map(|uid| (uid, uid)),
        Some((uid, gid)) => number(uid).zip(number(gid)),
    };
    owner.ok_or_else(|| "expected UID or UID:GID, in numbers".to_owned())
}

/// Reads the file of an option.
///
/// # Errors
/// `Limit` for more than 16 MiB; `Io`. The place is the path.
pub fn option_file(path: &Path) -> Result<Vec<u8>> {
    open_regular(path, true)
        .and_then(FileRange::whole)
        .and_then(|range| range.bytes(OPTIONS))
        .at(|| path.to_string_lossy().into_owned())
}
