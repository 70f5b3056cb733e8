//! Findings and verdicts on standard output.

use std::sync::Arc;

use serde_json::{Value, json};

use super::args::Args;
use super::receipt;
use crate::archive::Archive;
use crate::bundle::Receipt;
use crate::cli::{Io, Verdict};
use crate::error::{Error, Result};
use crate::render::{human, json};
use crate::verify::{Finding, Severity, VerifyReport};

/// An archive and its report, or the reason why it could not be verified.
pub type Verified = Result<(Arc<Archive>, VerifyReport)>;

/// Standard output. After a broken pipe nothing is printed; findings still count for the exit status.
pub struct Out<'a> {
    pub args: &'a Args,
    pub silent: bool,
    /// `No` once damage was found.
    pub verdict: Verdict,
    /// Verified blobs so far, if they are wanted.
    pub receipt: Option<Receipt>,
}

impl Out<'_> {
    fn line(&mut self, line: &str, io: &mut Io) -> Result<()> {
        if self.silent {
            return Ok(());
        }
        match io.line(line) {
            Err(error) if error.is_broken_pipe() => {
                self.silent = true;
                Ok(())
            }
            other => other,
        }
    }

    /// Prints the findings and the summary of one archive.
    pub fn verified(&mut self, text: &str, verified: &Verified, io: &mut Io) -> Result<()> {
        match verified {
            Ok((archive, report)) => {
                if report.is_damaged() {
                    self.verdict = Verdict::No;
                }
                if let Some(receipt) = &mut self.receipt {
                    receipt::add(receipt, archive, report)?;
                }
                self.report(text, &archive.format.to_string(), report, io)
            }
            Err(error) => self.error(text, error, io),
        }
    }

    /// Prints an error that kept something from being verified.
    fn error(&mut self, place: &str, error: &Error, io: &mut Io) -> Result<()> {
        if self.args.reporting.is_json() {
            let line = json!({"Type": "error", "Archive": place, "Message": error.to_string()});
            self.line(&json::line(&line)?, io)?;
        }
        io.fail(error);
        Ok(())
    }

    fn report(
        &mut self,
        place: &str,
        shape: &str,
        report: &VerifyReport,
        io: &mut Io,
    ) -> Result<()> {
        let args = self.args;
        let shown = crate::escape::text(place).into_owned();
        let mut rest = report.findings.as_slice();
        while let Some(finding) = rest.first() {
            if args.reporting.is_json() {
                self.line(&json::line(&finding_json(place, finding))?, io)?;
                rest = &rest[1..];
                continue;
            }
            let severity = paint(finding.severity, io.color());
            let group = notes_of_layer(rest);
            rest = &rest[group.max(1)..];
            if group == 0 {
                let line = format!("{severity}: {shown}: {finding} [{}]", finding.code);
                self.line(&line, io)?;
                continue;
            }
            // Of one layer under one heading, which needs no member: the number says which it is.
            let layer = crate::escape::brief(&finding.places[0]);
            self.line(&format!("{severity}: {shown}: {layer}:"), io)?;
            let notes = &report.findings[report.findings.len() - rest.len() - group..][..group];
            for note in notes {
                let message = crate::escape::brief(note.message());
                self.line(&format!("  {message} [{}]", note.code), io)?;
            }
        }
        for error in &report.trouble {
            self.error(place, error, io)?;
        }
        let line = if args.reporting.is_json() {
            json::line(&summary_json(place, shape, report))?
        } else {
            summary(&shown, shape, report)
        };
        self.line(&line, io)
    }
}

/// Number of leading findings that are notes on one layer as a whole (not on its entries).
fn notes_of_layer(findings: &[Finding]) -> usize {
    let Some(first) = findings.first() else {
        return 0;
    };
    let is_of_layer = first.severity == Severity::Note
        && first.places.len() == 2
        && first.places[0].contains("layer ");
    let same =
        |finding: &&Finding| finding.severity == Severity::Note && finding.places == first.places;
    match is_of_layer {
        true => findings.iter().take_while(same).count(),
        false => 0,
    }
}

fn count(report: &VerifyReport, severity: Severity) -> usize {
    report
        .findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .count()
}

fn summary_json(place: &str, shape: &str, report: &VerifyReport) -> Value {
    json!({
        "Type": "summary",
        "Archive": place,
        "Shape": shape,
        "Sound": report.is_sound(),
        "Sparse": report.sparse,
        "Images": report.images,
        "Layers": report.layers,
        "Blobs": report.blobs,
        "Bytes": report.bytes,
        "Errors": count(report, Severity::Error),
        "Warnings": count(report, Severity::Warning),
        "Notes": count(report, Severity::Note),
    })
}

fn summary(shown: &str, shape: &str, report: &VerifyReport) -> String {
    let verdict = match (report.is_damaged(), report.is_sound()) {
        (true, _) if report.is_unsafe() => "unsafe",
        (true, _) => "damaged",
        (false, true) => "ok",
        (false, false) => "not verified",
    };
    let sparse = if report.sparse { ", sparse" } else { "" };
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!(
        "{shown}: {verdict}{sparse}: {shape}, {}, {}, {} read",
        plural(report.images, "image"),
        plural(report.layers, "layer"),
        human::size(report.bytes),
    )
}

fn paint(severity: Severity, color: bool) -> String {
    let code = match severity {
        Severity::Error => "31",
        Severity::Warning => "33",
        Severity::Note => "36",
    };
    if color {
        format!("\x1b[{code}m{}\x1b[0m", severity.name())
    } else {
        severity.name().to_owned()
    }
}

fn finding_json(place: &str, finding: &Finding) -> Value {
    json!({
        "Type": "finding",
        "Archive": place,
        "Severity": finding.severity.name(),
        "Code": finding.code,
        "Places": finding.places,
        "Message": finding.message(),
    })
}
