//! imgverify: check that archives are whole and are what they claim to be.

use std::process::ExitCode;

use imgkit::archive::Open;
use imgkit::blob::Meter;
use imgkit::cli::{self, Common, ImageArg, Io, Page, Verdict};
use imgkit::error::{Error, Result};
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
         that is reported and is no damage as long as one image of the same index is whole. A layer that its manifest \
         allows to be elsewhere is reported too.",
        "The whole input is verified, also where a name, position or digest picks one image of it; what is picked has \
         to be there.",
    ],
    output: &[
        "A line on standard output for each finding: severity, archive, place, what is wrong, and its code in \
         brackets. Then a line for each archive: sound or damaged, and what was read. With -q nothing is printed. \
         With --json one object per line, first the findings, then one of Type summary for each archive:",
    ],
    keys: &[
        (
            "Type",
            "finding, summary, or error: something could not be verified, with Archive and Message",
        ),
        ("Archive", "the input, as it was named"),
        ("Severity, Code", "of a finding; see FINDINGS"),
        ("Places", "where, outermost first; texts as they are"),
        ("Message", "what was expected and what was found"),
        (
            "Sound, Sparse",
            "of a summary: whether everything was verified and there is no damage; whether manifests are named that are absent",
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
        (
            "2",
            "an archive or a part of one could not be read or verified, or bad usage",
        ),
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
                "tar, compression, truncated, damaged",
                "error: bytes that cannot be a layer, or stop too early",
            ),
            (
                "json, schema, bad-digest, unsupported-digest",
                "error: a document or digest that cannot be understood or checked",
            ),
            (
                "ambiguous, duplicate-name, halves-disagree",
                "error: two readers would see two different images (a warning for one name on several stated platforms)",
            ),
            (
                "bad-link, not-a-file, climbing-path, invalid-whiteout, root-not-directory",
                "error: a name or link that no layer or archive can mean",
            ),
            (
                "toc-mismatch, toc-damaged",
                "error: the table of contents of a zstd:chunked layer, or its tar-split, says otherwise than the tar, or cannot be read; the tar is what counts here, but who fetches layers in parts believes the table (not compared in one pass over a pipe)",
            ),
            (
                "media-type, platform, layout-version, config-name, bad-name, no-diff-ids",
                "warning: a description that does not fit what it describes",
            ),
            (
                "names-disagree, halves-differ, half-missing, no-images, repositories-disagree, history-layers",
                "warning: descriptions of one thing that differ or are not there",
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
                "sparse, external, unreferenced-blob, unknown-member, no-digests, schema1, encrypted, document, absolute-path, global-pax, one-end-block",
                "note: worth knowing, and no damage",
            ),
            (
                "not-a-tar-layer",
                "note: a layer by another type than tar; a warning where its diff ID could not be checked",
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
    /// Unpack a layer or archive to at most RATIO times its stored size (1000); 0 for no limit
    ///
    /// The first 100 MiB do not count. What reaches the limit could not be verified, which is exit status 2.
    #[arg(long, value_name = "RATIO")]
    max_expansion: Option<u64>,
    /// Unpack a layer or archive to at most BYTES (64 GiB); 0 for no limit
    #[arg(long, value_name = "BYTES")]
    max_size: Option<u64>,
    #[command(flatten)]
    common: Common,
}

impl Args {
    fn limits(&self) -> Limits {
        let mut limits = self.common.limits();
        let given = |value: Option<u64>, limit: &mut u64| match value {
            None => {}
            Some(0) => *limit = u64::MAX,
            Some(value) => *limit = value,
        };
        given(self.max_expansion, &mut limits.decode.ratio);
        given(self.max_size, &mut limits.decode.size);
        limits.trace = verify::TRACE;
        limits
    }
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let mut verdict = Verdict::Yes;
        let mut out = Out {
            args,
            silent: args.quiet,
        };
        for path in &args.paths {
            match verify(args, path, io) {
                Ok((shape, report)) => {
                    if report.is_damaged() {
                        verdict = Verdict::No;
                    }
                    out.report(path.text(), &shape, &report, io)?;
                }
                Err(error) => out.error(path.text(), &error, io)?,
            }
        }
        Ok(verdict)
    })
}

fn verify(args: &Args, path: &ImageArg, io: &Io) -> Result<(String, VerifyReport)> {
    let limits = args.limits();
    let meter = Meter::default();
    let opening = io.progress(path.text(), None, &meter, args.quiet);
    let open = Open {
        limits,
        meter: meter.clone(),
        examine: true,
        ..Open::default()
    };
    let opened = path.open_by(&args.common, open)?;
    drop(opening);
    opened.roots()?;
    let archive = &opened.archive;
    let meter = Meter::default();
    let total = verify::workload(archive);
    let _progress = io.progress(path.text(), Some(total), &meter, args.quiet);
    let mut report = verify::verify(archive, &limits, &meter);
    for error in &mut report.trouble {
        *error = error.clone().at(archive.place.clone());
    }
    Ok((archive.shape.to_string(), report))
}

/// Standard output, until nobody reads it any more: what is found counts all the same.
struct Out<'a> {
    args: &'a Args,
    silent: bool,
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

    /// Something that could not be verified.
    fn error(&mut self, place: &str, error: &Error, io: &mut Io) -> Result<()> {
        if self.args.json {
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
        let shown = imgkit::escape::text(place).into_owned();
        for finding in &report.findings {
            let line = if args.json {
                json::line(&finding_json(place, finding))?
            } else {
                let severity = paint(finding.severity, io.color());
                format!("{severity}: {shown}: {finding} [{}]", finding.code)
            };
            self.line(&line, io)?;
        }
        for error in &report.trouble {
            self.error(place, error, io)?;
        }
        let line = if args.json {
            json::line(&summary_json(place, shape, report))?
        } else {
            summary(&shown, shape, report)
        };
        self.line(&line, io)
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
        (true, _) => "damaged",
        (false, true) => "sound",
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
