//! Custody records: written, and compared with an input.

use std::path::Path;

use serde_json::{Value, json};

use super::args::Args;
use super::custody;
use super::output::{Out, Verified};
use super::verify::verify;
use crate::archive::{Archive, Open};
use crate::blob::{InputDigests, Meter, StreamDigester, write_atomically};
use crate::cli::{self, ImageArg, Io, Verdict};
use crate::error::{At, During, Error, Result};
use crate::layer::Limits;
use crate::render::json;

/// Verifies one whole input and writes its custody record, for every verdict.
pub fn record(
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

/// Writes the custody record of an input, for every verdict.
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
        "Program": {"Name": "imgverify", "Version": env!("CARGO_PKG_VERSION")},
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

/// Size and digests of an input: counted while it was read if it was a stream, else by reading it now.
fn input(
    path: &ImageArg,
    archive: Option<&Archive>,
    tap: &StreamDigester,
    limits: &Limits,
) -> Result<custody::Input> {
    if let Some(directory) = archive
        .map(|archive| custody::Input::of_directory(archive, limits))
        .transpose()?
        .flatten()
    {
        return Ok(directory);
    }
    if let Some(seen) = tap.digests() {
        return Ok(custody::Input::Bytes(seen));
    }
    let Some(file) = path.input_path()? else {
        let why = "unsupported: custody record of an image in the store (name a file, a directory or a stream)";
        return Err(Error::usage(why));
    };
    let seen = std::fs::File::open(file).during("open");
    let seen = seen.and_then(InputDigests::of);
    Ok(custody::Input::Bytes(seen.at(|| path.text().to_owned())?))
}

/// Compares inputs with a custody record.
pub fn check_custody(args: &Args, record: &Path, io: &mut Io) -> Result<Verdict> {
    let place = || record.to_string_lossy().into_owned();
    let bytes = cli::option_file(record)?;
    let stated =
        crate::spec::json::parse(&bytes, &crate::limits::JsonLimits::default()).at(place)?;
    let Some(stated) = stated.get("Input").filter(|input| input.is_object()) else {
        return Err(Error::usage("not a record of custody: it has no Input")).at(place);
    };
    let stated = custody::identity(stated);
    let mut verdict = Verdict::Yes;
    if args.images.is_empty() {
        return Err(Error::usage("--check-custody needs an IMAGE"));
    }
    for path in &args.images {
        let is_directory = path.input_path()?.is_some_and(|path| path.is_dir());
        let limits = args.limits();
        let open = Open {
            limits,
            examine: true,
            ..Open::default()
        };
        // A name that picks one image has to exist, although the whole input is compared.
        let is_picked = path.input_path()?.is_some() && path.whole_path().is_none();
        let archive = match is_directory || is_picked {
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
