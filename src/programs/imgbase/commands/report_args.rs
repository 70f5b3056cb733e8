//! What is written down beside the image: the report, the bill of materials.

use std::path::{Path, PathBuf};

use super::report::Document;
use crate::error::{Fault, Result};
use crate::programs::imgbase::{Base, sbom};

/// A bill of materials.
#[derive(Debug, Clone, clap::Args)]
pub struct SbomArgs {
    /// Write a bill of materials
    #[arg(long, num_args = 2, value_names = ["spdx|cyclonedx", "FILE"])]
    sbom: Option<Vec<String>>,
}

impl SbomArgs {
    /// Its form and place.
    ///
    /// # Errors
    /// `Usage` for a form that is none.
    pub fn taken_in(&self) -> Result<Option<(sbom::Kind, &Path)>> {
        let Some([kind, path]) = self.sbom.as_deref() else {
            return Ok(None);
        };
        let kind = match kind.as_str() {
            "spdx" => sbom::Kind::Spdx,
            "cyclonedx" => sbom::Kind::CycloneDx,
            other => {
                let why = format!("--sbom: '{other}' is neither spdx nor cyclonedx");
                return Err(Fault::Usage(why).into());
            }
        };
        Ok(Some((kind, Path::new(path))))
    }
}

/// A report on packages and what is left of their scripts, and a bill of materials.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArgs {
    /// Make it an error if a package's scripts do what neither a stand-in nor a recipe does
    #[arg(long)]
    pub strict: bool,

    /// Write what was taken, made and left, as JSON, to FILE
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    #[command(flatten)]
    bill: SbomArgs,
}

/// What of it was typed.
pub struct ReportFiles<'a> {
    report: Option<&'a Path>,
    sbom: Option<(sbom::Kind, &'a Path)>,
}

impl ReportArgs {
    /// Takes in what was typed.
    ///
    /// # Errors
    /// As [`SbomArgs::taken_in`].
    pub fn taken_in(&self) -> Result<ReportFiles<'_>> {
        Ok(ReportFiles {
            report: self.report.as_deref(),
            sbom: self.bill.taken_in()?,
        })
    }
}

impl<'a> ReportFiles<'a> {
    /// Where they go.
    pub fn paths(&self) -> Vec<&'a Path> {
        let sbom = self.sbom.map(|(_, path)| path);
        self.report.into_iter().chain(sbom).collect()
    }

    /// Where they go, and what is written there.
    pub fn written(&self, document: &Document<'_>) -> Vec<(&'a Path, Vec<u8>)> {
        let report = self.report.map(|path| (path, document.json()));
        let sbom = bill(self.sbom, document.base, None);
        report.into_iter().chain(sbom).collect()
    }
}

/// A bill of materials and where it goes, if there is to be one; see [`sbom::document`].
pub fn bill<'a>(
    sbom: Option<(sbom::Kind, &'a Path)>,
    base: &Base,
    os_release: Option<&[u8]>,
) -> Option<(&'a Path, Vec<u8>)> {
    sbom.map(|(kind, path)| (path, sbom::document(base, kind, os_release)))
}
