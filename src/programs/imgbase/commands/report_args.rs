//! Arguments for files beside the image: the report, the bill of materials.

use std::path::{Path, PathBuf};

use super::report;
use crate::cli::Io;
use crate::error::{Error, Result};
use crate::programs::imgbase::report::Report;
use crate::programs::imgbase::{Base, sbom};

/// Arguments for a bill of materials.
#[derive(Debug, Clone, clap::Args)]
pub struct SbomArgs {
    /// Write a software bill of materials to FILE
    #[arg(long, num_args = 2, value_names = ["spdx|cyclonedx", "FILE"], hide_short_help = true)]
    sbom: Option<Vec<String>>,
}

impl SbomArgs {
    /// Returns the format and the path of the file.
    ///
    /// # Errors
    /// `Usage` for an unknown format.
    pub fn parse(&self) -> Result<Option<(sbom::Kind, &Path)>> {
        let Some([kind, path]) = self.sbom.as_deref() else {
            return Ok(None);
        };
        let kind = match kind.as_str() {
            "spdx" => sbom::Kind::Spdx,
            "cyclonedx" => sbom::Kind::CycloneDx,
            other => {
                let why = format!("--sbom: unknown format '{other}': expected spdx or cyclonedx");
                return Err(Error::usage(why));
            }
        };
        Ok(Some((kind, Path::new(path))))
    }
}

/// Arguments for the report on packages and their scripts, and for a bill of materials.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArgs {
    /// Fail if the scripts of a package are uncovered
    #[arg(long, hide_short_help = true)]
    strict: bool,

    /// Write a report on packages, emulation and uncovered scripts to FILE, as JSON
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    report: Option<PathBuf>,

    #[command(flatten)]
    bill: SbomArgs,
}

/// Requested files, with validated arguments.
pub struct ReportFiles<'a> {
    report: Option<&'a Path>,
    sbom: Option<(sbom::Kind, &'a Path)>,
}

impl ReportArgs {
    /// Validates the arguments.
    ///
    /// # Errors
    /// As [`SbomArgs::parse`].
    pub fn parse(&self) -> Result<ReportFiles<'_>> {
        Ok(ReportFiles {
            report: self.report.as_deref(),
            sbom: self.bill.parse()?,
        })
    }

    /// Prints notes on a report, unless `quiet`.
    ///
    /// # Errors
    /// `Usage` for uncovered scripts with `--strict`.
    pub fn check(&self, report: &Report, quiet: bool, io: &mut Io) -> Result<()> {
        if !quiet {
            report::print_notes(io, report);
        }
        match self.strict {
            true => report::require_covered(report),
            false => Ok(()),
        }
    }
}

impl<'a> ReportFiles<'a> {
    /// Returns the paths of the requested files.
    pub fn paths(&self) -> Vec<&'a Path> {
        let sbom = self.sbom.map(|(_, path)| path);
        self.report.into_iter().chain(sbom).collect()
    }

    /// Returns the paths and the contents of the requested files.
    pub fn contents(&self, base: &Base, report: &Report) -> Vec<(&'a Path, Vec<u8>)> {
        let report = self.report.map(|path| (path, report::json(base, report)));
        let sbom = bill(self.sbom, base, None);
        report.into_iter().chain(sbom).collect()
    }
}

/// Returns the path and the contents of a requested bill of materials; see [`sbom::document`].
pub fn bill<'a>(
    sbom: Option<(sbom::Kind, &'a Path)>,
    base: &Base,
    os_release: Option<&[u8]>,
) -> Option<(&'a Path, Vec<u8>)> {
    sbom.map(|(kind, path)| (path, sbom::document(base, kind, os_release)))
}
