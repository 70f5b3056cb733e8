//! Fifth stage: all lines with their texts.

use super::complete::Completed;
use super::line::{Finding, Line};
use super::settings::Settings;

/// Result of the fifth stage.
#[derive(Debug)]
pub struct Written {
    /// Image ID in full.
    pub id: String,
    /// True for an image for Windows.
    pub windows: bool,
    /// All lines, `FROM` first.
    pub lines: Vec<Line>,
    /// Findings so far.
    pub findings: Vec<Finding>,
    /// Comments for the top of the file.
    pub remarks: Vec<String>,
    /// Settings of the base.
    pub start: Settings,
    /// Settings of the base and all lines.
    pub sum: Settings,
}

impl Completed {
    /// Prints all lines.
    pub fn write(self) -> Written {
        let drafts = self.drafts.into_iter();
        Written {
            id: self.id,
            windows: self.windows,
            lines: drafts.map(|draft| draft.print(self.windows)).collect(),
            findings: self.findings,
            remarks: self.remarks,
            start: self.start,
            sum: self.sum,
        }
    }
}
