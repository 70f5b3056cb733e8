//! `imgls --check`: the images of lists that the inputs do not have.

use serde_json::{Value, json};

use super::args::Args;
use super::sources;
use crate::cli::{self, Io, Verdict, no_effect};
use crate::error::Result;
use crate::escape;
use crate::lists::{self, Finding, Inventory};
use crate::render::{Column, Format};

/// Fields of a finding and their headings.
const COLUMNS: &[Column] = &[
    Column::new("File", "FILE"),
    Column::new("Line", "LINE"),
    Column::new("Finding", "FINDING"),
    Column::new("Reference", "REFERENCE"),
    Column::new("Found", "FOUND"),
];

/// Reports each reference of the lists that names no image of the inputs.
///
/// # Errors
/// As [`cli::read_lists`]; `Usage` for an invalid format.
pub(super) fn run(args: &Args, io: &mut Io) -> Result<Verdict> {
    no_effect("with --check", &[("--format raw", args.format == "raw")])?;
    let format = match args.format.as_str() {
        "" | "table" => None,
        text => Some(Format::parse(text, "")?.fitted(io.window(false))),
    };
    let mut inventory = Inventory::new(args.common.platform.as_ref());
    let mut archives = 0;
    sources::each(args, io, |opened, _, io| {
        for fault in opened.faults()? {
            io.fail(&fault);
        }
        inventory.add(archives, &opened.archive, &opened.everything()?);
        archives += 1;
        Ok(())
    })?;
    let strings_of = args.any_string.then_some(&inventory);
    let lists = cli::read_lists(&args.check, &args.common, strings_of, io)?;
    let findings = lists::findings(&lists, &inventory);
    match &format {
        Some(format) => format.write(io.out(), Some(COLUMNS), findings.iter().map(row))?,
        None => {
            for finding in &findings {
                io.line(&escape::text(&finding.to_string()))?;
            }
        }
    }
    Ok(
        match findings.iter().any(|finding| finding.kind.is_failure()) {
            true => Verdict::No,
            false => Verdict::Yes,
        },
    )
}

/// Returns the fields of a finding.
fn row(finding: &Finding<'_>) -> Value {
    let listed = finding.listed;
    json!({
        "File": *listed.file,
        "Finding": finding.kind.name(),
        "Found": finding.found,
        "Line": listed.line,
        "Reference": listed.text,
    })
}
