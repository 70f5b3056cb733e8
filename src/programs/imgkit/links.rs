//! imgkit install-links: a link to imgkit for each program.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::blob::replace_with_link;
use crate::cli::{self, Io, Page, Uses, Verdict};
use crate::error::{At, During, Error, Fault, Result};
use crate::programs::PROGRAMS;

/// Documentation of the subcommand.
pub(super) const PAGE: Page = Page {
    name: "install-links",
    uses: Uses::FRONT,
    text: include_str!("page-install-links.md"),
};

/// Make a link for each program
#[derive(clap::Args)]
pub(super) struct InstallLinks {
    /// Directory of the links, created if missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Make hard links instead of symbolic links
    #[arg(long)]
    hard: bool,
    /// Replace existing files
    #[arg(short, long)]
    force: bool,
}

/// File at the path of a link.
#[derive(PartialEq, Eq)]
enum Existing {
    /// No file.
    None,
    /// imgkit itself, or a link to it.
    Done,
    /// A symbolic link to imgkit, to be replaced with a hard link.
    OtherLink,
    /// Another file.
    Foreign,
}

impl InstallLinks {
    /// Runs the subcommand. Makes no link if a file is in the way.
    ///
    /// # Errors
    /// `Exists` and `NotAFile` for a file in the way; `Io`.
    pub(super) fn run(&self, io: &mut Io) -> Result<Verdict> {
        let own = cli::own_path()?;
        let directory = &self.directory;
        let place = || directory.to_string_lossy().into_owned();
        fs::create_dir_all(directory)
            .during("create a directory")
            .at(place)?;
        let mut missing = Vec::new();
        for program in PROGRAMS {
            let path = directory.join(program.name);
            let found = self.existing(&own, &path)?;
            if found == Existing::Foreign && !self.force {
                return Err(Error::exists("a file").at(path.to_string_lossy()));
            }
            if found != Existing::Done {
                missing.push((program.name, found == Existing::None));
            }
        }
        let real = fs::canonicalize(directory).during("open").at(place)?;
        // A relative target stays right if both are moved.
        let target = match (own.parent() == Some(&real), own.file_name()) {
            (true, Some(name)) => Path::new(name),
            _ => &own,
        };
        for (name, is_new) in &missing {
            let path = directory.join(name);
            let link = |path: &Path| match self.hard {
                true => fs::hard_link(&own, path),
                false => std::os::unix::fs::symlink(target, path),
            };
            let made = match is_new {
                true => link(&path),
                false => replace_with_link(&path, link),
            };
            made.during("create a link")
                .at(|| path.to_string_lossy().into_owned())?;
        }
        let (made, existing) = (missing.len(), PROGRAMS.len() - missing.len());
        let kept = if existing > 0 {
            format!(", {existing} existing")
        } else {
            String::new()
        };
        io.note(&format!("{}: {made} links made{kept}", directory.display()));
        Ok(Verdict::Yes)
    }

    /// Finds out about the file at the path of a link.
    ///
    /// # Errors
    /// `NotAFile` for a directory; `Io`.
    fn existing(&self, own: &Path, path: &Path) -> Result<Existing> {
        let place = || path.to_string_lossy().into_owned();
        let found = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Existing::None),
            found => found.during("read").at(place)?,
        };
        if found.is_dir() {
            return Err(Error::new(Fault::NotAFile {
                kind: "a directory",
            }))
            .at(place);
        }
        let own = fs::metadata(own).during("read").at(place)?;
        let is_own = |file: fs::Metadata| (file.dev(), file.ino()) == (own.dev(), own.ino());
        Ok(
            match (fs::metadata(path).is_ok_and(is_own), found.is_symlink()) {
                (true, true) if self.hard => Existing::OtherLink,
                // Under the name of a program, imgkit itself may be there.
                (true, _) => Existing::Done,
                (false, _) => Existing::Foreign,
            },
        )
    }
}
