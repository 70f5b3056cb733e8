//! imgload: put the images of an archive into the local store.

mod args;
pub mod load;

use std::process::ExitCode;

use crate::Result;
use crate::archive::{Archive, Open};
use crate::blob::{Meter, PendingFile};
use crate::cli::{self, ImageArg, Io, Opened, Openings, Page, Takes, Uses, Verdict};
use crate::error::{At, Error, Fault};
use crate::layer::Limits;
use crate::render::json;
use crate::store::{Policy, Store};
use crate::verify::{self, Finding, Severity};
use args::Args;
use load::{LoadOptions, Loaded};
use serde_json::json;

const PAGE: Page = Page {
    name: "imgload",
    uses: Uses::ALL,
    text: include_str!("page.md"),
};

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let store = cli::store(&args.common)?;
        let input = args
            .archive
            .clone()
            .or(args.input.clone())
            .unwrap_or_else(ImageArg::stdin);
        let meter = Meter::default();
        let opening = io.progress(input.text(), None, &meter, args.quiet);
        let open = Open {
            limits: limits(args),
            ..Open::with(&args.common, &meter, Some(store.landing()?))
        };
        let is_directory = input.folder_to_search().is_some();
        let mut openings = Openings::of([&input]);
        let mut each = openings.each(&input, &args.common, open, Takes::One);
        let mut next = each.next();
        drop(opening);
        let mut verdict = Verdict::Yes;
        let mut ids = IdFile::default();
        while let Some(opened) = next {
            match opened.and_then(|opened| load(args, &opened, &store, &mut ids, io)) {
                Ok(loaded) => {
                    for image in &loaded {
                        if image.kept {
                            verdict = Verdict::No;
                        }
                        print(args, image, io)?;
                    }
                }
                // One archive of a directory does not hide the others.
                Err(error) if is_directory && !error.is_broken_pipe() => io.fail(&error),
                Err(error) => return Err(error),
            }
            next = each.next();
        }
        if let (Some(path), false, None) = (&args.id_file, ids.text.is_empty(), &ids.written) {
            ids.written = Some(PendingFile::new(path, ids.text.as_bytes())?);
        }
        ids.written.map_or(Ok(()), PendingFile::commit)?;
        Ok(verdict)
    })
}

/// The file for the IDs of all that is loaded: it is written with each archive, and has no name yet.
#[derive(Default)]
struct IdFile {
    text: String,
    written: Option<PendingFile>,
}

fn limits(args: &Args) -> Limits {
    let mut limits = args.common.limits();
    // Of what comes through a pipe the entries are kept, so that they can be looked at afterwards.
    limits.trace = TRACE;
    limits
}

/// Loads one archive.
fn load(
    args: &Args,
    opened: &Opened,
    store: &Store,
    id_file: &mut IdFile,
    io: &mut Io,
) -> Result<Vec<Loaded>> {
    let options = LoadOptions {
        only: args.only.clone(),
        rename: args.rename.clone(),
        policy: if args.no_clobber {
            Policy::NoClobber
        } else {
            Policy::Replace
        },
        platform: args.common.platform.clone(),
        recode: args.packing.recode(&args.common)?,
    };
    let limits = limits(args);
    let archive = &opened.archive;
    archive.check_complete()?;
    let roots = opened.roots()?;
    if roots.is_empty() {
        io.note(&format!("{}: the archive lists no image", archive.place));
    }
    if args.check {
        check(args, archive, &limits, io)?;
    }
    let meter = Meter::default();
    let progress = io.progress(&archive.place, None, &meter, args.quiet);
    let before = id_file.text.len();
    let mut losses = Vec::new();
    let mut unwritten = None;
    let loaded = load::load(archive, &roots, store, &options, &meter, |ids, lost| {
        losses = lost;
        let mut ids = ids.to_vec();
        ids.dedup();
        let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let text = format!("{}{lines}", id_file.text);
        let path = args.id_file.as_deref();
        let written = path.map(|path| PendingFile::new(path, text.as_bytes()));
        let written = written.transpose();
        id_file.written = written.inspect_err(|error| unwritten = Some(error.clone()))?;
        id_file.text = text;
        Ok(())
    });
    drop(progress);
    if loaded.is_err() {
        // The file is to have the IDs of what is in the store.
        id_file.text.truncate(before);
        id_file.written = None;
    }
    if let Some(error) = unwritten {
        return Err(error);
    }
    let (loaded, scans) = loaded.at(|| archive.place.clone())?;
    for loss in losses {
        io.warn(&format!("{}: {loss}", archive.place));
    }
    if !args.check {
        let images: Vec<usize> = roots
            .iter()
            .filter(|root| {
                args.only.is_empty() || args.only.iter().any(|name| root.matches_name(name))
            })
            .flat_map(|root| archive.images_of(root))
            .collect();
        for line in lines(archive, &verify::glance(archive, &images, &limits, &scans)) {
            io.warn(&line);
        }
    }
    Ok(loaded)
}

/// Bytes of all layers' entries that are kept of a stream.
const TRACE: u64 = 1 << 28;

/// The most findings that are shown one by one.
const SHOWN: usize = 20;

/// Refuses an archive in which imgverify finds an error, or that it cannot verify.
fn check(args: &Args, archive: &Archive, limits: &Limits, io: &Io) -> Result<()> {
    let meter = Meter::default();
    let total = verify::workload(archive);
    let progress = io.progress(&archive.place, Some(total), &meter, args.quiet);
    let report = verify::verify(archive, limits, &meter);
    drop(progress);
    if let Some(error) = report.trouble.first() {
        return Err(error.clone().at(archive.place.clone()));
    }
    let errors = report.findings.into_iter();
    let errors: Vec<Finding> = errors
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    for line in lines(archive, &errors) {
        io.note(&format!("error: {line}"));
    }
    match errors.len() {
        0 => Ok(()),
        found => Err(Error::new(Fault::Unsound { found }).at(archive.place.clone())),
    }
}

/// The findings as lines, the first ones.
fn lines(archive: &Archive, findings: &[Finding]) -> Vec<String> {
    let place = crate::escape::text(&archive.place);
    let shown = findings.iter().take(SHOWN);
    let mut lines: Vec<String> = shown
        .map(|finding| format!("{place}: {finding} [{}]", finding.code))
        .collect();
    if let more @ 1.. = findings.len().saturating_sub(SHOWN) {
        lines.push(format!(
            "{place}: and {more} more errors; imgverify lists them"
        ));
    }
    lines
}

fn print(args: &Args, image: &Loaded, io: &mut Io) -> Result<()> {
    let name = image.name.as_ref().map(ToString::to_string);
    if args.format == "json" {
        return io.line(&json::line(&json!({
            "Name": name,
            "ID": image.id,
            "Digest": image.digest,
            "Replaced": image.replaced,
            "ReplacedID": image.replaced_id,
            "Kept": image.kept,
        }))?);
    }
    let shown = name.as_deref().map(crate::escape::text);
    match (shown, image.kept) {
        (Some(name), true) => {
            io.note(&format!("{name} stands for another image and keeps it"));
            Ok(())
        }
        (Some(name), false) => {
            if let Some(old) = &image.replaced_id {
                io.note(&format!("{name} moved from {old}"));
            }
            io.line(&format!("Loaded image: {name}"))
        }
        (None, _) => io.line(&format!("Loaded image ID: {}", image.id)),
    }
}
