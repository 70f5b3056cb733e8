//! Output of imgsave: its format, checks and writing.

use std::io::IsTerminal;
use std::path::Path;

use super::args::FormatArg;
use super::split::SplitArgs;
use crate::blob::Meter;
use crate::cli::{self, Io};
use crate::error::{At, Error, Fault, Result};
use crate::write::volumes::{self, Written};
use crate::write::{Bundle, Format, Holds, archive, layout};

/// Output and its format.
pub(super) struct Target<'a> {
    format: FormatArg,
    /// Path of the output; `None` for standard output.
    path: Option<&'a Path>,
}

impl<'a> Target<'a> {
    /// Creates a target; without a path, or with `-`, standard output. Nothing is written to it in a dry run.
    ///
    /// # Errors
    /// `Usage` for a directory on standard output, and for a terminal.
    pub(super) fn new(format: FormatArg, path: Option<&'a Path>, dry_run: bool) -> Result<Self> {
        let path = path.filter(|path| !cli::is_stdout(path));
        let target = Target { format, path };
        if dry_run {
            return Ok(target);
        }
        let why = match path {
            None if target.is_directory() => {
                "missing -o: a directory cannot be written to standard output"
            }
            None if std::io::stdout().is_terminal() => {
                "refusing to write an archive to the terminal: name a file with -o, or pipe the output"
            }
            _ => return Ok(target),
        };
        Err(Error::usage(why))
    }

    /// Refuses a path that cannot be replaced by an archive.
    ///
    /// # Errors
    /// As [`archive::check_target`].
    pub(super) fn check(&self) -> Result<()> {
        match self.path.filter(|_| !self.is_directory()) {
            Some(path) => archive::check_target(path).at(|| path.to_string_lossy().into_owned()),
            None => Ok(()),
        }
    }

    /// Returns the path of the output; `None` for standard output.
    pub(super) fn path(&self) -> Option<&'a Path> {
        self.path
    }

    /// Returns the name of the output in progress messages.
    pub(super) fn label(&self) -> String {
        self.path
            .map_or_else(|| "-".into(), |path| path.to_string_lossy().into_owned())
    }

    /// Tests if the format is docker's before version 25, which holds uncompressed layers only.
    pub(super) fn is_docker_legacy(&self) -> bool {
        self.format == FormatArg::DockerLegacy
    }

    /// Tests if the output is a file that can be written a second time.
    pub(super) fn is_rewritable(&self) -> bool {
        self.path
            .is_some_and(|path| !self.is_directory() && archive::is_replaceable(path))
    }

    /// Returns the contents that the format can hold.
    pub(super) fn holds(&self) -> Holds {
        match self.format {
            FormatArg::Dir => Holds::Signatures,
            FormatArg::DockerLegacy => Holds::Images,
            FormatArg::Docker | FormatArg::Oci | FormatArg::OciLayout => Holds::Artifacts,
        }
    }

    /// Writes the images of a bundle.
    ///
    /// # Errors
    /// As [`archive::to_path`] and [`layout::layout`].
    pub(super) fn write(
        &self,
        bundle: &Bundle,
        split: &SplitArgs,
        io: &mut Io,
        meter: &Meter,
    ) -> Result<()> {
        let format = match self.format {
            FormatArg::DockerLegacy => Format::DockerLegacy,
            FormatArg::Oci => Format::Oci,
            FormatArg::Docker | FormatArg::OciLayout | FormatArg::Dir => Format::Docker,
        };
        let Some(path) = self.path else {
            return archive::to_stream(bundle, format, io.out(), meter);
        };
        match self.format {
            FormatArg::OciLayout => return layout::layout(bundle, path, meter),
            FormatArg::Dir => return layout::dir(bundle, path, meter),
            _ => {}
        }
        let written = match split.options() {
            None => archive::to_path(bundle, format, path, meter),
            Some(options) => {
                let mut after = |volume: &Written<'_>| split.after(volume);
                volumes::to_volumes(bundle, format, path, &options, meter, &mut after)
            }
        };
        let written = written.and_then(|()| match split.parity.filter(|_| split.split.is_none()) {
            Some(amount) => volumes::add_parity(path, amount, meter),
            None => Ok(()),
        });
        written.map_err(|error| match error.fault() {
            Fault::Io { .. } => error.at(path.to_string_lossy()),
            _ => error,
        })
    }

    /// Tests if the output is an archive, on standard output or in files.
    pub(super) fn is_archive(&self) -> bool {
        !self.is_directory()
    }

    fn is_directory(&self) -> bool {
        matches!(self.format, FormatArg::OciLayout | FormatArg::Dir)
    }
}
