//! Output of reports: notes on standard error, and the document of `--report`.

use serde_json::{Value, json};

use crate::base::debian::solver::Reason;
use crate::cli::Io;
use crate::error::{Error, Fault, Result};
use crate::programs::imgbase::Base;
use crate::programs::imgbase::coverage::{Coverage, ScriptCoverage};
use crate::programs::imgbase::report::Report;

/// Prints a note for each package with uncovered scripts, and for each recipe that applied to none.
pub fn print_notes(io: &mut Io, report: &Report) {
    for package in uncovered(report) {
        let first = package.left.first();
        let what = first.map_or(String::new(), |left| {
            format!(": {} line {}: {}", left.script, left.line, left.command)
        });
        let more = match package.left.len() {
            0 | 1 => String::new(),
            n => format!(", and {} more", n - 1),
        };
        io.note(&format!(
            "{}: uncovered script{what}{more}",
            package.package
        ));
    }
    for package in &report.unused {
        io.note(&format!(
            "{package}: unused recipe: no package with this name and version"
        ));
    }
}

/// Fails if there are uncovered scripts.
///
/// # Errors
/// `Usage` if there are any.
pub fn require_covered(report: &Report) -> Result<()> {
    let Some(first) = uncovered(report).next() else {
        return Ok(());
    };
    let why = match uncovered(report).count() {
        1 => format!("--strict: uncovered scripts of {}", first.package),
        count => format!(
            "--strict: uncovered scripts of {count} packages, {} among them",
            first.package
        ),
    };
    Err(Error::new(Fault::Usage(why)))
}

fn uncovered(report: &Report) -> impl Iterator<Item = &ScriptCoverage> {
    let scripts = report.scripts.iter();
    scripts.filter(|one| one.class == Coverage::Uncovered)
}

/// Returns the report as JSON: `packages`, `stand_ins`, `scripts`, `changed`, `left_out`, `unused_recipes`, `unconfigured`.
pub fn json(base: &Base, report: &Report) -> Vec<u8> {
    let name = |i: usize| {
        let package = base.packages.get(i);
        package.map(|package| package.name().to_owned())
    };
    let reason = |reason: &Reason| match reason {
        Reason::Requested(words) => json!({"asked": words}),
        Reason::Essential => json!("essential"),
        Reason::Priority(priority) => json!({"priority": priority.as_str()}),
        Reason::Variant => json!("variant"),
        Reason::Needed {
            by,
            field,
            relation,
        } => json!({"by": name(*by), "field": field, "relation": relation}),
    };
    let packages = base.packages.iter().enumerate().map(|(i, package)| {
        json!({
            "name": package.name(),
            "version": package.version(),
            "architecture": package.architecture(),
            "reason": report.reasons.get(i).map(reason),
        })
    });
    let text = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
    let emulations = report.emulations.iter().map(|one| {
        json!({
            "name": one.name,
            "made": one.made.iter().map(text).collect::<Vec<_>>(),
            "notes": one.notes,
        })
    });
    let changed = report.changed.iter().map(|one| {
        json!({
            "package": one.package,
            "path": text(&one.path),
            "is_there": one.is_there,
            "pristine": one.pristine,
        })
    });
    let document: Value = json!({
        "packages": packages.collect::<Vec<_>>(),
        "stand_ins": emulations.collect::<Vec<_>>(),
        "scripts": report.scripts,
        "changed": changed.collect::<Vec<_>>(),
        "left_out": report.left_out,
        "unused_recipes": report.unused,
        "unconfigured": report.unconfigured,
    });
    let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
