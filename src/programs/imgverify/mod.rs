//! imgverify: check that archives are whole and are what they claim to be.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::archive::{Archive, Open, Pick};
use crate::blob::{InputDigests, Meter, StreamDigester, write_atomically};
use crate::cli::{
    self, Coloring, Common, ImageArg, Io, Opened, Openings, Page, Takes, Uses, Verdict, no_effect,
};
use crate::error::{At, Error, Fault, Result};
use crate::layer::Limits;
use crate::render::{human, json};
use crate::verify::{self, Finding, Severity, VerifyReport, custody};
use serde_json::{Value, json};

const PAGE: Page = Page {
    name: "imgverify",
    uses: Uses::ALL,
    text: include_str!("page.md"),
};

/// Check that archives are whole and are what they claim to be
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    /// Archives, layouts, directories of them, and images in them (default: the local store)
    #[arg(value_name = "IMAGE")]
    images: Vec<ImageArg>,
    /// Print nothing: the exit status says it
    #[arg(short, long)]
    quiet: bool,
    /// text, or json: findings and summaries, one per line
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text", hide_default_value = true)]
    format: String,
    /// Short for --format json
    #[arg(long, conflicts_with_all = ["quiet", "format"])]
    json: bool,
    /// Unpack a layer or archive to at most RATIO times its stored size (1000); 0 for no limit
    ///
    /// The first 100 MiB do not count. What reaches the limit could not be verified, which is exit status 2.
    #[arg(long, value_name = "RATIO")]
    max_expansion: Option<u64>,
    /// Unpack a layer or archive to at most BYTES (64 GiB); 0 for no limit
    ///
    /// The same as --limit layer-size, which counts where both are given; as --limit ratio does before --max-expansion.
    #[arg(long, value_name = "BYTES")]
    max_size: Option<u64>,
    /// Write a record of the input and of all that was found to FILE, as JSON; - is standard output
    ///
    /// It is written whatever the verdict is, and the whole input is verified. See CUSTODY.
    #[arg(long, value_name = "FILE")]
    custody: Option<PathBuf>,
    /// Only say whether IMAGE still is what a record in FILE speaks of, byte for byte
    #[arg(long, value_name = "FILE", conflicts_with_all = ["custody", "json", "format", "max_expansion", "max_size"])]
    check_custody: Option<PathBuf>,
    #[command(flatten)]
    _coloring: Coloring,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// Tests if JSON is to be printed, by either option.
    fn is_json(&self) -> bool {
        self.json || self.format == "json"
    }

    /// Refuses options that do nothing beside others.
    fn check(&self) -> Result<()> {
        let json = ("--format json", self.is_json());
        if self.quiet {
            no_effect("with --quiet", &[json])?;
        }
        if self.custody.as_deref() == Some(Path::new("-")) {
            no_effect("with --custody -, which has standard output", &[json])?;
        }
        let platform = ("--platform", self.common.platform.is_some());
        match self.custody.is_some() || self.check_custody.is_some() {
            true => no_effect("on a record, which is of a whole input", &[platform]),
            false => Ok(()),
        }
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        let given = |value: Option<u64>, limit: &mut u64| match value {
            None => {}
            Some(0) => *limit = u64::MAX,
            Some(value) => *limit = value,
        };
        given(self.max_expansion, &mut limits.decode.ratio);
        given(self.max_size, &mut limits.decode.size);
        // The error that meets one of them says what to type of --limit, so that one counts.
        self.common.move_limits(&mut limits);
        limits.trace = verify::TRACE;
        limits
    }

    fn open(&self, meter: &Meter) -> Open {
        Open {
            limits: self.limits(),
            meter: meter.clone(),
            examine: true,
            ..Open::default()
        }
    }
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        args.check()?;
        if let Some(record) = &args.check_custody {
            return check_custody(args, record, io);
        }
        if args.custody.is_some() && args.images.len() != 1 {
            let why = "--custody is a record of one input: name one IMAGE";
            return Err(Fault::Usage(why.into()).into());
        }
        let to_stdout = args.custody.as_deref() == Some(Path::new("-"));
        let mut out = Out {
            args,
            silent: args.quiet || to_stdout,
            verdict: Verdict::Yes,
        };
        if args.images.is_empty() {
            verify_store(args, &mut out, io)?;
        }
        let mut openings = Openings::of(&args.images);
        for image in &args.images {
            if let Some(file) = &args.custody {
                record(args, image, file, &mut out, io)?;
                continue;
            }
            let meter = Meter::default();
            let opening = io.progress(image.text(), None, &meter, args.quiet);
            let open = args.open(&meter);
            let directory = image.folder_to_search();
            let mut each = openings.each(image, &args.common, open, Takes::Several);
            let mut next = each.next();
            drop(opening);
            while let Some(opened) = next {
                let text = match (&directory, &opened) {
                    (Some(_), Ok(opened)) => opened.archive.place.clone(),
                    _ => image.text().to_owned(),
                };
                let verified = opened
                    .and_then(|opened| meant(args, opened))
                    .map(|archive| verify(args, &text, archive, meter.done(), io));
                out.verified(&text, &verified, io)?;
                next = each.next();
            }
        }
        Ok(out.verdict)
    })
}

/// Verifies the local store as a whole.
fn verify_store(args: &Args, out: &mut Out<'_>, io: &mut Io) -> Result<()> {
    // So that no blob goes while it is read.
    let _held = cli::store(&args.common)?.hold();
    let path = cli::store_path(&args.common)?;
    let text = path.to_string_lossy().into_owned();
    let verified = match cli::open_store(&args.common, &args.open(&Meter::default()))? {
        Some(archive) => {
            meant(args, Opened::whole(archive)).map(|archive| verify(args, &text, archive, 0, io))
        }
        // An empty answer would pass for a sound store.
        None => {
            let missing = std::fs::metadata(&path).err();
            let missing = missing.unwrap_or_else(|| std::io::ErrorKind::NotFound.into());
            Err(Error::io("open", missing).at(text.clone()))
        }
    };
    out.verified(&text, &verified, io)
}

/// What is verified of what was opened: all of it, or the images that are meant.
fn meant(args: &Args, opened: Opened) -> Result<Arc<Archive>> {
    let platform = args.common.platform.as_ref();
    match (&opened.pick, platform) {
        (Pick::Only, None) => Ok(opened.archive),
        _ => opened.part(platform).map(Arc::new),
    }
}

/// Verifies an archive; `streamed` are the bytes that have gone by.
fn verify(
    args: &Args,
    text: &str,
    archive: Arc<Archive>,
    streamed: u64,
    io: &Io,
) -> (Arc<Archive>, VerifyReport) {
    let meter = Meter::default();
    let total = verify::workload(&archive);
    let _progress = io.progress(text, Some(total), &meter, args.quiet);
    let mut report = verify::verify(&archive, &args.limits(), &meter);
    if archive.container.fault().is_some() {
        // What was hashed as it went by, though what names it was cut off.
        report.bytes = report.bytes.max(streamed);
    }
    for error in &mut report.trouble {
        *error = error.clone().at(archive.place.clone());
    }
    (archive, report)
}

type Verified = Result<(Arc<Archive>, VerifyReport)>;

/// Verifies one whole input and writes a record of it, whatever was found.
fn record(
    args: &Args,
    image: &ImageArg,
    file: &Path,
    out: &mut Out<'_>,
    io: &mut Io,
) -> Result<()> {
    let tap = StreamDigester::default();
    let meter = Meter::default();
    let opening = io.progress(image.text(), None, &meter, args.quiet);
    let open = Open {
        tap: Some(tap.clone()),
        ..args.open(&meter)
    };
    let opened = image.open_by(&args.common, open);
    drop(opening);
    let whole = opened.and_then(|opened| opened.roots().map(|_| ()).map(|()| opened.archive));
    let verified = whole.map(|archive| verify(args, image.text(), archive, meter.done(), io));
    custody(args, image, &tap, &verified, file, io)?;
    out.verified(image.text(), &verified, io)
}

/// Writes the record of an input, whatever was found.
fn custody(
    args: &Args,
    path: &ImageArg,
    tap: &StreamDigester,
    verified: &Verified,
    file: &Path,
    io: &mut Io,
) -> Result<()> {
    let limits = args.limits();
    let archive = verified.as_ref().ok().map(|(archive, _)| &**archive);
    let input = input(path, archive, tap, &limits)?;
    let mut record = json!({
        "CustodyVersion": custody::VERSION,
        "Program": {"Name": PAGE.name, "Version": env!("CARGO_PKG_VERSION")},
        "Time": cli::now().rfc3339(),
        "Input": input.value(path.text()),
        "Limits": custody::limits(&limits),
    });
    let found = match verified {
        Ok((archive, report)) => custody::report(archive, report, &limits),
        Err(error) => json!({"Verdict": "not verified", "Trouble": [error.to_string()]}),
    };
    if let (Some(record), Value::Object(found)) = (record.as_object_mut(), found) {
        record.extend(found);
    }
    let text = format!("{}\n", json::pretty(&record));
    match file == Path::new("-") {
        true => io.line(text.trim_end()),
        false => write_atomically(file, text.as_bytes()),
    }
}

/// Size and digests of an input: as it went by if it was a stream, else by reading it.
fn input(
    path: &ImageArg,
    archive: Option<&Archive>,
    tap: &StreamDigester,
    limits: &Limits,
) -> Result<custody::Input> {
    if let Some(folder) = archive
        .map(|archive| custody::Input::of_folder(archive, limits))
        .transpose()?
        .flatten()
    {
        return Ok(folder);
    }
    if let Some(seen) = tap.digests() {
        return Ok(custody::Input::Bytes(seen));
    }
    let Some(file) = path.input_path()? else {
        let why = "a record is of a file, a folder or a stream, and not of what is in the store";
        return Err(Fault::Usage(why.into()).into());
    };
    let seen = std::fs::File::open(file).map_err(|error| Error::io("open", error));
    let seen = seen.and_then(InputDigests::of);
    Ok(custody::Input::Bytes(seen.at(|| path.text().to_owned())?))
}

/// Is this what a record speaks of?
fn check_custody(args: &Args, record: &Path, io: &mut Io) -> Result<Verdict> {
    let place = || record.to_string_lossy().into_owned();
    let bytes = cli::option_file(record)?;
    let stated =
        crate::spec::json::parse(&bytes, &crate::limits::JsonLimits::default()).at(place)?;
    let Some(stated) = stated.get("Input").filter(|input| input.is_object()) else {
        let why = "not a record of custody: it has no Input";
        return Err(Error::from(Fault::Usage(why.into()))).at(place);
    };
    let stated = custody::identity(stated);
    let mut verdict = Verdict::Yes;
    if args.images.is_empty() {
        let why = "--check-custody compares what is named: name an IMAGE";
        return Err(Fault::Usage(why.into()).into());
    }
    for path in &args.images {
        let is_folder = path.input_path()?.is_some_and(|path| path.is_dir());
        let limits = args.limits();
        let open = Open {
            limits,
            examine: true,
            ..Open::default()
        };
        // A name that picks one image has to be there; what is compared is the whole input all the same.
        let is_picked = path.input_path()?.is_some() && path.whole_path().is_none();
        let archive = match is_folder || is_picked {
            true => {
                let opened = path.open_by(&args.common, open)?;
                opened.roots()?;
                Some(opened.archive)
            }
            false => None,
        };
        let found = input(
            path,
            archive.as_deref(),
            &StreamDigester::default(),
            &limits,
        )?;
        let found = custody::identity(&found.value(path.text()));
        let shown = crate::escape::text(path.text()).into_owned();
        let digest = |input: &Value| {
            let digest = input
                .get("SHA256")
                .and_then(Value::as_str)
                .unwrap_or("nothing");
            let size = input
                .get("Size")
                .and_then(Value::as_u64)
                .unwrap_or_default();
            crate::escape::text(&format!("{digest}, {size} bytes")).into_owned()
        };
        let line = match found == stated {
            true => format!("{shown}: unchanged: {}", digest(&found)),
            false => {
                verdict = Verdict::No;
                let (expected, found) = (digest(&stated), digest(&found));
                format!("{shown}: not what was recorded: expected {expected}, found {found}")
            }
        };
        if !args.quiet {
            io.line(&line)?;
        }
    }
    Ok(verdict)
}

/// Standard output, until nobody reads it any more: what is found counts all the same.
struct Out<'a> {
    args: &'a Args,
    silent: bool,
    /// No as soon as something is damaged.
    verdict: Verdict,
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

    /// Prints what was found out about one archive.
    fn verified(&mut self, text: &str, verified: &Verified, io: &mut Io) -> Result<()> {
        match verified {
            Ok((archive, report)) => {
                if report.is_damaged() {
                    self.verdict = Verdict::No;
                }
                self.report(text, &archive.format.to_string(), report, io)
            }
            Err(error) => self.error(text, error, io),
        }
    }

    /// Something that could not be verified.
    fn error(&mut self, place: &str, error: &Error, io: &mut Io) -> Result<()> {
        if self.args.is_json() {
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
            if args.is_json() {
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
        let line = if args.is_json() {
            json::line(&summary_json(place, shape, report))?
        } else {
            summary(&shown, shape, report)
        };
        self.line(&line, io)
    }
}

/// How many of the first findings are notes of one layer: on the layer as a whole, not on one of its entries.
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
