//! Results of a run, and the formats in which they are printed.

use super::args::Args;
use super::compare::{LayerReport, ManyReport, PackageChange, Report, Side, WasteReport};
use crate::error::{Error, Result};
use crate::render::Format;

/// Result of a run.
pub enum Outcome {
    /// Comparison of two images.
    Two(Box<Report>),
    /// Comparison of two images layer by layer.
    Layers(Box<LayerReport>),
    /// Changes of installed packages, and the faults of their databases.
    Packages(Vec<PackageChange>, Vec<Error>),
    /// Comparison of three or more images.
    Many(Box<ManyReport>),
    /// Waste of one image.
    Waste(Box<WasteReport>),
    /// The layers of an image that change a path.
    Life(Vec<Side>, Vec<u8>),
}

/// Format of the output.
pub enum OutputFormat {
    /// Text for people.
    Text,
    /// An HTML page.
    Page,
    /// JSON or a template, one row for each change; true for JSON, which has rows of the documents, too.
    Rows(Box<Format>, bool),
}

impl OutputFormat {
    /// Reads `--format`.
    ///
    /// # Errors
    /// `Usage` for an invalid template.
    pub fn parse(args: &Args) -> Result<Self> {
        match args.format.as_str() {
            "text" => Ok(OutputFormat::Text),
            "html" => Ok(OutputFormat::Page),
            "json" => Ok(OutputFormat::Rows(
                Box::new(Format::parse("json", "")?),
                true,
            )),
            template => Ok(OutputFormat::Rows(
                Box::new(Format::parse(template, "")?),
                false,
            )),
        }
    }
}
