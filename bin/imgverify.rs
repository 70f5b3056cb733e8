//! imgverify: check that archives are whole and are what they claim to be.

use std::process::ExitCode;

use imgkit::Result;
use imgkit::blob::Meter;
use imgkit::cli::{self, Common, ImageArg, Io, Page, Verdict};
use imgkit::error::At;
use imgkit::job::verify::{self, Finding, Severity, VerifyReport};
use imgkit::layer::Limits;
use imgkit::show::{human, json};
use serde_json::{Value, json};

const PAGE: Page = Page {
    name: "imgverify",
    description: &[
        "Checks archives, layouts and folders from end to end: every blob against its digest and size, every layer \
         against its diff ID, every config against its ID, every header of every layer; the docker half of an archive \
         against its OCI half, tags against one another. Each stored byte is read once, on all cores. From a pipe the \
         same is done in one pass, in bounded memory.",
        "An archive that names manifests it does not hold, as engines write them for one platform of many, is sparse: \
         that is reported and is no damage. A layer that its manifest allows to be elsewhere is reported too.",
    ],
    output: &[
        "A line on standard output for each finding: severity, archive, place, what is wrong, and its code in \
         brackets. Then a line for each archive: sound or damaged, and what was read. With -q nothing is printed. \
         With --json one object per line, first the findings, then one of Type summary for each archive:",
    ],
    keys: &[
        ("Type", "finding or summary"),
        ("Archive", "the input, as it was named"),
        ("Severity, Code", "of a finding; see FINDINGS"),
        ("Places", "where, outermost first; texts as they are"),
        ("Message", "what was expected and what was found"),
        (
            "Sound, Sparse",
            "of a summary: whether there is no damage; whether manifests are named that are absent",
        ),
        (
            "Shape, Images, Layers, Blobs",
            "of a summary: what it is, and how many it holds (distinct ones)",
        ),
        (
            "Bytes",
            "of a summary: stored bytes that were read and hashed",
        ),
        ("Errors, Warnings, Notes", "of a summary: how many findings"),
    ],
    exit: &[
        ("0", "every archive is sound (there may be warnings)"),
        ("1", "an archive is damaged"),
        ("2", "an archive could not be read, or bad usage"),
    ],
    examples: &[
        (
            "check an archive before it is carried on",
            "imgverify app.tar",
        ),
        (
            "check many, show only what is wrong",
            "imgverify *.tar | grep -v ': sound'",
        ),
        (
            "check what comes through a pipe",
            "ssh host cat app.tar | imgverify -",
        ),
        ("for a script", "imgverify -q app.tar && echo whole"),
    ],
    sections: &[(
        "FINDINGS",
        &[
            (
                "digest-mismatch, size-mismatch",
                "error: a blob is not the bytes it is named by, or not as many",
            ),
            (
                "diff-id-mismatch",
                "error: a layer unpacks to something else than the config says",
            ),
            (
                "blob-absent, member-absent",
                "error: something is named that is not there",
            ),
            (
                "layer-count",
                "error: manifest and config differ in how many layers there are",
            ),
            (
                "tar, compression, truncated, limit, unreadable, damaged",
                "error: bytes that cannot be a layer, only a bomb, or not read at all",
            ),
            (
                "json, schema, bad-digest, unsupported-digest",
                "error: a document or digest that cannot be understood",
            ),
            (
                "ambiguous, duplicate-name, halves-disagree",
                "error: two readers would see two different images",
            ),
            (
                "bad-link, not-a-file, climbing-path, invalid-whiteout, root-not-directory",
                "error: a name or link that no layer or archive can mean",
            ),
            (
                "media-type, platform, layout-version, config-name, bad-name",
                "warning: a description that does not fit what it describes",
            ),
            (
                "names-disagree, halves-differ, repositories-disagree, history-layers",
                "warning: descriptions of one thing that differ",
            ),
            (
                "duplicate-member, repeated-entry, trailing-data, gzip-padding",
                "warning: bytes that some readers take and others do not",
            ),
            (
                "size-on-link, unknown-type, duplicate-extension, conflicting-names, empty-name, nul-in-name, missing-end-marker, missing-padding",
                "warning: tar headers that programs read differently",
            ),
            (
                "sparse, external, unreferenced-blob, unknown-member, no-digests, schema1, encrypted, absolute-path, global-pax, one-end-block",
                "note: worth knowing, and no damage",
            ),
        ],
    )],
    see_also: &["imgls", "imginspect", "imghistory"],
};

/// Check that archives are whole and are what they claim to be
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    /// The archives, layouts and folders
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<ImageArg>,
    /// Print nothing: the exit status says it
    #[arg(short, long)]
    quiet: bool,
    /// Print findings and summaries as JSON, one per line
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    #[command(flatten)]
    common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let mut verdict = Verdict::Yes;
        for path in &args.paths {
            match verify(args, path, io) {
                Ok((archive, report)) => {
                    if !report.is_sound() {
                        verdict = Verdict::No;
                    }
                    if !args.quiet {
                        print(args, &archive.0, &archive.1, &report, io)?;
                    }
                }
                Err(error) => io.fail(&error),
            }
        }
        Ok(verdict)
    })
}

fn verify(args: &Args, path: &ImageArg, io: &Io) -> Result<((String, String), VerifyReport)> {
    let meter = Meter::default();
    let opening = io.progress(path.text(), None, &meter, args.quiet);
    let opened = path.open(&args.common, &meter)?;
    drop(opening);
    let archive = &opened.archive;
    let meter = Meter::default();
    let total = verify::workload(archive);
    let _progress = io.progress(path.text(), Some(total), &meter, args.quiet);
    let report =
        verify::verify(archive, &Limits::default(), &meter).at(|| archive.place.clone())?;
    Ok(((path.text().to_owned(), archive.shape.to_string()), report))
}

fn count(report: &VerifyReport, severity: Severity) -> usize {
    report
        .findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .count()
}

fn print(args: &Args, place: &str, shape: &str, report: &VerifyReport, io: &mut Io) -> Result<()> {
    if args.json {
        for finding in &report.findings {
            io.line(&json::line(&finding_json(place, finding))?)?;
        }
        return io.line(&json::line(&json!({
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
        }))?);
    }
    let shown = imgkit::escape::text(place).into_owned();
    for finding in &report.findings {
        let severity = paint(finding.severity, io.color());
        io.line(&format!(
            "{severity}: {shown}: {finding} [{}]",
            finding.code
        ))?;
    }
    let verdict = if report.is_sound() {
        "sound"
    } else {
        "damaged"
    };
    let sparse = if report.sparse { ", sparse" } else { "" };
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    io.line(&format!(
        "{shown}: {verdict}{sparse}: {shape}, {}, {}, {} read",
        plural(report.images, "image"),
        plural(report.layers, "layer"),
        human::size(report.bytes),
    ))
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
        "Message": finding.message,
    })
}
