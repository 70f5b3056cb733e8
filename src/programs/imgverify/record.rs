//! Custody records: written, and compared with an input.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::args::Args;
use super::chain;
use super::custody;
use super::output::Out;
use super::verify::verify;
use crate::archive::{Archive, Open};
use crate::blob::{InputDigests, Meter};
use crate::cli::{self, ImageArg, Input, Io, State, Verdict};
use crate::error::{At, During, Error, Result};
use crate::layer::Limits;

/// Verifies one whole input and writes its custody record, for every verdict.
pub fn record(args: &Args, image: &ImageArg, out: &mut Out<'_>, io: &mut Io) -> Result<()> {
    let Some(begun) = args.record.begin(&[image])? else {
        return Ok(());
    };
    let meter = Meter::default();
    let opening = io.progress(image.text(), None, &meter, args.quiet);
    let open = Open {
        tap: Some(begun.tap.clone()),
        ..args.open(&meter)
    };
    let opened = image.open_by(&args.common, open);
    drop(opening);
    let whole = opened.and_then(|opened| opened.roots().map(|_| ()).map(|()| opened.archive));
    let verified = whole.map(|archive| verify(args, image.text(), archive, meter.done(), io));
    let limits = args.limits();
    let archive = verified.as_ref().ok().map(|(archive, _)| &**archive);
    let directory = archive.map(|archive| Input::of_directory(archive, &limits));
    let directory = directory.transpose()?.flatten();
    let found = match &verified {
        Ok((archive, report)) => custody::report(archive, report, &limits),
        Err(error) => json!({"Verdict": "not verified", "Trouble": [error.to_string()]}),
    };
    let mut keys = Map::new();
    keys.insert("Limits".to_owned(), custody::limits(&limits));
    if let Value::Object(found) = found {
        keys.extend(found);
    }
    let input = directory.map(|directory| directory.value(image.text()));
    begun.finish(io, input, &[], keys)?;
    out.verified(image.text(), &verified, io)
}

/// Size and digests of an input, which is read for it.
fn input(path: &ImageArg, archive: Option<&Archive>, limits: &Limits) -> Result<Input> {
    let directory = archive.map(|archive| Input::of_directory(archive, limits));
    if let Some(directory) = directory.transpose()?.flatten() {
        return Ok(directory);
    }
    let Some(file) = path.input_path()? else {
        let why = "unsupported: custody record of an image in the store (name a file, a directory or a stream)";
        return Err(Error::usage(why));
    };
    if file.is_dir() || file.is_file() {
        let state = State::of(&file)?;
        return Ok(state.map_or(Input::Directory(Vec::new()), |state| state.input));
    }
    let seen = std::fs::File::open(file).during("open");
    let seen = seen.and_then(InputDigests::of);
    Ok(Input::Bytes(seen.at(|| path.text().to_owned())?))
}

/// Compares inputs with a custody record.
pub fn check_custody(args: &Args, record: &Path, io: &mut Io) -> Result<Verdict> {
    let place = || record.to_string_lossy().into_owned();
    let bytes = cli::option_file(record)?;
    let whole =
        crate::spec::json::parse(&bytes, &crate::limits::JsonLimits::default()).at(place)?;
    let Some(stated) = whole.get("Input").filter(|input| input.is_object()) else {
        return Err(Error::usage("not a record of custody: it has no Input")).at(place);
    };
    let stated = cli::identity(stated);
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
        // A name that picks one image has to exist, although the whole input is compared; a directory of archives is none.
        let is_directory = is_directory && path.directory_to_search().is_none();
        let is_picked = path.input_path()?.is_some() && path.whole_path().is_none();
        let archive = match is_directory || is_picked {
            true => {
                let opened = path.open_by(&args.common, open)?;
                opened.roots()?;
                Some(opened.archive)
            }
            false => None,
        };
        let found = input(path, archive.as_deref(), &limits)?;
        let found = cli::identity(&found.value(path.text()));
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
    match chain::walk(args, record, &whole, io)? {
        true => Ok(verdict),
        false => Ok(Verdict::No),
    }
}
